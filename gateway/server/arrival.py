"""Creates the call from the incoming bytes, metadata and connection."""

from __future__ import annotations

import asyncio
import math
import os
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2

from gateway.access import Admission
from gateway.access.callers import Metadata
from gateway.access.unknown_key import UnknownKeyError
from gateway.calls import Call, Caller
from gateway.calls.shared_reads import accepted_age
from gateway.errors import Failure, GatewayError, Reason, log_bug, status_of
from gateway.events import CallEnded
from gateway.printable import is_word
from gateway.server.connections import abort
from gateway.tracing import Tracing
from gateway.tracing.context import Trace
from gateway.transcoding import Binding
from gateway.vcenter.retry import RetryPolicy

__all__ = ["REQUEST_ID_HEADER", "Arrival", "Door", "parsed", "refuse"]

REQUEST_ID_HEADER = "x-request-id"
_CACHE_CONTROL_HEADER = "cache-control"
_MAX_REQUEST_ID = 128
# Time reserved for the response: the caller's gRPC discards a status that arrives after the deadline, and with it the
# information that the call may have been executed.
_SHARE_FOR_THE_ANSWER = 0.1
_MAX_SECONDS_FOR_THE_ANSWER = 0.2
_CODES = {code.value[0]: code for code in grpc.StatusCode}


@dataclass(frozen=True, slots=True)
class Door:
    """The checks that all calls must pass."""

    admission: Admission
    seconds_for: Callable[[bool, float | None], float]
    """How long a unary call may take, given whether it is read-only, and the caller's remaining seconds or None."""
    tracing: Tracing | None = None
    check_seconds: float = 10.0
    """How often the caller of a stream or of a waiting call is checked again."""


class Arrival:
    """An incoming call, and what is known of it so far."""

    __slots__ = (
        "_cache_control",
        "_call",
        "_context",
        "_door",
        "_started",
        "binding",
        "caller",
        "message",
        "metadata",
        "peer",
        "request_id",
        "trace",
    )

    def __init__(self, door: Door, binding: Binding, context: Any) -> None:
        self._started = time.perf_counter()
        self._door = door
        self._context = context
        self.binding = binding
        self.caller: Caller | None = None
        self.message: Message | None = None
        self._call: Call | None = None
        self.metadata: Metadata = context.invocation_metadata() or ()
        self.peer: str = context.peer()
        self.request_id, self._cache_control = _read_metadata(self.metadata)
        method, tracing = binding.method, door.tracing
        self.trace: Trace | None = None
        if tracing is not None:
            self.trace = tracing.begin(method.full_name, method.operation, self.metadata, self.request_id)

    def identify(self) -> Caller:
        """The caller, as far as it is known now. Raises GatewayError (UNAUTHENTICATED)."""
        return self._door.admission.identify(self.metadata, self._context.auth_context, self.peer)

    async def call(self, data: bytes | Failure, requests: AsyncIterator[Message] | None = None) -> Call:
        """The call, from the caller and the serialized request, or from the reason why there is none. `requests` are
        the messages after the first. Raises GatewayError."""
        if isinstance(data, Failure):
            raise GatewayError(data)
        binding = self.binding
        try:
            caller = self.identify()
        except UnknownKeyError as error:
            await error.refreshed()
            caller = self.identify()
        self.caller = caller
        self.message = message = parsed(binding, data)
        max_age = None
        if self._cache_control is not None and binding.is_read_only:
            max_age = accepted_age(self._cache_control)
        call = Call(binding, message, caller, self._deadline(), self.request_id, max_age, self.trace, requests)
        self._call = call
        return call

    async def while_allowed(self, call: Call, work: asyncio.Future[Any]) -> None:
        """Returns when `work` has ended. Checks from time to time whether the caller is still allowed. Raises
        GatewayError."""
        while not (await asyncio.wait((work,), timeout=self._door.check_seconds))[0]:
            if self.identify().identity != call.caller.identity:
                text = "the credentials of the call now belong to another caller; call again"
                raise GatewayError(Failure.of(Reason.CALLER_REJECTED, text))
            self._door.admission.authorize(call)

    def _deadline(self) -> float:
        remaining = self._context.time_remaining()
        method = self.binding.method
        if remaining is not None and method.is_unary:
            remaining -= min(_MAX_SECONDS_FOR_THE_ANSWER, _SHARE_FOR_THE_ANSWER * remaining)
        if method.waits or not method.is_unary:
            seconds = math.inf if remaining is None else remaining
        else:
            seconds = self._door.seconds_for(self.binding.is_read_only, remaining)
        return asyncio.get_running_loop().time() + seconds

    def ended(self, failure: Failure | None, age: int | None = None, messages: int = 0) -> CallEnded:
        """The event for the end of the call."""
        return CallEnded(
            self.binding.method,
            self.request_id,
            self.peer,
            time.perf_counter() - self._started,
            failure,
            str(self.caller.identity) if self.caller else "",
            self.message,
            self._call,
            age,
            self.trace,
            messages,
        )

    def bug(self, error: Exception) -> Failure:
        """The failure of a call with an unexpected exception, whose location is logged."""
        log_bug(error, f"{self.binding.method.full_name}, request {self.request_id}")
        return self.unanswered(
            Reason.GATEWAY_BUG, "the gateway failed; to find the cause, search its log for the request id"
        )

    def unanswered(self, reason: Reason, text: str) -> Failure:
        """The failure of a call that vCenter may have executed anyway."""
        operation = self.binding.method.operation
        # The gateway's own rpcs have none.
        failure = Failure.of(reason, text, metadata={"operation": operation} if operation else {})
        return failure if self.binding.is_read_only else failure.leaving_open()


def parsed(binding: Binding, data: bytes) -> Message:
    """Parses a message of a request. Raises GatewayError (INVALID_ARGUMENT) for invalid bytes."""
    try:
        return binding.request_class.FromString(data)
    except DecodeError:
        text = f"the request is not a valid {binding.method.input_type.full_name}"
        raise GatewayError(Failure.of(Reason.REQUEST_INVALID, text)) from None


async def refuse(context: Any, failure: Failure, request_id: str) -> NoReturn:
    """Ends the call with the failure's status, and does not return. Uses abort(), because a handler's return value is
    sent before the status, even if it is empty, and gRPC's own retries, which callers may have configured, do not
    repeat a call once its response has started.
    """
    request_info = error_details_pb2.RequestInfo(request_id=request_id)
    status = status_of(failure.with_(details=(*failure.details, request_info)))
    trailing: list[tuple[str, str | bytes]] = [
        ("grpc-status-details-bin", status.SerializeToString()),
        (REQUEST_ID_HEADER, request_id),
    ]
    pushback = RetryPolicy.client_pushback(failure)
    if pushback is not None:
        trailing.append(("grpc-retry-pushback-ms", str(pushback)))
    context.set_trailing_metadata(tuple(trailing))
    await abort(context, _CODES[status.code], status.message)


def _read_metadata(metadata: Metadata) -> tuple[str, str | None]:
    """The request id and the `cache-control` of a call. The id is the caller's if it is valid for a header and a log
    line, else a new one; a repeated header counts as one with comma-separated values."""
    request_id, cache_control = "", None
    for key, value in metadata:
        if key == REQUEST_ID_HEADER and not request_id and is_word(value, _MAX_REQUEST_ID):
            request_id = value
        elif key == _CACHE_CONTROL_HEADER and isinstance(value, str):
            cache_control = value if cache_control is None else f"{cache_control},{value}"
    return request_id or os.urandom(16).hex(), cache_control
