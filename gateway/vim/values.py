"""Values of the VIM API in Python.

Strings, numbers, booleans, bytes, times and lists are Python's own; the value of an enumeration is a string. An unset
member is absent; an unset standalone value is None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gateway.errors import Failure, GatewayError, Reason

__all__ = [
    "NOT_XML",
    "Data",
    "Fault",
    "ObjectContent",
    "ObjectUpdate",
    "Ref",
    "escaped_name",
    "objects_in",
    "unescaped_name",
]

NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""The characters that XML does not allow."""


class Ref(NamedTuple):
    """A reference to an object in vCenter, for example `Ref("VirtualMachine", "vm-62")`."""

    type: str
    value: str


class Data(dict[str, Any]):
    """A structure: its members by name, and the name of its type, which may be derived from the declared one. In
    requests, a plain dict works as well if the type is the declared one.
    """

    __slots__ = ("type",)

    def __missing__(self, member: str) -> Any:
        """A member without which a response of vCenter has no meaning. Raises GatewayError."""
        text = f"vCenter's response is unusable: a {self.type} has no {member}"
        raise GatewayError(Failure.of(Reason.VCENTER_RESPONSE_INVALID, text))

    def __init__(self, type: str, /, **members: Any) -> None:  # noqa: A002 - the API's word
        super().__init__(members)
        self.type = type

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Data) and self.type == other.type and dict.__eq__(self, other)

    def __ne__(self, other: object) -> bool:
        return not self == other

    __hash__ = None  # as a dict's

    def __repr__(self) -> str:
        # Members may contain the password of a guest user.
        return f"Data({self.type!r}, {', '.join(self)})"


@dataclass(frozen=True, slots=True)
class Fault:
    """The fault of a method, a task or a property."""

    type: str
    """For example `TaskInProgress`."""
    message: str
    """vCenter's message for people, empty if there is none."""
    data: Data = field(repr=False)


@dataclass(frozen=True, slots=True)
class ObjectContent:
    """Properties of one object."""

    obj: Ref
    values: Mapping[str, Any]
    """By path. A property that is unset is absent."""
    missing: Mapping[str, Fault]
    """The faults of paths that could not be read."""


@dataclass(frozen=True, slots=True)
class ObjectUpdate:
    """The changes of one object."""

    kind: str
    """`enter`, `modify` or `leave`."""
    obj: Ref
    values: Mapping[str, Any]
    """New values by path, None for a property that became unset."""
    missing: Mapping[str, Fault]


def objects_in(result: Data | None) -> list[ObjectContent]:
    """The objects in a page of the property collector's, which is None if there are none."""
    return [] if result is None else result.get("objects", [])


_ESCAPES = {"%2f": "/", "%5c": "\\", "%25": "%"}
_ESCAPED = re.compile("%(?:2f|5c|25)", re.IGNORECASE)


def unescaped_name(name: str) -> str:
    r"""The human-readable name of an object: vCenter writes `%2f`, `%5c` and `%25` for `/`, `\` and `%`."""
    return _ESCAPED.sub(lambda found: _ESCAPES[found[0].lower()], name) if "%" in name else name


def escaped_name(name: str) -> str:
    """The name of an object as vCenter requires it: it escapes `/` and `\\` itself, but not what may be an escape."""
    return name.replace("%", "%25")
