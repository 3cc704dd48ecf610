"""Errors: one exception, and the two tables that turn vCenter's errors into gRPC codes.

    vCenter's answer with an `error_type`  --BY_ERROR_TYPE-->   code, reason = the error type verbatim
    vCenter's answer without one           --BY_HTTP_STATUS-->  code, reason = HTTP_<status>
    what the gateway itself has to refuse or could not do   -->  code, reason = a `Reason`

The domain of the `google.rpc.ErrorInfo` tells the first two (`vcenter.vmware.com`) from the last (`vcenter-gateway`).
"""

from __future__ import annotations

import base64
import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
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

MAX_DETAILS_BYTES = 4800
"""Upper bound of the serialized google.rpc.Status. In base64, with the message beside it, that stays below the 8 KiB of
headers that grpc-java accepts by default; the C core refuses to send more than that as well."""
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
    """The connection broke after the call was sent."""
    VCENTER_CERTIFICATE_INVALID = "VCENTER_CERTIFICATE_INVALID"
    """vCenter's certificate is not trusted; nothing was sent."""
    VCENTER_TIMEOUT = "VCENTER_TIMEOUT"
    """vCenter did not answer in time."""
    VCENTER_RESPONSE_INVALID = "VCENTER_RESPONSE_INVALID"
    """vCenter's answer cannot be read or does not fit the contract."""
    VCENTER_RESPONSE_TOO_LARGE = "VCENTER_RESPONSE_TOO_LARGE"
    """vCenter's answer is larger than the gateway accepts."""
    SHUTTING_DOWN = "SHUTTING_DOWN"
    """The gateway is stopping; another one can take the call."""
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
        """The google.rpc.Status, cut to what fits into the headers of a response."""
        info = error_details_pb2.ErrorInfo(reason=self.reason, domain=self.domain, metadata=self.metadata)
        details: list[Message] = [info, *self.details]
        if self.retry_delay is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromNanoseconds(round(self.retry_delay * 1e9))
            details.append(retry)
        return _fit(self.code, _cut_message(self.message), details)

    def __repr__(self) -> str:
        return f"GatewayError({code_pb2.Code.Name(self.code)}, {self.reason}, {self.message!r})"


def _cut_message(message: str) -> str:
    """Bounds the message as gRPC sends it: percent-encoded, where one character can take twelve bytes."""
    if len(message) * 12 <= MAX_MESSAGE_BYTES or len(quote(message, safe=_UNESCAPED)) <= MAX_MESSAGE_BYTES:
        return message
    low, high = 0, len(message)
    note = " [cut]"
    while low < high:
        middle = (low + high + 1) // 2
        if len(quote(message[:middle], safe=_UNESCAPED)) + len(note) + 2 <= MAX_MESSAGE_BYTES:
            low = middle
        else:
            high = middle - 1
    return message[:low] + note


_UNESCAPED = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")


def _fit(code: int, message: str, details: Sequence[Message]) -> status_pb2.Status:
    """Packs the details; where they are too large, cuts the longest text until they fit, and says so in the text.

    Works on copies. Should texts alone not be the reason, the longest list or map loses its end.
    """
    copies = []
    for detail in details:
        copy = type(detail)()
        copy.CopyFrom(detail)
        copies.append(copy)
    while True:
        status = status_pb2.Status(code=code, message=message)
        for copy in copies:
            status.details.add().Pack(copy)
        excess = status.ByteSize() - MAX_DETAILS_BYTES
        if excess <= 0:
            return status
        if not (_cut_longest_text(copies, excess) or _cut_longest_list(copies)):
            copies.pop()  # Nothing left to shorten: a detail of many small parts goes as a whole.


_SHORTEST_CUT = 64


def _cut_longest_text(messages: Sequence[Message], excess: int) -> bool:
    longest: tuple[int, Any] | None = None
    for message in messages:
        for size, replace, text in _texts(message):
            if size > _SHORTEST_CUT * 2 and (longest is None or size > longest[0]):
                longest = (size, (replace, text))
    if longest is None:
        return False
    size, (replace, text) = longest
    keep = max(_SHORTEST_CUT, size - excess - 48)
    kept = text.encode()[:keep].decode(errors="ignore")
    shortened = f"{kept} [cut: {len(text) - len(kept)} more characters]"
    if len(shortened.encode()) >= size:
        return False
    replace(shortened)
    return True


def _texts(message: Any) -> Iterable[tuple[int, Any, str]]:
    """All string values below a message: size in bytes, a function that replaces the value, the value."""
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            for key in value:
                if field.message_type.fields_by_name["value"].message_type is not None:
                    yield from _texts(value[key])
                elif isinstance(value[key], str):
                    yield len(value[key].encode()), _item_setter(value, key), value[key]
        elif field.message_type is not None:
            for part in value if field.is_repeated else (value,):
                yield from _texts(part)
        elif field.type == field.TYPE_STRING and field.is_repeated:
            for index, text in enumerate(value):
                yield len(text.encode()), _item_setter(value, index), text
        elif field.type == field.TYPE_STRING:
            yield len(value.encode()), _field_setter(message, field.name), value


def _item_setter(container: Any, key: Any) -> Any:
    return lambda text: container.__setitem__(key, text)


def _field_setter(message: Any, name: str) -> Any:
    return lambda text: setattr(message, name, text)


def _cut_longest_list(messages: Sequence[Message]) -> bool:
    lists = [found for message in messages for found in _lists(message) if len(found) > 1]
    if not lists:
        return False
    longest = max(lists, key=len)
    if hasattr(longest, "keys"):
        for key in list(longest)[len(longest) // 2 :]:
            del longest[key]
    else:
        del longest[len(longest) // 2 :]
    return True


def _lists(message: Any) -> Iterable[Any]:
    for field, value in message.ListFields():
        if field.is_repeated:
            yield value
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                for key in value:
                    yield from _lists(value[key])
        else:
            for part in value if field.is_repeated else (value,):
                yield from _lists(part)


def encoded_header_bytes(status: status_pb2.Status) -> int:
    """What a status takes in a response's headers: the message percent-encoded and the details in base64."""
    return len(quote(status.message, safe=_UNESCAPED)) + len(base64.b64encode(status.SerializeToString()))
