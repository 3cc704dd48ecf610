"""OpenTelemetry spans: one for each rpc, and below it one for each exchange with vCenter.

Names and attributes follow the semantic conventions for RPC servers and HTTP clients, if these exist. Of callers' and
vCenter's data, a span contains only the request id, status codes and reasons: no identifiers, and therefore no
`url.full`, no error messages and no users.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from urllib.parse import urlsplit

from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import (
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    set_span_in_context,
)

from gateway import __version__
from gateway.errors import SERVER_FAULTS
from gateway.tracing.context import CURRENT, Metadata, Parent, Trace, parent_in

__all__ = ["Spans"]

_NO_PARENT = Context()
_PORTS = {"http": 80, "https": 443}


class Spans:
    """Creates spans with a provider's tracer, for a gateway in front of the vCenter at this URL."""

    def __init__(self, provider: TracerProvider, vcenter_url: str) -> None:
        self._tracer = provider.get_tracer("vcenter-gateway", __version__)
        url = urlsplit(vcenter_url)
        self._server: dict[str, str | int] = {
            "server.address": url.hostname or "",
            "server.port": url.port or _PORTS[url.scheme],
        }

    def begin(self, rpc: str, operation: str, metadata: Metadata, request_id: str) -> _Rpc:
        parent = parent_in(metadata)
        span = self._tracer.start_span(
            rpc,
            _NO_PARENT if parent is None else _context_of(parent),
            SpanKind.SERVER,
            {
                "rpc.system.name": "grpc",
                "rpc.method": rpc,
                **({"vcenter.operation": operation} if operation else {}),
                "gateway.request_id": request_id,
            },
        )
        trace = _Rpc(span, parent.state if parent else "")
        CURRENT.set(trace)
        return trace

    def exchange(self, operation: str, trace: Trace | None) -> _Exchange:
        verb, _, template = operation.partition(" ")
        attributes: dict[str, str | int] = {
            "http.request.method": verb,
            "url.template": template,
            "vcenter.operation": operation,
            **self._server,
        }
        if not isinstance(trace, _Rpc):  # Sessions are closed when no call is in flight.
            return _Exchange(self._tracer.start_span(operation, _NO_PARENT, SpanKind.CLIENT, attributes), "")
        if trace.sent[operation]:
            attributes["http.request.resend_count"] = trace.sent[operation]
        trace.sent[operation] += 1
        return _Exchange(self._tracer.start_span(operation, trace.context, SpanKind.CLIENT, attributes), trace.state)


class _Rpc:
    """The span of an rpc."""

    __slots__ = ("_span", "context", "sent", "span_id", "state", "trace_id")

    def __init__(self, span: Span, state: str) -> None:
        own = span.get_span_context()
        self._span = span
        self.context = set_span_in_context(span, _NO_PARENT)
        self.state = state
        self.sent: Counter[str] = Counter()
        """How often each operation was sent so far."""
        self.trace_id = f"{own.trace_id:032x}"
        self.span_id = f"{own.span_id:016x}" if span.is_recording() else ""

    def end(self, code: str, reason: str) -> None:
        self._span.set_attribute("rpc.response.status_code", code)
        if reason:
            self._span.set_attribute("gateway.reason", str(reason))
        if code in SERVER_FAULTS:
            _failed(self._span, code)
        self._span.end()


class _Exchange:
    """The span of an exchange with vCenter."""

    __slots__ = ("_span", "headers")

    def __init__(self, span: Span, state: str) -> None:
        own = span.get_span_context()
        self._span = span
        # By the same form as the caller's.
        parent = Parent(f"{own.trace_id:032x}", f"{own.span_id:016x}", own.trace_flags, state)
        self.headers: Mapping[str, str] = parent.headers

    def end(self, outcome: int | str) -> None:
        if isinstance(outcome, int):
            self._span.set_attribute("http.response.status_code", outcome)
        if not isinstance(outcome, int) or outcome >= 400:
            _failed(self._span, str(outcome))
        self._span.end()


def _failed(span: Span, kind: str) -> None:
    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR)


def _context_of(parent: Parent) -> Context:
    context = SpanContext(
        int(parent.trace_id, 16), int(parent.span_id, 16), is_remote=True, trace_flags=TraceFlags(parent.flags)
    )
    return set_span_in_context(NonRecordingSpan(context), _NO_PARENT)
