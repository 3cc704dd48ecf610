"""Distributed traces: the trace of each call and, if enabled, spans for a collector.

The server and the client of vCenter only know the protocol `Tracing`. It has two implementations: `Forwarding` creates
no spans and needs no extra package; `gateway.tracing.spans` uses OpenTelemetry's SDK and is imported only if needed.
"""

from gateway.tracing.context import Tracing
from gateway.tracing.events import TraceEvents
from gateway.tracing.forwarding import Forwarding
from gateway.tracing.start import TracingError, check_tracing, start_tracing

__all__ = [
    "Forwarding",
    "TraceEvents",
    "Tracing",
    "TracingError",
    "check_tracing",
    "start_tracing",
]
