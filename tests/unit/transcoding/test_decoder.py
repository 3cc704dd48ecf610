"""From vCenter's JSON to messages: results of every shape, and what a newer vCenter adds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message

from gateway.errors import GatewayError
from gateway.events import Events
from gateway.transcoding import Binding, RestResponse
from gateway.transcoding.answer_json import MAX_MENDED_BYTES

Decode = Callable[..., Any]


class Seen(Events):
    """Events that write down what they are told."""

    def __init__(self) -> None:
        self.fields: list[tuple[str, str]] = []
        self.values: list[tuple[str, str]] = []
        self.unreadable: list[tuple[str, str, str]] = []
        self.replaced: list[str] = []

    def unknown_field(self, message: str, field: str) -> None:
        self.fields.append((message, field))

    def unknown_enum_value(self, enum: str, value: str) -> None:
        self.values.append((enum, value))

    def unreadable_value(self, message: str, field: str, why: str) -> None:
        self.unreadable.append((message, field, why))

    def replaced_text(self, message: str) -> None:
        self.replaced.append(message)


def content(message: Message) -> object:
    """A message in protobuf's own JSON, where 64-bit integers are text."""
    return json_format.MessageToDict(message, preserving_proto_field_name=True)


@pytest.mark.parametrize(
    ("rpc", "body", "expected"),
    [
        pytest.param("Read", "cdrom-1", {"text": "cdrom-1"}, id="text"),
        pytest.param("Read", "", {"text": ""}, id="empty-text"),
        pytest.param("GetNumber", 2**63 - 1, {"number": "9223372036854775807"}, id="integer"),
        pytest.param("GetNumber", 0, {"number": "0"}, id="zero"),
        pytest.param("GetFlag", False, {"flag": False}, id="false"),
        pytest.param("GetNames", ["a", "", "b"], {"names": ["a", "", "b"]}, id="list-of-texts"),
        pytest.param("GetNames", [], {}, id="empty-list"),
        pytest.param("GetItems", [{"name": "a"}, {}], {"items": [{"name": "a"}, {}]}, id="list-of-messages"),
        pytest.param("GetCounts", {"a": 1, "": 0}, {"counts": {"a": "1", "": "0"}}, id="map-of-integers"),
        pytest.param("GetCounts", {}, {}, id="empty-map"),
        pytest.param("GetById", {"1": {"on": True}, "2": {}}, {"by_id": {"1": {"on": True}, "2": {}}}, id="map"),
        pytest.param("GetItem", {"size_MiB": 5}, {"item": {"size": "5"}}, id="message"),
        pytest.param("GetItem", {}, {"item": {}}, id="empty-message"),
        pytest.param("GetWhole", {"name": "a"}, {"name": "a"}, id="message-that-is-the-response"),
        pytest.param("GetWhole", {}, {}, id="empty-message-that-is-the-response"),
    ],
)
def test_results(decode: Decode, rpc: str, body: object, expected: object) -> None:
    """A result of any shape fills the response: a bare value, a list, a map or an object."""
    assert content(decode(rpc, body)) == expected


@pytest.mark.parametrize("rpc", ["Read", "GetNames", "GetCounts", "GetItem", "GetWhole", "Act"])
def test_null_is_absent(decode: Decode, rpc: str) -> None:
    """A result that is null leaves the response empty."""
    assert content(decode(rpc, b"null")) == {}


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_operations_without_result(decode: Decode, status: int) -> None:
    """An operation without a result succeeds with an empty body, whatever the status of success is."""
    assert content(decode("Act", b"", status=status)) == {}


@pytest.mark.parametrize("status", [202, 204])
def test_result_that_is_not_there_yet(decode: Decode, status: int) -> None:
    """With a status that announces no content, an empty body leaves the response empty."""
    assert content(decode("GetItem", b"", status=status)) == {}


@pytest.mark.parametrize("body", [b'"task-7"', b'{"task": "7"}', b"[1]", b"true"])
def test_result_that_a_newer_vcenter_adds(decode: Decode, body: bytes) -> None:
    """When an operation without a result answers with JSON, that is passed over."""
    assert content(decode("Act", body)) == {}


def test_status_and_result(decode: Decode) -> None:
    """A result is read from every status of success."""
    assert [decode("Read", "a", status=status).text for status in (200, 201, 202, 299)] == ["a"] * 4


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        pytest.param("name", "a\x00\u2028é", "a\x00\u2028é", id="text"),
        pytest.param("on", True, True, id="true"),
        pytest.param("ratio", 0.5, 0.5, id="decimal"),
        pytest.param("ratio", 3, 3.0, id="integer-for-a-decimal"),
        pytest.param("kind", "HUGE", "KIND_HUGE", id="enum"),
        pytest.param("kinds", ["BIG", "SMALL"], ["KIND_BIG", "KIND_SMALL"], id="enums"),
        pytest.param("sizes", [1, 2.0], ["1", "2"], id="integers"),
        pytest.param("counts", {"a": 1}, {"a": "1"}, id="map"),
        pytest.param("item", {"item": {"name": "a"}}, {"item": {"name": "a"}}, id="message-in-itself"),
        pytest.param("item_by_name", {"x": {"on": False}}, {"x": {"on": False}}, id="map-of-messages"),
        pytest.param("free", {"a": [1, None, {"b": "c"}]}, {"a": [1.0, None, {"b": "c"}]}, id="dynamic"),
        pytest.param("free", {}, {}, id="empty-dynamic"),
        pytest.param("cause", {"a": ["é", 1, None]}, '{"a":["é",1,null]}', id="object-as-text"),
        pytest.param("cause", [], "[]", id="list-as-text"),
        pytest.param("cause", "{a", "{a", id="text-where-an-object-may-be"),
        pytest.param("free", {"a": [], "b": {}, "c": False}, {"a": [], "b": {}, "c": False}, id="empty-in-dynamic"),
    ],
)
def test_fields(decode: Decode, field: str, value: object, expected: object) -> None:
    """Every kind of field is read, with vCenter's names of enum values."""
    assert content(decode("GetItem", {field: value}).item) == {field: expected}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("2026-03-01T10:20:30.123Z", "2026-03-01T10:20:30.123Z", id="milliseconds"),
        pytest.param("2026-03-01T10:20:30Z", "2026-03-01T10:20:30Z", id="seconds"),
        pytest.param("2026-03-01T10:20:30.123456Z", "2026-03-01T10:20:30.123456Z", id="microseconds"),
        pytest.param("2026-03-01T10:20:30.123+02:00", "2026-03-01T08:20:30.123Z", id="offset"),
        pytest.param("2026-03-01T10:20:30.123", "2026-03-01T10:20:30.123Z", id="no-offset-is-utc"),
        pytest.param("1969-12-31T23:59:59.500Z", "1969-12-31T23:59:59.500Z", id="before-1970"),
        pytest.param("2026-03-01t10:20:30.5z", "2026-03-01T10:20:30.500Z", id="lower-case"),
        pytest.param("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z", id="leap-second"),
        pytest.param("2017-01-01t00:59:60.250+01:00", "2017-01-01T00:00:00.250Z", id="leap-second-of-an-offset"),
        pytest.param("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", id="year-1"),
        pytest.param("9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999Z", id="year-9999"),
    ],
)
def test_times(decode: Decode, text: str, expected: str) -> None:
    """Times are read to the microsecond, with any offset; the leap second is the second after it."""
    assert content(decode("GetItem", {"at": text}).item) == {"at": expected}


def test_presence(decode: Decode) -> None:
    """A field that vCenter sends is set even when it is zero; one that it omits or sends as null is not."""
    item = decode("GetItem", {"name": "", "size_MiB": 0, "on": None, "at": None, "kinds": None, "counts": None}).item
    assert [field.name for field, _ in item.ListFields()] == ["name", "size"]


@pytest.mark.parametrize(
    ("rpc", "body", "expected"),
    [
        pytest.param("GetNames", ["a", None, "b"], {"names": ["a", "b"]}, id="list-of-texts"),
        pytest.param("GetItems", [None, {"name": "a"}], {"items": [{"name": "a"}]}, id="list-of-messages"),
        pytest.param("GetCounts", {"a": None, "b": 1}, {"counts": {"b": "1"}}, id="map-of-integers"),
        pytest.param("GetById", {"a": None, "b": {}}, {"by_id": {"b": {}}}, id="map-of-messages"),
    ],
)
def test_null_in_lists_and_maps(decode: Decode, rpc: str, body: object, expected: object) -> None:
    """Null in a list or a map is absent like everywhere else."""
    assert content(decode(rpc, body)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(4096.0, 4096, id="integer-with-decimal-point"),
        pytest.param(-0.0, 0, id="minus-zero"),
        pytest.param(2**63 - 1, 2**63 - 1, id="largest"),
        pytest.param(-(2**63), -(2**63), id="smallest"),
    ],
)
def test_integers(decode: Decode, value: float, expected: int) -> None:
    """Integers are read over their whole range, and also where JSON has them with a decimal point."""
    assert decode("GetNumber", value).number == expected


def test_unknown_fields(lab: Callable[[str], Binding]) -> None:
    """Fields that the contract does not know are passed over and reported with the message they are in."""
    seen = Seen()
    body = b'{"name": "a", "new": {"deep": [1]}, "items": [{"newer": 1}], "Name": "b", "newest": null}'
    message: Any = lab("GetItem").decode(RestResponse(200, {}, body), seen)
    assert content(message) == {"item": {"name": "a", "items": [{}]}}
    assert seen.fields == [("lab.v1.Item", "new"), ("lab.v1.Item", "newer"), ("lab.v1.Item", "Name")]


def test_unknown_enum_values(lab: Callable[[str], Binding]) -> None:
    """Enum values that the contract does not know become UNSPECIFIED and are reported with their enum."""
    seen = Seen()
    body = b'{"kind": "GIANT", "kinds": ["BIG", "TINY"], "item": {"kind": "UNSPECIFIED"}}'
    item = lab("GetItem").decode(RestResponse(200, {}, body), seen).item  # type: ignore[attr-defined]
    assert (item.kind, item.HasField("kind"), list(item.kinds), item.item.kind) == (0, True, [1, 0], 0)
    assert seen.values == [("lab.v1.Kind", name) for name in ("GIANT", "TINY", "UNSPECIFIED")]


def test_drift_need_not_be_watched(decode: Decode) -> None:
    """Without a subscriber, what is unknown is passed over all the same."""
    assert content(decode("GetItem", {"new": 1, "kind": "GIANT", "on": True}).item) == {
        "kind": "KIND_UNSPECIFIED",
        "on": True,
    }


@pytest.mark.parametrize(
    ("item", "why"),
    [
        pytest.param({"name": 1}, "name should be a string but is an integer", id="text"),
        pytest.param({"ratio": "1"}, "ratio should be a number but is a string", id="decimal"),
        pytest.param({"ratio": True}, "ratio should be a number but is a boolean", id="boolean-for-decimal"),
        pytest.param({"kind": 1}, "kind should be the name of an enum value but is an integer", id="enum"),
        pytest.param({"at": 1}, "at should be a date and time but is an integer", id="time"),
        pytest.param({"at": "now"}, "at should be a date and time in RFC 3339 format but is a string", id="text-time"),
        pytest.param({"at": ""}, "at should be a date and time in RFC 3339 format but is a string", id="no-time"),
        pytest.param(
            {"at": "2026-02-30T00:00:00Z"},
            "at should be a date and time in RFC 3339 format but is a string",
            id="no-such-day",
        ),
        pytest.param(
            {"at": "0001-01-01T00:00:00+01:00"},
            "at should be a date and time between the years 1 and 9999 but is a string",
            id="before-year-1",
        ),
        pytest.param({"free": 1}, "free should be an object but is an integer", id="dynamic"),
        pytest.param({"small": 2**31}, "small should be an integer of 32 bits but is an integer", id="int32-above"),
        pytest.param({"small": -(2**31) - 1}, "small should be an integer of 32 bits but is an integer", id="below"),
        pytest.param({"natural": -1}, "natural should be an integer of 32 bits but is an integer", id="negative"),
        pytest.param({"natural": 2**32}, "natural should be an integer of 32 bits but is an integer", id="uint32"),
        pytest.param({"big": -1}, "big should be an integer of 64 bits but is an integer", id="negative-uint64"),
        pytest.param({"big": 2.0**64}, "big should be an integer of 64 bits but is an integer", id="uint64"),
        pytest.param(
            {"size_MiB": -1e19}, "size_MiB should be an integer of 64 bits but is an integer", id="int64-below"
        ),
        pytest.param({"size_MiB": 2**63}, "size_MiB should be an integer of 64 bits but is an integer", id="int64"),
        pytest.param(
            {"at": "10000-01-01T00:00:00Z"},
            "at should be a date and time in RFC 3339 format but is a string",
            id="after-year-9999",
        ),
        pytest.param(
            {"at": "9999-12-31T23:59:60Z"},
            "at should be a date and time in RFC 3339 format but is a string",
            id="leap-second-at-the-end-of-time",
        ),
    ],
)
def test_unreadable_fields(lab: Callable[[str], Binding], item: dict[str, object], why: str) -> None:
    """A value of the wrong type or out of range is left unset and reported; all others arrive."""
    seen = Seen()
    [field] = item
    body = [{"on": True, **item, "cause": "x"}, {"name": "b"}]
    message: Any = lab("GetItems").decode(RestResponse(200, {}, orjson.dumps(body)), seen)
    assert content(message) == {"items": [{"on": True, "cause": "x"}, {"name": "b"}]}
    assert seen.unreadable == [("lab.v1.Item", field, why)]


def test_unreadable_elements(lab: Callable[[str], Binding]) -> None:
    """A list or map with an unreadable element makes the message that holds it unset: a shorter list would be false."""
    seen = Seen()
    body = b'[{"name": "a", "item": {"on": true, "sizes": [1, "2"]}}, {"item": {"counts": {"x": 1.5}}, "on": false}]'
    message: Any = lab("GetItems").decode(RestResponse(200, {}, body), seen)
    assert content(message) == {"items": [{"name": "a"}, {"on": False}]}
    assert seen.unreadable == [
        ("lab.v1.Item", "item", "item.sizes.1 should be an integer of 64 bits but is a string"),
        ("lab.v1.Item", "item", "item.counts.x should be an integer of 64 bits but is a number"),
    ]


@pytest.mark.parametrize(
    ("text", "expected", "replaced"),
    [
        pytest.param(b"caf\xe9", "caf\ufffd", True, id="byte-of-another-encoding"),
        pytest.param(b"a\xf0\x9f\x98", "a\ufffd", True, id="character-cut-in-utf-8"),
        pytest.param(rb"web-\ud83d", "web-\ufffd", True, id="character-cut-in-utf-16"),
        pytest.param(rb"\ude00-web", "\ufffd-web", True, id="other-half-of-a-character"),
        pytest.param(rb"\ud83d\ude00", "\U0001f600", False, id="both-halves"),
        pytest.param(rb"\\ud83d", r"\ud83d", False, id="escaped-backslash"),
        pytest.param(b"a\tb", "a\tb", False, id="raw-tab"),
        pytest.param(rb"a\u0000b", "a\0b", False, id="escaped-nul"),
        pytest.param("😀 ü 日本".encode(), "😀 ü 日本", False, id="utf-8"),
    ],
)
def test_names_that_are_not_clean_text(
    lab: Callable[[str], Binding], text: bytes, expected: str, replaced: bool
) -> None:
    """What is no text in one name is replaced and reported; the other values and names arrive as they are."""
    seen = Seen()
    body = b'[{"name": "\xc3\xbc", "size_MiB": 9007199254740993}, {"name": "%s", "ratio": 0.1}]' % text
    message: Any = lab("GetItems").decode(RestResponse(200, {}, body), seen)
    assert content(message) == {"items": [{"name": "ü", "size": "9007199254740993"}, {"name": expected, "ratio": 0.1}]}
    assert seen.replaced == ["lab.v1.ItemsResponse"] * replaced


@pytest.mark.parametrize("field", ["ratio", "size_MiB", "small"])
@pytest.mark.parametrize("number", ["1e400", "-1e400", "1" + "0" * 310, "-" + "9" * 5000])
def test_numbers_beyond_any_type(lab: Callable[[str], Binding], field: str, number: str) -> None:
    """Such a number is valid JSON: its field is left unset and reported, and the other values arrive as they are."""
    seen = Seen()
    body = f'[{{"name": "a", "{field}": {number}}}, {{"name": "b", "size_MiB": 9007199254740993}}]'
    message: Any = lab("GetItems").decode(RestResponse(200, {}, body.encode()), seen)
    assert content(message) == {"items": [{"name": "a"}, {"name": "b", "size": "9007199254740993"}]}
    assert len(seen.unreadable) == 1
    assert seen.replaced == []


def test_a_byte_order_mark(decode: Decode) -> None:
    """It says only that the text is UTF-8."""
    assert content(decode("Read", b'\xef\xbb\xbf"a"')) == {"text": "a"}


@pytest.mark.parametrize("more", [-1, 0, 1])
def test_very_large_answers_are_not_mended(decode: Decode, more: int) -> None:
    """Up to MAX_MENDED_BYTES a byte that is no text is replaced; a larger answer with such a byte is refused."""
    body = b'"\xe9' + b"a" * (MAX_MENDED_BYTES + more - 3) + b'"'
    assert len(body) == MAX_MENDED_BYTES + more
    if more < 1:
        assert content(decode("Read", body))["text"].startswith("\ufffda")  # type: ignore[index]
    else:
        with pytest.raises(GatewayError, match="is not valid JSON"):
            decode("Read", body)


@pytest.mark.parametrize("blank", [b"", b"\n", b" \r\n\t"])
@pytest.mark.parametrize("status", [200, 204])
def test_a_blank_body_where_no_result_is_expected(decode: Decode, blank: bytes, status: int) -> None:
    """Whitespace is as good as nothing."""
    assert content(decode("Act", blank, status=status)) == {}
