"""Files that may change while the gateway runs: certificates, keys, passwords, tokens, policies.

Kubernetes renews mounted secrets in place, and a gateway that had to be restarted for it would drop calls. A file is
looked at when it is needed, at most once a second; a new content that cannot be used is reported once, and the old one
stays in use.
"""

from __future__ import annotations

import logging
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

__all__ = ["ReloadedFile", "UnusableFileError", "look_at_files"]

T = TypeVar("T")

_log = logging.getLogger(__name__)


class UnusableFileError(ValueError):
    """A file that a setting names cannot be used; the text says which and why, and holds no secret."""


class ReloadedFile(Generic[T]):
    """One file and what it means.

    `parse` turns the content into a value and raises ValueError with a sentence, which must not hold a secret, for a
    content that cannot be used. The first reading must succeed: it raises UnusableFileError.
    """

    def __init__(
        self,
        path: str | Path,
        parse: Callable[[bytes], T],
        *,
        interval: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = Path(path)
        self._parse = parse
        self._interval = interval
        self._clock = clock
        self._seen = self._signature()
        try:
            self._value = self._read()
        except ValueError as error:
            raise UnusableFileError(f"{self.path} cannot be used: {error}") from None
        self._next_look = clock() + interval
        self.generation = 1
        """How many contents were taken into use so far."""
        _files.add(self)

    def current(self) -> T:
        """The value of the newest content that can be used."""
        now = self._clock()
        if now >= self._next_look:
            self._next_look = now + self._interval
            self.look()
        return self._value

    def look(self) -> None:
        """Takes the file's content into use if it is a new one."""
        signature = self._signature()
        if signature == self._seen:
            return
        self._seen = signature
        try:
            self._value = self._read()
        except ValueError as error:
            _log.error("%s changed and cannot be used, the old content stays in use: %s", self.path, error)
            return
        self.generation += 1
        _log.info("%s changed and is in use now", self.path)

    def _signature(self) -> tuple[int, ...] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino

    def _read(self) -> T:
        try:
            content = self.path.read_bytes()
        except OSError as error:
            raise ValueError(f"it cannot be read: {error.strerror}") from None
        return self._parse(content)


_files: weakref.WeakSet[ReloadedFile[Any]] = weakref.WeakSet()


def look_at_files() -> None:
    """Looks at all files of the process now."""
    for file in list(_files):
        file.look()
