"""Every value of every enum, in both directions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import pytest
from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.contract import load_contract
from gateway.events import Events
from gateway.transcoding import Binding
from gateway.transcoding.decoder import MAX_DEPTH, Decoders
from gateway.transcoding.encoder import Encoders
from tests.contract.catalogue import Field, Operation, Type, catalogue
from tests.reference import is_map, wire_name

BindingOf = Callable[[Operation], Binding]


@pytest.fixture(scope="module")
def enum_fields(binding_of: BindingOf) -> Mapping[str, list[FieldDescriptor]]:
    """The fields that hold an enum of the catalogue, found by following both along the operations."""
    found: dict[str, list[FieldDescriptor]] = {}
    seen: set[tuple[str, str]] = set()

    def follow(field: FieldDescriptor, expected: Type) -> None:
        element = expected if isinstance(expected, str) else expected[1]
        if element in catalogue().enums:
            found.setdefault(element, []).append(field)
        elif element in catalogue().structs:
            message = field.message_type.fields_by_name["value"].message_type if is_map(field) else field.message_type
            if (message.full_name, element) not in seen:
                seen.add((message.full_name, element))
                follow_all(message, catalogue().structs[element].fields)

    def follow_all(message: Descriptor, fields: Iterable[Field]) -> None:
        by_wire = {wire_name(field): field for field in message.fields}
        for field in fields:
            follow(by_wire[field.name], field.type)

    for operation in catalogue().operations:
        method = binding_of(operation).method
        if operation.body is not None:
            follow(method.input_type.fields_by_name[method.rule.body], operation.body)
        follow_all(method.input_type, operation.body_fields or ())
        if operation.result is not None:
            follow(method.output_type.fields_by_name[method.rule.response_body], operation.result.type)
    return found


def reached() -> list[str]:
    """The enums of the catalogue that the operations reach, in the catalogue's order."""
    types: list[Type] = []
    for operation in catalogue().operations:
        types += [operation.body or "string", operation.result.type if operation.result else "string"]
        types += [field.type for field in operation.body_fields or ()]
    names = set()
    while types:
        of_type = types.pop()
        element = of_type if isinstance(of_type, str) else of_type[1]
        if element not in names:
            names.add(element)
            if element in catalogue().structs:
                types += [field.type for field in catalogue().structs[element].fields]
    return [name for name in catalogue().enums if name in names]


@pytest.mark.parametrize("name", reached())
def test_both_ways(enum_fields: Mapping[str, list[FieldDescriptor]], name: str) -> None:
    """Each value of the catalogue is read from vCenter and sent to it under the same name; there are no others."""
    contract = load_contract()
    encoders, decoders = Encoders(contract), Decoders(frozenset())
    for field in enum_fields[name]:
        encode, decode = encoders.value(field), decoders.field(field)
        numbers = []
        for value in catalogue().enums[name]:
            sent = {"x": value} if is_map(field) else [value] if field.is_repeated else value
            kind = contract.message_class(field.containing_type)
            message = kind(**{field.name: decode(sent, Events(), MAX_DEPTH)})
            violations: list[object] = []
            assert encode(getattr(message, field.name), violations) == sent  # type: ignore[arg-type]
            assert violations == []
            read = getattr(message, field.name)
            numbers += read.values() if is_map(field) else read if field.is_repeated else [read]
        of = field.message_type.fields_by_name["value"] if is_map(field) else field
        assert sorted(numbers) == sorted({value.number for value in of.enum_type.values} - {0})


def test_what_is_tested() -> None:
    """Dozens of enums are tested, with the values of newer releases."""
    assert len(reached()) > 30
    assert "DISABLED" in catalogue().enums["VcenterGuestIpv4Type"]
