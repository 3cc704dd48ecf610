"""Strategies for messages, made from their descriptors, and for what vCenter might answer."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from hypothesis import strategies as st

from gateway.contract import Contract, load_contract
from gateway.transcoding import Binding, compile_bindings
from tests.reference import enum_names, is_map, wire_name

__all__ = ["BINDINGS", "CONTRACT", "any_text", "json_values", "long_text", "messages", "path_text", "requests"]

CONTRACT: Contract = load_contract()
BINDINGS: dict[str, Binding] = {
    name: binding for name, binding in compile_bindings(CONTRACT).items() if binding.method.operation
}

Draw = Callable[[st.SearchStrategy[Any]], Any]
MAX_NESTING = 6

any_text = st.text(st.characters(exclude_categories=()), max_size=20)
"""Text with everything that Python allows in it, halves of characters included."""
long_text = st.builds(lambda text, times: text * times, st.text(min_size=1, max_size=20), st.integers(0, 1_000))
path_text = st.one_of(
    st.text(min_size=1, max_size=20),
    st.text("./%2eEfF\\?#&=;:@+ \0\r\n{}é", min_size=1, max_size=8),
).filter(lambda text: text not in (".", ".."))
"""Text that can stand in a path, with a liking for what could break out of it."""

_header_text = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=20).map(str.strip)

_INTEGERS = {
    FieldDescriptor.CPPTYPE_INT32: st.integers(-(2**31), 2**31 - 1),
    FieldDescriptor.CPPTYPE_UINT32: st.integers(0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_INT64: st.integers(-(2**63), 2**63 - 1),
    FieldDescriptor.CPPTYPE_UINT64: st.integers(0, 2**64 - 1),
}
_KEYS = st.text(max_size=6)
_SIZES = st.integers(0, 2)
# Microseconds, which is what times are read to, from year 1 to year 9999.
_TIMES = st.tuples(st.integers(-62135596800, 253402300799), st.integers(0, 999_999))

_names = sorted({wire_name(field) for message in CONTRACT.messages.values() for field in message.fields})
_json_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=10),
    st.sampled_from(["2026-03-01T10:20:30.123Z", "ISO_FILE", "POWERED_ON", "NOT_FOUND"]),
)
json_values = st.recursive(
    _json_scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(_names), st.text(max_size=5)), inner, max_size=4),
    ),
    max_leaves=12,
)
"""JSON whose objects often have names that the contract knows."""


@cache
def messages(full_name: str, *, valid: bool) -> st.SearchStrategy[Any]:
    """Messages of a type. Those that are `valid` keep the rules for requests: required fields and unions."""
    message_class = CONTRACT.message_class(full_name)

    def build(draw: Draw) -> Message:
        message = message_class()
        _fill(draw, message, MAX_NESTING, valid)
        return message

    return st.composite(build)()


@cache
def requests(rpc: str) -> st.SearchStrategy[Any]:
    """Requests of an rpc that the gateway accepts."""
    binding = BINDINGS[rpc]
    fields = binding.method.input_type.fields
    variables = [binding.method.input_type.fields_by_name[name] for name in binding.method.rule.variables]
    headers = [
        field.name for field in fields if field.full_name in CONTRACT.moved and CONTRACT.moved[field.full_name].header
    ]

    def build(draw: Draw) -> Message:
        message = draw(messages(binding.method.input_type.full_name, valid=True))
        for field in variables:
            in_path = _INTEGERS.get(field.cpp_type, path_text)
            setattr(message, field.name, draw(in_path.filter(bool)))
        for name in headers:
            if message.HasField(name):
                setattr(message, name, draw(_header_text))
        return message  # type: ignore[no-any-return]

    return st.composite(build)()


def _fill(draw: Draw, message: Any, depth: int, valid: bool) -> None:
    descriptor = message.DESCRIPTOR
    if descriptor.full_name == "google.protobuf.Timestamp":
        message.seconds, micros = draw(_TIMES)
        message.nanos = micros * 1_000
    elif descriptor.full_name == "google.protobuf.Struct":
        message.update(draw(st.dictionaries(_KEYS, json_values.filter(lambda value: not _has_huge(value)), max_size=2)))
    elif descriptor.full_name == "google.protobuf.Value":
        value = draw(json_values.filter(lambda value: value is not None and not _has_huge(value)))
        json_format.ParseDict(value, message)
    else:
        tags, chosen, needed = _choose(draw, descriptor, valid)
        for field in descriptor.fields:
            if field.name in tags:
                setattr(message, field.name, tags[field.name])
            elif field.name in needed or (field.name in chosen and depth > 0):
                _fill_field(draw, message, field, depth - 1, valid)


def _choose(draw: Draw, descriptor: Descriptor, valid: bool) -> tuple[dict[str, int], set[str], set[str]]:
    """The tags with their values, the fields that are to be filled, and those that must be."""
    fields = descriptor.fields
    bits = draw(st.integers(0, 2 ** len(fields) - 1)) if fields else 0
    chosen = {field.name for number, field in enumerate(fields) if bits >> number & 1}
    tags: dict[str, int] = {}
    if not valid:
        return tags, chosen, set()
    needed = set(CONTRACT.required(descriptor))
    for union in CONTRACT.unions(descriptor):
        chosen -= union.members
        if union.tag in chosen | needed:
            names = enum_names(descriptor.fields_by_name[union.tag].enum_type)
            tags[union.tag] = draw(st.sampled_from(sorted(names)))
            if case := union.cases.get(names[tags[union.tag]]):
                needed |= case.required
                chosen |= {name for name in case.optional if bits & 1 << descriptor.fields_by_name[name].index}
    return tags, chosen, needed


def _has_huge(value: Any) -> bool:
    """Whether there is a whole number in it that a dynamic structure holds only roughly."""
    if isinstance(value, dict):
        return any(map(_has_huge, value.values()))
    if isinstance(value, list):
        return any(map(_has_huge, value))
    return type(value) is int and abs(value) > 2**53


def _fill_field(draw: Draw, message: Any, field: FieldDescriptor, depth: int, valid: bool) -> None:
    target = getattr(message, field.name)
    if is_map(field):
        of_map = field.message_type.fields_by_name["value"]
        for _ in range(draw(_SIZES)):
            key = draw(_KEYS)
            if of_map.message_type is not None:
                target[key].Clear()
                _fill(draw, target[key], depth, valid)
            else:
                target[key] = draw(_scalars(of_map))
    elif field.message_type is not None:
        for part in (target.add() for _ in range(draw(_SIZES))) if field.is_repeated else (target,):
            part.SetInParent()
            _fill(draw, part, depth, valid)
    elif field.is_repeated:
        target.extend(draw(_scalars(field)) for _ in range(draw(_SIZES)))
    else:
        setattr(message, field.name, draw(_scalars(field)))


def _scalars(field: FieldDescriptor) -> st.SearchStrategy[Any]:
    if field.enum_type is not None:
        return st.sampled_from(sorted(enum_names(field.enum_type)))
    if field.cpp_type in _INTEGERS:
        return _INTEGERS[field.cpp_type]
    if field.cpp_type == FieldDescriptor.CPPTYPE_BOOL:
        return st.booleans()
    if field.cpp_type == FieldDescriptor.CPPTYPE_DOUBLE:
        return st.floats(allow_nan=False, allow_infinity=False)
    return st.text(max_size=10)
