"""Ends the traces of rpcs, and what follows their exchanges with vCenter, with what these ended in."""

from __future__ import annotations

from gateway.events import CallEnded, Events, Exchanged

__all__ = ["TraceEvents"]


class TraceEvents(Events):
    """Tells traces how their rpcs and exchanges ended."""

    def call_ended(self, ended: CallEnded) -> None:
        if ended.trace is not None:
            ended.trace.end(ended.code, ended.reason)

    def exchanged(self, exchanged: Exchanged) -> None:
        if exchanged.span is not None:
            exchanged.span.end(exchanged.outcome)
