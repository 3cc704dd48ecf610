"""Tracing without spans: the caller's trace appears in the log, and is propagated to vCenter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.tracing.context import CURRENT, Metadata, Trace, parent_in

__all__ = ["Forwarding"]


class Forwarding:
    """Forwards callers' traces, and creates no spans."""

    def begin(self, rpc: str, operation: str, metadata: Metadata, request_id: str) -> _Forwarded | None:
        parent = parent_in(metadata)
        if parent is None:
            return None
        trace = _Forwarded(parent.trace_id, parent.headers)
        CURRENT.set(trace)
        return trace

    def exchange(self, operation: str, trace: Trace | None) -> _Forwarded | None:
        return trace if isinstance(trace, _Forwarded) else None

    async def stop(self) -> None:
        return


@dataclass(frozen=True, slots=True)
class _Forwarded:
    """A caller's trace, which is the same for an rpc and for its exchanges with vCenter."""

    trace_id: str
    headers: Mapping[str, str]
    span_id: str = ""

    def end(self, *_outcome: int | str) -> None:
        return
