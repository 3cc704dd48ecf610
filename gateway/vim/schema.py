"""The types and methods of the VIM API, from a table whose lines are parsed on demand.

The table has all 3,000 types, because any of them may be in a response: a fault, an event or a device of a derived
type.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import NamedTuple

__all__ = ["Kind", "Member", "Method", "Schema", "Shape", "load_schema"]

_ALIASES = {"int": "int", "long": "int", "short": "int", "byte": "int", "double": "float", "float": "float"}
_ALIASES |= {"boolean": "bool", "dateTime": "time", "base64Binary": "bytes", "binary": "bytes", "anyType": "any"}
_ALIASES |= {"ManagedObjectReference": "ref"}
_ARRAY = "ArrayOf"


class Kind(NamedTuple):
    """The kind of a value."""

    name: str
    """`string`, `name` (escaped as vCenter does it), `int`, `float`, `bool`, `time`, `bytes`, `ref`, `any`, or the name
    of a type; `-` for nothing."""
    is_list: bool = False
    is_optional: bool = False


class Member(NamedTuple):
    """A member of a type, or a parameter of a method."""

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Shape:
    """A type of structures."""

    name: str
    base: str
    """Empty where there is none."""
    members: tuple[Member, ...]
    """In the required order, those of the base types first."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method."""

    name: str
    result: Kind
    parameters: tuple[Member, ...]


class Schema:
    """All types and methods, by name."""

    def __init__(self, table: str) -> None:
        lines = [line for line in table.splitlines() if not line.startswith("#")]
        divide = lines.index("methods")
        self.release = lines[0].removeprefix("release ")
        """The latest release of the API in the table."""
        self._types = _by_name(lines[1:divide])
        self._methods = _by_name(lines[divide + 1 :])
        self._shapes: dict[str, Shape] = {}

    def shape(self, name: str) -> Shape | None:
        """A type of structures, None if there is none with this name."""
        shape = self._shapes.get(name)
        if shape is None and name in self._types:
            base, *members = self._types[name].split(" ")
            above = self.shape(base)
            inherited = () if above is None else above.members
            shape = Shape(name, "" if above is None else base, (*inherited, *map(_member, members)))
            self._shapes[name] = shape
        return shape

    def method(self, name: str) -> Method:
        """A method. Raises KeyError if there is none with this name."""
        result, *parameters = self._methods[name].split(" ")
        return Method(name, _kind(result), tuple(map(_member, parameters)))

    def kind_of(self, type_name: str) -> Kind:
        """The kind of a value with an explicit type: one of XML Schema's, the API's, or an array of either."""
        is_list = type_name.startswith(_ARRAY)
        name = type_name.removeprefix(_ARRAY)
        if is_list and name not in self._types:
            # ArrayOfInt, ArrayOfDateTime
            name = next((each for each in _ALIASES if each.lower() == name.lower()), name)
        if name in _ALIASES:
            return Kind(_ALIASES[name], is_list)
        # Everything else is text: strings, URIs, paths, and the values of enumerations.
        return Kind(name if name in self._types else "string", is_list)

    def lineage(self, name: str) -> Iterator[str]:
        """A type and its base types, the closest first."""
        while name in self._types:
            yield name
            name = self._types[name].partition(" ")[0]


@cache
def load_schema() -> Schema:
    """The packaged schema, read once per process."""
    return Schema(resources.files("gateway.vim").joinpath("schema.txt").read_text(encoding="utf-8"))


def _by_name(lines: list[str]) -> Mapping[str, str]:
    return {name: rest for name, _, rest in (line.partition(" ") for line in lines)}


def _member(text: str) -> Member:
    name, _, kind = text.partition(":")
    return Member(name, _kind(kind or "string"))


def _kind(text: str) -> Kind:
    name = text.removesuffix("?")
    return Kind(name.removesuffix("*"), name.endswith("*"), text.endswith("?"))
