"""Standard error for the logs: writing a line never blocks, even if nothing reads it.

A pipe that nothing reads fills up, and the next write blocks forever: the event loop, every call and the health checks
would block too. Therefore, a thread writes, and lines reach it through a buffer of limited size. If the buffer is full,
new lines are dropped and counted, and when lines are read again, the log says how many are missing.

Lines are written as soon as they arrive, and in batches if many arrive, which needs no more CPU than a write for each
line. A killed process loses what it logged in the last moment, at most `_PAUSE_SECONDS`. The thread starts with the
first line, and writes directly to the file descriptor: it holds no lock that the interpreter would need at exit.
"""

from __future__ import annotations

import atexit
import io
import logging
import os
import select
import sys
import threading
import time
from collections import deque
from typing import TextIO

__all__ = ["LogStream", "dropped_lines", "standard_error"]

_MAX_BYTES = 4 * 1024 * 1024
"""Maximum size of the buffer: some 15,000 lines."""
_PAUSE_SECONDS = 0.05
"""How long the thread collects lines after it has written some. Each time it writes, it takes the interpreter's lock
from the event loop: with a fifth of this pause, that costs a call as much as formatting its line."""
_FLUSH_SECONDS = 2.0
"""How long the process waits at exit for lines to be written."""
_ATOMIC_BYTES = select.PIPE_BUF
"""Up to this size, writes of several processes to one pipe are atomic."""

_log = logging.getLogger(__name__)


class LogStream(io.TextIOBase):
    """Writes lines to a file descriptor. `write` and `flush` never wait; use `drain` to wait."""

    encoding = "utf-8"
    errors = "replace"

    def __init__(self, descriptor: int, *, max_bytes: int = _MAX_BYTES) -> None:
        self._descriptor = descriptor
        self._max_bytes = max_bytes
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._lock = threading.Lock()
        self._work = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._thread: threading.Thread | None = None
        self.dropped = 0
        """Number of lines dropped so far."""
        self._reported = 0
        self._failing = False

    def write(self, text: str) -> int:
        data = text.encode(errors="replace")
        with self._lock:
            if self._waiting_bytes + len(data) > self._max_bytes:
                self.dropped += max(1, data.count(b"\n"))
                return len(text)
            self._waiting.append(data)
            self._waiting_bytes += len(data)
            if self._work.is_set():
                return len(text)
            self._idle.clear()
            if self._thread is None:
                self._thread = threading.Thread(target=self._keep_writing, name="log", daemon=True)
                self._thread.start()
            self._work.set()
        return len(text)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def drain(self, seconds: float = _FLUSH_SECONDS) -> bool:
        """Waits until everything is written, but at most for the given time. Returns whether everything is written."""
        return self._idle.wait(seconds)

    def _keep_writing(self) -> None:
        while True:
            self._work.wait()
            while batch := self._next_batch():
                self._write(batch)
            if self.dropped > self._reported and not self._failing:
                lost, self._reported = self.dropped - self._reported, self.dropped
                _log.warning("log lines were dropped, because they could not be written in time: %d", lost)
                continue
            time.sleep(_PAUSE_SECONDS)
            with self._lock:
                if not self._waiting:
                    self._work.clear()
                    self._idle.set()

    def _next_batch(self) -> bytes:
        """As many whole lines as can be written atomically; a longer line is returned alone."""
        with self._lock:
            lines: list[bytes] = []
            size = 0
            while self._waiting and (not lines or size + len(self._waiting[0]) <= _ATOMIC_BYTES):
                size += len(self._waiting[0])
                lines.append(self._waiting.popleft())
            self._waiting_bytes -= size
            return b"".join(lines)

    def _write(self, data: bytes) -> None:
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
                self._failing = False
            except BlockingIOError:  # Another process that shares it has set it to non-blocking.
                select.select([], [self._descriptor], [])
            except OSError:  # The disk is full, or nothing can read: the next line may succeed.
                with self._lock:
                    self.dropped += max(1, data.count(b"\n"))
                self._failing = True
                return


_standard_error: LogStream | None = None


def standard_error() -> TextIO:
    """Standard error as the process's only LogStream. From the first call on, everything that Python itself writes to
    standard error uses it too."""
    global _standard_error
    if _standard_error is None:
        try:
            descriptor = sys.stderr.fileno()
        except (AttributeError, OSError, ValueError):
            return sys.stderr  # A stream in memory, which never blocks.
        _standard_error = LogStream(descriptor)
        atexit.register(_standard_error.drain)
        sys.stderr = _standard_error
    return _standard_error  # type: ignore[return-value]  # It has all of TextIO that anybody uses.


def dropped_lines() -> int:
    """Number of log lines of this process dropped so far."""
    return _standard_error.dropped if _standard_error else 0
