"""Reads a request that a person wrote as JSON.

The format is protobuf's JSON mapping with two additions: enum values may also be written as in vCenter (`ISO_FILE`),
and an error names the path of the field. No message repeats a value, because it may be a password.
"""

from __future__ import annotations

import difflib
import json
import re
from typing import Any, NoReturn, cast

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from gateway.cli.output import listed
from gateway.contract import Contract
from gateway.contract.contract import enum_prefix, enum_wire_names, map_value

__all__ = ["RequestError", "checked_object", "read_json", "request_message"]

_MAX_LISTED = 12

_KINDS = {
    FieldDescriptor.CPPTYPE_STRING: "a string",
    FieldDescriptor.CPPTYPE_BOOL: "true or false",
    FieldDescriptor.CPPTYPE_DOUBLE: "a number",
    FieldDescriptor.CPPTYPE_FLOAT: "a number",
}
_LONG = (FieldDescriptor.CPPTYPE_INT64, FieldDescriptor.CPPTYPE_UINT64)
_MASK = "google.protobuf.FieldMask"
_WELL_KNOWN = {
    "google.protobuf.Timestamp": "a time such as 2026-01-31T12:00:00Z",
    "google.protobuf.Duration": "a time such as 1.5s",
    "google.protobuf.Struct": "an object",
    _MASK: "names of fields such as name,power_state",
}


class RequestError(Exception):
    """The text is not a request of the rpc; says where and why."""


def read_json(text: str, descriptor: Descriptor) -> dict[str, Any]:
    """The fields of a request that is a JSON object. Raises RequestError."""
    try:
        content = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constants)
    except json.JSONDecodeError as error:
        raise RequestError(
            f"the request is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise RequestError("the request is nested too deeply") from None
    return checked_object(content, descriptor)


def checked_object(content: Any, descriptor: Descriptor) -> dict[str, Any]:
    """The fields of a request. Raises RequestError if it is not an object."""
    if not isinstance(content, dict):
        raise RequestError(f"the request must be a JSON object, such as {_example(descriptor)}")
    return content


def request_message(content: dict[str, Any], descriptor: Descriptor, contract: Contract) -> Message:
    """The request message with the given fields. Raises RequestError."""
    message = contract.message_class(descriptor)()
    try:
        json_format.ParseDict(
            _Reader(contract).message(content, descriptor, ""), message, descriptor_pool=contract.pool
        )
    except json_format.ParseError:
        raise RequestError(f"the request does not fit {descriptor.full_name}") from None
    return message


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content: dict[str, Any] = {}
    for name, value in pairs:
        if name in content:
            raise RequestError(f"the request has {name!r} twice in one object")
        content[name] = value
    return content


def _no_constants(name: str) -> NoReturn:
    raise RequestError(f"the request is not valid JSON: {name} is not a JSON value")


class _Reader:
    """Walks a request along the descriptors. Each method returns the value with the names that protobuf knows."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def message(self, content: Any, descriptor: Descriptor, path: str) -> Any:
        if not isinstance(content, dict):
            raise RequestError(f"{path} must be an object of {descriptor.full_name}")
        fields = {name: field for field in descriptor.fields for name in (field.json_name, field.name)}
        result = {}
        for name, value in content.items():
            field = fields.get(name)
            if field is None:
                raise RequestError(_unknown_field(name, descriptor, path))
            if field.name in result:
                raise RequestError(f"{_join(path, field.name)}: is given twice, under both of its names")
            if value is not None:
                result[field.name] = self._value(value, field, _join(path, field.name))
        return result

    def _value(self, value: Any, field: FieldDescriptor, path: str) -> Any:
        if (of_map := map_value(field)) is not None:
            if not isinstance(value, dict):
                raise RequestError(f"{path} must be an object of names and values")
            return {key: self._single(item, of_map, f"{path}[{key}]") for key, item in value.items()}
        if field.is_repeated:
            if not isinstance(value, list):
                raise RequestError(f"{path} must be a list")
            return [self._single(item, field, f"{path}[{index}]") for index, item in enumerate(value)]
        return self._single(value, field, path)

    def _single(self, value: Any, field: FieldDescriptor, path: str) -> Any:
        if field.message_type is not None and field.message_type.full_name not in _WELL_KNOWN:
            return self.message(value, field.message_type, path)
        if field.enum_type is not None:
            return _enum(value, field.enum_type, path)
        if field.message_type is not None and field.message_type.full_name == _MASK and isinstance(value, str):
            # protobuf takes only names as in JSON, and everything else here takes those of the protos too.
            value = re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), value)
        # protobuf's own check, applied to this value alone so that the error can name the field.
        alone = self._contract.message_class(cast(Descriptor, field.containing_type))()
        try:
            json_format.ParseDict({field.name: [value] if field.is_repeated else value}, alone)
        except json_format.ParseError:
            raise RequestError(f"{path} must be {_kind(field)}") from None
        return value


def _kind(field: FieldDescriptor) -> str:
    if field.message_type is not None:
        return _WELL_KNOWN[field.message_type.full_name]
    return _KINDS.get(field.cpp_type, "a 64-bit integer" if field.cpp_type in _LONG else "an integer")


def _enum(value: Any, enum: EnumDescriptor, path: str) -> Any:
    """The number or the full name of an enum value, also for vCenter's own name of it."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str):
        for name in (value, enum_prefix(enum) + value):
            if name in enum.values_by_name:
                return name
    raise RequestError(f"{path} must be one of {listed(enum_wire_names(enum).values(), _MAX_LISTED)}")


def _unknown_field(name: str, descriptor: Descriptor, path: str) -> str:
    known = [field.name for field in descriptor.fields]
    place = f"in {path}" if path else f"in {descriptor.full_name}"
    matches = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if matches:
        return f"there is no field {name!r} {place}; did you mean {matches[0]!r}?"
    return f"there is no field {name!r} {place}; it has " + (listed(known, _MAX_LISTED) if known else "no fields")


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _example(descriptor: Descriptor) -> str:
    strings = [field.name for field in descriptor.fields if field.type == field.TYPE_STRING and not field.is_repeated]
    return json.dumps(dict.fromkeys(strings[:2], "..."))
