"""Distributed traces: which trace a call belongs to, and, where they are wanted, spans for a collector.

The server and the client of vCenter only know the protocol `Tracing`. It is kept in two ways: `Forwarding` makes no
spans and needs nothing installed; `gateway.tracing.spans` uses OpenTelemetry's SDK and is imported only when needed.
"""

from gateway.tracing.context import Exchange, Trace, Tracing
from gateway.tracing.events import TraceEvents
from gateway.tracing.forwarding import Forwarding
from gateway.tracing.start import TracingError, check_tracing, start_tracing

__all__ = [
    "Exchange",
    "Forwarding",
    "Trace",
    "TraceEvents",
    "Tracing",
    "TracingError",
    "check_tracing",
    "start_tracing",
]
