"""What becomes of a failed call."""

from __future__ import annotations

import copy
import math
import pickle
import queue
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
from grpc_health.v1 import health_pb2, health_pb2_grpc
from vapi.std.errors.v1 import error_pb2
from vapi.std.v1.localization_pb2 import LocalizableMessage
from vcenter.gateway.v1 import reason_pb2
from vcenter.vm.guest.filesystem.v1.file_error_pb2 import FileErrorDetails
from vcenter.vm.guest.v1.processes_service_pb2 import ProcessErrorDetails
from vcenter.vm.hardware.v1.cdrom_service_pb2 import ConnectCdromRequest, GetCdromRequest
from vcenter.vm.hardware.v1.cdrom_service_pb2_grpc import CdromServiceStub

from vcenter_gateway_client import ErrorType, FieldViolation, Reason, VCenterError, connect

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
        with pytest.raises(VCenterError) as caught:
            call(gateway.target, CdromServiceStub, "ConnectCdrom", ConnectCdromRequest(vm="vm-1001", cdrom="16000"))
        return caught.value

    return run


def test_all_that_a_status_says_arrives(fail: Callable[..., VCenterError]) -> None:
    """Each detail at its place."""
    error = fail(grpc.StatusCode.FAILED_PRECONDITION, "It is connected.", EVERYTHING)
    assert vars(error) == {
        "code": grpc.StatusCode.FAILED_PRECONDITION,
        "message": "It is connected.",
        "reason": "ALREADY_IN_DESIRED_STATE",
        "gateway_reason": Reason.UNSPECIFIED,
        "error_type": ErrorType.ALREADY_IN_DESIRED_STATE,
        "messages": (MESSAGE,),
        "violations": (FieldViolation("spec.size_mib", "is required"),),
        "retry_delay": 1.5,
        "may_have_executed": False,
        "request_id": "677dd615",
        "data": None,
        "metadata": {"operation": "POST /x", "http_status": "400"},
        "details": error.details,
    }
    assert len(error.details) == len(EVERYTHING)
    assert error.detail(FileErrorDetails) == FileErrorDetails(file_path="/etc")
    assert error.detail(ProcessErrorDetails) is None
    assert str(error) == "FAILED_PRECONDITION (ALREADY_IN_DESIRED_STATE): It is connected."


def test_a_plain_grpc_error(fail: Callable[..., VCenterError]) -> None:
    """Code and message alone."""
    error = fail(grpc.StatusCode.PERMISSION_DENIED, "says a proxy")
    assert vars(error) == vars(VCenterError(code=grpc.StatusCode.PERMISSION_DENIED, message="says a proxy"))
    assert str(error) == "PERMISSION_DENIED: says a proxy"


def test_an_error_of_the_client_itself(call: Call) -> None:
    """Nobody listens, so nothing was sent."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(grpc.RpcError) as caught:
            call(target, CdromServiceStub, "ConnectCdrom", ConnectCdromRequest())
    error = VCenterError.from_rpc_error(caught.value)
    assert (error.code, error.reason, error.details) == (grpc.StatusCode.UNAVAILABLE, "", ())
    assert error.message
    assert not error.may_have_executed


def test_an_error_that_belongs_to_no_call() -> None:
    """Whoever doubles gRPC in tests raises such ones."""
    error = VCenterError.from_rpc_error(grpc.RpcError("made up"))
    assert vars(error) == vars(VCenterError(code=grpc.StatusCode.UNKNOWN, message="made up", may_have_executed=True))


@pytest.mark.parametrize("garbage", [b"", b"\xff\xff\xff", b"\x1a\xff"], ids=["empty", "no message", "cut"])
def test_details_that_are_garbage(fail: Callable[..., VCenterError], garbage: bytes) -> None:
    """They are as if they were not there."""
    error = fail(grpc.StatusCode.ABORTED, "broken", garbage)
    assert vars(error) == vars(VCenterError(code=grpc.StatusCode.ABORTED, message="broken"))


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


def test_an_error_is_an_exception(gateway: FakeGateway, call: Call) -> None:
    """One of grpc's, so that code which catches those goes on to work, with grpc's own as its cause."""
    gateway.fail(grpc.StatusCode.NOT_FOUND, "gone", EVERYTHING)
    with pytest.raises(grpc.RpcError) as caught:
        call(gateway.target, CdromServiceStub, "ConnectCdrom", ConnectCdromRequest())
    error = caught.value
    assert isinstance(error, VCenterError)
    cause: Any = error.__cause__
    assert (cause.code(), cause.details()) == (grpc.StatusCode.NOT_FOUND, "gone")
    assert VCenterError.from_rpc_error(error) is error
    assert vars(VCenterError.from_rpc_error(cause)) == vars(error)


def pickled(error: VCenterError) -> Any:
    """A copy, as another process gets it."""
    return pickle.loads(pickle.dumps(error))  # noqa: S301 - just pickled


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickled])
def test_an_error_can_be_copied(fail: Callable[..., VCenterError], copied: Callable[[VCenterError], Any]) -> None:
    """Also to another process."""
    error = fail(grpc.StatusCode.FAILED_PRECONDITION, "It is connected.", EVERYTHING)
    assert vars(copied(error)) == vars(error)


@pytest.mark.parametrize("way", ["future", "with_call"])
def test_each_way_of_calling_fails_alike(gateway: FakeGateway, way: str) -> None:
    """Stubs have three for blocking calls."""
    gateway.fail(grpc.StatusCode.NOT_FOUND, "gone", times=2)
    with connect(gateway.target) as channel:
        rpc: Any = CdromServiceStub(channel).ConnectCdrom
        with pytest.raises(VCenterError, match="gone"):
            rpc.future(ConnectCdromRequest()).result() if way == "future" else rpc.with_call(ConnectCdromRequest())


def test_a_future_says_how_it_ended(gateway: FakeGateway) -> None:
    """To whoever asks, and to those that were to be told."""
    told: queue.SimpleQueue[Any] = queue.SimpleQueue()
    gateway.fail(grpc.StatusCode.NOT_FOUND, "gone")
    with connect(gateway.target) as channel:
        rpc: Any = CdromServiceStub(channel).ConnectCdrom
        failing = rpc.future(ConnectCdromRequest())
        failing.add_done_callback(told.put)
        assert isinstance(failing.exception(), VCenterError)
        assert rpc.future(ConnectCdromRequest()).exception() is None
        assert rpc.future(ConnectCdromRequest()).result() is not None
        assert told.get(timeout=30) is failing
    assert failing.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (ErrorInfo(reason="OVERLOADED", domain="vcenter-gateway"), Reason.OVERLOADED),
        (ErrorInfo(reason="OVERLOADED", domain="vcenter.vmware.com"), Reason.UNSPECIFIED),
        (ErrorInfo(reason="OF_A_LATER_RELEASE", domain="vcenter-gateway"), Reason.UNSPECIFIED),
        (None, Reason.UNSPECIFIED),
    ],
    ids=["the gateway's", "vCenter's", "unknown", "none"],
)
def test_the_gateway_s_own_reason(fail: Callable[..., VCenterError], info: ErrorInfo | None, expected: Reason) -> None:
    """Typed, and as text beside it."""
    error = fail(grpc.StatusCode.RESOURCE_EXHAUSTED, "", [info] if info else None)
    assert (error.gateway_reason, error.reason) == (expected, info.reason if info else "")


UNDECIDED = {"UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "UNKNOWN", "INTERNAL"}


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK], ids=str)
def test_whether_a_change_may_have_run_that_the_gateway_did_not_answer(
    fail: Callable[..., VCenterError], code: grpc.StatusCode
) -> None:
    """It may, where gRPC itself ends the call."""
    assert fail(code, "says gRPC").may_have_executed == (code.name in UNDECIDED)


@pytest.mark.parametrize("code", [grpc.StatusCode.INTERNAL, grpc.StatusCode.DEADLINE_EXCEEDED], ids=str)
def test_a_read_never_has_effects(gateway: FakeGateway, call: Call, code: grpc.StatusCode) -> None:
    """Whatever ends it."""
    gateway.fail(code)
    with pytest.raises(VCenterError) as caught:
        call(gateway.target, CdromServiceStub, "GetCdrom", GetCdromRequest())
    assert not caught.value.may_have_executed


def test_nor_have_grpc_s_own_services(gateway: FakeGateway, call: Call) -> None:
    """The health service says nothing about itself."""
    with pytest.raises(VCenterError) as caught:
        call("127.0.0.1:1", health_pb2_grpc.HealthStub, "Check", health_pb2.HealthCheckRequest(), timeout=0)
    assert not caught.value.may_have_executed


def test_what_the_gateway_says_counts(fail: Callable[..., VCenterError]) -> None:
    """It knows better."""
    assert not fail(grpc.StatusCode.UNAVAILABLE, "", [ErrorInfo(reason="VCENTER_UNREACHABLE")]).may_have_executed


def test_the_reasons_are_those_of_the_contract() -> None:
    """With the same numbers."""
    expected: dict[str, Any] = {name.removeprefix("REASON_"): number for name, number in reason_pb2.Reason.items()}
    assert {member.name: member.value for member in Reason} == expected


def test_the_error_types_are_those_of_the_contract() -> None:
    """With the same numbers."""
    expected: dict[str, Any] = {
        name.removeprefix("ERROR_TYPE_"): number for name, number in error_pb2.ErrorType.items()
    }
    assert {member.name: member.value for member in ErrorType} == expected
