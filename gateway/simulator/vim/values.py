"""Values of the VIM API, and how they are written in XML.

SOAP values do not state their type, except where the schema leaves it open: there, `xsi:type` does. A value in such a
place is `Typed`; the code that creates a value knows its place. Members that are None are left out.
"""

import re
from base64 import b64encode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

__all__ = [
    "Data",
    "Long",
    "Raw",
    "Ref",
    "Typed",
    "account_name",
    "escape_name",
    "unescape_name",
    "write",
    "write_any",
]

_SPECIAL = re.compile("[&<>\r]")
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"}
_NAME = re.compile(r"[%/\\]")
_ESCAPED_NAME = re.compile("%(25|2f|5c)", re.IGNORECASE)
# The elements of these arrays are named after the type in the schema's own language.
_ELEMENTS = {"ArrayOfString": "string", "ArrayOfInt": "int", "ArrayOfLong": "long", "ArrayOfAnyURI": "anyURI"}


class Ref(NamedTuple):
    """A reference to an object."""

    type: str
    id: str


class Data(dict[str, Any]):
    """A structure: its type, and its members in the schema's order."""

    __slots__ = ("type",)

    def __init__(self, type: str, /, members: Mapping[str, Any] | None = None, **more: Any) -> None:  # noqa: A002
        super().__init__(members or {}, **more)
        self.type = type


class Typed:
    """A value in a place whose type the schema leaves open."""

    __slots__ = ("kind", "value")

    def __init__(self, value: Any, kind: str | None = None) -> None:
        self.value = value
        self.kind = kind


class Raw(str):
    """The content of an element, as XML."""


class Long(int):
    """A 64-bit integer, for places whose type the schema leaves open."""


def write(tag: str, value: Any) -> str:
    """The XML element of a value, or the elements of a list."""
    if value is None:
        return ""
    kind = type(value)
    if kind is str:
        return f"<{tag}>{_text(value)}</{tag}>"
    if kind is list or kind is tuple:
        return "".join([write(tag, item) for item in value])
    if kind is Raw:
        return f"<{tag}>{value}</{tag}>"
    if kind is Typed:
        return write_any(tag, value.value, value.kind)
    if kind is Ref:
        return f'<{tag} type="{value.type}">{_text(value.id)}</{tag}>'
    if kind is Data:
        return f"<{tag}>{_members(value)}</{tag}>"
    return f"<{tag}>{_scalar(value)}</{tag}>"


def write_any(tag: str, value: Any, kind: str | None = None) -> str:
    """The element of a value with its type; `kind` is the type if the value does not determine it."""
    if value is None:
        return ""
    if isinstance(value, Ref):
        return f'<{tag} type="{value.type}" xsi:type="ManagedObjectReference">{_text(value.id)}</{tag}>'
    if isinstance(value, Data):
        return f'<{tag} xsi:type="{value.type}">{_members(value)}</{tag}>'
    if kind is not None and kind.startswith("ArrayOf"):
        element = _ELEMENTS.get(kind, kind.removeprefix("ArrayOf"))
        return f'<{tag} xsi:type="{kind}">{write(element, list(value))}</{tag}>'
    return f'<{tag} xsi:type="{kind or _kind(value)}">{_scalar(value)}</{tag}>'


def account_name(user: str) -> str:
    """A user in the VIM API's form: `VSPHERE.LOCAL\\alice` for `alice@vsphere.local`; empty for no user."""
    name, _, domain = user.partition("@")
    return f"{domain.upper()}\\{name}" if domain else name


def escape_name(name: str) -> str:
    r"""The name of an object as vCenter sends it: with `/`, `\` and `%` escaped."""
    return _NAME.sub(lambda found: f"%{ord(found[0]):02x}", name)


def unescape_name(name: str) -> str:
    """The name of an object that a client sent, where `%` begins such an escape."""
    return _ESCAPED_NAME.sub(lambda found: chr(int(found[1], 16)), name)


def _members(data: Data) -> str:
    return "".join([write(name, value) for name, value in data.items() if value is not None])


def _scalar(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if value is True or value is False:
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if isinstance(value, bytes):
        return b64encode(value).decode()
    return str(value)


def _text(value: str) -> str:
    if value.isascii() and value.isalnum():
        return value
    if _FORBIDDEN.search(value):
        value = _FORBIDDEN.sub("\ufffd", value)
    return _SPECIAL.sub(lambda found: _ENTITIES[found[0]], value)


def _kind(value: Any) -> str:
    match value:
        case str():
            return "xsd:string"
        case bool():
            return "xsd:boolean"
        case Long():
            return "xsd:long"
        case int():
            return "xsd:int"
        case float():
            return "xsd:double"
        case datetime():
            return "xsd:dateTime"
        case bytes():
            return "xsd:base64Binary"
        case Iterable():
            raise TypeError("a list needs the name of its type")
        case _:
            raise TypeError(f"no value of the VIM API: {type(value).__name__}")
