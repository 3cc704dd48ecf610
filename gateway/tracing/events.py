"""Ends the trace of each rpc, with what the rpc ended in."""

from __future__ import annotations

from gateway.events import CallEnded, Events

__all__ = ["TraceEvents"]


class TraceEvents(Events):
    """Tells traces how their rpcs ended."""

    def call_ended(self, ended: CallEnded) -> None:
        if ended.trace is not None:
            ended.trace.end(ended.code, ended.reason)
