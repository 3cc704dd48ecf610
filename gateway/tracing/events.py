"""Ends the traces of rpcs, and the spans of their exchanges with vCenter, with their outcome."""

from __future__ import annotations

from gateway.events import CallEnded, Events, Exchanged

__all__ = ["TraceEvents"]


class TraceEvents(Events):
    """Reports the outcome of rpcs and exchanges to their traces."""

    def call_ended(self, ended: CallEnded) -> None:
        if ended.trace is not None:
            ended.trace.end(ended.code, ended.reason)

    def exchanged(self, exchanged: Exchanged) -> None:
        if exchanged.span is not None:
            exchanged.span.end(exchanged.outcome)
