"""From messages to vCenter's JSON: what is sent, and in which form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gateway.transcoding import Binding, RestRequest

SpecJson = Callable[..., object]


def test_unset_fields_are_not_sent(spec_json: SpecJson) -> None:
    """What is not set is left out, lists and maps that are not required included."""
    assert spec_json() == {}


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        pytest.param({"on": False}, {"on": False}, id="false"),
        pytest.param({"size": 0}, {"size_MiB": 0}, id="zero"),
        pytest.param({"text": ""}, {"text": ""}, id="empty-text"),
        pytest.param({"ratio": 0.0}, {"ratio": 0.0}, id="zero-point-zero"),
        pytest.param({"at": {}}, {"at": "1970-01-01T00:00:00.000Z"}, id="epoch"),
        pytest.param({"free": {}}, {"free": {}}, id="empty-structure"),
        pytest.param({"drive": {}}, {"drive": {}}, id="empty-message"),
    ],
)
def test_what_is_set_is_sent(spec_json: SpecJson, fields: dict[str, object], expected: object) -> None:
    """A field that is set to its type's zero is sent: false, 0 and the empty text are values."""
    assert spec_json(**fields) == expected


def test_required_lists_and_maps_are_sent_empty(spec_json: SpecJson) -> None:
    """A required list or map is sent even when empty, since protobuf cannot tell empty from unset."""
    assert spec_json(part={"name": "a"}) == {"part": {"name": "a", "screws": [], "marks": {}}}


def test_required_body_that_is_an_empty_list(encode: Callable[..., RestRequest]) -> None:
    """An empty list that is the whole body is sent as an empty list."""
    assert encode("Tag").body == b"[]"


@pytest.mark.parametrize(
    ("name", "wire", "value", "text"),
    [
        pytest.param("size", "size_MiB", 2**53 + 1, "9007199254740993", id="beyond-a-double"),
        pytest.param("size", "size_MiB", 2**63 - 1, "9223372036854775807", id="largest-int64"),
        pytest.param("size", "size_MiB", -(2**63), "-9223372036854775808", id="smallest-int64"),
        pytest.param("big", "big", 2**64 - 1, "18446744073709551615", id="largest-uint64"),
        pytest.param("small", "small", -(2**31), "-2147483648", id="smallest-int32"),
    ],
)
def test_integers_are_numbers(encode: Callable[..., RestRequest], name: str, wire: str, value: int, text: str) -> None:
    """Integers of all sizes are exact JSON numbers, never text."""
    assert encode("Make", vm="vm-1", spec={name: value}).body == f'{{"{wire}":{text}}}'.encode()


def test_decimals_and_lists_of_them(spec_json: SpecJson) -> None:
    """Decimal numbers are JSON numbers."""
    assert spec_json(ratio=0.25, ratios=[1.5, -2.0]) == {"ratio": 0.25, "ratios": [1.5, -2.0]}


def test_enums_have_no_prefix(spec_json: SpecJson) -> None:
    """Enum values have vCenter's names, alone, in lists and in maps."""
    assert spec_json(kind=1, kinds=[2, 3, 2], kind_by_name={"a": 1}) == {
        "kind": "BIG",
        "kinds": ["SMALL", "HUGE", "SMALL"],
        "kind_by_name": {"a": "BIG"},
    }


def test_texts_keep_every_character(spec_json: SpecJson) -> None:
    """Any character comes through, in values and in the keys of maps."""
    text = 'é "\\ \x00 \u2028 \U0001f600'
    assert spec_json(text=text, names=["", text], labels={text: text, "": ""}) == {
        "text": text,
        "names": ["", text],
        "labels": {text: text, "": ""},
    }


def test_messages_in_lists_and_maps(spec_json: SpecJson) -> None:
    """Messages are objects, also in lists, in maps and inside each other."""
    part = {"name": "a", "screws": ["s"], "marks": {"x": "y"}}
    inner = {"name": "", "screws": [], "marks": {}}
    assert spec_json(parts=[part], part_by_name={"k": {**part, "part": inner}}) == {
        "parts": [part],
        "part_by_name": {"k": {**part, "part": inner}},
    }


@pytest.mark.parametrize(
    ("seconds", "nanos", "text"),
    [
        pytest.param(1_700_000_000, 0, "2023-11-14T22:13:20.000Z", id="whole-second"),
        pytest.param(1_700_000_000, 120_000_000, "2023-11-14T22:13:20.120Z", id="milliseconds"),
        pytest.param(1_700_000_000, 120_500_000, "2023-11-14T22:13:20.120500Z", id="microseconds"),
        pytest.param(1_700_000_000, 1, "2023-11-14T22:13:20.000000001Z", id="nanoseconds"),
        pytest.param(-1, 999_000_000, "1969-12-31T23:59:59.999Z", id="before-1970"),
        pytest.param(-62135596800, 0, "0001-01-01T00:00:00.000Z", id="year-1"),
        pytest.param(253402300799, 999_999_999, "9999-12-31T23:59:59.999999999Z", id="year-9999"),
    ],
)
def test_times(spec_json: SpecJson, seconds: int, nanos: int, text: str) -> None:
    """A time is RFC 3339 in UTC with milliseconds, and with finer digits where it has them."""
    assert spec_json(at={"seconds": seconds, "nanos": nanos}) == {"at": text}


def test_dynamic_structures(spec_json: SpecJson) -> None:
    """A dynamic structure is sent as it is, with every kind of value in it."""
    value = {"a": None, "b": [True, "x", {"c": []}], "d": 3, "e": 0.5, "": {}}
    assert spec_json(free=value) == {"free": value}


@pytest.mark.parametrize(
    ("number", "text"),
    [
        pytest.param(3.0, "3", id="whole"),
        pytest.param(-0.5, "-0.5", id="decimal"),
        pytest.param(2.0**53, "9007199254740992", id="largest-exact"),
        pytest.param(2.0**53 + 2, "9007199254740994.0", id="beyond-exactness"),
    ],
)
def test_numbers_of_dynamic_structures(encode: Callable[..., RestRequest], number: float, text: str) -> None:
    """A whole number of a dynamic structure is sent as an integer, as long as a double holds it exactly."""
    assert encode("Make", vm="vm-1", spec={"free": {"a": number}}).body == f'{{"free":{{"a":{text}}}}}'.encode()


def test_unset_value_of_a_dynamic_structure(lab: Callable[[str], Binding]) -> None:
    """A dynamic value that nobody filled is null."""
    request: Any = lab("Make").request_class(vm="vm-1", spec={})
    request.spec.free.fields["a"].SetInParent()
    assert lab("Make").encode(request).body == b'{"free":{"a":null}}'


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        pytest.param("BIG", "BIG", id="vcenter"),
        pytest.param("KIND_BIG", "BIG", id="enum"),
        pytest.param("KIND_ENORMOUS", "ENORMOUS", id="newer-value"),
        pytest.param("ENORMOUS", "ENORMOUS", id="newer-value-as-vcenter-has-it"),
        pytest.param("", "", id="empty"),
    ],
)
def test_open_enums(spec_json: SpecJson, given: str, sent: str) -> None:
    """Texts that hold values of an enum go by vCenter's names and by those of the enum; any other text does not."""
    assert spec_json(shape=given, shapes=[given, given], text=given) == {
        "shape": sent,
        "shapes": [sent, sent],
        "text": given,
    }
