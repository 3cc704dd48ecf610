"""What becomes of a failed call."""

from __future__ import annotations

import copy
import math
import socket
from collections.abc import Callable
from typing import Any

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, Help, LocalizedMessage, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status
from vapi.std.errors.v1 import error_pb2
from vapi.std.v1.localization_pb2 import LocalizableMessage
from vcenter.vm.guest.filesystem.v1.file_error_pb2 import FileErrorDetails
from vcenter.vm.guest.v1.processes_service_pb2 import ProcessErrorDetails
from vcenter.vm.hardware.v1.cdrom_service_pb2 import ConnectCdromRequest
from vcenter.vm.hardware.v1.cdrom_service_pb2_grpc import CdromServiceStub

from vcenter_gateway_client import ErrorType, FieldViolation, VCenterError

from .conftest import Call, FakeGateway

DATA = {"path": "/etc", "size": 9007199254740991, "ratio": 0.5, "flags": [True, None, "x"], "more": {"empty": {}}}
INFO = ErrorInfo(
    reason="ALREADY_IN_DESIRED_STATE",
    domain="vcenter.vmware.com",
    metadata={"operation": "POST /x", "http_status": "400"},
)
MESSAGE = LocalizableMessage(id="com.vmware.connected", default_message="It is connected.", args=["16000", "vm-1001"])
ERROR = error_pb2.Error(error_type=error_pb2.ERROR_TYPE_ALREADY_IN_DESIRED_STATE, messages=[MESSAGE])
EVERYTHING: list[Message] = [
    INFO,
    ERROR,
    LocalizedMessage(locale="en", message="It is connected."),
    BadRequest(field_violations=[BadRequest.FieldViolation(field="spec.size_mib", description="is required")]),
    RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000)),
    RequestInfo(request_id="677dd615"),
    FileErrorDetails(file_path="/etc"),
]


@pytest.fixture
def fail(gateway: FakeGateway, call: Call) -> Callable[..., VCenterError]:
    """Lets a call fail and returns what the client makes of it."""

    def run(code: grpc.StatusCode, message: str = "", details: list[Message] | bytes | None = None) -> VCenterError:
        gateway.fail(code, message, details)
        with pytest.raises(grpc.RpcError) as caught:
            call(gateway.target, CdromServiceStub, "ConnectCdrom", ConnectCdromRequest(vm="vm-1001", cdrom="16000"))
        return VCenterError.from_rpc_error(caught.value)

    return run


def test_all_that_a_status_says_arrives(fail: Callable[..., VCenterError]) -> None:
    """Each detail at its place."""
    error = fail(grpc.StatusCode.FAILED_PRECONDITION, "It is connected.", EVERYTHING)
    assert error == VCenterError(
        code=grpc.StatusCode.FAILED_PRECONDITION,
        message="It is connected.",
        reason="ALREADY_IN_DESIRED_STATE",
        error_type=ErrorType.ALREADY_IN_DESIRED_STATE,
        messages=(MESSAGE,),
        violations=(FieldViolation("spec.size_mib", "is required"),),
        retry_delay=1.5,
        may_have_executed=False,
        request_id="677dd615",
        data=None,
        metadata={"operation": "POST /x", "http_status": "400"},
        details=error.details,
    )
    assert len(error.details) == len(EVERYTHING)
    assert error.detail(FileErrorDetails) == FileErrorDetails(file_path="/etc")
    assert error.detail(ProcessErrorDetails) is None
    assert str(error) == "FAILED_PRECONDITION (ALREADY_IN_DESIRED_STATE): It is connected."


def test_a_plain_grpc_error(fail: Callable[..., VCenterError]) -> None:
    """Code and message alone."""
    error = fail(grpc.StatusCode.PERMISSION_DENIED, "says a proxy")
    assert error == VCenterError(code=grpc.StatusCode.PERMISSION_DENIED, message="says a proxy")
    assert str(error) == "PERMISSION_DENIED: says a proxy"


def test_an_error_of_the_client_itself(call: Call) -> None:
    """Nobody listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(grpc.RpcError) as caught:
            call(target, CdromServiceStub, "ConnectCdrom", ConnectCdromRequest())
    error = VCenterError.from_rpc_error(caught.value)
    assert (error.code, error.reason, error.details) == (grpc.StatusCode.UNAVAILABLE, "", ())
    assert error.message


def test_an_error_that_belongs_to_no_call() -> None:
    """Whoever doubles gRPC in tests raises such ones."""
    error = VCenterError.from_rpc_error(grpc.RpcError("made up"))
    assert error == VCenterError(code=grpc.StatusCode.UNKNOWN, message="made up")


@pytest.mark.parametrize("garbage", [b"", b"\xff\xff\xff", b"\x1a\xff"], ids=["empty", "no message", "cut"])
def test_details_that_are_garbage(fail: Callable[..., VCenterError], garbage: bytes) -> None:
    """They are as if they were not there."""
    error = fail(grpc.StatusCode.INTERNAL, "broken", garbage)
    assert error == VCenterError(code=grpc.StatusCode.INTERNAL, message="broken")


def test_one_detail_that_is_garbage(fail: Callable[..., VCenterError]) -> None:
    """The others are read nevertheless, and unknown ones are passed over."""
    broken = [
        AnyMessage(type_url=f"type.googleapis.com/{detail.DESCRIPTOR.full_name}", value=b"\xff")
        for detail in (INFO, ERROR)
    ]
    unknown = [AnyMessage(type_url="type.example.com/not.Known", value=b"\x01"), AnyMessage(type_url="nonsense")]
    status = Status(details=[*broken, *unknown])
    for detail in (Help(), INFO):
        status.details.add().Pack(detail)
    error = fail(grpc.StatusCode.INTERNAL, "broken", status.SerializeToString())
    assert (error.reason, error.error_type) == ("ALREADY_IN_DESIRED_STATE", ErrorType.UNSPECIFIED)
    assert len(error.details) == 6


def test_an_error_type_of_a_later_release(fail: Callable[..., VCenterError]) -> None:
    """Its name is the reason."""
    later = error_pb2.Error()
    later.MergeFromString(b"\x08\xe7\x07")
    error = fail(grpc.StatusCode.INTERNAL, "new", [ErrorInfo(reason="QUOTA_EXCEEDED"), later])
    assert (error.reason, error.error_type) == ("QUOTA_EXCEEDED", ErrorType.UNSPECIFIED)


def test_a_call_that_may_have_run(fail: Callable[..., VCenterError]) -> None:
    """As the gateway says."""
    info = ErrorInfo(reason="VCENTER_CONNECTION_LOST", metadata={"may_have_executed": "true"})
    assert fail(grpc.StatusCode.UNAVAILABLE, "lost", [info]).may_have_executed


def test_the_data_of_an_error(fail: Callable[..., VCenterError]) -> None:
    """As JSON has it."""
    error = fail(grpc.StatusCode.NOT_FOUND, "", [error_pb2.Error(data=json_format.ParseDict(DATA, Struct()))])
    assert error.data == DATA
    assert isinstance(error.data["size"], int)


def test_data_that_json_does_not_have(fail: Callable[..., VCenterError]) -> None:
    """Nothing that arrives makes the reading of an error fail."""
    data = Struct()
    data.fields["nan"].number_value = math.nan
    data.fields["nothing"].Clear()
    error = fail(grpc.StatusCode.NOT_FOUND, "", [error_pb2.Error(data=data)])
    assert error.data is not None
    assert math.isnan(error.data["nan"])
    assert error.data["nothing"] is None


def test_an_error_is_a_value() -> None:
    """It cannot be changed."""
    error = VCenterError(code=grpc.StatusCode.UNKNOWN, message="")
    with pytest.raises(AttributeError):
        error.message = "other"  # type: ignore[misc]
    assert copy.deepcopy(error) == error


def test_the_error_types_are_those_of_the_contract() -> None:
    """With the same numbers."""
    expected: dict[str, Any] = {
        name.removeprefix("ERROR_TYPE_"): number for name, number in error_pb2.ErrorType.items()
    }
    assert {member.name: member.value for member in ErrorType} == expected
