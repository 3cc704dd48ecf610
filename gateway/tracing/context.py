"""The trace of a call: the caller's W3C Trace Context, and the trace of the current call.

https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

__all__ = [
    "CURRENT",
    "Exchange",
    "Parent",
    "Trace",
    "Tracing",
    "parent_in",
    "trace_fields",
]

_TRACEPARENT, _TRACESTATE = "traceparent", "tracestate"
_PARENT = re.compile(
    r"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<span>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})(?P<more>-.*)?"
)
_KEY = r"[a-z0-9][a-z0-9_*/-]{0,255}(?:@[a-z][a-z0-9_*/-]{0,13})?"
_STATE = re.compile(rf"{_KEY}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{{1,256}}")
_MAX_PARENT = 512
_MAX_STATE = 512
_MAX_STATES = 32

Metadata = Iterable[tuple[str, str | bytes]]


class Trace(Protocol):
    """The trace of one rpc."""

    @property
    def trace_id(self) -> str:
        """32 hexadecimal digits."""

    @property
    def span_id(self) -> str:
        """The rpc's own span in 16 hexadecimal digits, empty if none is recorded."""

    def end(self, code: str, reason: str) -> None:
        """The rpc ended with this gRPC code, and this reason if it failed."""


class Exchange(Protocol):
    """One HTTP exchange with vCenter."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that propagate the trace to vCenter."""

    def end(self, outcome: int | str) -> None:
        """It ended with this HTTP status, or without a response for this reason."""


class Tracing(Protocol):
    """Traces calls. Its methods are fast and never raise."""

    def begin(self, rpc: str, operation: str, metadata: Metadata, request_id: str) -> Trace | None:
        """An rpc starts, which maps to this operation of vCenter. Until it ends, it is the current one of its task, and
        of tasks that start there. None if there is nothing to trace."""

    def exchange(self, operation: str, trace: Trace | None) -> Exchange | None:
        """An exchange with vCenter starts, as part of an rpc's trace if it is for one."""

    async def stop(self) -> None:
        """Sends what was not sent yet; takes at most a few seconds."""


CURRENT: ContextVar[Trace | None] = ContextVar("CURRENT", default=None)
"""The trace of the current rpc."""


def trace_fields(trace_id: str, span_id: str) -> dict[str, str]:
    """The existing ids as fields of a log line."""
    return {name: value for name, value in (("trace_id", trace_id), ("span_id", span_id)) if value}


@dataclass(frozen=True, slots=True)
class Parent:
    """The caller's span."""

    trace_id: str
    span_id: str
    flags: int
    state: str
    """The state of other tracing systems, which is passed on unchanged and never parsed."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that make other systems' work part of the caller's span."""
        headers = {_TRACEPARENT: f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"}
        return {**headers, _TRACESTATE: self.state} if self.state else headers


def parent_in(metadata: Metadata) -> Parent | None:
    """The caller's span; None if the call has none, more than one, or a malformed one."""
    found: str | bytes | None = None
    for key, value in metadata:
        if key == _TRACEPARENT:
            if found is not None:
                return None
            found = value
    if not isinstance(found, str) or len(found) > _MAX_PARENT:
        return None
    match = _PARENT.fullmatch(found)
    # What later versions append is not known; this one has nothing to append.
    if match is None or match["version"] == "ff" or (match["version"] == "00" and match["more"] is not None):
        return None
    if not int(match["trace"], 16) or not int(match["span"], 16):
        return None
    return Parent(match["trace"], match["span"], int(match["flags"], 16), _state_in(metadata))


def _state_in(metadata: Metadata) -> str:
    """The state of the caller's span, empty if there is none or it is malformed."""
    state = ",".join(value for key, value in metadata if key == _TRACESTATE and isinstance(value, str))
    entries = [entry.strip(" \t") for entry in state.split(",")]
    good = len(state) <= _MAX_STATE and len(entries) <= _MAX_STATES
    return state if good and all(_STATE.fullmatch(entry) for entry in entries if entry) else ""
