"""The tables that turn vCenter's errors into gRPC codes: complete, and as documented."""

from __future__ import annotations

import json

import pytest
from google.rpc import code_pb2

from gateway.contract import load_contract
from gateway.contract.contract import enum_wire_names
from gateway.errors import BY_ERROR_TYPE, BY_HTTP_STATUS, VCENTER_DOMAIN
from tests.contract.catalogue import PATH
from tests.unit.transcoding.answers import answered

CATALOGUE = json.loads(PATH.read_text())


def test_every_error_type_has_a_row() -> None:
    """The table has exactly the error types of the contract, and these are those of vCenter's API."""
    enum = load_contract().messages["vapi.std.errors.v1.Error"].fields_by_name["error_type"].enum_type
    assert set(enum_wire_names(enum).values()) == BY_ERROR_TYPE.keys() == set(CATALOGUE["error_types"])
    assert len(BY_ERROR_TYPE) == 25


@pytest.mark.parametrize(
    ("error_type", "code"),
    [
        ("ALREADY_EXISTS", "ALREADY_EXISTS"),
        ("ALREADY_IN_DESIRED_STATE", "FAILED_PRECONDITION"),
        ("CANCELED", "CANCELLED"),
        ("CONCURRENT_CHANGE", "ABORTED"),
        ("ERROR", "UNKNOWN"),
        ("FEATURE_IN_USE", "FAILED_PRECONDITION"),
        ("INTERNAL_SERVER_ERROR", "INTERNAL"),
        ("INVALID_ARGUMENT", "INVALID_ARGUMENT"),
        ("INVALID_ELEMENT_CONFIGURATION", "INVALID_ARGUMENT"),
        ("INVALID_ELEMENT_TYPE", "INVALID_ARGUMENT"),
        ("INVALID_REQUEST", "INVALID_ARGUMENT"),
        ("NOT_ALLOWED_IN_CURRENT_STATE", "FAILED_PRECONDITION"),
        ("NOT_FOUND", "NOT_FOUND"),
        ("OPERATION_NOT_FOUND", "UNIMPLEMENTED"),
        ("RESOURCE_BUSY", "ABORTED"),
        ("RESOURCE_IN_USE", "FAILED_PRECONDITION"),
        ("RESOURCE_INACCESSIBLE", "FAILED_PRECONDITION"),
        ("SERVICE_UNAVAILABLE", "UNAVAILABLE"),
        ("TIMED_OUT", "DEADLINE_EXCEEDED"),
        ("UNABLE_TO_ALLOCATE_RESOURCE", "RESOURCE_EXHAUSTED"),
        ("UNAUTHENTICATED", "UNAUTHENTICATED"),
        ("UNAUTHORIZED", "PERMISSION_DENIED"),
        ("UNEXPECTED_INPUT", "INVALID_ARGUMENT"),
        ("UNSUPPORTED", "UNIMPLEMENTED"),
        ("UNVERIFIED_PEER", "FAILED_PRECONDITION"),
    ],
)
def test_error_types(error_type: str, code: str) -> None:
    """The error type decides the code, whatever the HTTP status is, and is the reason verbatim."""
    for status in (400, 404, 500, 503, 418):
        error = answered(status, {"error_type": error_type, "messages": []})
        assert code_pb2.Code.Name(error.code) == code
        assert (error.reason, error.domain) == (error_type, VCENTER_DOMAIN)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (405, "UNIMPLEMENTED"),
        (408, "DEADLINE_EXCEEDED"),
        (409, "ABORTED"),
        (412, "FAILED_PRECONDITION"),
        (413, "INVALID_ARGUMENT"),
        (414, "INVALID_ARGUMENT"),
        (415, "INVALID_ARGUMENT"),
        (429, "RESOURCE_EXHAUSTED"),
        (431, "INVALID_ARGUMENT"),
        (499, "CANCELLED"),
        (500, "INTERNAL"),
        (501, "UNIMPLEMENTED"),
        (502, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
        (300, "UNKNOWN"),
        (402, "UNKNOWN"),
        (418, "UNKNOWN"),
        (599, "UNKNOWN"),
        (999, "UNKNOWN"),
    ],
)
@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        pytest.param({"messages": []}, "HTTP_{}", id="none"),
        pytest.param({"error_type": None, "messages": []}, "HTTP_{}", id="null"),
        pytest.param({"error_type": "", "messages": []}, "HTTP_{}", id="empty"),
        pytest.param({"error_type": 7, "messages": []}, "HTTP_{}", id="no-text"),
        pytest.param({"error_type": "QUOTA_EXCEEDED"}, "QUOTA_EXCEEDED", id="unknown"),
        pytest.param({"error_type": "not_found"}, "not_found", id="lower-case"),
        pytest.param({"error_type": "X" * 64}, "X" * 64, id="longest"),
        pytest.param({"error_type": "X" * 65}, "HTTP_{}", id="too-long"),
        pytest.param({"error_type": "session 1234-abcd", "messages": []}, "HTTP_{}", id="no-name"),
        pytest.param({"error_type": "NEW\n", "messages": []}, "HTTP_{}", id="line-end"),
    ],
)
def test_http_statuses(status: int, code: str, payload: dict[str, object], reason: str) -> None:
    """Where the error type is missing or unknown the HTTP status decides. An unknown type stays the reason where it
    looks like a type: anything else may be a secret that vCenter echoes."""
    error = answered(status, payload)
    assert code_pb2.Code.Name(error.code) == code
    assert (error.reason, error.domain) == (reason.format(status), VCENTER_DOMAIN)


def test_every_row_of_http_statuses_is_tested() -> None:
    """The rows above are all rows of the table."""
    [mark] = [mark for mark in test_http_statuses.pytestmark if mark.args[0] == ("status", "code")]
    tested = {status: code for status, code in mark.args[1] if code != "UNKNOWN"}
    assert {status: code_pb2.Code.Name(code) for status, code in BY_HTTP_STATUS.items()} == tested


def test_documented_statuses_agree() -> None:
    """Where an HTTP status stands for one error type alone, both lead to the same code."""
    statuses = CATALOGUE["error_http_status_in_openapi"]
    alone = {status: name for name, status in statuses.items() if list(statuses.values()).count(status) == 1}
    assert alone == {401: "UNAUTHENTICATED", 403: "UNAUTHORIZED", 404: "NOT_FOUND", 503: "SERVICE_UNAVAILABLE"}
    assert {name: BY_HTTP_STATUS[status] for status, name in alone.items()} == {
        name: BY_ERROR_TYPE[name] for name in alone.values()
    }
