"""Finds the resources that a request names, wherever they are in it.

The options `resource` and `key_resource` in the protos declare what each identifier identifies. For each message type,
the places of identifiers are compiled once, so that a request costs only those, and a request without identifiers costs
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

__all__ = ["Named", "NamedResources", "Resource", "ResourceError", "Resources"]

_DYNAMIC = frozenset({"google.protobuf.Any", "google.protobuf.Struct", "google.protobuf.Value"})
"""Messages that can contain anything. `google.protobuf.ListValue` only occurs in one of them."""


class ResourceError(Exception):
    """An option that does not fit its field."""


@dataclass(frozen=True, slots=True)
class Named:
    """A resource that a request names."""

    types: frozenset[str]
    """Its type. Several if it has one of these, none if the type is unknown."""
    identifier: str
    """Empty for an open structure, which may name anything."""
    name: str = field(default="", compare=False)
    """Name of the field whose only value it is; empty for one of several in a list or a map."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What a field's identifiers identify: a resource of one of the types, and the field that holds the type."""

    types: frozenset[str]
    type_field: str = ""


NamedResources = Callable[[Message], tuple[Named, ...]]
"""Yields the resources that a message names, as often as it names them."""

_Find = Callable[[Any, list[Named]], None]
_NOTHING_TOLD = Named(frozenset(), "")


class Resources:
    """What the fields of all messages identify, by the field's full name."""

    def __init__(self) -> None:
        self.of_values: dict[str, Resource] = {}
        self.of_keys: dict[str, Resource] = {}
        self._has: dict[str, bool] = {}
        self.types: set[str] = set()
        """All types that occur in fields."""

    def add(self, field: FieldDescriptor, types: Iterable[str], type_field: str, *, of_keys: bool = False) -> None:
        """Adds a field's option. Raises ResourceError if it does not fit the field."""
        entry = _entry(field)
        if of_keys and entry is None:
            raise ResourceError("only a map has keys")
        holder = field if entry is None else entry.fields_by_name["key" if of_keys else "value"]
        if holder.type != FieldDescriptor.TYPE_STRING:
            raise ResourceError("only a string can be an identifier")
        told = Resource(frozenset(types), type_field)
        if type_field:
            siblings = {} if field.containing_type is None else field.containing_type.fields_by_name
            by = siblings.get(type_field)
            if by is None or by.type != FieldDescriptor.TYPE_STRING or by.is_repeated:
                raise ResourceError(f"the type_field {type_field!r} is not a singular string field of the same message")
        elif not told.types:
            raise ResourceError("a resource needs types, or the field that holds the type")
        (self.of_keys if of_keys else self.of_values)[field.full_name] = told
        self.types |= told.types

    def of(self, descriptor: Descriptor) -> NamedResources:
        """The function that finds the resources in messages of a type. Compiled with the first message."""

        steps: list[_Find] | None = None

        def named(message: Message) -> tuple[Named, ...]:
            nonlocal steps
            if steps is None:
                steps = self._compile(descriptor, {})
            if not steps:
                return ()
            found: list[Named] = []
            for step in steps:
                step(message, found)
            return tuple(found)

        return named

    def _compile(self, descriptor: Descriptor, compiled: dict[str, list[_Find]]) -> list[_Find]:
        steps = compiled.get(descriptor.full_name)
        if steps is None:
            # Registered before it is filled, for recursive messages.
            steps = compiled[descriptor.full_name] = []
            steps.extend(step for field in descriptor.fields for step in self._field(field, compiled))
        return steps

    def _field(self, field: FieldDescriptor, compiled: dict[str, list[_Find]]) -> Iterator[_Find]:
        entry = _entry(field)
        if (keys := self.of_keys.get(field.full_name)) is not None:
            yield _each(field, self._types_of(keys), lambda entries: entries)
        if (told := self.of_values.get(field.full_name)) is not None:
            if entry is not None:
                yield _each(field, self._types_of(told), lambda entries: entries.values())
            elif field.is_repeated:
                yield _each(field, self._types_of(told), lambda items: items)
            else:
                yield _single(field, self._types_of(told))
        inner = field.message_type if entry is None else entry.fields_by_name["value"].message_type
        if inner is not None and self._names_any(inner):
            yield _within(field, self._message(inner, compiled))

    def _message(self, descriptor: Descriptor, compiled: dict[str, list[_Find]]) -> _Find:
        if descriptor.full_name in _DYNAMIC:
            return _dynamic
        steps = self._compile(descriptor, compiled)

        def find(message: Any, found: list[Named]) -> None:
            for step in steps:
                step(message, found)

        return find

    def _names_any(self, descriptor: Descriptor) -> bool:
        """Whether messages of a type can name resources, directly or nested."""
        if descriptor.full_name not in self._has:
            reached, todo = {descriptor.full_name: descriptor}, [descriptor]
            while todo:
                for field in todo.pop().fields:
                    inner = field.message_type
                    if inner is not None and inner.full_name not in reached:
                        reached[inner.full_name] = inner
                        todo.append(inner)
            self._has[descriptor.full_name] = any(
                name in _DYNAMIC
                or any(field.full_name in self.of_values or field.full_name in self.of_keys for field in message.fields)
                for name, message in reached.items()
            )
        return self._has[descriptor.full_name]

    def _types_of(self, resource: Resource) -> Callable[[Any], frozenset[str]]:
        """The types that an identifier can have, from the message that contains it."""
        types, by = resource.types, resource.type_field
        if not by:
            return lambda message: types
        # An unknown type is not reliable: vCenter might accept another spelling of a type that a policy limits.
        one = {name: frozenset({name}) for name in types}
        known = self.types

        def stated(message: Any) -> frozenset[str]:
            name: str = getattr(message, by)
            if types:
                return one.get(name, types)
            return frozenset({name}) if name in known else types

        return stated


def _entry(field: FieldDescriptor) -> Descriptor | None:
    """The entries of a map, None if the field is not a map."""
    entry = field.message_type
    return entry if entry is not None and entry.GetOptions().map_entry else None


def _single(field: FieldDescriptor, types_of: Callable[[Any], frozenset[str]]) -> _Find:
    name = field.name

    def find(message: Any, found: list[Named]) -> None:
        found.append(Named(types_of(message), getattr(message, name), name))

    # A field without presence is always set: an identifier in the path.
    return _if_set(name, find) if field.has_presence else find


def _each(
    field: FieldDescriptor, types_of: Callable[[Any], frozenset[str]], identifiers: Callable[[Any], Iterable[str]]
) -> _Find:
    name = field.name

    def find(message: Any, found: list[Named]) -> None:
        items = getattr(message, name)
        if items:
            types = types_of(message)
            found.extend(Named(types, identifier) for identifier in identifiers(items))

    return find


def _within(field: FieldDescriptor, inner: _Find) -> _Find:
    name = field.name
    if _entry(field) is not None:

        def find_in_values(message: Any, found: list[Named]) -> None:
            values: Mapping[Any, Any] = getattr(message, name)
            for value in values.values():
                inner(value, found)

        return find_in_values
    if field.is_repeated:

        def find_in_items(message: Any, found: list[Named]) -> None:
            for item in getattr(message, name):
                inner(item, found)

        return find_in_items

    return _if_set(name, lambda message, found: inner(getattr(message, name), found))


def _if_set(name: str, find: _Find) -> _Find:
    def find_if_set(message: Any, found: list[Named]) -> None:
        if message.HasField(name):
            find(message, found)

    return find_if_set


def _dynamic(message: Any, found: list[Named]) -> None:
    # Not its strings: they may be secrets, and a denial shows the resource.
    if message.ListFields():
        found.append(_NOTHING_TOLD)
