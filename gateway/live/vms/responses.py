"""The messages of `WatchVms` and `StreamVms`, assembled from the serialized fields of machines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeVar

from gateway.contract import Contract
from gateway.live.vms.fields import VmFields
from gateway.live.vms.machine import Machine
from gateway.live.vms.selection import Selection
from gateway.live.wire import blob, text

__all__ = ["VmResponses"]

T = TypeVar("T")

_PACKAGE = "vcenter.gateway.v1"
_PAGE = 200
"""Maximum number of machines in one message."""


class VmResponses:
    """Serialized messages. Fields can be appended to a serialized message, which is how it gets its resume token."""

    def __init__(self, contract: Contract, fields: VmFields) -> None:
        self.fields = fields

        def numbers(message: str) -> Mapping[str, int]:
            return {field.name: field.number for field in contract.messages[f"{_PACKAGE}.{message}"].fields}

        self._watch = numbers("WatchVmsResponse")
        self._stream = numbers("StreamVmsResponse")
        self._page = numbers("VmPage")["vms"]
        self._removals = numbers("VmRemovals")["vms"]
        self._changes = numbers("VmChanges")["changes"]
        change = numbers("VmChange")
        self._change_vm, self._change_mask = change["vm"], change["changed"]

    def token(self, token: str) -> bytes:
        """The bytes that, appended to a message, let the client resume the stream after it."""
        return text(self._watch["resume_token"], token)

    def added(self, machines: Iterable[Machine], fields: int) -> Iterator[bytes]:
        """Messages of WatchVms with whole machines."""
        for page in _pages(list(machines)):
            yield blob(self._watch["added"], self._machines(page, fields))

    def page(self, machines: Sequence[Machine], fields: int) -> bytes:
        """A message of StreamVms."""
        return blob(self._stream["page"], self._machines(machines, fields))

    def difference(
        self,
        befores: Mapping[str, Machine | None],
        machines: Mapping[str, Machine],
        known: Selection,
        wanted: Selection,
        fields: int,
    ) -> Sequence[bytes]:
        """Messages of WatchVms for a watcher that knows the machines in their previous states, selected by `known`:
        what is removed, added and changed for it."""
        removed: list[bytes] = []
        added: list[Machine] = []
        changed: list[bytes] = []
        for vm, before in befores.items():
            after = machines.get(vm)
            is_known = known.matches(before)
            if after is None or not wanted.matches(after):
                if is_known:
                    removed.append(text(self._removals, vm))
            elif before is None or not is_known:
                added.append(after)
            elif different := self.fields.changed(before.parts, after.parts) & fields:
                state = blob(self._change_vm, self.fields.select(after.parts, different | 1))
                mask = blob(self._change_mask, self.fields.mask(different))
                changed.append(blob(self._changes, state + mask))
        return [
            *(blob(self._watch["removed"], b"".join(page)) for page in _pages(removed)),
            *self.added(added, fields),
            *(blob(self._watch["changed"], b"".join(page)) for page in _pages(changed)),
        ]

    def concerns(
        self,
        befores: Mapping[str, Machine | None],
        machines: Mapping[str, Machine],
        selection: Selection,
        fields: int,
    ) -> bool:
        """Whether these changes contain anything for watchers with this selection."""
        for vm, before in befores.items():
            after = machines.get(vm)
            was = selection.matches(before)
            if was is not selection.matches(after):
                return True
            if (
                was
                and before is not None
                and after is not None
                and self.fields.changed(before.parts, after.parts) & fields
            ):
                return True
        return False

    def _machines(self, machines: Iterable[Machine], fields: int) -> bytes:
        select = self.fields.select
        return b"".join([blob(self._page, select(machine.parts, fields)) for machine in machines])


def _pages(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _PAGE):
        yield items[start : start + _PAGE]
