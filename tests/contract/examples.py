"""JSON examples of the catalogue's types: every field filled, and every case of every union in turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import count, product
from typing import Any

from tests.contract.catalogue import Catalogue, Field, Struct, Type

__all__ = ["Examples"]

Json = Any


class Examples:
    """Makes examples, each scalar with a value of its own.

    Required lists and maps are also `empty` where that is wanted. Those that are not required never are: protobuf
    cannot tell an empty list from none.
    """

    def __init__(self, catalogue: Catalogue, *, empty: bool) -> None:
        self._catalogue = catalogue
        self._empty = empty
        self._number = count(1)
        self._within: list[str] = []

    def of(self, of_type: Type, name: str) -> list[Json]:
        """Examples of a type, which together have every case of every union below it."""
        if isinstance(of_type, tuple):
            kind, element = of_type
            items = self.of(element, name)
            if not items:
                return []
            return [items] if kind == "list" else [{f"{name} {number}": item for number, item in enumerate(items)}]
        if of_type in self._catalogue.structs:
            return list(self._structs(self._catalogue.structs[of_type]))
        if of_type in self._catalogue.enums:
            return list(self._catalogue.enums[of_type])
        return [self._scalar(of_type, name)]

    def of_fields(self, fields: Iterable[Field]) -> list[dict[str, Json]]:
        """Examples of several fields together: with all of them filled, and with the required ones only."""
        fields = list(fields)
        filled = list(_together({field.name: self._field(field, field.required) for field in fields}))
        return [*filled, {field.name: filled[0][field.name] for field in fields if field.required}]

    def _field(self, field: Field, is_required: bool) -> list[Json]:
        examples = self.of(field.type, field.name)
        if self._empty and is_required and isinstance(field.type, tuple):
            examples.append([] if field.type[0] == "list" else {})
        return examples

    def _scalar(self, of_type: str, name: str) -> Json:
        number = next(self._number)
        match of_type:
            case "string" | "password" | "uri":
                # Newer releases expect the token in a header, which holds only ASCII.
                return f'{name} "{number}"' if name == "client_token" else f'{name} "{number}" é'
            case "int64":
                return 2**53 + number if number % 2 else -number
            case "boolean":
                return bool(number % 2)
            case "double":
                return number + 0.5
            case "date-time":
                return f"2026-03-01T10:20:30.{number % 1000:03d}001Z"
            case "dynamic":
                return {name: number + 0.5}
        raise AssertionError(f"there is no example of {of_type}")

    def _structs(self, struct: Struct) -> Iterator[dict[str, Json]]:
        # A structure that contains itself ends at its second appearance.
        if self._within.count(struct.name) == 2:
            return
        self._within.append(struct.name)
        tags = {field.name: field for field in struct.fields if field.name in struct.unions}
        for values in product(*(self._tag_values(tags[tag]) for tag in struct.unions)):
            case = dict(zip(struct.unions, values, strict=True))
            yield from self._case(struct, {tag: value for tag, value in case.items() if value is not None})
        self._within.pop()

    def _tag_values(self, tag: Field) -> list[str | None]:
        assert isinstance(tag.type, str)
        return [*self._catalogue.enums[tag.type], *([] if tag.required else [None])]

    def _case(self, struct: Struct, case: Mapping[str, str]) -> Iterator[dict[str, Json]]:
        """Examples with these values of the tags: all that may be set, and only what must be."""
        none: tuple[frozenset[str], frozenset[str]] = (frozenset(), frozenset())
        members = {
            name for cases in struct.unions.values() for sides in cases.values() for name in frozenset().union(*sides)
        }
        sides = [struct.unions[tag].get(value, none) for tag, value in case.items()]
        required = {name for side in sides for name in side[0]}
        allowed = required | {name for side in sides for name in side[1]}
        free = [field for field in struct.fields if field.name not in struct.unions]
        needed = {field.name for field in free if field.required} | required
        values = {
            field.name: self._field(field, field.name in needed)
            for field in free
            if field.name in allowed or field.name not in members
        }
        values = {name: examples for name, examples in values.items() if examples}
        for filled in _together(values):
            yield {**case, **filled}
        yield {**case, **{name: examples[0] for name, examples in values.items() if name in needed}}


def _together(values: Mapping[str, list[Json]]) -> Iterator[dict[str, Json]]:
    """Each example of each field once, those of all fields side by side."""
    for turn in range(max((len(examples) for examples in values.values()), default=1)):
        yield {name: examples[turn % len(examples)] for name, examples in values.items()}
