"""The worker processes of a supervisor: a fixed number of places, each with one process at a time.

A worker that dies is replaced, and so is one that is silent for too long: the kernel still assigns new connections to
it.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.signals import SUPERVISORS_SIGNAL
from gateway.worker_link import INTERVAL, MAX_LINE_BYTES, READY, RELOAD, REPORT

__all__ = ["MAX_FAILED_STARTS", "Place", "SupervisorError", "Workers"]

MAX_FAILED_STARTS = 3
"""A worker that dies this often in a row before it was ready is not started again."""
_FIRST_BACKOFF = 0.25
_MAX_BACKOFF = 15.0
_STABLE_AFTER = 60.0
_START_SECONDS = 60.0
"""How long a worker may take to its first heartbeat."""
_DIE_SECONDS = 10.0
"""How long a killed process may take to end."""
_REPORT_SECONDS = 1.0
"""How long workers may take to report their counts."""

_log = logging.getLogger(__name__)


class SupervisorError(Exception):
    """The workers cannot serve; the text says why."""


@dataclass(slots=True, eq=False)
class Place:
    """A place for one worker after another."""

    number: int
    """From 1."""
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    """Set while its worker accepts calls."""
    process: asyncio.subprocess.Process | None = None
    silent: float = 0.0
    """Seconds since its worker sent a heartbeat, or was started."""
    heard: bool = False
    """Whether its worker has ever sent one."""
    killed: bool = False
    """Whether its worker was killed because it was silent."""
    asked: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    """Reports that are awaited."""


class Workers:
    """Keeps the places filled until the shutdown. `silence` is the time in seconds after which a silent worker is
    replaced; after a third of it, the gateway is not ready. `patience` is how many seconds a worker may take to stop.
    """

    def __init__(self, count: int, *, silence: float, patience: float) -> None:
        self.places = [Place(number) for number in range(1, count + 1)]
        self.on_report: Callable[[int, str], None] = lambda number, content: None
        """Gets the number of a worker, and its counts as JSON."""
        self.on_end: Callable[[int], None] = lambda number: None
        """Gets the number of a worker that has ended."""
        self._silence = silence
        self._patience = patience
        self._stopping = asyncio.Event()
        self._killed = False
        self._reports = 0

    def stop(self) -> None:
        """Stops the workers gracefully; the second call ends them immediately."""
        if self._stopping.is_set():
            self._killed = True
            for place in self.places:
                _kill(place)
        self._stopping.set()

    def reload(self) -> None:
        """Lets all workers reload their files and reopen their logs."""
        _log.info("SIGHUP: the workers reload files and reopen the audit log")
        for place in self.places:
            _tell(place, RELOAD)

    def not_ready(self) -> str | None:
        """The reason why not all workers serve; None if all of them do."""
        if self._stopping.is_set():
            return "the gateway is stopping"
        missing = [str(place.number) for place in self.places if not self._serves(place)]
        return f"not ready: worker {', '.join(missing)} of {len(self.places)}" if missing else None

    def not_alive(self) -> str | None:
        """The worker that the supervisor cannot replace; None if there is none."""
        for place in self.places:
            if place.killed and place.silent > self._silence + _DIE_SECONDS:
                return f"worker {place.number} has not answered for {place.silent:.0f} s and cannot be killed"
        return None

    async def collect_reports(self) -> None:
        """Collects the current counts of all workers that serve. Takes at most a second."""
        self._reports += 1
        number = str(self._reports)
        pending: list[asyncio.Future[None]] = []
        serving = [place for place in self.places if self._serves(place)]
        for place in serving:
            place.asked[number] = future = asyncio.get_running_loop().create_future()
            pending.append(future)
            _tell(place, f"{REPORT} {number}")
        if pending:
            await asyncio.wait(pending, timeout=_REPORT_SECONDS)
        for place in serving:
            place.asked.pop(number, None)

    async def run(self, first_line: Callable[[int], str]) -> None:
        """Keeps all places filled until the shutdown. `first_line` returns a worker's task by its number. Raises
        SupervisorError if no worker starts, or after an immediate stop.
        """
        places = [asyncio.create_task(self._fill(place, first_line(place.number))) for place in self.places]
        watching = asyncio.create_task(self._watch())
        try:
            await asyncio.wait(places, return_when=asyncio.FIRST_EXCEPTION)
            self._stopping.set()
            for result in await asyncio.gather(*places, return_exceptions=True):
                if isinstance(result, BaseException):
                    raise result
        finally:
            watching.cancel()
        if self._killed:
            raise SupervisorError("a second signal arrived: the workers were killed, and calls in flight cut off")

    def _serves(self, place: Place) -> bool:
        return place.ready.is_set() and place.silent <= self._silence / 3

    async def _watch(self) -> None:
        """Kills workers that are silent for too long, until every place is left."""
        loop = asyncio.get_running_loop()
        last = loop.time()
        while True:
            await asyncio.sleep(INTERVAL)
            # If the supervisor itself was paused, for example with its whole container, the workers were too.
            passed, last = min(loop.time() - last, 2 * INTERVAL), loop.time()
            for place in self.places:
                if place.process is None:
                    continue
                place.silent += passed
                limit = self._silence if place.heard else max(self._silence, _START_SECONDS)
                if place.silent > limit and not place.killed:
                    place.killed = True
                    _log.error("worker %d has not answered for %.0f s and is killed", place.number, place.silent)
                    _kill(place)

    async def _fill(self, place: Place, first_line: str) -> None:
        loop = asyncio.get_running_loop()
        deaths = failed_starts = 0
        while not self._stopping.is_set():
            started = loop.time()
            process = place.process = await _start(place.number, first_line)
            place.silent, place.heard, place.killed = 0.0, False, False
            listening = asyncio.create_task(self._listen(place, process))
            ended = asyncio.create_task(process.wait())
            stop = asyncio.create_task(self._stopping.wait())
            await asyncio.wait([ended, stop], return_when=asyncio.FIRST_COMPLETED)
            stop.cancel()
            if self._stopping.is_set():
                await self._end(place.number, process)
            code = await ended
            place.process = None
            await listening
            self.on_end(place.number)
            for future in place.asked.values():
                future.cancel()
            if self._stopping.is_set():
                return
            failed_starts = 0 if place.ready.is_set() else failed_starts + 1
            deaths = 1 if loop.time() - started > _STABLE_AFTER else deaths + 1
            place.ready.clear()
            # As long as another worker serves, continuing with fewer workers is better than stopping.
            if failed_starts >= MAX_FAILED_STARTS and not any(other.ready.is_set() for other in self.places):
                raise SupervisorError(
                    f"worker {place.number} died {failed_starts} times before it was ready ({_ending(code)}); "
                    "the lines above say why"
                )
            delay = min(_MAX_BACKOFF, _FIRST_BACKOFF * 2 ** min(deaths - 1, 10))
            _log.error("worker %d died (%s); a new one starts in %g s", place.number, _ending(code), delay)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def _listen(self, place: Place, process: asyncio.subprocess.Process) -> None:
        assert process.stdout is not None  # noqa: S101 - for the type checker
        async for line in process.stdout:
            if not line.endswith(b"\n"):
                continue  # It died during a write.
            place.silent, place.heard = 0.0, True
            match line.decode().split(maxsplit=2):
                case [word] if word == READY:
                    place.ready.set()
                case [word, number, content] if word == REPORT:
                    self.on_report(place.number, content)
                    if (future := place.asked.get(number)) and not future.done():
                        future.set_result(None)

    async def _end(self, number: int, process: asyncio.subprocess.Process) -> None:
        """Asks the process to stop and waits for it; kills it if it takes too long."""
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL if self._killed else SUPERVISORS_SIGNAL)
        try:
            await asyncio.wait_for(process.wait(), self._patience)
        except TimeoutError:
            _log.error("worker %d did not stop within %g s and is killed", number, self._patience)
            process.kill()


async def _start(number: int, first_line: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # A directory named gateway in the current directory is not this package.
        "-m",
        "gateway",
        "worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=MAX_LINE_BYTES,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        # A terminal's Ctrl-C reaches only the supervisor, which then stops the workers gracefully.
        start_new_session=True,
    )
    _log.info("worker %d started with process id %d", number, process.pid)
    assert process.stdin is not None  # noqa: S101 - for the type checker
    process.stdin.write(first_line.encode() + b"\n")
    with contextlib.suppress(ConnectionError):
        await process.stdin.drain()
    return process


def _tell(place: Place, line: str) -> None:
    if place.process is not None and place.process.stdin is not None and not place.process.stdin.is_closing():
        place.process.stdin.write(line.encode() + b"\n")


def _kill(place: Place) -> None:
    if place.process is not None:
        with contextlib.suppress(ProcessLookupError):
            place.process.kill()


def _ending(code: int) -> str:
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"exit code {code}"
