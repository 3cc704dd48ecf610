"""Writes calls of VIM methods as SOAP requests: every method from its line in the schema, without specific code."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

from gateway.vim.schema import Member, Method, Schema
from gateway.vim.values import NOT_XML, Data, Ref, escaped_name

__all__ = ["NotWritableError", "write_call"]

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<soapenv:Envelope xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"'
    ' xmlns:xsd="http://www.w3.org/2001/XMLSchema" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">'
    '<soapenv:Body><{} xmlns="urn:vim25">'
)
_TAIL = "</{}></soapenv:Body></soapenv:Envelope>"
# A bare carriage return would arrive as a line feed.
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"})
_MAX_DEPTH = 50
_INT32 = range(-(2**31), 2**31)


class NotWritableError(Exception):
    """A text contains characters that XML does not allow. The error's message contains no part of it."""


def write_call(schema: Schema, method: Method, this: Ref, arguments: Mapping[str, Any]) -> bytes:
    """The request that calls `method` of `this`. Arguments that are None are omitted. Raises NotWritableError for text
    that cannot be sent, and TypeError for an unknown argument or one of the wrong kind, which is a programming error.
    """
    out: list[str] = [_HEAD.format(method.name)]
    _ref(out, "_this", "", this)
    _members(schema, out, method.name, method.parameters, arguments, _MAX_DEPTH)
    out.append(_TAIL.format(method.name))
    return "".join(out).encode()


def _members(
    schema: Schema,
    out: list[str],
    owner: str,
    members: tuple[Member, ...],
    values: Mapping[str, Any],
    depth: int,
) -> None:
    left = len(values)
    for name, kind in members:
        if name in values:
            left -= 1
            value = values[name]
            if kind.is_list:
                for item in value or ():
                    _value(schema, out, name, kind.name, item, depth)
            elif value is not None:
                _value(schema, out, name, kind.name, value, depth)
    if left:
        unknown = sorted(set(values) - {name for name, _ in members})
        raise TypeError(f"{owner} has no {', '.join(unknown)}")


def _value(schema: Schema, out: list[str], tag: str, kind: str, value: Any, depth: int) -> None:
    attribute = ""
    if kind == "any":
        if isinstance(value, list):
            _array(schema, out, tag, value, depth)
            return
        kind, name = _stated(value)
        attribute = f' xsi:type="{name}"'
    if kind == "ref":
        _ref(out, tag, attribute, value)
    elif write := _SCALARS.get(kind):
        out.append(f"<{tag}{attribute}>{write(value)}</{tag}>")
    else:
        _structure(schema, out, tag, attribute, kind, value, depth - 1)


def _array(schema: Schema, out: list[str], tag: str, values: list[Any], depth: int) -> None:
    kind, name = _stated(values[0] if values else "")
    item = name.rpartition(":")[2]
    out.append(f'<{tag} xsi:type="ArrayOf{item[0].upper()}{item[1:]}">')
    for value in values:
        _value(schema, out, item, kind, value, depth)
    out.append(f"</{tag}>")


def _structure(schema: Schema, out: list[str], tag: str, attribute: str, declared: str, value: Any, depth: int) -> None:
    name = value.type if isinstance(value, Data) else declared
    shape = schema.shape(name)
    if shape is None or declared not in schema.lineage(name) or not isinstance(value, Mapping) or depth < 0:
        _refuse(declared, value)
    if name != declared:
        attribute = f' xsi:type="{name}"'
    out.append(f"<{tag}{attribute}>")
    _members(schema, out, name, shape.members, value, depth)
    out.append(f"</{tag}>")


def _ref(out: list[str], tag: str, attribute: str, value: Any) -> None:
    if not isinstance(value, Ref):
        _refuse("ref", value)
    out.append(f'<{tag}{attribute} type="{_text(value.type)}">{_text(value.value)}</{tag}>')


def _stated(value: Any) -> tuple[str, str]:
    """The kind and the declared type of a value that must declare its type."""
    if isinstance(value, Data):
        return value.type, value.type
    if isinstance(value, Ref):
        return "ref", "ManagedObjectReference"
    if isinstance(value, int) and not isinstance(value, bool):
        return "int", "xsd:int" if value in _INT32 else "xsd:long"
    found = next((stated for of_type, stated in _STATED.items() if isinstance(value, of_type)), None)
    return found or _refuse("any", value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        _refuse("string", value)
    if NOT_XML.search(value):
        raise NotWritableError("contains a control character or another character that XML does not allow")
    return value.translate(_ESCAPES)


def _name(value: Any) -> str:
    return _text(escaped_name(value))


def _int(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int):
        _refuse("int", value)
    return str(value)


def _float(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        _refuse("float", value)
    return repr(float(value))


def _bool(value: Any) -> str:
    if not isinstance(value, bool):
        _refuse("bool", value)
    return "true" if value else "false"


def _time(value: Any) -> str:
    if not isinstance(value, datetime) or value.tzinfo is None:
        _refuse("time with a zone", value)
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _bytes(value: Any) -> str:
    return base64.b64encode(value).decode()


def _refuse(kind: str, value: Any) -> NoReturn:
    raise TypeError(f"a value of the kind {kind} is expected, not {type(value).__name__}")


_SCALARS: Mapping[str, Callable[[Any], str]] = {
    "string": _text,
    "name": _name,
    "int": _int,
    "float": _float,
    "bool": _bool,
    "time": _time,
    "bytes": _bytes,
}
_STATED: Mapping[type, tuple[str, str]] = {
    bool: ("bool", "xsd:boolean"),
    float: ("float", "xsd:double"),
    datetime: ("time", "xsd:dateTime"),
    bytes: ("bytes", "xsd:base64Binary"),
    str: ("string", "xsd:string"),
}
"""Kinds of Python types, and the declared type of their values."""
