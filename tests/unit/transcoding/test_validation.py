"""Requests that break the contract: each mistake is listed with its path, and vCenter is not called."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import pytest
from google.protobuf.message import Message
from google.rpc import code_pb2

from gateway.contract import load_contract
from gateway.errors import GATEWAY_DOMAIN, GatewayError
from gateway.transcoding import Binding, RestRequest, compile_bindings

Violations = Callable[..., Mapping[str, str]]
SpecJson = Callable[..., object]

KINDS = "must be one of BIG, SMALL, HUGE"
FINITE = "must be a finite number"
YEARS = "must be a time between the years 1 and 9999"


def test_what_the_error_says(lab: Callable[[str], Binding]) -> None:
    """A refused request is INVALID_ARGUMENT of the gateway's own, with the violations in text and details."""
    with pytest.raises(GatewayError) as caught:
        lab("Make").encode(lab("Make").request_class())
    error = caught.value.failure
    assert (error.code, error.reason, error.domain) == (code_pb2.INVALID_ARGUMENT, "REQUEST_INVALID", GATEWAY_DOMAIN)
    assert error.message == "vm is required; spec is required"
    assert [detail.DESCRIPTOR.full_name for detail in error.details] == ["google.rpc.BadRequest"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"part": {}}, {"spec.part.name": "is required"}, id="message"),
        pytest.param({"part": {"name": "a", "part": {}}}, {"spec.part.part.name": "is required"}, id="two-messages"),
        pytest.param(
            {"parts": [{"name": "a"}, {}, {}]},
            {"spec.parts[1].name": "is required", "spec.parts[2].name": "is required"},
            id="list",
        ),
        pytest.param({"part_by_name": {"x": {}}}, {'spec.part_by_name["x"].name': "is required"}, id="map"),
        pytest.param(
            {"parts": [{"name": "a", "part": {"kind": 9}}]},
            {
                "spec.parts[0].part.kind": f"has the unknown number 9; {KINDS}",
                "spec.parts[0].part.name": "is required",
            },
            id="message-in-list",
        ),
        pytest.param({"kind": 0}, {"spec.kind": f"is UNSPECIFIED; {KINDS}"}, id="unspecified"),
        pytest.param({"kind": 4}, {"spec.kind": f"has the unknown number 4; {KINDS}"}, id="unknown-number"),
        pytest.param({"kind": -1}, {"spec.kind": f"has the unknown number -1; {KINDS}"}, id="negative-number"),
        pytest.param({"kinds": [1, 0]}, {"spec.kinds[1]": f"is UNSPECIFIED; {KINDS}"}, id="enum-in-list"),
        pytest.param(
            {"kind_by_name": {"a b": 7}},
            {'spec.kind_by_name["a b"]': f"has the unknown number 7; {KINDS}"},
            id="enum-in-map",
        ),
        pytest.param({"ratio": math.nan}, {"spec.ratio": FINITE}, id="not-a-number"),
        pytest.param({"ratios": [0.5, -math.inf]}, {"spec.ratios[1]": FINITE}, id="infinity-in-list"),
        pytest.param({"free": {"a": math.nan}}, {'spec.free["a"]': FINITE}, id="dynamic"),
        pytest.param(
            {"free": {"a": [1, {"b": math.inf}], "c": math.nan}},
            {'spec.free["a"][1]["b"]': FINITE, 'spec.free["c"]': FINITE},
            id="deep-in-dynamic",
        ),
        pytest.param({"at": {"seconds": 253402300800}}, {"spec.at": YEARS}, id="year-10000"),
        pytest.param({"at": {"seconds": -62135596801}}, {"spec.at": YEARS}, id="year-0"),
        pytest.param({"at": {"nanos": 1_000_000_000}}, {"spec.at": YEARS}, id="too-many-nanoseconds"),
        pytest.param({"at": {"nanos": -1}}, {"spec.at": YEARS}, id="negative-nanoseconds"),
    ],
)
def test_paths(violations: Violations, spec: dict[str, object], expected: dict[str, str]) -> None:
    """A mistake is named by its full path, with the index in a list and the key in a map."""
    assert violations("Make", vm="vm-1", spec=spec) == expected


def test_every_mistake_is_listed(violations: Violations) -> None:
    """All mistakes of a request are listed together, in the order of the proto."""
    found = violations("Make", spec={"ratio": math.nan, "kind": 0, "parts": [{}], "part": {}})
    assert list(found) == ["spec.ratio", "spec.kind", "spec.parts[0].name", "spec.part.name", "vm"]


SECRET = "Gulf-0f-Finland"


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"text": SECRET, "kind": 0}, id="beside-the-mistake"),
        pytest.param({"labels": {"a": SECRET}, "part": {"screws": [SECRET]}}, id="in-lists-and-maps"),
        pytest.param({"drive": {"file": SECRET}}, id="the-mistake-itself"),
        pytest.param({"drive": {"kind": 2, "file": SECRET}}, id="foreign-to-the-case"),
        pytest.param({"free": {"a": SECRET, "b": math.nan}}, id="in-a-dynamic-structure"),
    ],
)
def test_values_are_not_repeated(violations: Violations, spec: dict[str, object]) -> None:
    """The sentence about a mistake holds no value of the request: it may be a password."""
    found = violations("Make", spec=spec)
    assert len(found) == 2
    assert SECRET not in str(found)


WITHOUT_TAG = "must not be set when kind is not"


@pytest.mark.parametrize(
    ("drive", "expected"),
    [
        pytest.param({"kind": 1, "sizes": [1]}, {"file": "is required when kind is BIG"}, id="required-field-missing"),
        pytest.param({"kind": 2, "file": "a"}, {"file": "must not be set when kind is SMALL"}, id="foreign-field"),
        pytest.param({"kind": 2, "file": ""}, {"file": "must not be set when kind is SMALL"}, id="foreign-empty-field"),
        pytest.param({"kind": 2, "sizes": [1]}, {"sizes": "must not be set when kind is SMALL"}, id="foreign-list"),
        pytest.param(
            {"kind": 3, "file": "a", "speed": 1},
            {"file": "must not be set when kind is HUGE", "speed": "must not be set when kind is HUGE"},
            id="tag-without-case",
        ),
        pytest.param({"file": "a", "speed": 1}, {"file": WITHOUT_TAG, "speed": WITHOUT_TAG}, id="tag-unset"),
        pytest.param({"kind": 0, "file": "a"}, {"kind": f"is UNSPECIFIED; {KINDS}"}, id="tag-unspecified"),
        pytest.param({"kind": 9, "file": "a"}, {"kind": f"has the unknown number 9; {KINDS}"}, id="tag-unknown"),
    ],
)
def test_unions(violations: Violations, drive: dict[str, object], expected: dict[str, str]) -> None:
    """A field that the tag's value requires must be set; one that belongs to other values only must not."""
    found = violations("Make", vm="vm-1", spec={"drive": drive})
    assert found == {f"spec.drive.{field}": text for field, text in expected.items()}


@pytest.mark.parametrize(
    ("drive", "expected"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"label": "a"}, {"label": "a"}, id="field-outside-the-union-without-tag"),
        pytest.param({"kind": 2}, {"kind": "SMALL"}, id="optional-field-unset"),
        pytest.param({"kind": 2, "speed": 0}, {"kind": "SMALL", "speed": 0}, id="optional-field-of-the-case"),
        pytest.param({"kind": 3, "label": ""}, {"kind": "HUGE", "label": ""}, id="tag-without-case"),
        pytest.param(
            {"kind": 1, "file": "", "sizes": [2], "speed": 1, "label": "a"},
            {"kind": "BIG", "file": "", "sizes_MiB": [2], "speed": 1, "label": "a"},
            id="everything",
        ),
        pytest.param(
            {"kind": 1, "file": "a"}, {"kind": "BIG", "file": "a", "sizes_MiB": []}, id="required-list-is-empty"
        ),
    ],
)
def test_unions_that_are_right(spec_json: SpecJson, drive: dict[str, object], expected: object) -> None:
    """A union that is right is sent as it is; a list that its case requires is sent even when empty."""
    assert spec_json(drive=drive) == {"drive": expected}


BINDINGS = compile_bindings(load_contract())


def refused(rpc: str, **fields: object) -> Message:
    binding = BINDINGS[rpc]
    with pytest.raises(GatewayError) as caught:
        binding.encode(binding.request_class(**fields))
    [bad_request] = caught.value.failure.details
    return bad_request


@pytest.mark.parametrize(
    ("spec", "field", "description"),
    [
        pytest.param(
            {"backing": {"type": 1}}, "spec.backing.iso_file", "is required when type is ISO_FILE", id="iso-file"
        ),
        pytest.param(
            {"backing": {"type": 2, "iso_file": "[ds] a.iso"}},
            "spec.backing.iso_file",
            "must not be set when type is HOST_DEVICE",
            id="foreign-backing",
        ),
        pytest.param(
            {"type": 1, "ide": {}, "sata": {"bus": 0}}, "spec.sata", "must not be set when type is IDE", id="adapter"
        ),
        pytest.param({"backing": {}}, "spec.backing.type", "is required", id="tag"),
    ],
)
def test_of_vcenter(spec: dict[str, object], field: str, description: str) -> None:
    """vCenter's own structures are checked in the same way, down to the backing of a device."""
    bad_request = refused("vcenter.vm.hardware.v1.CdromService/CreateCdrom", vm="vm-1", spec=spec)
    [violation] = bad_request.field_violations  # type: ignore[attr-defined]
    assert (violation.field, violation.description) == (field, description)


def test_guest_passwords_are_not_repeated() -> None:
    """A mistake in guest credentials does not show the password."""
    bad_request = refused(
        "vcenter.vm.guest.v1.ProcessesService/ListProcesses", vm="vm-1", credentials={"type": 2, "password": SECRET}
    )
    assert {violation.field for violation in bad_request.field_violations} == {  # type: ignore[attr-defined]
        "credentials.interactive_session",
        "credentials.password",
        "credentials.saml_token",
    }
    assert SECRET not in str(bad_request)


def test_right_requests_pass(encode: Callable[..., RestRequest]) -> None:
    """A request without mistakes is not refused."""
    assert encode("Make", vm="vm-1", spec={"drive": {"kind": 2}}).body == b'{"drive":{"kind":"SMALL"}}'
