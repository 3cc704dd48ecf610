"""The audit log: one line of JSON for each call that changes something, or was refused to."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import Any, TextIO

import orjson

__all__ = ["AuditLog"]

_log = logging.getLogger(__name__)


class AuditLog:
    """Writes to one stream, a line at a time. Holds no secrets: of a request only identifiers in the path are told."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._failing = False

    @classmethod
    def to_file(cls, path: str) -> AuditLog:
        """Appends to a file, readable by its owner alone when it is new. Raises OSError."""
        import os

        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        return cls(os.fdopen(descriptor, "a", buffering=1, encoding="utf-8"))

    def write(
        self,
        *,
        identity: str,
        rpc: str,
        target: dict[str, str],
        code: str,
        reason: str,
        request_id: str,
        seconds: float,
    ) -> None:
        """Adds a line. A full disk does not fail the call that the line is about, but is reported."""
        entry: dict[str, Any] = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "event": "audit",
            "identity": identity,
            "rpc": rpc,
            "target": target,
            "code": code,
            "reason": reason,
            "request_id": request_id,
            "duration_ms": round(seconds * 1000, 3),
        }
        try:
            self._stream.write(orjson.dumps(entry, default=str).decode() + "\n")
            self._stream.flush()
            self._failing = False
        except (OSError, ValueError) as error:
            if not self._failing:
                _log.error("the audit log cannot be written: %s", type(error).__name__)
            self._failing = True
