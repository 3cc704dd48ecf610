"""What vCenter and the gateway report about a failed call, as one typed exception."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor_pb2 import MethodOptions
from google.protobuf.message import DecodeError, Message
from google.protobuf.struct_pb2 import Struct, Value
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from google.rpc.status_pb2 import Status
from vapi.std.errors.v1.error_pb2 import Error
from vapi.std.v1.localization_pb2 import LocalizableMessage

from vcenter_gateway_client._enums import ErrorType, Reason

__all__ = ["FieldViolation", "VCenterError", "typed_errors"]

_DETAILS_KEY = "grpc-status-details-bin"
_GATEWAY = "vcenter-gateway"
"""The domain of the gateway's own reasons."""

_UNDECIDED = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.INTERNAL,
    }
)
"""If gRPC itself ends a call with one of these, it is unknown whether the gateway received the call."""

_NOT_SENT = (
    "connections to all backends failing",
    "failed to connect to all addresses",
    "DNS resolution failed",
    "errors resolving",
)
"""Prefixes of gRPC's messages for a call without a connection. gRPC reports this in no other way; if the wording
changes, the client assumes that the call was sent."""

_M = TypeVar("_M", bound=Message)


@dataclass(frozen=True)
class FieldViolation:
    """An error in a request."""

    field: str
    """Path of the field, for example `spec.size_mib`."""

    description: str
    """Description of the error."""


@dataclass(kw_only=True, eq=False)
class VCenterError(grpc.RpcError):
    """A failed call, with the typed contents of its status.

    Every failed call and stream on a channel of `connect` and `aio.connect` raises it. Its `__cause__` is grpc's error.
    Parts that the status does not contain have their defaults, for example if gRPC itself failed and the gateway did
    not respond.
    """

    code: grpc.StatusCode  # type: ignore[assignment] # grpc's own errors have a method of this name, see `__cause__`
    """The gRPC code, which says how to react."""

    message: str
    """The message of the status."""

    reason: str = ""
    """vCenter's error type verbatim, or the gateway's own reason. Empty if the gateway did not respond."""

    gateway_reason: Reason = Reason.UNSPECIFIED
    """The gateway's own reason. UNSPECIFIED if vCenter reported the error, or if the reason is from a newer gateway;
    see `reason` in this case."""

    error_type: ErrorType = ErrorType.UNSPECIFIED
    """vCenter's error type. UNSPECIFIED if vCenter sent none, or one from a newer release."""

    messages: tuple[LocalizableMessage, ...] = ()
    """vCenter's messages with their IDs and arguments, outermost cause first."""

    violations: tuple[FieldViolation, ...] = ()
    """The errors in the request."""

    retry_delay: float | None = None
    """Seconds to wait before a retry, if waiting helps."""

    may_have_executed: bool = False
    """Whether the call changes something, was sent, and has no readable response: check the state before you retry.

    The gateway reports this. If the gateway did not respond because the connection was lost or the deadline was
    exceeded, this is True unless the rpc is read-only or the client could not connect."""

    request_id: str = ""
    """The ID of the request in the logs of the gateway and vCenter."""

    data: Mapping[str, Any] | None = None
    """Additional data from vCenter. Its structure depends on the operation."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    """Where the error occurred: `operation` (the REST call) and `http_status`."""

    details: tuple[AnyMessage, ...] = field(default=(), repr=False)  # type: ignore[assignment] # likewise
    """The details of the status, unchanged; see `detail`."""

    @classmethod
    def from_rpc_error(cls, error: grpc.RpcError) -> VCenterError:
        """Converts the error of a failed call on another channel. Never raises an exception.

        Returns a VCenterError unchanged. Unreadable details are ignored.
        """
        return error if isinstance(error, VCenterError) else _read(error, None)

    def detail(self, message_type: type[_M]) -> _M | None:
        """The first detail of a type, or None if there is none.

        For instance of `vcenter.vm.guest.v1.processes_service_pb2.ProcessErrorDetails`.
        """
        return _find(self.details, message_type)

    def __str__(self) -> str:
        reason = f" ({self.reason})" if self.reason else ""
        return f"{self.code.name}{reason}: {self.message}"

    def __reduce__(self) -> Any:
        # Exceptions are copied and pickled by their positional arguments, of which this one has none.
        return _rebuild, ({item.name: getattr(self, item.name) for item in fields(self)},)


@contextmanager
def typed_errors(method: str) -> Iterator[None]:
    """Converts grpc's errors to VCenterErrors. `method` is the path of the rpc."""
    try:
        yield
    except VCenterError:
        raise
    except grpc.RpcError as error:
        raise _read(error, method) from error


def _rebuild(values: dict[str, Any]) -> VCenterError:
    return VCenterError(**values)


def _read(error: grpc.RpcError, method: str | None) -> VCenterError:
    """Converts an error. `method` is None if the failed rpc is unknown."""
    is_call = isinstance(error, (grpc.Call, grpc.aio.AioRpcError))
    code = error.code() if is_call else grpc.StatusCode.UNKNOWN
    message = (error.details() or "") if is_call else str(error)
    details = _details(error.trailing_metadata() or ()) if is_call else ()
    info = _find(details, ErrorInfo)
    vcenter = _find(details, Error) or Error()
    retry = _find(details, RetryInfo)
    request = _find(details, BadRequest) or BadRequest()
    return VCenterError(
        code=code,
        message=message,
        reason=info.reason if info else "",
        gateway_reason=_gateway_reason(info) if info else Reason.UNSPECIFIED,
        error_type=_error_type(vcenter.error_type),
        messages=tuple(vcenter.messages),
        violations=tuple(FieldViolation(item.field, item.description) for item in request.field_violations),
        retry_delay=None if retry is None else retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9,
        may_have_executed=(
            info.metadata.get("may_have_executed") == "true"
            if info
            else code in _UNDECIDED and not message.startswith(_NOT_SENT) and not _is_read_only(method)
        ),
        request_id=(_find(details, RequestInfo) or RequestInfo()).request_id,
        data=_struct(vcenter.data) if vcenter.HasField("data") else None,
        metadata=dict(info.metadata) if info else {},
        details=details,
    )


def _is_read_only(method: str | None) -> bool:
    """Whether an rpc is read-only. Those of gRPC's own services are; others declare it in their protos."""
    service, _, name = (method or "").strip("/").partition("/")
    if service.startswith("grpc."):
        return True
    try:
        rpc = descriptor_pool.Default().FindServiceByName(service).methods_by_name[name]
    except KeyError:
        return False
    return rpc.GetOptions().idempotency_level == MethodOptions.NO_SIDE_EFFECTS


def _gateway_reason(info: Any) -> Reason:
    known = info.domain == _GATEWAY and info.reason in Reason.__members__
    return Reason[info.reason] if known else Reason.UNSPECIFIED


def _details(trailers: Iterable[Any]) -> tuple[AnyMessage, ...]:
    for key, value in trailers:
        if key == _DETAILS_KEY:
            try:
                return tuple(Status.FromString(value).details)
            except DecodeError:
                break
    return ()


def _find(details: Iterable[AnyMessage], message_type: type[_M]) -> _M | None:
    """The first readable detail of a type."""
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
    """A value as JSON. Whole numbers are integers, because most are IDs and sizes."""
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return _struct(value.struct_value)
    if kind == "list_value":
        return [_value(item) for item in value.list_value.values]
    if kind == "number_value":
        number = value.number_value
        return int(number) if number.is_integer() else number
    return None if kind is None or kind == "null_value" else getattr(value, kind)
