"""Compiles message types into functions that read vCenter's JSON.

A newer vCenter may send fields and enum values that the contract does not know. They never fail a call: fields are
skipped, enum values become UNSPECIFIED, and both are reported to `Events`. An unreadable value (wrong type or out of
range) does not fail its neighbors either: a singular field is left unset, and reported. An element of a list or a map
cannot be unset, and a list without it would imply that the object does not exist. Such an element makes the list or map
unreadable, and with it the message that contains it: the field of that message is left unset. If that reaches the whole
result, or if a response is nested too deeply, a `MismatchError` says where.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct

from gateway.contract.contract import ContractError, enum_wire_names, map_value, wire_name
from gateway.events import Events
from gateway.printable import name_or_other
from gateway.transcoding.encoder import FLOATS, INTEGERS, TIMESTAMP_SECONDS

__all__ = ["MAX_DEPTH", "Decode", "Decoders", "MismatchError"]

MAX_DEPTH = 99
"""Maximum nesting of messages below the outermost one. Protobuf's parsers, including those of the clients, accept no
more by default; an entry of a map counts as a message."""
_LEAP_SECOND = re.compile(r"(.{10}T\d\d:\d\d:)60(.*)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_JSON_TYPES = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "a boolean",
    dict: "an object",
    list: "an array",
    type(None): "null",
}


class MismatchError(Exception):
    """A value in vCenter's response does not have the type in the contract. The text contains no value."""

    def __init__(self, expected: str, value: object) -> None:
        super().__init__(expected)
        self.expected = expected
        self.found = _JSON_TYPES.get(type(value), "something else")
        self.path: list[str] = []

    def below(self, step: str) -> MismatchError:
        self.path.insert(0, step)
        return self

    def __str__(self) -> str:
        return f"{'.'.join(self.path) or 'the result'} should be {self.expected} but is {self.found}"


class TooDeepError(MismatchError):
    """The response is nested deeper than clients could read: a limit of the whole response."""

    def __init__(self, value: object) -> None:
        super().__init__("less deeply nested", value)


Decode = Callable[[Any, Events, int], Any]
"""Turns a JSON value into what the constructors of messages take: for a message a dict of its fields. The number is the
remaining depth of messages below the one that the value is for."""


class Decoders:
    """Compiles and caches one decoder for each message type; types may be recursive. `json_texts` are the full names of
    the fields that contain any value as JSON text.
    """

    def __init__(self, json_texts: frozenset[str]) -> None:
        self._json_texts = json_texts
        self._messages: dict[str, Decode] = {
            "google.protobuf.Timestamp": _decode_timestamp,
            "google.protobuf.Struct": _decode_struct,
        }

    def message(self, descriptor: Descriptor) -> Decode:
        """The decoder of a message type from a JSON object."""
        known = self._messages.get(descriptor.full_name)
        if known is not None:
            return known
        if descriptor.full_name == "google.protobuf.Value":
            return self._messages.setdefault(descriptor.full_name, _value_decoder(descriptor))
        # Of each field its name, the type whose values are taken as they are, and what decodes all others.
        fields: dict[str, tuple[str, type | None, Decode]] = {}
        single = {wire_name(field) for field in descriptor.fields if field.has_presence}
        full_name = descriptor.full_name

        def decode(value: Any, events: Events, depth: int) -> dict[str, Any]:
            depth -= 1
            if type(value) is not dict or depth < 0:
                raise _not_an_object(value)
            result = {}
            for key, item in value.items():
                if item is None:
                    continue
                field = fields.get(key)
                if field is None:
                    events.unknown_field(full_name, name_or_other(key))
                    continue
                name, plain, decode_field = field
                if type(item) is plain:
                    result[name] = item
                    continue
                try:
                    result[name] = decode_field(item, events, depth)
                except MismatchError as error:
                    error.below(key)
                    if key not in single or isinstance(error, TooDeepError):
                        raise error from None
                    events.unreadable_value(full_name, key, str(error))
            return result

        self._messages[full_name] = decode
        fields.update({wire_name(field): (field.name, _plain(field), self.field(field)) for field in descriptor.fields})
        return decode

    def field(self, field: FieldDescriptor) -> Decode:
        """The decoder of one field's whole value, including its list or map."""
        if (of_map := map_value(field)) is not None:
            return _map_decoder(self._single(of_map))
        return _list_decoder(self._single(field)) if field.is_repeated else self._single(field)

    def _single(self, field: FieldDescriptor) -> Decode:
        if field.full_name in self._json_texts:
            return _decode_json_text
        return self.message(field.message_type) if field.message_type is not None else _scalar_decoder(field)


def _plain(field: FieldDescriptor) -> type | None:
    """The JSON type whose values a field accepts without a check; None if there is none."""
    if field.is_repeated:
        return None
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return bool
    return str if field.type == FieldDescriptor.TYPE_STRING else None


def _not_an_object(value: Any) -> MismatchError:
    return TooDeepError(value) if type(value) is dict else MismatchError("an object", value)


def _check_depth(depth: int, value: Any) -> None:
    if depth < 0:
        raise TooDeepError(value)


def _list_decoder(decode: Decode) -> Decode:
    def decode_list(value: Any, events: Events, depth: int) -> list[Any]:
        if type(value) is not list:
            raise MismatchError("an array", value)
        result = []
        for index, item in enumerate(value):
            if item is None:
                continue
            try:
                result.append(decode(item, events, depth))
            except MismatchError as error:
                raise error.below(str(index)) from None
        return result

    return decode_list


def _map_decoder(decode: Decode) -> Decode:
    def decode_map(value: Any, events: Events, depth: int) -> dict[str, Any]:
        if type(value) is not dict:
            raise MismatchError("an object", value)
        depth -= 1  # Each entry is a message.
        _check_depth(depth, value)
        result = {}
        for key, item in value.items():
            if item is None:
                continue
            try:
                result[key] = decode(item, events, depth)
            except MismatchError as error:
                raise error.below(key) from None
        return result

    return decode_map


def _scalar_decoder(field: FieldDescriptor) -> Decode:
    kind = field.cpp_type
    if kind in INTEGERS:
        bits = 32 if kind in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_UINT32) else 64
        signed = kind in (FieldDescriptor.CPPTYPE_INT32, FieldDescriptor.CPPTYPE_INT64)
        return _integer_decoder(bits, signed)
    if kind in FLOATS:
        return _decode_float
    if kind == FieldDescriptor.CPPTYPE_BOOL:
        return _decode_bool
    if field.enum_type is not None:
        return _enum_decoder(field.enum_type)
    if field.type == FieldDescriptor.TYPE_STRING:
        return _decode_string
    raise ContractError(f"field {field.full_name}: vCenter's JSON has no form for bytes")


def _decode_string(value: Any, events: Events, depth: int) -> str:
    if type(value) is not str:
        raise MismatchError("a string", value)
    return value


def _decode_json_text(value: Any, events: Events, depth: int) -> str:
    if type(value) is str:
        return value
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError:  # Its writer supports less depth than its reader.
        raise TooDeepError(value) from None


def _decode_bool(value: Any, events: Events, depth: int) -> bool:
    if type(value) is not bool:
        raise MismatchError("a boolean", value)
    return value


def _decode_float(value: Any, events: Events, depth: int) -> float:
    if type(value) is not float and type(value) is not int:
        raise MismatchError("a number", value)
    return value


def _integer_decoder(bits: int, signed: bool) -> Decode:
    low, high = (-(1 << bits - 1), (1 << bits - 1) - 1) if signed else (0, (1 << bits) - 1)
    expected = f"an integer of {bits} bits"

    def decode(value: Any, events: Events, depth: int) -> int:
        if type(value) is float and value.is_integer():
            value = int(value)  # In JSON, 4096.0 is an integer.
        if type(value) is not int or not low <= value <= high:
            raise MismatchError(expected, value)
        return value

    return decode


def _enum_decoder(descriptor: EnumDescriptor) -> Decode:
    numbers = {name: number for number, name in enum_wire_names(descriptor).items()}
    full_name = descriptor.full_name

    def decode(value: Any, events: Events, depth: int) -> int:
        if type(value) is not str:
            raise MismatchError("the name of an enum value", value)
        number = numbers.get(value)
        if number is None:
            events.unknown_enum_value(full_name, name_or_other(value))
            return 0
        return number

    return decode


def _decode_timestamp(value: Any, events: Events, depth: int) -> dict[str, int]:
    _check_depth(depth - 1, value)
    if type(value) is not str:
        raise MismatchError("a date and time", value)
    try:
        time = _parse_time(value)
    except (ValueError, OverflowError):
        raise MismatchError("a date and time in RFC 3339 format", value) from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    since = time - _EPOCH
    seconds = since.days * 86400 + since.seconds
    if seconds not in TIMESTAMP_SECONDS:
        raise MismatchError("a date and time between the years 1 and 9999", value)
    return {"seconds": seconds, "nanos": since.microseconds * 1000}


def _parse_time(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        # RFC 3339 also allows lower-case t and z, and the second 60, which is the next second elsewhere.
        text, leap_seconds = _LEAP_SECOND.subn(r"\g<1>59\2", text.upper())
        return datetime.fromisoformat(text) + timedelta(seconds=leap_seconds)


def _decode_struct(value: Any, events: Events, depth: int) -> Struct:
    struct = Struct()
    _fill_struct(struct, value, depth - 1)
    return struct


def _value_decoder(descriptor: Descriptor) -> Decode:
    """Reads a value of any form into a Value of the contract's own pool."""
    value_class = message_factory.GetMessageClass(descriptor)

    def decode(value: Any, events: Events, depth: int) -> Message:
        decoded = value_class()
        _check_depth(depth - 1, value)
        _fill_value(decoded, value, depth - 1)
        return decoded

    return decode


def _fill_struct(struct: Any, value: Any, depth: int) -> None:
    if type(value) is not dict:
        raise MismatchError("an object", value)
    _check_depth(depth, value)
    struct.SetInParent()
    for key, item in value.items():
        try:
            _check_depth(depth - 2, item)  # The entry, and the value in it.
            _fill_value(struct.fields[key], item, depth - 2)
        except MismatchError as error:
            raise error.below(key) from None


def _fill_value(target: Any, value: Any, depth: int) -> None:
    if value is None:
        target.null_value = 0
    elif type(value) is bool:
        target.bool_value = value
    elif type(value) is str:
        target.string_value = value
    elif type(value) is dict:
        _fill_struct(target.struct_value, value, depth - 1)
    elif type(value) is list:
        _check_depth(depth - 1, value)
        target.list_value.SetInParent()
        for index, item in enumerate(value):
            try:
                _check_depth(depth - 2, item)  # The list, and the value in it.
                _fill_value(target.list_value.values.add(), item, depth - 2)
            except MismatchError as error:
                raise error.below(str(index)) from None
    else:
        target.number_value = value
