"""Compiles message types into functions that convert a message into vCenter's JSON and validate it.

Presence decides what is sent: a set field is sent, including false, 0 and ""; an unset field is omitted. A required
list or map is sent even if it is empty, because protobuf cannot distinguish empty from unset.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

from gateway.contract.contract import Contract, ContractError, Union, enum_wire_names, map_value, wire_name

__all__ = ["Encode", "Encoders", "Violation", "encode_timestamp"]

INTEGERS = frozenset(
    {
        FieldDescriptor.CPPTYPE_INT32,
        FieldDescriptor.CPPTYPE_INT64,
        FieldDescriptor.CPPTYPE_UINT32,
        FieldDescriptor.CPPTYPE_UINT64,
    }
)
FLOATS = frozenset({FieldDescriptor.CPPTYPE_DOUBLE, FieldDescriptor.CPPTYPE_FLOAT})

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TIMESTAMP_SECONDS = range(-62135596800, 253402300800)
"""What google.protobuf.Timestamp allows: the years 1 to 9999."""
_EXACT_DOUBLE = 2**53


@dataclass(frozen=True, slots=True)
class Violation:
    """One mistake in a request: the path of the field in the proto's names, and a message about it. The message never
    contains the field's value, which may be a secret.
    """

    field: str
    description: str

    def below(self, parent: str) -> Violation:
        """The same mistake relative to the message that has this one in its field `parent`."""
        if not self.field:
            return Violation(parent, self.description)
        separator = "" if self.field.startswith("[") else "."
        return Violation(f"{parent}{separator}{self.field}", self.description)


Encode = Callable[[Any, list[Violation]], Any]
"""Converts one value into JSON and appends its violations, with paths relative to the value."""


class Encoders:
    """Compiles and caches one encoder for each message type; types may be recursive."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._messages: dict[str, Encode] = {
            "google.protobuf.Timestamp": encode_timestamp,
            "google.protobuf.Struct": _encode_struct,
            "google.protobuf.Value": _encode_dynamic,
        }

    def value(self, field: FieldDescriptor) -> Encode:
        """The encoder of a field's whole value, including its list or map."""
        if (of_map := map_value(field)) is not None:
            return _map_encoder(self._single(of_map))
        single = self._single(field)
        return _list_encoder(single) if field.is_repeated else single

    def message(self, descriptor: Descriptor) -> Encode:
        """The encoder of a message type."""
        known = self._messages.get(descriptor.full_name)
        if known is not None:
            return known
        # Of each field its wire name, the names of its values where it is an enum, and what encodes it where its values
        # are not taken as they are. Protobuf gives the same descriptor objects each time.
        fields: dict[FieldDescriptor, tuple[str, Mapping[int, str] | None, Encode | None]] = {}
        required: dict[str, tuple[str, Any]] = {}
        unions: list[_UnionCheck] = []

        def encode(message: Message, violations: list[Violation]) -> dict[str, Any]:
            result: dict[str, Any] = {}
            before = len(violations)
            for field, value in message.ListFields():
                wire, names, encode_value = fields[field]
                if encode_value is None:
                    result[wire] = value
                    continue
                if names is not None and value in names:
                    result[wire] = names[value]
                    continue
                result[wire] = encode_value(value, violations)
                if violations and len(violations) > before:
                    violations[before:] = [violation.below(field.name) for violation in violations[before:]]
                    before = len(violations)
            if not required.keys() <= result.keys():
                for wire, (name, empty) in required.items():
                    if wire not in result:
                        if empty is None:
                            violations.append(Violation(name, "is required"))
                        else:
                            result[wire] = empty
            for check in unions:
                check(result, violations)
            return result

        self._messages[descriptor.full_name] = encode
        for field in descriptor.fields:
            encode_value = self.value(field)
            names = enum_wire_names(field.enum_type) if field.enum_type is not None and not field.is_repeated else None
            fields[field] = (wire_name(field), names, None if encode_value is _encode_as_is else encode_value)
            if field.name in self._contract.required(descriptor):
                required[wire_name(field)] = (field.name, _empty(field))
        unions.extend(_union_check(descriptor, union) for union in self._contract.unions(descriptor))
        return encode

    def _single(self, field: FieldDescriptor) -> Encode:
        kind = field.cpp_type
        if (prefix := self._contract.open_enums.get(field.full_name)) is not None:
            return lambda value, violations: value.removeprefix(prefix)
        if kind in INTEGERS or kind == FieldDescriptor.CPPTYPE_BOOL or field.type == FieldDescriptor.TYPE_STRING:
            return _encode_as_is
        if kind in FLOATS:
            return _encode_float
        if field.enum_type is not None:
            return _enum_encoder(field.enum_type)
        if field.message_type is not None:
            return self.message(field.message_type)
        raise ContractError(f"field {field.full_name}: vCenter's JSON has no form for bytes")


def _empty(field: FieldDescriptor) -> Any:
    """The JSON of an empty list or map; None for everything that can be absent."""
    if not field.is_repeated:
        return None
    return [] if map_value(field) is None else {}


def _encode_as_is(value: Any, violations: list[Violation]) -> Any:
    return value


def _encode_float(value: float, violations: list[Violation]) -> Any:
    if not math.isfinite(value):
        violations.append(Violation("", "must be a finite number"))
    return value


def _enum_encoder(descriptor: EnumDescriptor) -> Encode:
    names = enum_wire_names(descriptor)
    expected = "must be one of " + ", ".join(names.values())

    def encode(value: int, violations: list[Violation]) -> Any:
        name = names.get(value)
        if name is None:
            found = "is UNSPECIFIED" if value == 0 else f"has the unknown number {value}"
            violations.append(Violation("", f"{found}; {expected}"))
        return name

    return encode


def _list_encoder(single: Encode) -> Encode:
    if single is _encode_as_is:
        return lambda values, violations: list(values)

    def encode(values: Any, violations: list[Violation]) -> list[Any]:
        result = []
        before = len(violations)
        for index, value in enumerate(values):
            result.append(single(value, violations))
            if len(violations) > before:
                violations[before:] = [violation.below(f"[{index}]") for violation in violations[before:]]
                before = len(violations)
        return result

    return encode


def _map_encoder(single: Encode) -> Encode:
    def encode(values: Any, violations: list[Violation]) -> dict[str, Any]:
        result = {}
        before = len(violations)
        for key in values:
            result[key] = single(values[key], violations)
            if len(violations) > before:
                violations[before:] = [violation.below(f'["{key}"]') for violation in violations[before:]]
                before = len(violations)
        return result

    return encode


def encode_timestamp(value: Any, violations: list[Violation]) -> str | None:
    """RFC 3339 in UTC. vCenter works in milliseconds; finer digits are sent only if the caller set them."""
    if value.seconds not in TIMESTAMP_SECONDS or not 0 <= value.nanos < 1_000_000_000:
        violations.append(Violation("", "must be a time between the years 1 and 9999"))
        return None
    # isoformat pads the year to four digits, which strftime does not promise.
    seconds = (_EPOCH + timedelta(seconds=value.seconds)).isoformat().removesuffix("+00:00")
    digits = f"{value.nanos:09d}"
    while len(digits) > 3 and digits.endswith("000"):
        digits = digits[:-3]
    return f"{seconds}.{digits}Z"


def _encode_struct(value: Any, violations: list[Violation]) -> Any:
    return _encode_dynamic_map(value.fields, violations)


def _encode_dynamic(value: Any, violations: list[Violation]) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _encode_struct(value.struct_value, violations)
    if kind == "list_value":
        return _encode_dynamic_list(value.list_value.values, violations)
    if kind == "number_value":
        number = value.number_value
        if not math.isfinite(number):
            violations.append(Violation("", "must be a finite number"))
        elif number.is_integer() and abs(number) <= _EXACT_DOUBLE:
            # A Struct has no integers; vCenter has no use for 3.0 where it expects 3.
            return int(number)
        return number
    return getattr(value, kind) if kind in ("string_value", "bool_value") else None


_encode_dynamic_map = _map_encoder(_encode_dynamic)
_encode_dynamic_list = _list_encoder(_encode_dynamic)


_UnionCheck = Callable[[dict[str, Any], list[Violation]], None]


def _union_check(descriptor: Descriptor, union: Union) -> _UnionCheck:
    """Checks a union on the encoded message, and fills in the empty lists that its case requires."""
    wires = {field.name: wire_name(field) for field in descriptor.fields}
    tag = wires[union.tag]
    members = {wires[name]: name for name in union.members}
    cases = {
        value: (
            {wires[name]: (name, _empty(descriptor.fields_by_name[name])) for name in sorted(case.required)},
            {wire for wire, name in members.items() if name not in case.required | case.optional},
        )
        for value, case in union.cases.items()
    }
    no_case: tuple[dict[str, tuple[str, Any]], set[str]] = ({}, set(members))

    def check(result: dict[str, Any], violations: list[Violation]) -> None:
        value = result.get(tag)
        required, foreign = cases.get(value, no_case) if value is not None else no_case
        for wire in () if foreign.isdisjoint(result) else [wire for wire in result if wire in foreign]:
            if value is not None:
                text = f"must not be set when {union.tag} is {value}"
            elif tag in result:
                continue  # The tag itself is invalid, which has already been reported.
            else:
                text = f"must not be set when {union.tag} is not"
            violations.append(Violation(members[wire], text))
        for wire, (name, empty) in required.items():
            if wire not in result:
                if empty is None:
                    violations.append(Violation(name, f"is required when {union.tag} is {value}"))
                else:
                    result[wire] = empty

    return check
