"""Writes the audit log in a separate thread.

The file may be on a disk that hangs: a file server that is down blocks a write for minutes. The event loop, and with it
every call, must not wait for that.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from queue import SimpleQueue

from gateway.access.audit_file import AuditFile

__all__ = ["AuditQueue"]

_MOST = 10_000
_CLOSE_SECONDS = 5.0

_log = logging.getLogger(__name__)


class AuditQueue:
    """Passes records to a thread, in order. At most `most` of them wait; additional ones are lost. Used by one thread,
    which may be that of an event loop: only `close` blocks.
    """

    def __init__(self, file: AuditFile, *, most: int = _MOST) -> None:
        self._file = file
        self._most = most
        self._actions: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._is_full = False

    def write(self, fields: Mapping[str, object]) -> Future[bool]:
        """Queues a record for writing. The result is False if it is lost."""
        result: Future[bool] = Future()
        if self._actions.qsize() >= self._most:
            if not self._is_full:
                _log.error("the audit log %s does not accept records: %d are waiting", self._file.path, self._most)
            self._is_full = True
            result.set_result(False)
            return result
        self._is_full = False
        time = self._file.now()
        self._do(lambda: result.set_result(self._file.write(fields, time)))
        return result

    def reopen(self) -> None:
        """Reopens the path, after the records that wait."""
        self._do(self._file.reopen)

    def close(self, seconds: float = _CLOSE_SECONDS) -> None:
        """Waits until all records are written, but at most `seconds`, and closes the file."""
        thread = self._thread
        if thread is None:
            self._file.close()
            return
        self._do(self._file.close)
        self._actions.put(None)
        thread.join(seconds)
        if thread.is_alive():
            _log.error("the audit log %s could not write its last records", self._file.path)

    def _do(self, action: Callable[[], object]) -> None:
        if self._thread is None:
            # Only now, because a thread does not survive a fork; a daemon, because it must not keep the process from
            # ending.
            self._thread = threading.Thread(target=self._run, name="audit", daemon=True)
            self._thread.start()
        self._actions.put(action)

    def _run(self) -> None:
        while (action := self._actions.get()) is not None:
            action()
