"""The audit log: one line of JSON for each call that changes something, or was refused to.

Of a request only the identifiers in its path are told; they are cut where somebody sent something long.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import orjson

from gateway.events import CallEnded, Events
from gateway.tracing.context import trace_fields

__all__ = ["AuditLog", "AuditRecord", "audit_file"]

_MAX_TARGET = 200

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """Who did what to which machine, and how it ended."""

    identity: str
    """Empty where the caller is not known."""
    rpc: str
    target: Mapping[str, str]
    """The identifiers in the path by name: the machine, the device."""
    code: str
    reason: str
    request_id: str
    duration_ms: float
    trace_id: str = ""
    span_id: str = ""

    def fields(self) -> dict[str, object]:
        """The record as it is logged."""
        target = {name: value[:_MAX_TARGET] for name, value in self.target.items()}
        fields = asdict(self)
        ids = trace_fields(fields.pop("trace_id"), fields.pop("span_id"))
        return {**fields, "target": target, **ids}


class AuditLog(Events):
    """Hands a record of each change that ended to `write`, whether it was let in or not."""

    def __init__(self, write: Callable[[Mapping[str, object]], None]) -> None:
        self._write = write

    def call_ended(self, ended: CallEnded) -> None:
        method, trace = ended.method, ended.trace
        if method.is_read_only:
            return
        record = AuditRecord(
            ended.identity,
            ended.rpc,
            {name: str(getattr(ended.message, name, "")) for name in method.rule.variables} if method.operation else {},
            ended.code,
            ended.reason,
            ended.request_id,
            round(ended.seconds * 1000, 3),
            trace.trace_id if trace else "",
            trace.span_id if trace else "",
        )
        self._write(record.fields())


def audit_file(path: str) -> Callable[[Mapping[str, object]], None]:
    """Appends to a file, which only its owner may read when it is new. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    failing = False

    def write(fields: Mapping[str, object]) -> None:
        nonlocal failing
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = orjson.dumps({"time": now, "event": "audit", **fields}) + b"\n"
        try:
            os.write(descriptor, line)
            failing = False
        except OSError as error:
            # A full disk does not fail the call that the line is about; that lines are lost is said once.
            if not failing:
                _log.error("the audit log %s cannot be written: %s", path, error.strerror)
            failing = True

    return write
