"""Flags for the identifiers of a request, which also accept names: `--vm web-01`.

The option `(vapi.v1.resource)` of the protos declares which fields are identifiers, and of which type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import click
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.contract import Contract, Method

__all__ = ["IdentifierField", "identifier_fields"]

_MAX_DEPTH = 4


@dataclass(frozen=True, slots=True)
class IdentifierField:
    """A field of a request that contains identifiers."""

    path: tuple[str, ...]
    types: frozenset[str]
    """Its type of resource; one of them if there are several."""
    is_repeated: bool
    flags: tuple[str, ...]

    @property
    def flag(self) -> str:
        return self.flags[0]

    def put(self, request: dict[str, Any], values: Sequence[str]) -> None:
        """Puts identifiers into a request. Raises click.UsageError if the request already has some."""
        place: Any = request
        for name in self.path[:-1]:
            place = place.setdefault(name, {})
            if not isinstance(place, dict):
                raise click.UsageError(f"{self.flag} needs an object at {name} of the request")
        if place.get(self.path[-1]) not in (None, [], ""):
            raise click.UsageError(f"{'.'.join(self.path)} is in the request already; leave out {self.flag}")
        place[self.path[-1]] = list(values) if self.is_repeated else values[0]


def identifier_fields(method: Method, contract: Contract, taken: Iterable[str] = ()) -> list[IdentifierField]:
    """The identifiers that a request can have outside its lists, each with its flags, which avoid the `taken` ones.

    The flag of a field is its path. The last part is enough if it is unambiguous, also without the `s` of a list. If
    another option has that name, the flag is the path with the prefix `request.`.
    """
    found = list(_walk(method.input_type, contract, (), frozenset()))
    ends = [path[-1] for path, _ in found]
    reserved = set(taken)
    fields = []
    for path, field in found:
        flags = ["--" + ".".join(path).replace("_", "-")]
        if len(path) == 1 or (ends.count(path[-1]) == 1 and (path[-1],) not in [other for other, _ in found]):
            flags.insert(0, "--" + path[-1].replace("_", "-"))
        if field.is_repeated and flags[0].endswith("s"):
            flags.append(flags[0].removesuffix("s"))
        flags = [flag for flag in dict.fromkeys(flags) if flag not in reserved]
        if not flags:
            flags = [f"--request.{'.'.join(path).replace('_', '-')}"]
        reserved.update(flags)
        types = contract.identifiers[field.full_name].types
        fields.append(IdentifierField(path, types, field.is_repeated, tuple(flags)))
    return fields


def _walk(
    descriptor: Descriptor, contract: Contract, path: tuple[str, ...], seen: frozenset[str]
) -> Iterator[tuple[tuple[str, ...], FieldDescriptor]]:
    if len(path) >= _MAX_DEPTH or descriptor.full_name in seen:
        return
    for field in descriptor.fields:
        here = (*path, field.name)
        if field.message_type is None:
            told = contract.identifiers.get(field.full_name)
            if told is not None and told.types:
                yield here, field
        elif not field.is_repeated:
            yield from _walk(field.message_type, contract, here, seen | {descriptor.full_name})
