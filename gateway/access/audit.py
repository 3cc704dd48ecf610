"""The audit log's records: who changed what, or was refused to.

A change has two records. The first is written before vCenter is asked, since the process may end before the second: an
auditor then sees what was under way, and that nobody knows how it ended. A call that is refused before has one record.

Of a request only the identifiers in its path are told; they are cut where somebody sent something long, as names are.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.access.audit_file import AuditFile
from gateway.access.identities import CallerIdentity
from gateway.tracing.context import trace_fields

__all__ = ["Audit", "AuditEvent", "AuditRecord", "audit_file"]

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


Audit = Callable[[AuditRecord], object]


def audit_file(path: str) -> Audit:
    """Appends to a file. Raises OSError."""
    file = AuditFile(path)
    return lambda record: file.write(record.fields())


def _cut(text: str) -> str:
    """A text that callers chose, as much of it as a line takes. Of a longer one the digest tells it from others that
    begin alike."""
    plain = text.encode("utf-8", "replace")  # Halves of characters can be in no line.
    if len(text) <= _MAX_TEXT:
        return plain.decode()
    return f"{plain.decode()[:_MAX_TEXT]}… sha256:{hashlib.sha256(plain).hexdigest()[:16]}"
