"""Reloads files that change while the gateway runs: certificates, keys, passwords, tokens, policies.

Kubernetes updates mounted secrets in place, and a restart for each update would drop calls. One thread of the process
checks all files once a second, so that neither a slow disk nor a long file ever delays a call. If new content cannot be
used, the problem is reported once, and the old content stays in use.

Only regular files are read, up to a size: a FIFO would block its reader, and a device may have no end.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import stat
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Generic, TypeVar

__all__ = ["MAX_BYTES", "ReloadedFile", "UnusableFileError", "listening", "look_at_files", "open_regular"]

MAX_BYTES = 1024**2
"""The maximum size of a file: as much as a Kubernetes Secret or ConfigMap can contain."""

_INTERVAL = 1.0

# A second change within one tick of the file system's clock leaves the times as they are.
_SETTLED_SECONDS = 1.0

T = TypeVar("T")

_log = logging.getLogger(__name__)


class UnusableFileError(ValueError):
    """A file in a setting cannot be used; the text names the file and the reason, and contains no secret."""


class ReloadedFile(Generic[T]):
    """One file and its parsed value.

    `parse` turns the content into a value, and raises ValueError with a readable message without secrets if the content
    cannot be used. It runs in the thread that checks the files. The first read must succeed; otherwise, the constructor
    raises UnusableFileError.
    """

    def __init__(self, path: str | Path, parse: Callable[[bytes], T]) -> None:
        self.path = Path(path)
        self._parse = parse
        self._seen: tuple[int, ...] | None = None
        self._digest, self._problem = b"", ""
        self._lock = threading.Lock()
        try:
            self._value = parse(self._changed_content() or b"")
        except ValueError as error:
            raise UnusableFileError(f"{self.path} cannot be used: {error}") from None
        _watch(self)

    def current(self) -> T:
        """The value of the latest usable content. Never blocks."""
        return self._value

    def look(self) -> None:
        """Uses the file's content if it is new."""
        with self._lock:
            problem = ""
            try:
                content = self._changed_content()
                if content is None:
                    return
                self._value = self._parse(content)
            except ValueError as error:
                problem = str(error)
            except Exception as error:
                # Its text may contain anything. Whatever it was, the next content is checked again.
                problem = type(error).__name__
            if problem:
                _log.error("%s changed but cannot be used; the old content stays in use: %s", self.path, problem)
            else:
                _log.info("%s changed and is in use now", self.path)
            for listener in list(_listeners):
                listener(self.path, problem)

    def _changed_content(self) -> bytes | None:
        """The content if it is new, else None. Raises ValueError once if the file cannot be read."""
        try:
            if _signature(self.path.stat()) == self._seen:
                return None
            content = self._read()
        except OSError as error:
            problem = f"it cannot be read: {error.strerror}"
        except ValueError as error:
            problem = str(error)
        else:
            self._problem = ""
            digest = hashlib.sha256(content).digest()
            if digest == self._digest:
                return None
            self._digest = digest
            return content
        if problem == self._problem:
            return None
        self._problem, self._digest, self._seen = problem, b"", None
        raise ValueError(problem)

    def _read(self) -> bytes:
        with open_regular(self.path) as file:
            status = os.fstat(file.fileno())
            content = file.read(MAX_BYTES + 1) if status.st_size <= MAX_BYTES else None
        if content is None or len(content) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES} bytes")
        self._seen = _signature(status) if time.time() - status.st_ctime >= _SETTLED_SECONDS else None
        return content


def open_regular(path: str | Path) -> BinaryIO:
    """Opens a file for reading without ever blocking. Raises OSError, and ValueError if it is not a regular file."""
    # Checked before it is opened, because opening some devices has side effects, and afterwards, because it may have
    # been replaced in between.
    _check_regular(Path(path).stat())
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        _check_regular(os.fstat(descriptor))
    except ValueError:
        os.close(descriptor)
        raise
    return os.fdopen(descriptor, "rb")


def look_at_files() -> None:
    """Lets the thread check all files now, and returns immediately."""
    _wake.set()


@contextlib.contextmanager
def listening(listener: Callable[[Path, str], None]) -> Iterator[None]:
    """While active, notifies `listener` of each changed file: its path, and why the new content cannot be used, empty
    if it is in use. The listener is called in the thread that checks the files, and must not raise."""
    _listeners.add(listener)
    try:
        yield
    finally:
        _listeners.discard(listener)


def _check_regular(status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise ValueError("it is a directory, not a file")
    if not stat.S_ISREG(status.st_mode):
        raise ValueError("it is not a regular file")


def _signature(status: os.stat_result) -> tuple[int, ...]:
    """Differs if a file was changed or replaced. Tools can set the modification time (`cp -p`, `rsync -t`, images), but
    not the change time of the inode."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


_files: weakref.WeakSet[ReloadedFile[Any]] = weakref.WeakSet()
_listeners: set[Callable[[Path, str], None]] = set()
_lock = threading.Lock()
_wake = threading.Event()
_thread: threading.Thread | None = None


def _watch(file: ReloadedFile[Any]) -> None:
    global _thread
    with _lock:
        _files.add(file)
        if _thread is None:
            _thread = threading.Thread(target=_keep_looking, name="files", daemon=True)
            _thread.start()


def _keep_looking() -> None:
    global _thread
    while True:
        _wake.wait(_INTERVAL)
        _wake.clear()
        with _lock:
            files = list(_files)
            if not files:
                _thread = None
                return
        for file in files:
            file.look()
        del files[:], file
