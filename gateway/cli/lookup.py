"""Finds identifiers by name.

The option `(vapi.v1.resource)` of the protos declares which rpc lists the resources of a type with their names.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

import click
from google.protobuf.descriptor import FieldDescriptor

from gateway.cli.failure import CallError
from gateway.cli.output import echo, listed
from gateway.cli.target import Connection
from gateway.contract import Contract, Method, Rest, Streaming
from gateway.contract.contract import enum_value_name, map_value

__all__ = ["Lookup"]

_SECONDS = 30.0
_MAX_SHOWN = 10
_NO_LOOKUP = frozenset({"PERMISSION_DENIED", "UNIMPLEMENTED"})
"""Callers who may not list resources can still name them by their identifiers."""


@dataclass(frozen=True, slots=True)
class _Listing:
    """The rpc that lists resources of one type."""

    method: Method
    items: FieldDescriptor
    identifier: FieldDescriptor
    filters: tuple[str, ...]
    """Fields of the request that filter by name and by identifier; one empty text if the request does not have both."""


@dataclass(frozen=True, slots=True)
class _Thing:
    identifier: str
    name: str
    item: Any

    @property
    def shown(self) -> str:
        """Name and identifier, and what else distinguishes it from others with that name."""
        more = [
            enum_value_name(field.enum_type, value)
            for field, value in self.item.ListFields()
            if field.enum_type is not None and not field.is_repeated
        ]
        return f"{self.identifier} ({', '.join([self.name, *more])})"


class Lookup:
    """Finds identifiers by name, over one connection. Results are remembered."""

    def __init__(self, connection: Connection, contract: Contract, seconds: float = _SECONDS) -> None:
        self._connection, self._contract, self._seconds = connection, contract, seconds
        self._found: dict[tuple[str, frozenset[str]], str] = {}

    def identifier(self, text: str, types: frozenset[str], flag: str) -> str:
        """The identifier of the one resource of a type that has this name, or this identifier.

        Raises click.UsageError if none or several match, and CallError. A text that cannot be looked up is used as an
        identifier: if no rpc lists the type, or the caller may not list it.
        """
        key = (text, types)
        if key not in self._found:
            self._found[key] = self._look_up(text, types, flag)
        return self._found[key]

    def names(self, types: frozenset[str]) -> list[str]:
        """The names of all resources of a type that the caller can see. Raises CallError."""
        return [thing.name for listing in self._listings(types) for thing in self._list(listing)]

    def _look_up(self, text: str, types: frozenset[str], flag: str) -> str:
        listings = self._listings(types)
        if not listings:
            return text
        things: dict[str, _Thing] = {}
        denied = ""
        for listing in listings:
            for filter_by in listing.filters:
                try:
                    found = self._list(listing, filter_by, text)
                except CallError as error:
                    if error.code not in _NO_LOOKUP:
                        raise
                    denied = error.code
                    continue
                things |= {thing.identifier: thing for thing in found if text in (thing.name, thing.identifier)}
        if denied and not things:
            echo(f"{flag}: names cannot be looked up ({denied}), so {text!r} is taken as an identifier", err=True)
            return text
        if len(things) == 1:
            return next(iter(things))
        what = " or ".join(sorted(name.rpartition(".")[2] for name in types))
        if things:
            shown = listed([thing.shown for thing in things.values()], _MAX_SHOWN)
            raise click.UsageError(f"{flag}: {text!r} is the name of several: {shown}; give the identifier")
        raise click.UsageError(
            f"{flag}: there is no {what} with the name or the identifier {text!r}{self._like(text, listings)}"
        )

    def _like(self, text: str, listings: list[_Listing]) -> str:
        try:
            things = [thing for listing in listings for thing in self._list(listing)]
        except CallError:
            return ""
        by_name = {thing.name: thing for thing in things}
        close = difflib.get_close_matches(text, by_name, n=3, cutoff=0.6)
        if close:
            return f"; did you mean {' or '.join(by_name[name].shown for name in close)}?"
        return f"; there are {listed([thing.shown for thing in things], _MAX_SHOWN)}" if things else "; there are none"

    def _list(self, listing: _Listing, filter_by: str = "", text: str = "") -> list[_Thing]:
        request: Any = self._contract.message_class(listing.method.input_type)()
        if filter_by:
            getattr(request, filter_by).append(text)
        try:
            answers = [answer.message for answer in self._connection(listing.method, [request], self._seconds)]
        except CallError as error:
            if error.code == "NOT_FOUND":
                return []
            raise
        items = getattr(answers[0], listing.items.name)
        return [_Thing(getattr(item, listing.identifier.name), item.name, item) for item in items]

    def _listings(self, types: frozenset[str]) -> list[_Listing]:
        listings = (_listing(method, self._contract) for method in self._contract.methods.values())
        return [
            listing
            for listing in listings
            if listing is not None and self._contract.identifiers[listing.identifier.full_name].types <= types
        ]


def _listing(method: Method, contract: Contract) -> _Listing | None:
    """What an rpc lists, None if the request needs other fields, or if the listed items have no names."""
    if not (isinstance(method.backing, Rest) and method.is_read_only and method.streaming is Streaming.UNARY):
        return None
    lists = [field for field in method.output_type.fields if field.is_repeated and field.message_type is not None]
    if len(lists) != 1 or contract.required(method.input_type) or method.rule.variables:
        return None
    item: Any = lists[0].message_type
    named = item.fields_by_name.get("name")
    if map_value(lists[0]) is not None or named is None or named.type != FieldDescriptor.TYPE_STRING:
        return None
    own = next((field for field in item.fields if field.full_name in contract.identifiers), None)
    if own is None or own.is_repeated or len(types := contract.identifiers[own.full_name].types) != 1:
        return None
    filters = {field.name: field for field in method.input_type.fields if field.is_repeated}
    by_identifier = [
        name
        for name, field in filters.items()
        if (told := contract.identifiers.get(field.full_name)) is not None and told.types == types
    ]
    return _Listing(
        method, lists[0], own, ("names", by_identifier[0]) if "names" in filters and by_identifier else ("",)
    )
