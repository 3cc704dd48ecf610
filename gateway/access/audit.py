"""The audit log's records: who changed or watched what, and whose calls were refused.

A change has two records. The first is written before vCenter is called, because the process may end before the second:
an auditor then sees that the change was in flight, and that its outcome is unknown. A call that is refused before has
one record. A stream also has two, because it may last for days.

Of a request only the identifiers in its path are told, and of one to the gateway's own services the single resources
that it names; they are cut where somebody sent something long, as names are.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any
from weakref import WeakKeyDictionary

from google.protobuf.message import Message

from gateway.calls import Call
from gateway.calls.identity import CallerIdentity
from gateway.contract import Method, Rest
from gateway.errors import Failure, GatewayError, Reason
from gateway.events import CallEnded, Events
from gateway.outliving import outlived
from gateway.tracing.context import Trace, trace_fields

__all__ = ["AuditEvent", "AuditLog", "AuditRecord"]

_MAX_TEXT = 200
RECORD_SECONDS = 2.0
"""How long a change waits for its first record if the disk does not respond."""


class AuditEvent(StrEnum):
    """The event of a record."""

    STARTED = "change_started"
    """vCenter is about to be called."""
    ENDED = "change_ended"
    """The call has ended."""
    REFUSED = "change_refused"
    """The caller is unknown or not allowed, or the request is invalid: vCenter was not called."""
    STREAM_STARTED = "stream_started"
    """A read-only stream has started. A stream that changes something is a change."""
    STREAM_ENDED = "stream_ended"
    STREAM_REFUSED = "stream_refused"


_STARTED = (AuditEvent.STARTED, AuditEvent.STREAM_STARTED)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One record. Both records of a change or a stream have the same `change_id`: create the second with
    `dataclasses.replace`."""

    identity: CallerIdentity | str
    """Empty if the caller is unknown."""
    rpc: str
    target: Mapping[str, str]
    """The identifiers in the path by name: the machine, the device."""
    code: str = ""
    reason: str = ""
    request_id: str = ""
    """Chosen by the caller, who may use it twice."""
    duration_ms: float = 0.0
    trace: Trace | None = None
    event: AuditEvent = AuditEvent.ENDED
    may_have_executed: bool = False
    """Whether a failed change may have been executed anyway."""
    messages: int = 0
    """Number of messages sent on a stream."""
    change_id: str = field(default_factory=lambda: os.urandom(8).hex())

    def fields(self) -> dict[str, object]:
        """The record as it is logged: `event` first; the outcome of a change only after it has ended."""
        told: dict[str, object] = {
            "event": str(self.event),
            "change_id": self.change_id,
            "identity": _cut(str(self.identity)),
            "rpc": self.rpc,
            "target": {name: _cut(value) for name, value in self.target.items()},
            "request_id": self.request_id,
        }
        if self.event not in _STARTED:
            told |= {"code": self.code, "reason": self.reason, "duration_ms": self.duration_ms}
        if self.event is AuditEvent.ENDED:
            told["may_have_executed"] = self.may_have_executed
        if self.event is AuditEvent.STREAM_ENDED:
            told["messages"] = self.messages
        return told if self.trace is None else told | trace_fields(self.trace.trace_id, self.trace.span_id)


class AuditLog(Events):
    """Writes the records by `write`, which returns False for one that is lost, or a future of that.

    Each change waits for its first record: see `recorded`. With `must_record`, one that cannot be recorded is refused.
    """

    def __init__(self, write: Callable[[Mapping[str, object]], object], *, must_record: bool = False) -> None:
        self._write = write
        self._must_record = must_record
        self.lost = 0
        """Number of records that could not be written."""
        self._counting = threading.Lock()
        self._writing: WeakKeyDictionary[Call, object] = WeakKeyDictionary()
        """The return value of `write` for the first record of a change."""
        self._started: WeakKeyDictionary[Call, AuditRecord] = WeakKeyDictionary()

    def call_started(self, call: Call) -> None:
        """Records that a change is about to be executed, or that a read-only stream starts."""
        method = call.binding.method
        if method.is_read_only and method.is_unary:
            return
        record = AuditRecord(
            call.caller.identity,
            method.full_name,
            _target(method, call.message),
            request_id=call.request_id,
            trace=call.trace,
            event=AuditEvent.STREAM_STARTED if method.is_read_only else AuditEvent.STARTED,
        )
        self._started[call] = record
        writing = self._record(record)
        if not method.is_read_only:
            self._writing[call] = writing

    async def recorded(self, call: Call) -> None:
        """Waits for the first record of a change, for a limited time: the process may be killed while vCenter executes
        the change. If the change must be recorded but is not, raises GatewayError (UNAVAILABLE, AUDIT_UNAVAILABLE)."""
        writing = self._writing.pop(call, None)
        text = "the audit log cannot be written"
        if isinstance(writing, Future):
            try:
                async with asyncio.timeout(RECORD_SECONDS):
                    # Shielded: it is still written after others as soon as possible.
                    writing = await outlived(asyncio.wrap_future(writing))
            except TimeoutError:
                text = "the audit log takes too long to write"
        if self._must_record and (writing is False or isinstance(writing, Future)):
            if writing is False:
                del self._started[call]
            text += ", and changes that cannot be recorded are refused"
            raise GatewayError(Failure.of(Reason.AUDIT_UNAVAILABLE, text))

    def call_ended(self, ended: CallEnded) -> None:
        """Records how a change or a stream ended, or that it was refused."""
        method = ended.method
        is_change = not method.is_read_only
        if not is_change and method.is_unary:
            return
        record = self._started.pop(ended.call, None) if ended.call is not None else None
        how: dict[str, Any] = {
            "code": ended.code,
            "reason": ended.reason,
            "duration_ms": round(ended.seconds * 1000, 3),
            "messages": ended.messages,
        }
        if record is not None:
            # If the caller disconnects, neither the caller nor the gateway learns the outcome.
            in_doubt = ended.failure is not None and (ended.failure.may_have_executed or ended.code == "CANCELLED")
            event = AuditEvent.ENDED if is_change else AuditEvent.STREAM_ENDED
            record = replace(record, event=event, may_have_executed=in_doubt, **how)
        else:
            record = AuditRecord(
                ended.identity,
                ended.rpc,
                _target(method, ended.message) if ended.message is not None else {},
                request_id=ended.request_id,
                trace=ended.trace,
                event=AuditEvent.REFUSED if is_change else AuditEvent.STREAM_REFUSED,
                **how,
            )
        self._record(record)

    def _record(self, record: AuditRecord) -> object:
        """The return value of `write`."""
        writing = self._write(record.fields())
        if isinstance(writing, Future):
            writing.add_done_callback(lambda written: self._count(written.result()))
        else:
            self._count(writing)
        return writing

    def _count(self, written: object) -> None:
        # Also called by the thread that writes.
        if written is False:
            with self._counting:
                self.lost += 1


def _target(method: Method, message: Message) -> Mapping[str, str]:
    if not isinstance(method.backing, Rest):
        return {named.name: named.identifier for named in method.resources(message) if named.name}
    return {name: str(getattr(message, name)) for name in method.backing.rule.variables}


def _cut(text: str) -> str:
    """Truncates a text chosen by callers to a maximum length. The digest of a longer text distinguishes it from others
    with the same beginning."""
    plain = text.encode("utf-8", "replace")  # Unpaired surrogates cannot be written.
    if len(text) <= _MAX_TEXT:
        return plain.decode()
    return f"{plain.decode()[:_MAX_TEXT]}… sha256:{hashlib.sha256(plain).hexdigest()[:16]}"
