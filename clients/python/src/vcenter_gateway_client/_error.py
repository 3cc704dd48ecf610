"""What vCenter and the gateway say about a failed call, as one typed exception."""

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
"""When gRPC itself ends a call with one of these, nobody knows whether the gateway got it."""

_NOT_SENT = (
    "connections to all backends failing",
    "failed to connect to all addresses",
    "DNS resolution failed",
    "errors resolving",
)
"""How gRPC's messages begin when there was no connection for a call. It says so in no other form; if it changes the
words, a call counts as sent."""

_M = TypeVar("_M", bound=Message)


@dataclass(frozen=True)
class FieldViolation:
    """A mistake in a request."""

    field: str
    """Path of the field, for instance `spec.size_mib`."""

    description: str
    """What is wrong with it."""


@dataclass(kw_only=True, eq=False)
class VCenterError(grpc.RpcError):
    """A call failed: all that its status says, typed.

    Every call and stream on a channel of `connect` and `aio.connect` that fails raises it. Its `__cause__` is the error
    of grpc. What a status does not say has its default here, for instance when gRPC itself failed and nobody answered.
    """

    code: grpc.StatusCode  # type: ignore[assignment] # grpc's own errors have a method of this name, see `__cause__`
    """The gRPC code, which says how to react."""

    message: str
    """The message of the status."""

    reason: str = ""
    """vCenter's error type verbatim, or a reason of the gateway's own. Empty when the gateway did not answer."""

    gateway_reason: Reason = Reason.UNSPECIFIED
    """The gateway's own reason. UNSPECIFIED when vCenter reported the error, or when the reason is one of a later
    gateway: `reason` has it then."""

    error_type: ErrorType = ErrorType.UNSPECIFIED
    """vCenter's error type. UNSPECIFIED when vCenter sent none, or one of a later release."""

    messages: tuple[LocalizableMessage, ...] = ()
    """vCenter's messages with their ids and arguments, the outermost cause first."""

    violations: tuple[FieldViolation, ...] = ()
    """The mistakes in the request."""

    retry_delay: float | None = None
    """Seconds to wait before another try, where waiting helps."""

    may_have_executed: bool = False
    """Whether the call changes something, was sent and got no readable answer: look before you repeat it.

    The gateway says so. When the gateway did not answer, because the connection broke or the time was up, this is True
    unless the rpc only reads or the client could not connect."""

    request_id: str = ""
    """The id of the request in the logs of the gateway and of vCenter."""

    data: Mapping[str, Any] | None = None
    """Further facts from vCenter, of a structure that depends on the operation."""

    metadata: Mapping[str, str] = field(default_factory=dict)
    """Where it happened: `operation`, the REST call, and `http_status`."""

    details: tuple[AnyMessage, ...] = field(default=(), repr=False)  # type: ignore[assignment] # likewise
    """The details of the status as they came; see `detail`."""

    @classmethod
    def from_rpc_error(cls, error: grpc.RpcError) -> VCenterError:
        """What the error of a failed call says that comes from another channel. Never raises.

        Returns an error that is a VCenterError as it is. Details that cannot be read are as if they were not there.
        """
        return error if isinstance(error, VCenterError) else _read(error, None)

    def detail(self, message_type: type[_M]) -> _M | None:
        """The first detail of a type, None where there is none.

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
    """Turns the errors of grpc into VCenterErrors. `method` is the path of the rpc."""
    try:
        yield
    except VCenterError:
        raise
    except grpc.RpcError as error:
        raise _read(error, method) from error


def _rebuild(values: dict[str, Any]) -> VCenterError:
    return VCenterError(**values)


def _read(error: grpc.RpcError, method: str | None) -> VCenterError:
    """What an error says. `method` is None when it is not known which rpc failed."""
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
    """Whether an rpc changes nothing. Those of gRPC's own services do not; others say so in their protos."""
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
