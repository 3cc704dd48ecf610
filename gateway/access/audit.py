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

from gateway.tracing.context import trace_fields

__all__ = ["Audit", "AuditRecord", "audit_file"]

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


Audit = Callable[[AuditRecord], None]


def audit_file(path: str) -> Audit:
    """Appends to a file, which only its owner may read when it is new. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    failing = False

    def write(record: AuditRecord) -> None:
        nonlocal failing
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = orjson.dumps({"time": now, "event": "audit", **record.fields()}) + b"\n"
        try:
            os.write(descriptor, line)
            failing = False
        except OSError as error:
            # A full disk does not fail the call that the line is about; that lines are lost is said once.
            if not failing:
                _log.error("the audit log %s cannot be written: %s", path, error.strerror)
            failing = True

    return write
