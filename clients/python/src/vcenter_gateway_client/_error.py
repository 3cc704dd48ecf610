"""What vCenter and the gateway say about a failed call, as one typed value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message
from google.protobuf.struct_pb2 import Struct, Value
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status
from vapi.std.errors.v1.error_pb2 import Error
from vapi.std.v1.localization_pb2 import LocalizableMessage

from vcenter_gateway_client._error_type import ErrorType

__all__ = ["FieldViolation", "VCenterError"]

_DETAILS_KEY = "grpc-status-details-bin"

_M = TypeVar("_M", bound=Message)


@dataclass(frozen=True)
class FieldViolation:
    """A mistake in a request."""

    field: str
    """Path of the field, for instance `spec.size_mib`."""

    description: str
    """What is wrong with it."""


@dataclass(frozen=True, kw_only=True)
class VCenterError:
    """Why a call failed: all that its status says, typed.

    What a status does not say has its default here, for instance when gRPC itself failed and nobody answered.
    """

    code: grpc.StatusCode
    """The gRPC code, which says how to react."""

    message: str
    """The message of the status."""

    reason: str = ""
    """vCenter's error type verbatim, or a reason of the gateway's own."""

    error_type: ErrorType = ErrorType.UNSPECIFIED
    """vCenter's error type. UNSPECIFIED when vCenter sent none, or one of a later release."""

    messages: tuple[LocalizableMessage, ...] = ()
    """vCenter's messages with their ids and arguments, the outermost cause first."""

    violations: tuple[FieldViolation, ...] = ()
    """The mistakes in the request."""

    retry_delay: float | None = None
    """Seconds to wait before another try, where waiting helps."""

    may_have_executed: bool = False
    """Whether the call changes something, was sent to vCenter and got no readable answer: look before you repeat it.

    The gateway says so. When the call to the gateway itself broke off or timed out, nobody could."""

    request_id: str = ""
    """The id of the request in the logs of the gateway and of vCenter."""

    data: Mapping[str, Any] | None = None
    """Further facts from vCenter, of a structure that depends on the operation."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    """Where it happened: `operation`, the REST call, and `http_status`."""

    details: tuple[AnyMessage, ...] = field(default=(), repr=False)
    """The details of the status as they came; see `detail`."""

    @classmethod
    def from_rpc_error(cls, error: grpc.RpcError) -> VCenterError:
        """What the error of a failed call says, of a blocking one or one of asyncio. Never raises.

        Details that cannot be read are as if they were not there.
        """
        if not isinstance(error, (grpc.Call, grpc.aio.AioRpcError)):
            return cls(code=grpc.StatusCode.UNKNOWN, message=str(error))
        details = _details(error.trailing_metadata() or ())
        info = _find(details, ErrorInfo) or ErrorInfo()
        vcenter = _find(details, Error) or Error()
        retry = _find(details, RetryInfo)
        request = _find(details, BadRequest) or BadRequest()
        return cls(
            code=error.code(),
            message=error.details() or "",
            reason=info.reason,
            error_type=_error_type(vcenter.error_type),
            messages=tuple(vcenter.messages),
            violations=tuple(FieldViolation(item.field, item.description) for item in request.field_violations),
            retry_delay=None if retry is None else retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9,
            may_have_executed=info.metadata.get("may_have_executed") == "true",
            request_id=(_find(details, RequestInfo) or RequestInfo()).request_id,
            data=_struct(vcenter.data) if vcenter.HasField("data") else None,
            metadata=dict(info.metadata),
            details=details,
        )

    def detail(self, message_type: type[_M]) -> _M | None:
        """The first detail of a type, None where there is none.

        For instance of `vcenter.vm.guest.v1.processes_service_pb2.ProcessErrorDetails`.
        """
        return _find(self.details, message_type)

    def __str__(self) -> str:
        reason = f" ({self.reason})" if self.reason else ""
        return f"{self.code.name}{reason}: {self.message}"


def _details(trailers: Iterable[Any]) -> tuple[AnyMessage, ...]:
    for key, value in trailers:
        if key == _DETAILS_KEY:
            try:
                return tuple(Status.FromString(value).details)
            except DecodeError:
                break
    return ()


def _find(details: Iterable[AnyMessage], message_type: type[_M]) -> _M | None:
    """The first detail of a type that can be read."""
    for detail in details:
        if detail.type_url.rpartition("/")[2] == message_type.DESCRIPTOR.full_name:
            try:
                return message_type.FromString(detail.value)
            except DecodeError:
                continue
    return None


def _error_type(number: int) -> ErrorType:
    try:
        return ErrorType(number)
    except ValueError:
        return ErrorType.UNSPECIFIED


def _struct(struct: Struct) -> dict[str, Any]:
    return {key: _value(value) for key, value in struct.fields.items()}


def _value(value: Value) -> Any:
    """A value as JSON has it. Whole numbers are integers, so that ids and sizes look like it."""
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _struct(value.struct_value)
    if kind == "list_value":
        return [_value(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    return None if kind is None or kind == "null_value" else getattr(value, kind)
