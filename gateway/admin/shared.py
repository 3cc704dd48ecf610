"""What the workers share with their supervisor: a private folder of files.

Metrics are in prometheus_client's own files, one set for each place of a worker, so that a worker goes on counting
where the one before it ended and the folder does not grow. Beside them each worker keeps its newest errors, in a file
that it touches once a second to show that its event loop turns.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, multiprocess, values

from gateway.admin.metrics import Metrics
from gateway.admin.recent import MAX_ERRORS, RecentError, RecentErrors
from gateway.admin.source import Counted

__all__ = ["SharedFolder", "WorkerShare"]

_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_INTERVAL = 1.0


@dataclass(frozen=True, slots=True)
class WorkerShare:
    """The worker's side: where it writes, and as which of the workers."""

    folder: str
    number: int

    def metrics(self) -> Metrics:
        """The metrics of this process, in files. To be made once, before any other metric."""
        os.environ[_VARIABLE] = self.folder
        # The library's own way to count by something else than process ids, which change with each restart.
        values.ValueClass = values.MultiProcessValue(lambda: self.number)
        return Metrics(CollectorRegistry())

    async def keep_writing(self, metrics: Metrics, errors: RecentErrors, gateway: Counted) -> None:
        """Writes what is new once a second until cancelled."""
        path, written = _errors_path(self.folder, self.number), errors.changes
        errors.restore(_read(path))
        while True:
            metrics.refresh(gateway)
            with contextlib.suppress(OSError):  # A full disk is no reason to stop.
                if errors.changes != written:
                    _write(path, errors.newest())
                    written = errors.changes
            with contextlib.suppress(OSError):
                path.touch()
            await asyncio.sleep(_INTERVAL)


class SharedFolder:
    """The supervisor's side."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(self.registry, folder)

    @classmethod
    @contextlib.contextmanager
    def temporary(cls) -> Iterator[SharedFolder]:
        """A folder that only this user can read, and that vanishes at the end."""
        with tempfile.TemporaryDirectory(prefix="vcenter-gateway-", ignore_cleanup_errors=True) as folder:
            yield cls(folder)

    def worker_ended(self, number: int) -> None:
        """Forgets what was true only while the worker lived: its gauges."""
        multiprocess.mark_process_dead(number, self.folder)

    def seconds_silent(self, number: int) -> float:
        """How long ago the worker wrote something; 0 for one that has not yet."""
        try:
            return max(0.0, time.time() - _errors_path(self.folder, number).stat().st_mtime)
        except FileNotFoundError:
            return 0.0

    def errors(self) -> list[RecentError]:
        """The newest errors of all workers, the newest first."""
        found: list[RecentError] = []
        for path in Path(self.folder).glob("errors_*.json"):
            found += _read(path)
        return sorted(found, key=lambda error: error.time, reverse=True)[:MAX_ERRORS]


def _errors_path(folder: str, number: int) -> Path:
    return Path(folder, f"errors_{number}.json")


def _read(path: Path) -> list[RecentError]:
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [RecentError(**item) for item in json.loads(text)] if text else []


def _write(path: Path, errors: list[RecentError]) -> None:
    """At once, so that nobody reads a half of it."""
    new = path.with_suffix(".new")
    new.write_text(json.dumps([asdict(error) for error in errors]), encoding="utf-8")
    new.replace(path)
