"""Nothing that vCenter, or whatever answers in its place, can send makes the gateway fail in a way of its own."""

from __future__ import annotations

import re
from typing import Any

import orjson
import pytest
from google.protobuf.message import Message
from google.rpc import code_pb2, status_pb2
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.errors import MAX_DETAILS_BYTES, GatewayError, status_of
from gateway.transcoding import RestResponse
from tests.property.strategies import BINDINGS, any_text, json_values, messages
from tests.reference import to_json

MANY = settings(max_examples=settings().max_examples * 10)
RPCS = st.sampled_from(sorted(BINDINGS))
STATUSES = st.one_of(st.sampled_from([200, 201, 202, 204, 400, 401, 404, 500, 503]), st.integers(100, 999))
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "content-type": st.one_of(st.sampled_from(["application/json", "text/html; charset=utf-8"]), any_text),
        "retry-after": st.one_of(
            st.integers().map(str),
            st.datetimes().map(lambda date: date.strftime("%a, %d %b %Y %H:%M:%S GMT")),
            st.from_regex(r"\A(Mon, )?\d{1,2} Jan \d{1,12} \d\d:\d\d:\d\d( [+-]?\d{1,8})?\Z"),
            any_text,
        ),
    },
)


def answered(rpc: str, status: int, headers: dict[str, str], body: bytes) -> None:
    """Reads an answer, which must give a message that can be sent, or an error whose status can be sent."""
    try:
        message = BINDINGS[rpc].decode(RestResponse(status, headers, body))
    except GatewayError as error:
        result = status_of(error.failure)
        assert result.code != code_pb2.OK
        assert status_pb2.Status.FromString(result.SerializeToString()) == result
        assert result.ByteSize() <= MAX_DETAILS_BYTES
    else:
        assert 200 <= status < 300
        assert type(message).FromString(message.SerializeToString()) == message


@MANY
@given(rpc=RPCS, status=STATUSES, headers=HEADERS, body=st.binary(max_size=60))
def test_any_bytes(rpc: str, status: int, headers: dict[str, str], body: bytes) -> None:
    """Arbitrary bytes with an arbitrary status and arbitrary header fields are a message or a GatewayError."""
    answered(rpc, status, headers, body)


@MANY
@given(rpc=RPCS, status=STATUSES, headers=HEADERS, body=json_values)
def test_any_json(rpc: str, status: int, headers: dict[str, str], body: Any) -> None:
    """So is arbitrary JSON."""
    answered(rpc, status, headers, orjson.dumps(body))


@pytest.mark.parametrize("rpc", [name for name, binding in BINDINGS.items() if binding.method.rule.response_body])
@given(data=st.data())
def test_results_with_one_part_changed(rpc: str, data: st.DataObject) -> None:
    """So is a right result in which one part, at any depth, was replaced by arbitrary JSON."""
    binding = BINDINGS[rpc]
    response: Message = data.draw(messages(binding.method.output_type.full_name, valid=False))
    result = next(iter(to_json(response).values()), {})
    answered(rpc, 200, {}, orjson.dumps(changed(data, result)))


def changed(data: st.DataObject, value: Any) -> Any:
    if isinstance(value, dict) and value and data.draw(st.booleans()):
        key = data.draw(st.sampled_from(sorted(value)))
        return {**value, key: changed(data, value[key])}
    if isinstance(value, list) and value and data.draw(st.booleans()):
        index = data.draw(st.integers(0, len(value) - 1))
        return [*value[:index], changed(data, value[index]), *value[index + 1 :]]
    return data.draw(json_values)


VAPI_ERRORS = st.fixed_dictionaries(
    {},
    optional={
        "error_type": st.one_of(st.sampled_from(["NOT_FOUND", "RESOURCE_BUSY", "NEW"]), json_values),
        "messages": st.one_of(
            st.lists(messages("vapi.std.v1.LocalizableMessage", valid=False).map(to_json), max_size=3), json_values
        ),
        "data": st.one_of(
            st.fixed_dictionaries({"pid": json_values}),
            st.fixed_dictionaries({"reason": json_values, "file_path": json_values}),
            json_values,
        ),
        "challenge": json_values,
    },
)


@MANY
@given(rpc=RPCS, status=st.integers(300, 999), headers=HEADERS, body=VAPI_ERRORS)
@example(rpc="vcenter.v1.VmService/GetVm", status=500, headers={"content-type": "\udcff"}, body={})
@example(
    rpc="vcenter.v1.VmService/GetVm",
    status=503,
    headers={"retry-after": "Mon, 01 Jan 99999999999 00:00:00 GMT"},
    body={"error_type": "SERVICE_UNAVAILABLE"},
)
def test_any_error(rpc: str, status: int, headers: dict[str, str], body: Any) -> None:
    """So is an error of vCenter of which each part may be anything."""
    answered(rpc, status, headers, orjson.dumps(body))


@MANY
@given(
    body=VAPI_ERRORS, error_type=st.one_of(st.text(min_size=1), st.from_regex(r"[A-Z_.0-9a-z]{1,66}", fullmatch=True))
)
def test_error_type_is_the_reason(body: dict[str, Any], error_type: str) -> None:
    """An error type that looks like the name of one is the reason of the error verbatim, whether it is known or not; of
    anything else, which may be a secret that was echoed, nothing is kept."""
    content = orjson.dumps({**body, "error_type": error_type})
    with pytest.raises(GatewayError) as caught:
        BINDINGS["vcenter.v1.VmService/GetVm"].decode(RestResponse(500, {}, content))
    looks_like_a_name = re.fullmatch(r"[A-Za-z0-9_.]{1,64}", error_type) is not None
    assert caught.value.failure.reason == (error_type if looks_like_a_name else "HTTP_500")
