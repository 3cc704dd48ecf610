"""How a failed call is shown."""

from __future__ import annotations

import json

import pytest
from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from gateway.cli.failure import CallError
from gateway.cli.output import Exit
from gateway.contract import load_contract
from gateway.errors import Failure, Reason, status_of
from gateway.transcoding.encoder import Violation

CONTRACT = load_contract()
REQUEST_INFO = error_details_pb2.RequestInfo(request_id="r-1")


def vapi_error(**fields: object) -> Message:
    return CONTRACT.message_class("vapi.std.errors.v1.Error")(**fields)


def shown(error: Failure) -> str:
    return "\n".join(CallError(status_of(error), CONTRACT).lines())


def test_everything_a_person_needs() -> None:
    """An error of vCenter is shown with code, reason, text, each further message with its id, delay and request id."""
    messages = [
        {"id": "com.vmware.busy", "default_message": "The machine is busy."},
        {"id": "com.vmware.task", "default_message": "Task 'clone' runs."},
    ]
    error = Failure(
        code_pb2.ABORTED,
        "RESOURCE_BUSY",
        "The machine is busy.",
        metadata={"operation": "POST /api/x/{vm}", "http_status": "500", "may_have_executed": "true"},
        details=[vapi_error(messages=messages), REQUEST_INFO],
        retry_delay=1.5,
    )
    assert shown(error).splitlines() == [
        "ABORTED RESOURCE_BUSY",
        "  The machine is busy.",
        "  - com.vmware.busy",
        "  - com.vmware.task: Task 'clone' runs.",
        "  retry after: 1.5 s",
        "  may have been executed: yes. Look at the state before you repeat the call.",
        "  vCenter operation: POST /api/x/{vm} (HTTP 500)",
        "  request id: r-1",
    ]


def test_field_violations() -> None:
    """Each mistake in the request is shown with the path of its field."""
    error = Failure.of_request([Violation("vm", "is required"), Violation("spec.type", "is required")])
    lines = shown(error).splitlines()
    assert lines[0] == "INVALID_ARGUMENT REQUEST_INVALID"
    assert lines[-2:] == ["  - field vm: is required", "  - field spec.type: is required"]


def test_json_has_all_details() -> None:
    """As JSON the error has every detail with the name of its type."""
    error = Failure(
        code_pb2.NOT_FOUND, "NOT_FOUND", "gone", details=[vapi_error(messages=[{"id": "a.b"}]), REQUEST_INFO]
    )
    content = json.loads(json.dumps(CallError(status_of(error), CONTRACT).to_json()))["error"]
    assert (content["code"], content["reason"], content["message"], content["request_id"]) == (
        "NOT_FOUND",
        "NOT_FOUND",
        "gone",
        "r-1",
    )
    assert [detail["@type"] for detail in content["details"]] == [
        "google.rpc.ErrorInfo",
        "vapi.std.errors.v1.Error",
        "google.rpc.RequestInfo",
    ]
    assert content["details"][1]["messages"] == [{"id": "a.b"}]


@pytest.mark.parametrize(
    ("code", "reason", "exit_code"),
    [
        (code_pb2.NOT_FOUND, "NOT_FOUND", Exit.FAILED),
        (code_pb2.INVALID_ARGUMENT, Reason.REQUEST_INVALID, Exit.USAGE),
        (code_pb2.INVALID_ARGUMENT, "INVALID_ARGUMENT", Exit.FAILED),
        (code_pb2.UNAVAILABLE, "SERVICE_UNAVAILABLE", Exit.FAILED),
        (code_pb2.UNAVAILABLE, Reason.VCENTER_UNREACHABLE, Exit.UNREACHABLE),
        (code_pb2.UNAVAILABLE, Reason.VCENTER_CERTIFICATE_INVALID, Exit.UNREACHABLE),
        (code_pb2.UNAVAILABLE, Reason.VCENTER_CIRCUIT_OPEN, Exit.UNREACHABLE),
        (code_pb2.UNAVAILABLE, Reason.VCENTER_TIMEOUT, Exit.UNREACHABLE),
        (code_pb2.UNAVAILABLE, Reason.VCENTER_CONNECTION_LOST, Exit.FAILED),
        (code_pb2.UNAUTHENTICATED, Reason.CREDENTIALS_REJECTED, Exit.IDENTITY),
        (code_pb2.DEADLINE_EXCEEDED, Reason.VCENTER_TIMEOUT, Exit.TIMEOUT),
    ],
)
def test_exit_codes(code: int, reason: str, exit_code: Exit) -> None:
    """Scripts can tell from the exit code whether anything was executed, and what to mend."""
    assert CallError(status_of(Failure(code, reason, "")), CONTRACT).exit == exit_code


@pytest.mark.parametrize(
    "detail",
    [
        pytest.param(("type.googleapis.com/no.such.Message", b"\x01"), id="unknown-type"),
        pytest.param(("type.googleapis.com/google.rpc.ErrorInfo", b"\xff"), id="damaged"),
        pytest.param(("type.googleapis.com/google.rpc.DESCRIPTOR", b""), id="no-message"),
    ],
)
def test_details_that_cannot_be_read(detail: tuple[str, bytes]) -> None:
    """A detail that nobody knows or that is damaged is passed over, and the rest is shown."""
    status = status_pb2.Status(code=42, message="odd")
    status.details.add(type_url=detail[0], value=detail[1])
    error = CallError(status, CONTRACT)
    assert list(error.lines()) == ["UNKNOWN", "  odd"]
    assert error.to_json()["error"]["details"] == []
