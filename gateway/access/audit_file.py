"""The audit log's file: one line of JSON for each record.

Somebody will read this file to find out what happened, perhaps after an incident. Therefore, records that could not be
written are counted and reported, a truncated line affects no other line, and a file that was moved away is not written
to.

Several workers append to one file. Each line is one write() in append mode, which the kernel does not mix with others.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections.abc import Mapping
from datetime import UTC, datetime

import orjson

__all__ = ["AuditFile"]

_TRIES = 2

_log = logging.getLogger(__name__)


class AuditFile:
    """Appends to a file, which is created readable only by its owner. Raises OSError if it cannot be opened. Not
    thread-safe.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.lost = 0
        """Number of records that could not be written."""
        self._descriptor = _open(path)
        self._problem = ""
        self._reported = 0
        self._broke_off = False

    @staticmethod
    def now() -> str:
        """The time in the format of records."""
        return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def write(self, fields: Mapping[str, object], time: str | None = None) -> bool:
        """Writes a record, with the time before its fields, by default the current time. Returns False if it is
        lost."""
        line = orjson.dumps({"time": time or self.now(), **fields}) + b"\n"
        try:
            self._append(line)
        except OSError as error:
            self.lost += 1
            self._report(error.strerror or type(error).__name__)
            return False
        self._report("")
        return True

    def reopen(self) -> None:
        """Reopens the path, for programs that rotate logs. If that fails, the old file stays in use and the failure is
        reported."""
        try:
            descriptor = _open(self.path)
        except OSError as error:
            self._report(error.strerror or type(error).__name__)
            return
        os.close(self._descriptor)
        self._descriptor = descriptor

    def close(self) -> None:
        """Closes the file; nothing can be written afterwards."""
        os.close(self._descriptor)

    def _append(self, line: bytes) -> None:
        for _ in range(_TRIES):
            start = b"\n" if self._is_within_a_line() else b""
            written = os.write(self._descriptor, start + line)
            self._broke_off = written < len(start) + len(line)
            if not self._broke_off:
                return
            # The disk became full in the middle of the line. Writing the rest would be wrong, because another worker's
            # line may already follow. The record is written again as a whole, if there is space again.
        raise OSError(errno.ENOSPC, "only part of a line could be written")

    def _is_within_a_line(self) -> bool:
        """Whether the file ends in the middle of a line, which some process could not complete. First ensures that the
        file is still the one at the path.
        """
        there, mine = _status(self.path), os.fstat(self._descriptor)
        if there is None or (there.st_dev, there.st_ino) != (mine.st_dev, mine.st_ino):
            descriptor = _open(self.path)
            os.close(self._descriptor)
            self._descriptor = descriptor
            mine = os.fstat(descriptor)
        if not stat.S_ISREG(mine.st_mode):
            return self._broke_off
        return mine.st_size > 0 and os.pread(self._descriptor, 1, mine.st_size - 1) != b"\n"

    def _report(self, problem: str) -> None:
        """Logs when records begin to be lost, and when they can be written again."""
        if problem and not self._problem:
            _log.error("the audit log %s cannot be written: %s", self.path, problem)
        elif self._problem and not problem:
            count = self.lost - self._reported
            _log.warning("the audit log %s can be written again; %d records were lost", self.path, count)
            self._reported = self.lost
        self._problem = problem


def _open(path: str) -> int:
    # A regular file is also read, for its last byte. Nothing ever waits for the reader of a FIFO.
    there = _status(path)
    mode = os.O_RDWR if there is None or stat.S_ISREG(there.st_mode) else os.O_WRONLY
    return os.open(path, mode | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY, 0o600)


def _status(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - called for each record
    except OSError:
        return None
