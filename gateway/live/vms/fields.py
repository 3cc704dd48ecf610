"""The fields of `VmState`, by their position in the message, and sets of them as the bits of a number."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from gateway.contract import Contract
from gateway.errors import Failure, GatewayError
from gateway.live.wire import text
from gateway.transcoding.encoder import Violation

__all__ = ["VM_STATE", "VmFields"]

VM_STATE = "vcenter.gateway.v1.VmState"
_PATHS = 1
"""Number of the only field of a FieldMask."""


class VmFields:
    """A set of fields is a number. Bit 0 is the first field, the machine's identifier, which is in every set."""

    def __init__(self, contract: Contract) -> None:
        fields = contract.messages[VM_STATE].fields
        self.names: Sequence[str] = tuple(field.name for field in fields)
        self.numbers: Sequence[int] = tuple(field.number for field in fields)
        self.index = {name: index for index, name in enumerate(self.names)}
        self.all = (1 << len(self.names)) - 1
        self._places: dict[int, tuple[int, ...]] = {}
        self._masks: dict[int, bytes] = {}

    def of(self, mask: Any) -> int:
        """The set that a FieldMask names, all fields if it names none. Raises GatewayError (INVALID_ARGUMENT)."""
        if not mask.paths:
            return self.all
        unknown = sorted(set(mask.paths) - self.index.keys())
        if unknown:
            text = f"has no field of VmState in {unknown[0][:100]!r}; name the fields of the message itself"
            raise GatewayError(Failure.of_request([Violation("fields", text)]))
        return self.named(mask.paths)

    def named(self, names: Iterable[str]) -> int:
        """The set of the fields with these names."""
        found = 1
        for name in names:
            found |= 1 << self.index[name]
        return found

    def places(self, fields: int) -> tuple[int, ...]:
        """The indexes of the fields in a set."""
        found = self._places.get(fields)
        if found is None:
            found = self._places[fields] = tuple(i for i in range(len(self.names)) if fields >> i & 1)
        return found

    def mask(self, fields: int) -> bytes:
        """A serialized FieldMask."""
        found = self._masks.get(fields)
        if found is None:
            found = b"".join(text(_PATHS, self.names[index]) for index in self.places(fields))
            self._masks[fields] = found
        return found

    def select(self, parts: Sequence[bytes], fields: int) -> bytes:
        """A serialized VmState with these fields of a machine."""
        if fields == self.all:
            return b"".join(parts)
        return b"".join([parts[index] for index in self.places(fields)])

    def changed(self, before: Sequence[bytes], after: Sequence[bytes]) -> int:
        """The fields that differ between two states."""
        found = 0
        if before != after:
            for index, (old, new) in enumerate(zip(before, after, strict=True)):
                if old != new:
                    found |= 1 << index
        return found
