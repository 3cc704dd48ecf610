"""The audit log's records: who changed what, or was refused to.

A change has two records. The first is written before vCenter is asked, since the process may end before the second: an
auditor then sees what was under way, and that nobody knows how it ended. A call that is refused before has one record.

Of a request only the identifiers in its path are told, and of one to the gateway's own services the single resources
that it names; they are cut where somebody sent something long, as names are.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
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
from gateway.tracing.context import trace_fields

__all__ = ["AuditEvent", "AuditLog", "AuditRecord"]

_MAX_TEXT = 200


class AuditEvent(StrEnum):
    """What a record is about."""

    STARTED = "change_started"
    """vCenter is going to be asked."""
    ENDED = "change_ended"
    """The call has ended."""
    REFUSED = "change_refused"
    """The caller is not known or not allowed, or the request is wrong: vCenter was not asked."""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """One record. Both records of a change have the same `change_id`: `dataclasses.replace` makes the second one."""

    identity: CallerIdentity | str
    """Empty where the caller is not known."""
    rpc: str
    target: Mapping[str, str]
    """The identifiers in the path by name: the machine, the device."""
    code: str = ""
    reason: str = ""
    request_id: str = ""
    """The caller's own, who may use it twice."""
    duration_ms: float = 0.0
    trace_id: str = ""
    span_id: str = ""
    event: AuditEvent = AuditEvent.ENDED
    may_have_executed: bool = False
    """Whether a change that failed may have been executed all the same."""
    change_id: str = field(default_factory=lambda: os.urandom(8).hex())

    def fields(self) -> dict[str, object]:
        """The record as it is logged: `event` first; how a change ended only where it has."""
        told: dict[str, object] = {
            "event": str(self.event),
            "change_id": self.change_id,
            "identity": _cut(str(self.identity)),
            "rpc": self.rpc,
            "target": {name: _cut(value) for name, value in self.target.items()},
            "request_id": self.request_id,
        }
        if self.event is not AuditEvent.STARTED:
            told |= {"code": self.code, "reason": self.reason, "duration_ms": self.duration_ms}
        if self.event is AuditEvent.ENDED:
            told["may_have_executed"] = self.may_have_executed
        return told | trace_fields(self.trace_id, self.span_id)


class AuditLog(Events):
    """Writes the records by `write`, which returns False for one that is lost.

    With `must_record`, a change that cannot be recorded is refused.
    """

    def __init__(self, write: Callable[[Mapping[str, object]], object], *, must_record: bool = False) -> None:
        self._write = write
        self._must_record = must_record
        self.lost = 0
        """How many records could not be written."""
        self._started: WeakKeyDictionary[Call, AuditRecord] = WeakKeyDictionary()

    def begins(self, call: Call) -> None:
        """Records that a call is about to be carried out. Raises GatewayError (UNAVAILABLE, AUDIT_UNAVAILABLE) where it
        must not be because it cannot be recorded."""
        method = call.binding.method
        if method.is_read_only:
            return
        trace = call.trace
        record = AuditRecord(
            call.caller.identity,
            method.full_name,
            _target(method, call.message),
            request_id=call.request_id,
            trace_id=trace.trace_id if trace else "",
            span_id=trace.span_id if trace else "",
            event=AuditEvent.STARTED,
        )
        if not self._record(record) and self._must_record:
            text = "the audit log cannot be written, and changes that cannot be recorded are refused"
            raise GatewayError(Failure.of(Reason.AUDIT_UNAVAILABLE, text))
        self._started[call] = record

    def call_ended(self, ended: CallEnded) -> None:
        """Records how a change ended, or that it was not let in."""
        if ended.method.is_read_only:
            return
        record = self._started.pop(ended.call, None) if ended.call is not None else None
        how: dict[str, Any] = {
            "code": ended.code,
            "reason": ended.reason,
            "duration_ms": round(ended.seconds * 1000, 3),
        }
        if record is not None:
            # A caller who leaves does not learn how the call ends, and neither does the gateway.
            in_doubt = ended.failure is not None and (ended.failure.may_have_executed or ended.code == "CANCELLED")
            record = replace(record, event=AuditEvent.ENDED, may_have_executed=in_doubt, **how)
        else:
            trace = ended.trace
            record = AuditRecord(
                ended.identity,
                ended.rpc,
                _target(ended.method, ended.message) if ended.message is not None else {},
                request_id=ended.request_id,
                trace_id=trace.trace_id if trace else "",
                span_id=trace.span_id if trace else "",
                event=AuditEvent.REFUSED,
                **how,
            )
        self._record(record)

    def _record(self, record: AuditRecord) -> bool:
        is_written = self._write(record.fields()) is not False
        self.lost += not is_written
        return is_written


def _target(method: Method, message: Message) -> Mapping[str, str]:
    if not isinstance(method.backing, Rest):
        return {named.name: named.identifier for named in method.resources(message) if named.name}
    return {name: str(getattr(message, name)) for name in method.backing.rule.variables}


def _cut(text: str) -> str:
    """A text that callers chose, as much of it as a line takes. Of a longer one the digest tells it from others that
    begin alike."""
    plain = text.encode("utf-8", "replace")  # Halves of characters can be in no line.
    if len(text) <= _MAX_TEXT:
        return plain.decode()
    return f"{plain.decode()[:_MAX_TEXT]}… sha256:{hashlib.sha256(plain).hexdigest()[:16]}"
