"""Handles one rpc: bytes in, bytes or a rich status out. The same function for every rpc, made from its binding."""

from __future__ import annotations

import logging
import os
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2

from gateway.access import Admission, Audit, AuditRecord
from gateway.access.callers import Metadata
from gateway.printable import is_word
from gateway.tracing import Tracing
from gateway.transcoding import Binding, GatewayError, Reason
from gateway.vcenter.shared_reads import SharedReads, accepted_age

__all__ = ["CallRecord", "Handler", "Observe", "call_handler"]

REQUEST_ID_HEADER = "x-request-id"
CACHE_CONTROL_HEADER = "cache-control"
AGE_HEADER = "age"
_MAX_REQUEST_ID = 128
# What is kept of the caller's time for the way back: a status that comes after the deadline is thrown away by the
# caller's gRPC, and with it the news that the call may have been executed.
_SHARE_FOR_THE_ANSWER = 0.1
_MAX_SECONDS_FOR_THE_ANSWER = 0.2
_CODES = {code.value[0]: code for code in grpc.StatusCode}

_log = logging.getLogger(__name__)


class CallRecord(NamedTuple):
    """What there is to say about a finished call, for logs and metrics. Holds no identifiers and no secrets."""

    rpc: str
    """Service and rpc, for instance `vcenter.v1.VmService/ListVms`."""
    code: str
    """Name of the gRPC code."""
    reason: str
    """Reason of the error, empty for a call that succeeded."""
    seconds: float
    request_id: str
    trace_id: str = ""
    """Empty for a call that belongs to no trace."""
    span_id: str = ""
    """The gateway's span of the call, empty where it has recorded none."""
    age: int | None = None
    """Seconds by which the answer may be older than the call; None where the caller did not accept any."""


Observe = Callable[[CallRecord], None]
Handler = Callable[[bytes, Any], Awaitable[bytes]]


def call_handler(
    binding: Binding,
    vcenter: SharedReads,
    admission: Admission,
    observe: Observe = lambda record: None,
    audit: Audit | None = None,
    max_response_bytes: int = 2**31 - 1,
    tracing: Tracing | None = None,
) -> Handler:
    """The handler of one rpc. It takes and returns serialized messages, so that a request that is no message of the
    rpc's type, and a response that is too large for gRPC to send, are answered like every other mistake."""
    rpc, operation = binding.method.full_name, binding.method.operation
    request_class = binding.request_class
    is_read_only = binding.is_read_only
    call = vcenter.ask if is_read_only else vcenter.change
    if is_read_only:
        audit = None

    async def handle(data: bytes, context: Any) -> bytes:
        started = time.perf_counter()
        metadata = context.invocation_metadata() or ()
        request_id, cache_control = _read_metadata(metadata)
        trace = None if tracing is None else tracing.begin(rpc, operation, metadata, request_id)
        code, reason, age = "CANCELLED", "", None
        identity, message = "", None
        refusal: GatewayError | None = None
        try:
            caller = admission.identify(metadata, context.auth_context)
            identity = caller.identity
            try:
                message = request_class.FromString(data)
            except DecodeError:
                text = f"the request is not a valid {binding.method.input_type.full_name}"
                raise GatewayError(code_pb2.INVALID_ARGUMENT, Reason.REQUEST_INVALID, text) from None
            admission.authorize(caller, binding, message)
            timeout = _time_for_vcenter(context.time_remaining())
            max_age = accepted_age(cache_control) if cache_control is not None and is_read_only else None
            if max_age is None:
                reply = await call(binding, message, caller.vcenter, timeout, request_id, caller)
                response = reply.SerializeToString()
            else:
                response, age = await vcenter.read(
                    binding, message, caller.vcenter, timeout, request_id, caller, max_age
                )
            if len(response) > max_response_bytes:
                text = f"the response has {len(response)} bytes; the gateway sends at most {max_response_bytes}"
                raise _failure(binding, code_pb2.RESOURCE_EXHAUSTED, Reason.VCENTER_RESPONSE_TOO_LARGE, text)
            if age is not None:
                await context.send_initial_metadata(((AGE_HEADER, str(age)),))
            context.set_trailing_metadata(((REQUEST_ID_HEADER, request_id),))
            code = "OK"
        except GatewayError as error:
            code, reason, refusal = code_pb2.Code.Name(error.code), error.reason, error
        except Exception as error:
            # The text of an unforeseen error may hold anything, a secret too: only where it happened is logged.
            frames = "".join(traceback.format_tb(error.__traceback__))
            _log.error("unforeseen %s in %s, request %s\n%s", type(error).__name__, rpc, request_id, frames)
            code, reason = "INTERNAL", Reason.GATEWAY_BUG
            text = "the gateway failed; its log has the request id"
            refusal = _failure(binding, code_pb2.INTERNAL, Reason.GATEWAY_BUG, text)
        finally:
            seconds = time.perf_counter() - started
            trace_id = span_id = ""
            if trace is not None:
                trace.end(code, reason)
                trace_id, span_id = trace.trace_id, trace.span_id
            observe(CallRecord(rpc, code, reason, seconds, request_id, trace_id, span_id, age))
            if audit is not None:
                target = {name: str(getattr(message, name, "")) for name in binding.method.rule.variables}
                milliseconds = round(seconds * 1000, 3)
                audit(AuditRecord(identity, rpc, target, code, reason, request_id, milliseconds, trace_id, span_id))
        if refusal is not None:
            await _refuse(context, refusal, request_id)
        return response

    return handle


async def _refuse(context: Any, error: GatewayError, request_id: str) -> None:
    """Ends the call with the error's status, and does not return.

    By abort(), since what a handler returns goes out before the status, also where it is empty: and a call that has
    begun to be answered is not repeated by gRPC's own retries, which callers may have configured.
    """
    # A new one, since calls that waited for the same login end in the same error.
    own = GatewayError(
        error.code,
        error.reason,
        error.message,
        domain=error.domain,
        metadata=error.metadata,
        details=(*error.details, error_details_pb2.RequestInfo(request_id=request_id)),
        retry_delay=error.retry_delay,
    )
    status = own.status()
    trailing: list[tuple[str, str | bytes]] = [
        ("grpc-status-details-bin", status.SerializeToString()),
        (REQUEST_ID_HEADER, request_id),
    ]
    if "may_have_executed" in error.metadata:
        # Tells gRPC's own retry policy, wherever a client configured one, not to repeat the call.
        trailing.append(("grpc-retry-pushback-ms", "-1"))
    context.set_trailing_metadata(tuple(trailing))
    await context.abort(_CODES[status.code], status.message)


def _time_for_vcenter(remaining: float | None) -> float | None:
    """How long vCenter may take, in seconds; None where the caller has set no deadline."""
    if remaining is None:
        return None
    return remaining - min(_MAX_SECONDS_FOR_THE_ANSWER, _SHARE_FOR_THE_ANSWER * remaining)


def _read_metadata(metadata: Metadata) -> tuple[str, str | None]:
    """The request id and the `cache-control` of a call. The id is the caller's where it is fit for a header and a log
    line, else a new one; a field that comes several times counts as one, with commas between its values."""
    request_id, cache_control = "", None
    for key, value in metadata:
        if key == REQUEST_ID_HEADER and not request_id and is_word(value, _MAX_REQUEST_ID):
            request_id = value
        elif key == CACHE_CONTROL_HEADER and isinstance(value, str):
            cache_control = value if cache_control is None else f"{cache_control},{value}"
    return request_id or os.urandom(16).hex(), cache_control


def _failure(binding: Binding, code: int, reason: Reason, text: str) -> GatewayError:
    """The error of a call that vCenter may have carried out all the same."""
    metadata = {"operation": binding.method.operation}
    if not binding.is_read_only:
        metadata["may_have_executed"] = "true"
    return GatewayError(code, reason, text, metadata=metadata)
