"""Nothing is lost on the way: requests into REST calls, and results into responses."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote

import orjson
import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import find, given, settings
from hypothesis import strategies as st

from gateway.contract import Variable
from gateway.transcoding import Binding, RestRequest, RestResponse
from tests.property.strategies import BINDINGS, messages, requests
from tests.reference import fill, fill_field, is_map, to_json, wire_name


def read_back(binding: Binding, call: RestRequest) -> Message:
    """The request that a REST call was made from, as the rule and the descriptors tell it."""
    message, rule = binding.request_class(), binding.method.rule
    fields = binding.method.input_type.fields_by_name
    path, _, query = call.target.partition("?")
    for segment, text in zip(rule.segments, path[1:].split("/"), strict=True):
        if isinstance(segment, Variable):
            fill_field(message, fields[segment.name], from_text(fields[segment.name], unquote(text, errors="strict")))
        else:
            assert text == segment
    by_wire = {wire_name(field): field for field in fields.values()}
    parameters = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    for literal in parse_qsl(rule.query):
        parameters.remove(literal)
    for name, text in parameters:
        value = from_text(by_wire[name], text)
        fill_field(message, by_wire[name], [value] if by_wire[name].is_repeated else value)
    assert (call.body is None) == (rule.body == "")
    if call.body is not None:
        body = orjson.loads(call.body)
        if rule.body == "*":
            fill(message, body)
        else:
            fill_field(message, fields[rule.body], body)
    return message


def from_text(field: FieldDescriptor, text: str) -> Any:
    if field.enum_type is not None or field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return text
    return orjson.loads(text)


@pytest.mark.parametrize("rpc", BINDINGS)
@given(data=st.data())
def test_requests(rpc: str, data: st.DataObject) -> None:
    """From the REST call of any request, the request can be read back completely."""
    binding, request = BINDINGS[rpc], data.draw(requests(rpc))
    before = copy.deepcopy(request)
    call = binding.encode(request)
    assert call.method == binding.method.rule.verb
    assert read_back(binding, call) == request == before


@pytest.mark.parametrize("rpc", BINDINGS)
@given(data=st.data())
def test_responses(rpc: str, data: st.DataObject) -> None:
    """Any response comes back from the JSON that vCenter would have sent for it."""
    binding = BINDINGS[rpc]
    response = data.draw(messages(binding.method.output_type.full_name, valid=False))
    assert binding.decode(RestResponse(200, {}, body_of(binding, response))) == response


def body_of(binding: Binding, response: Message) -> bytes:
    """The answer that a response stands for."""
    name = binding.method.rule.response_body
    if not name:
        return b""
    field = binding.method.output_type.fields_by_name[name]
    absent = {} if is_map(field) else [] if field.is_repeated else None
    return orjson.dumps(to_json(response).get(wire_name(field), absent))


@pytest.mark.parametrize(
    ("strategy", "condition"),
    [
        pytest.param(
            requests("vcenter.vm.hardware.v1.CdromService/CreateCdrom"),
            lambda request: len(request.spec.backing.iso_file) > 2,
            id="field-of-a-union-in-a-request",
        ),
        pytest.param(
            requests("vcenter.vm.guest.v1.CustomizationService/SetCustomization"),
            lambda request: any(item.adapter.ipv4.prefix for item in request.spec.spec.interfaces),
            id="field-in-a-list-in-a-request",
        ),
        pytest.param(
            messages("vcenter.v1.GetVmResponse", valid=False),
            lambda response: any(disk.scsi.unit for disk in response.vm.disks.values()),
            id="field-in-a-map-in-a-response",
        ),
    ],
)
def test_examples_go_deep(strategy: st.SearchStrategy[Any], condition: Callable[[Any], bool]) -> None:
    """The examples are no trivial ones: what is far down in a message is filled in some of them."""
    find(strategy, condition, settings=settings(max_examples=1_000))
