"""Errors: one exception, and the two tables that turn vCenter's errors into gRPC codes.

    vCenter's answer with an `error_type`  --BY_ERROR_TYPE-->   code, reason = the error type verbatim
    vCenter's answer without one           --BY_HTTP_STATUS-->  code, reason = HTTP_<status>
    what the gateway itself has to refuse or could not do   -->  code, reason = a `Reason`

The domain of the `google.rpc.ErrorInfo` tells the first two (`vcenter.vmware.com`) from the last (`vcenter-gateway`).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, cast
from urllib.parse import quote

from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2, status_pb2

from gateway.transcoding.encoder import Violation

__all__ = [
    "BY_ERROR_TYPE",
    "BY_HTTP_STATUS",
    "GATEWAY_DOMAIN",
    "MAX_DETAILS_BYTES",
    "MAX_MESSAGE_BYTES",
    "VCENTER_DOMAIN",
    "GatewayError",
    "Reason",
]

VCENTER_DOMAIN = "vcenter.vmware.com"
GATEWAY_DOMAIN = "vcenter-gateway"

MAX_DETAILS_BYTES = 2560
"""Upper bound of the serialized google.rpc.Status. With the longest message and request id beside it, it just fits into
the 4 KiB that nginx has by default for the head of an answer (`grpc_buffer_size`), as most ingress controllers do: a
larger one becomes a bare 502. grpc-java accepts 8 KiB of headers by default, and the C core sends no more."""
MAX_MESSAGE_BYTES = 900
"""Upper bound of the status message as it goes over the wire, percent-encoded."""

BY_ERROR_TYPE: Mapping[str, int] = {
    "ALREADY_EXISTS": code_pb2.ALREADY_EXISTS,
    "ALREADY_IN_DESIRED_STATE": code_pb2.FAILED_PRECONDITION,
    "CANCELED": code_pb2.CANCELLED,
    "CONCURRENT_CHANGE": code_pb2.ABORTED,
    "ERROR": code_pb2.UNKNOWN,
    "FEATURE_IN_USE": code_pb2.FAILED_PRECONDITION,
    "INTERNAL_SERVER_ERROR": code_pb2.INTERNAL,
    "INVALID_ARGUMENT": code_pb2.INVALID_ARGUMENT,
    "INVALID_ELEMENT_CONFIGURATION": code_pb2.INVALID_ARGUMENT,
    "INVALID_ELEMENT_TYPE": code_pb2.INVALID_ARGUMENT,
    "INVALID_REQUEST": code_pb2.INVALID_ARGUMENT,
    "NOT_ALLOWED_IN_CURRENT_STATE": code_pb2.FAILED_PRECONDITION,
    "NOT_FOUND": code_pb2.NOT_FOUND,
    "OPERATION_NOT_FOUND": code_pb2.UNIMPLEMENTED,
    "RESOURCE_BUSY": code_pb2.ABORTED,
    "RESOURCE_IN_USE": code_pb2.FAILED_PRECONDITION,
    "RESOURCE_INACCESSIBLE": code_pb2.FAILED_PRECONDITION,
    "SERVICE_UNAVAILABLE": code_pb2.UNAVAILABLE,
    "TIMED_OUT": code_pb2.DEADLINE_EXCEEDED,
    "UNABLE_TO_ALLOCATE_RESOURCE": code_pb2.RESOURCE_EXHAUSTED,
    "UNAUTHENTICATED": code_pb2.UNAUTHENTICATED,
    "UNAUTHORIZED": code_pb2.PERMISSION_DENIED,
    "UNEXPECTED_INPUT": code_pb2.INVALID_ARGUMENT,
    "UNSUPPORTED": code_pb2.UNIMPLEMENTED,
    "UNVERIFIED_PEER": code_pb2.FAILED_PRECONDITION,
}
"""gRPC codes of vAPI's standard errors. The HTTP status does not tell them apart: 400 stands for ten of them."""

BY_HTTP_STATUS: Mapping[int, int] = {
    400: code_pb2.INVALID_ARGUMENT,
    401: code_pb2.UNAUTHENTICATED,
    403: code_pb2.PERMISSION_DENIED,
    404: code_pb2.NOT_FOUND,
    405: code_pb2.UNIMPLEMENTED,
    408: code_pb2.DEADLINE_EXCEEDED,
    409: code_pb2.ABORTED,
    412: code_pb2.FAILED_PRECONDITION,
    413: code_pb2.INVALID_ARGUMENT,
    414: code_pb2.INVALID_ARGUMENT,
    415: code_pb2.INVALID_ARGUMENT,
    429: code_pb2.RESOURCE_EXHAUSTED,
    431: code_pb2.INVALID_ARGUMENT,
    499: code_pb2.CANCELLED,
    500: code_pb2.INTERNAL,
    501: code_pb2.UNIMPLEMENTED,
    502: code_pb2.UNAVAILABLE,
    503: code_pb2.UNAVAILABLE,
    504: code_pb2.DEADLINE_EXCEEDED,
}
"""gRPC codes of answers that carry no error type, UNKNOWN for every other status."""


class Reason(enum.StrEnum):
    """Reasons of the errors that the gateway itself reports."""

    REQUEST_INVALID = "REQUEST_INVALID"
    """The request breaks a rule of the contract; see the field violations. vCenter was not called."""
    CREDENTIALS_MISSING = "CREDENTIALS_MISSING"
    """The call carries no identity. vCenter was not called."""
    CREDENTIALS_MALFORMED = "CREDENTIALS_MALFORMED"
    """The call's identity cannot be read. vCenter was not called."""
    CREDENTIALS_REJECTED = "CREDENTIALS_REJECTED"
    """vCenter does not accept the user name and password."""
    VCENTER_UNREACHABLE = "VCENTER_UNREACHABLE"
    """No connection to vCenter could be made; the call did not reach it."""
    VCENTER_CONNECTION_LOST = "VCENTER_CONNECTION_LOST"
    """The connection broke after the call was sent, or what came on it is no HTTP."""
    VCENTER_CERTIFICATE_INVALID = "VCENTER_CERTIFICATE_INVALID"
    """vCenter's certificate is not trusted; nothing was sent."""
    VCENTER_TIMEOUT = "VCENTER_TIMEOUT"
    """vCenter did not answer in time."""
    VCENTER_RESPONSE_INVALID = "VCENTER_RESPONSE_INVALID"
    """vCenter's answer cannot be read or does not fit the contract."""
    VCENTER_RESPONSE_TOO_LARGE = "VCENTER_RESPONSE_TOO_LARGE"
    """vCenter's answer is larger than the gateway accepts."""
    VCENTER_CIRCUIT_OPEN = "VCENTER_CIRCUIT_OPEN"
    """vCenter did not answer several calls in a row, so this one was not sent."""
    OVERLOADED = "OVERLOADED"
    """Too many calls wait for vCenter; this one was not sent."""
    CALLER_REJECTED = "CALLER_REJECTED"
    """The caller's bearer token or certificate is not accepted. vCenter was not called."""
    POLICY_DENIED = "POLICY_DENIED"
    """The policy does not allow the caller this rpc on this machine. vCenter was not called."""
    GATEWAY_BUG = "GATEWAY_BUG"
    """The gateway failed in a way it did not foresee."""


class GatewayError(Exception):
    """A call that failed, with everything its status says.

    `details` are further google.rpc or own messages, the vAPI error among them; `retry_delay` is in seconds.
    """

    def __init__(
        self,
        code: int,
        reason: str,
        message: str,
        *,
        domain: str = GATEWAY_DOMAIN,
        metadata: Mapping[str, str] | None = None,
        details: Sequence[Message] = (),
        retry_delay: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.message = message
        self.domain = domain
        self.metadata = dict(metadata or {})
        self.details = tuple(details)
        self.retry_delay = retry_delay

    @classmethod
    def invalid_request(cls, violations: Iterable[Violation]) -> GatewayError:
        """A request that breaks the contract. vCenter is not called."""
        bad_request = error_details_pb2.BadRequest(
            field_violations=[{"field": item.field, "description": item.description} for item in violations]
        )
        listed = "; ".join(f"{item.field} {item.description}" for item in bad_request.field_violations)
        return cls(code_pb2.INVALID_ARGUMENT, Reason.REQUEST_INVALID, listed, details=[bad_request])

    def status(self) -> status_pb2.Status:
        """The google.rpc.Status, cut to what fits into the headers of a response.

        Where a detail had to be cut, the metadata of the ErrorInfo has `details_cut`.
        """
        info = error_details_pb2.ErrorInfo(
            reason=_valid(self.reason),
            domain=_valid(self.domain),
            metadata={_valid(name): _valid(value) for name, value in self.metadata.items()},
        )
        details: list[Message] = [*self.details]
        if self.retry_delay is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromNanoseconds(round(self.retry_delay * 1e9))
            details.append(retry)
        return _fit(self.code, _cut_message(_valid(self.message)), info, details)

    def __repr__(self) -> str:
        return f"GatewayError({code_pb2.Code.Name(self.code)}, {self.reason}, {self.message!r})"


def _valid(text: str) -> str:
    """Header fields can hold bytes that are no UTF-8; protobuf refuses what Python makes of them."""
    return text.encode(errors="replace").decode()


_UNESCAPED = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
_SHORTEST_TEXT = 64
_READABLE_TEXT = 256
_INFO_ITEMS = 8
_NOTE_BYTES = len(" [cut: 1000000000 more characters]")


def _cut_message(message: str) -> str:
    """Bounds the message as gRPC sends it: percent-encoded, where one character can take twelve bytes."""
    if len(message) <= MAX_MESSAGE_BYTES and _escaped_size(message) <= MAX_MESSAGE_BYTES:
        return message
    note = " [cut]"
    room = MAX_MESSAGE_BYTES - len(note)
    return message[: _largest(0, room, lambda length: _escaped_size(message[:length]) <= room)] + note


def _escaped_size(message: str) -> int:
    return len(quote(message, safe=_UNESCAPED))


def _fit(code: int, message: str, info: error_details_pb2.ErrorInfo, details: Sequence[Message]) -> status_pb2.Status:
    """Packs the details. Where they are too large, lists and maps lose their ends, and texts as well.

    Both only as far as needed, and lists first: a few entries that can be read say more than many stumps. A detail that
    is still too large is left out as a whole; the ErrorInfo never is.
    """
    status = _pack(code, message, [info, *details])
    if status.ByteSize() <= MAX_DETAILS_BYTES:
        return status
    info.metadata["details_cut"] = "true"
    remaining = list(details)

    def shortened(items: int, size: int) -> status_pb2.Status:
        kept = [_shortened(info, max(items, _INFO_ITEMS), size)]
        return _pack(code, message, kept + [_shortened(detail, items, size) for detail in remaining])

    def fits(items: int, size: int) -> bool:
        total: int = shortened(items, size).ByteSize()
        return total <= MAX_DETAILS_BYTES

    while not fits(1, _SHORTEST_TEXT):
        remaining.remove(max(remaining, key=lambda detail: _shortened(detail, 1, _SHORTEST_TEXT).ByteSize()))
    items = _largest(1, MAX_DETAILS_BYTES, lambda items: fits(items, _READABLE_TEXT))
    size = _largest(_SHORTEST_TEXT, MAX_DETAILS_BYTES, lambda size: fits(items, size))
    return shortened(items, size)


def _pack(code: int, message: str, details: Iterable[Message]) -> status_pb2.Status:
    status = status_pb2.Status(code=code, message=message)
    for detail in details:
        status.details.add().Pack(detail)
    return status


def _largest(low: int, high: int, fits: Callable[[int], bool]) -> int:
    """The largest number up to `high` that fits, at least `low`.

    Approaches it from below, so that what is far too large is never tried.
    """
    step = 1
    while low + step <= high and fits(low + step):
        low += step
        step *= 2
    while step := step // 2:
        if low + step <= high and fits(low + step):
            low += step
    return low


def _shortened(message: Any, items: int, size: int) -> Message:
    """A copy whose lists and maps have at most `items` entries, and whose texts have at most `size` bytes."""

    def short(value: Any) -> Any:
        if isinstance(value, str):
            return _cut(value, size)
        return _shortened(value, items, size) if isinstance(value, Message) else value

    result: Any = type(message)()
    for field, value in message.ListFields():
        target = getattr(result, field.name)
        if field.is_repeated and isinstance(value, Mapping):
            for key in islice(value, items):
                if isinstance(value[key], Message):
                    target[short(key)].CopyFrom(short(value[key]))
                else:
                    target[short(key)] = short(value[key])
        elif field.is_repeated:
            target.extend(short(item) for item in islice(value, items))
        elif field.message_type is not None:
            target.CopyFrom(short(value))
        else:
            setattr(result, field.name, short(value))
    return cast(Message, result)


def _cut(text: str, size: int) -> str:
    if len(text) <= size and len(text.encode()) <= size:
        return text
    kept = text[:size].encode()[: size - _NOTE_BYTES].decode(errors="ignore")
    return f"{kept} [cut: {len(text) - len(kept)} more characters]"
