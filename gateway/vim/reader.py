"""Reads SOAP responses of the VIM API into Python values.

A response cannot define entities, because only an XML declaration may precede its first element. The number of its
elements and the depth of its structures are limited: a small response never becomes a large value.

Expat builds the tree in C. Python handlers for each tag were slower than reading the finished tree.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element, ParseError, XMLParser

from gateway.printable import is_name
from gateway.vim.schema import Kind, Method, Schema
from gateway.vim.values import NOT_XML, Data, Fault, ObjectContent, ObjectUpdate, Ref, unescaped_name

__all__ = ["MAX_ELEMENTS", "Answer", "NotReadableError", "Reader", "TooManyElementsError"]

MAX_ELEMENTS = 1_000_000
"""Maximum number of tags in a response; a machine with 16 properties has about 100. Without a limit, 30 MiB of `<a/>`
use gigabytes of memory."""

_MAX_DEPTH = 150
"""Maximum nesting of structures. The longest chain of snapshots is 32, each nested in its parent."""
_PROLOG = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,100}(?:<\?xml\s[^?<>]{0,200}\?>)?\s{0,100}<[A-Za-z_]")
_MAX_MENDED_BYTES = 4 * 1024 * 1024
_SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
_VIM = "{urn:vim25}"
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_NAMES = frozenset({"name", "config.name", "summary.config.name", "info.entityName"})
"""Paths of properties that contain names of objects."""
_MAX_TEXT = 2000
_MAX_STATED = 10_000
_MAX_NAME = 100

_Read = Callable[[Element, int], Any]


class NotReadableError(Exception):
    """The response is not valid for a method. The error's text contains nothing of it."""


class TooManyElementsError(Exception):
    """The response has more than MAX_ELEMENTS tags."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The response of a method."""

    value: Any = None
    """The result, None if there is none."""
    fault: Fault | None = None


class Reader:
    """Reads responses according to the types of a schema. Thread-safe."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._members: dict[str, Mapping[str, tuple[str, _Read, bool]]] = {}
        self._stated: dict[str, _Read] = {}
        """Readers by the declared type of values."""
        self._special: Mapping[str, _Read] = {
            "LocalizedMethodFault": self._localized_fault,
            "ObjectContent": self._object_content,
            "ObjectUpdate": self._update,
        }

    def read(self, method: Method, body: bytes) -> Answer:
        """The response in a body. Raises NotReadableError and TooManyElementsError."""
        content = _content(body)
        try:
            if content.tag == f"{_SOAP}Fault":
                return Answer(fault=self._fault(content))
            if content.tag != f"{_VIM}{method.name}Response":
                raise NotReadableError("is for another method")
            return Answer(self._result(content, method.result))
        except (ValueError, OverflowError, binascii.Error):
            raise NotReadableError("has a value of the wrong type") from None

    def fault(self, body: bytes) -> Fault | None:
        """The fault in a response to any method, None if there is none. Raises like `read`."""
        content = _content(body)
        return self._fault(content) if content.tag == f"{_SOAP}Fault" else None

    def _result(self, content: Element, kind: Kind) -> Any:
        if kind.name == "-":
            return None
        read = self._reader(kind.name)
        values = [read(element, _MAX_DEPTH) for element in content.iterfind(f"{_VIM}returnval")]
        if kind.is_list:
            return values
        if not values and not kind.is_optional:
            raise NotReadableError("has no result")
        return values[0] if values else None

    def _fault(self, element: Element) -> Fault:
        """A fault instead of a result. Its type is that of the first element in its detail."""
        message = element.findtext("faultstring", "")[:_MAX_TEXT]
        detail = element.find("detail")
        if detail is None or not len(detail):
            # Before a method was found: the request itself, or the server, is at fault.
            code = element.findtext("faultcode", "").rpartition(":")[2]
            name = "InvalidRequest" if code.startswith("Client") else "RuntimeFault"
            return Fault(name, message, Data(name))
        fault = detail[0]
        declared = fault.tag.rpartition("}")[2].removesuffix("Fault")
        return self._typed_fault(fault, fault.get(_TYPE) or declared, message)

    def _localized_fault(self, element: Element, depth: int) -> Fault:
        """A fault in a structure, with vCenter's message next to it."""
        fault = element.find(f"{_VIM}fault")
        message = element.findtext(f"{_VIM}localizedMessage", "")[:_MAX_TEXT]
        if fault is None:
            raise NotReadableError("has a fault without a type")
        return self._typed_fault(fault, fault.get(_TYPE, "MethodFault"), message, depth)

    def _typed_fault(self, element: Element, stated: str, message: str, depth: int = _MAX_DEPTH) -> Fault:
        name = _local(stated)
        if not is_name(name):
            name = "MethodFault"
        # A fault that is newer than this schema has at least the members of all faults.
        known = name if self._schema.shape(name) is not None else "MethodFault"
        return Fault(name, message, self._filled(Data(known), element, depth))

    def _object_content(self, element: Element, depth: int) -> ObjectContent:
        values: dict[str, Any] = {}
        missing: dict[str, Fault] = {}
        obj = self._changes(element, values, missing, depth, f"{_VIM}propSet")
        if None in values.values():  # Some servers send unset values.
            values = {path: value for path, value in values.items() if value is not None}
        return ObjectContent(obj, values, missing)

    def _update(self, element: Element, depth: int) -> ObjectUpdate:
        values: dict[str, Any] = {}
        missing: dict[str, Fault] = {}
        obj = self._changes(element, values, missing, depth, f"{_VIM}changeSet")
        return ObjectUpdate(element.findtext(f"{_VIM}kind", ""), obj, values, missing)

    def _changes(
        self, element: Element, values: dict[str, Any], missing: dict[str, Fault], depth: int, changes: str
    ) -> Ref:
        """Fills in the properties of one object, and returns its reference. Nearly all reading happens here."""
        obj: Ref | None = None
        readers = self._stated
        for child in element:
            tag = child.tag
            if tag == changes:
                path = child.findtext(_NAME)
                part = child.find(_VAL)
                value = None
                if part is not None:
                    stated = part.get(_TYPE, "")
                    value = (readers.get(stated) or self._reader_of_type(stated))(part, depth)
                if not path:
                    raise NotReadableError("has a property without a name")
                if path in _NAMES and isinstance(value, str):
                    value = unescaped_name(value)
                values[path] = value
            elif tag == _OBJ:
                obj = _ref(child, depth)
            elif tag == _MISSING:
                fault = child.find(f"{_VIM}fault")
                if fault is not None:
                    missing[child.findtext(f"{_VIM}path", "")] = self._localized_fault(fault, depth)
        if obj is None:
            raise NotReadableError("has properties without an object")
        return obj

    def _structure(self, declared: str) -> _Read:
        def read(element: Element, depth: int) -> Data:
            stated = element.get(_TYPE)
            name = declared if stated is None else _local(stated)
            if name != declared and self._schema.shape(name) is None:
                name = declared  # A type that is newer than this schema: the members of the declared type can be read.
            return self._filled(Data(name), element, depth)

        return read

    def _filled(self, data: Data, element: Element, depth: int) -> Data:
        if depth <= 0:
            raise NotReadableError("is nested too deeply")
        members = self._members_of(data.type)
        for child in element:
            member = members.get(child.tag)
            if member is None:
                continue
            name, read, is_list = member
            value = read(child, depth - 1)
            if not is_list:
                data[name] = value
            elif name in data:
                data[name].append(value)
            else:
                data[name] = [value]
        return data

    def _members_of(self, name: str) -> Mapping[str, tuple[str, _Read, bool]]:
        members = self._members.get(name)
        if members is None:
            shape = self._schema.shape(name)
            found = () if shape is None else shape.members
            members = {
                f"{_VIM}{each.name}": (each.name, self._reader(each.kind.name), each.kind.is_list) for each in found
            }
            self._members[name] = members
        return members

    def _reader(self, kind: str) -> _Read:
        if kind == "any":
            return lambda element, depth: self._reader_of_type(element.get(_TYPE, ""))(element, depth)
        return _SCALARS.get(kind) or self._special.get(kind) or self._structure(kind)

    def _reader_of_type(self, stated: str) -> _Read:
        """The reader of a value with an explicit type."""
        read = self._stated.get(stated)
        if read is None:
            kind = self._schema.kind_of(_local(stated))
            read = self._list(kind.name) if kind.is_list else self._reader(kind.name)
            if len(self._stated) < _MAX_STATED and len(stated) <= _MAX_NAME:
                self._stated[stated] = read
        return read

    def _list(self, kind: str) -> _Read:
        read = self._reader(kind)
        return lambda element, depth: [read(child, depth - 1) for child in element]


def _content(body: bytes) -> Element:
    """The content of the envelope."""
    envelope = _tree(body)
    content = envelope.find(f"{_SOAP}Body")
    if envelope.tag != f"{_SOAP}Envelope" or content is None or not len(content):
        raise NotReadableError("is not SOAP")
    return content[0]


def _tree(body: bytes) -> Element:
    if not _PROLOG.match(body):
        raise NotReadableError("is not XML, or has something before its first element")
    if len(body) > MAX_ELEMENTS and body.count(b"<") > MAX_ELEMENTS:
        raise TooManyElementsError
    try:
        return _parsed(body)
    except ParseError:
        if len(body) > _MAX_MENDED_BYTES:
            raise NotReadableError("is not well-formed XML") from None
    try:
        # Names and notes come from many sources: one control character must not make a whole list unreadable.
        return _parsed(NOT_XML.sub("\ufffd", body.decode(errors="replace")).encode())
    except ParseError:
        raise NotReadableError("is not well-formed XML") from None


def _parsed(body: bytes) -> Element:
    parser = XMLParser(encoding="utf-8")  # Whatever the answer itself says.  # noqa: S314
    parser.feed(body)
    root: Element = parser.close()
    return root


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _text(element: Element, depth: int) -> str:
    return element.text or ""


def _name(element: Element, depth: int) -> str:
    return unescaped_name(element.text or "")


def _int(element: Element, depth: int) -> int:
    return int(element.text or "")


def _float(element: Element, depth: int) -> float:
    return float(element.text or "")


def _bool(element: Element, depth: int) -> bool:
    return _BOOLEANS[element.text or ""]


def _time(element: Element, depth: int) -> datetime:
    time = datetime.fromisoformat(element.text or "")
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def _bytes(element: Element, depth: int) -> bytes:
    return base64.b64decode(element.text or "", validate=True)


def _ref(element: Element, depth: int) -> Ref:
    return Ref(element.get("type", ""), element.text or "")


class _Booleans(dict[str, bool]):
    def __missing__(self, text: str) -> bool:
        raise ValueError("not a boolean")


_OBJ, _NAME, _VAL, _MISSING = (f"{_VIM}{name}" for name in ("obj", "name", "val", "missingSet"))
_BOOLEANS = _Booleans({"true": True, "1": True, "false": False, "0": False})
_SCALARS: Mapping[str, _Read] = {
    "string": _text,
    "name": _name,
    "int": _int,
    "float": _float,
    "bool": _bool,
    "time": _time,
    "bytes": _bytes,
    "ref": _ref,
}
