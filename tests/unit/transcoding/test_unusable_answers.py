"""Answers that cannot be used: each gives an error with what is wrong and where, never a value of the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from google.rpc import code_pb2

from gateway.contract import load_contract
from gateway.errors import GATEWAY_DOMAIN, Failure, GatewayError, status_of
from gateway.transcoding import Binding, RestResponse, compile_bindings
from gateway.transcoding.answer_json import MAX_ELEMENTS

Decode = Callable[..., Any]
SECRET = "Gulf-0f-Finland"


def refusal(decode: Decode, rpc: str, body: object, **answer: Any) -> Failure:
    with pytest.raises(GatewayError) as caught:
        decode(rpc, body, **answer)
    error = caught.value.failure
    assert (error.code, error.reason, error.domain) == (
        code_pb2.INTERNAL,
        "VCENTER_RESPONSE_INVALID",
        GATEWAY_DOMAIN,
    )
    return error


@pytest.mark.parametrize(
    ("rpc", "body", "what"),
    [
        pytest.param("Read", 1, "the result should be a string but is an integer", id="integer-for-text"),
        pytest.param("Read", {}, "the result should be a string but is an object", id="object-for-text"),
        pytest.param("GetNumber", "1", "the result should be an integer of 64 bits but is a string", id="text"),
        pytest.param("GetNumber", True, "the result should be an integer of 64 bits but is a boolean", id="boolean"),
        pytest.param("GetNumber", 0.5, "the result should be an integer of 64 bits but is a number", id="half"),
        pytest.param("GetNumber", 2**63, "the result should be an integer of 64 bits but is an integer", id="big"),
        pytest.param("GetNumber", 1e300, "the result should be an integer of 64 bits but is an integer", id="huge"),
        pytest.param("GetFlag", 1, "the result should be a boolean but is an integer", id="integer-for-boolean"),
        pytest.param("GetNames", {}, "the result should be an array but is an object", id="object-for-list"),
        pytest.param("GetNames", ["a", 1], "1 should be a string but is an integer", id="list-of-texts"),
        pytest.param("GetItems", {}, "the result should be an array but is an object", id="object-for-messages"),
        pytest.param("GetItems", [{}, []], "1 should be an object but is an array", id="list-of-messages"),
        pytest.param("GetCounts", [], "the result should be an object but is an array", id="list-for-map"),
        pytest.param("GetCounts", {"a": "1"}, "a should be an integer of 64 bits but is a string", id="map"),
        pytest.param("GetById", [], "the result should be an object but is an array", id="list-for-messages"),
        pytest.param("GetById", {"a": 1}, "a should be an object but is an integer", id="map-of-messages"),
        pytest.param("GetItem", [], "the result should be an object but is an array", id="list-for-message"),
        pytest.param("GetWhole", "a", "the result should be an object but is a string", id="text-for-message"),
    ],
)
def test_results_of_the_wrong_type(decode: Decode, rpc: str, body: object, what: str) -> None:
    """A result of the wrong type is refused with what it should be and what it is."""
    error = refusal(decode, rpc, body)
    assert error.message == f"vCenter's answer (HTTP 200) does not fit the contract: {what}"


@pytest.mark.parametrize(
    ("item", "where"),
    [
        pytest.param({"kinds": [None, 1]}, "kinds.1 should be the name of an enum value but is an integer", id="enums"),
        pytest.param({"sizes": [1, "2"]}, "sizes.1 should be an integer of 64 bits but is a string", id="integers"),
        pytest.param({"counts": {"x": {}}}, "counts.x should be an integer of 64 bits but is an object", id="map"),
        pytest.param(
            {"items": [{}, {"names": "a", "item_by_name": {"x": {"sizes": [[]]}}}]},
            "items.1.item_by_name.x.sizes.0 should be an integer of 64 bits but is an array",
            id="deep",
        ),
        pytest.param({"items": {}}, "items should be an array but is an object", id="object-for-list"),
    ],
)
def test_elements_that_cannot_be_left_out(decode: Decode, item: dict[str, object], where: str) -> None:
    """An unreadable element of a list or map fails the result, with its path in vCenter's names, with index and key.

    A list without it would say that the thing does not exist.
    """
    error = refusal(decode, "GetItem", item)
    assert error.message == f"vCenter's answer (HTTP 200) does not fit the contract: {where}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("small", 2**31 - 1, id="int32-largest"),
        pytest.param("small", -(2**31), id="int32-smallest"),
        pytest.param("natural", 2**32 - 1, id="uint32-largest"),
        pytest.param("natural", 0, id="uint32-smallest"),
        pytest.param("big", 2**64 - 1, id="uint64-largest"),
    ],
)
def test_integers_at_their_limits(decode: Decode, field: str, value: int) -> None:
    """The largest and the smallest integer of each type are not refused."""
    assert getattr(decode("GetItem", {field: value}).item, field) == value


JSON = "application/json"


@pytest.mark.parametrize(
    ("rpc", "body", "kind", "what"),
    [
        pytest.param("GetItem", b'{"name": "a', JSON, "is not valid JSON", id="cut"),
        pytest.param("GetItem", b"{} {}", JSON, "is not valid JSON", id="two-values"),
        pytest.param("GetNumber", b"NaN", JSON, "is not valid JSON", id="not-a-number"),
        pytest.param("GetItem", b"", JSON, "is empty, although a result was expected", id="empty"),
        pytest.param("GetItem", b"", "", "is empty, although a result was expected", id="empty-of-no-type"),
        pytest.param("GetItem", b"\r\n", JSON, "is empty, although a result was expected", id="blank"),
        pytest.param("GetItem", b'{"name": "\xff}', JSON, "is not valid JSON", id="cut-and-no-utf-8"),
        pytest.param("GetItem", b'{"small": NaN}', JSON, "is not valid JSON", id="not-a-number-in-a-field"),
        pytest.param("GetItem", b"<", "", "is not valid JSON", id="no-type"),
        pytest.param("GetItem", b"<", "text/\udcff", "is not valid JSON", id="type-that-cannot-be-shown"),
        pytest.param("GetItem", b"<", "x" * 300 + "/y", "is not valid JSON", id="type-without-end"),
        pytest.param(
            "GetItem",
            f"<html>{SECRET}</html>".encode(),
            "text/html; charset=utf-8",
            "is text/html instead of JSON: something other than vCenter's API answered",
            id="page",
        ),
        pytest.param(
            "Act",
            f"<html>{SECRET}</html>".encode(),
            "Text/HTML",
            "is text/html instead of JSON: something other than vCenter's API answered",
            id="page-where-no-result-is-expected",
        ),
        pytest.param("Act", b"{", JSON, "is not valid JSON", id="cut-where-no-result-is-expected"),
    ],
)
def test_answers_that_are_not_json(decode: Decode, rpc: str, body: bytes, kind: str, what: str) -> None:
    """An answer that is not JSON is refused with what it is instead; a page is not repeated, not even in part."""
    error = refusal(decode, rpc, body, kind=kind)
    assert error.message == f"vCenter's answer (HTTP 200) {what}"
    assert SECRET not in str(status_of(error))


@pytest.mark.parametrize(
    "element",
    [b"{}", b'""', b"[]", b"0", b'{"a":0}', b'{"name":"a,:[{"}'],
    ids=["objects", "texts", "arrays", "numbers", "fields", "separators-in-texts"],
)
def test_the_number_of_values_is_bounded(decode: Decode, element: bytes) -> None:
    """An answer with more values than MAX_ELEMENTS is refused before it is parsed; one with as many is read."""
    cost = sum(element.count(separator) for separator in (b"{", b"[", b",", b":")) + 1
    many, rest = divmod(MAX_ELEMENTS - 3, cost)
    for more in (-1, 0, 1):
        body = b'{"x":[' + b",".join([element] * many + [b"0"] * (rest + more + 1)) + b"]}"
        assert sum(body.count(separator) for separator in (b"{", b"[", b",", b":")) == MAX_ELEMENTS + more
        if more < 1:
            decode("GetItem", body)
            continue
        with pytest.raises(GatewayError) as caught:
            decode("GetItem", body)
        error = caught.value.failure
        assert (error.code, error.reason) == (code_pb2.RESOURCE_EXHAUSTED, "VCENTER_RESPONSE_TOO_LARGE")
        assert error.message == f"vCenter's answer (HTTP 200) has more than {MAX_ELEMENTS:,} values"
        assert error.metadata["may_have_executed"] == "true"


@pytest.mark.parametrize(("more", "reason"), [(-1, "NEW"), (0, "NEW"), (1, "HTTP_500")])
def test_the_number_of_values_in_an_error_is_bounded(lab: Callable[[str], Binding], more: int, reason: str) -> None:
    """An error with more values is not parsed; its HTTP status decides what becomes of it."""
    body = b'{"error_type":"NEW","data":[' + b",".join([b"0"] * (MAX_ELEMENTS - 4 + more)) + b"]}"
    with pytest.raises(GatewayError) as caught:
        lab("GetItem").decode(RestResponse(500, {"content-type": JSON}, body))
    assert caught.value.failure.reason == reason


def test_a_list_of_as_many_machines_as_vcenter_lists() -> None:
    """4,000 machines, with names as long as vCenter allows and the JSON indented, stay far below the bound."""
    machine = {
        "vm": "vm-1234567",
        "name": "n" * 80,
        "power_state": "POWERED_ON",
        "cpu_count": 128,
        "memory_size_MiB": 25149440,
    }
    body = orjson.dumps([machine] * 4000, option=orjson.OPT_INDENT_2)
    assert len(body) > MAX_ELEMENTS
    assert 10 * sum(body.count(separator) for separator in (b"{", b"[", b",", b":")) < MAX_ELEMENTS
    rpc = compile_bindings(load_contract())["vcenter.v1.VmService/ListVms"]
    response: Any = rpc.decode(RestResponse(200, {"content-type": JSON}, body))
    assert len(response.vms) == 4000


def nested(levels: int, shape: Callable[[object], object], innermost: object) -> object:
    for _ in range(levels):
        innermost = shape(innermost)
    return innermost


# The deepest that protobuf's parsers accept is 100 messages: the response, and 99 in it.
SHAPES = [
    pytest.param(lambda inner: {"item": inner}, {}, 98, id="messages"),
    pytest.param(lambda inner: {"items": [inner]}, {}, 98, id="messages-in-lists"),
    pytest.param(lambda inner: {"item_by_name": {"x": inner}}, {}, 49, id="messages-in-maps"),
    pytest.param(lambda inner: {"item": inner}, {"at": "2026-03-01T10:20:30Z"}, 97, id="time-at-the-bottom"),
    pytest.param(lambda inner: {"item": inner}, {"counts": {"a": 1}}, 97, id="map-at-the-bottom"),
    pytest.param(lambda inner: {"item": inner}, {"free": {}}, 97, id="dynamic-at-the-bottom"),
]


@pytest.mark.parametrize(("shape", "innermost", "deepest"), SHAPES)
def test_depth(decode: Decode, shape: Callable[[object], object], innermost: object, deepest: int) -> None:
    """Nesting that a client's protobuf can read is accepted, one level more is refused."""
    message = decode("GetItem", nested(deepest, shape, innermost))
    assert type(message).FromString(message.SerializeToString()) == message
    error = refusal(decode, "GetItem", nested(deepest + 1, shape, innermost))
    assert "should be less deeply nested" in error.message


@pytest.mark.parametrize(
    ("shape", "innermost", "deepest"),
    [
        pytest.param(lambda inner: {"a": inner}, 1, (31, 31, 31), id="objects"),
        pytest.param(lambda inner: {"a": inner}, {}, (31, 31, 30), id="empty-object-at-the-bottom"),
        pytest.param(lambda inner: [inner], 1, (47, 47, 46), id="arrays"),
        pytest.param(lambda inner: [inner], [], (47, 46, 46), id="empty-array-at-the-bottom"),
    ],
)
@pytest.mark.parametrize("above", [0, 1, 2])
def test_depth_of_dynamic_structures(
    decode: Decode, shape: Callable[[object], object], innermost: object, deepest: tuple[int, ...], above: int
) -> None:
    """The same holds for structures without a fixed form, however many messages are above them."""

    def result(levels: int) -> object:
        return nested(above, lambda inner: {"item": inner}, {"free": {"a": nested(levels, shape, innermost)}})

    message = decode("GetItem", result(deepest[above]))
    assert type(message).FromString(message.SerializeToString()) == message
    error = refusal(decode, "GetItem", result(deepest[above] + 1))
    assert "should be less deeply nested" in error.message


@pytest.mark.parametrize(
    ("opening", "closing", "levels"),
    [
        pytest.param('{"item":', "}", 500, id="messages"),
        pytest.param('{"free":{"a":', "}}", 250, id="dynamic"),
        pytest.param('{"cause":', "}", 500, id="json-text"),
        pytest.param("[", "]", 500, id="arrays"),
        pytest.param("[", "]", 400_000, id="very-many-arrays"),
        pytest.param('{"item":', "}", 200_000, id="very-many-messages"),
        pytest.param('{"new":', "}", 200_000, id="very-many-unknown-fields"),
        pytest.param("[", "", 200_000, id="never-closed"),
    ],
)
def test_depth_without_bounds(decode: Decode, opening: str, closing: str, levels: int) -> None:
    """However deep an answer is nested, it is refused like any other that cannot be read."""
    error = refusal(decode, "GetItem", (opening * levels + "1" + closing * levels).encode())
    assert len(status_of(error).message) < 1000


@pytest.mark.parametrize(("rpc", "expected"), [("Act", "true"), ("Read", None), ("GetItem", "true")])
def test_what_is_known_about_the_call(decode: Decode, rpc: str, expected: str | None) -> None:
    """The error names the operation and the status, and says of a call that changes something that it may have."""
    error = refusal(decode, rpc, b"<", status=201)
    operations = {"Act": "POST /v?action=act", "Read": "POST /r?action=read", "GetItem": "GET /o"}
    assert (error.metadata["operation"], error.metadata["http_status"]) == (operations[rpc], "201")
    assert error.metadata.get("may_have_executed") == expected


def test_values_are_not_repeated(decode: Decode) -> None:
    """The error about a value of the wrong type does not show the value."""
    error = refusal(decode, "GetItem", {"sizes": [SECRET], "name": SECRET})
    assert SECRET not in str(status_of(error))
