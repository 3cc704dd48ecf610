"""Several worker processes behind one port: starts them, replaces those that die, stops them together.

The supervisor never starts gRPC, whose threads do not survive a fork; each worker is a process of its own, started
afresh. A worker gets the settings as one line of JSON on its standard input and says `ready` on its standard output.
Its input stays open as long as the supervisor lives: when it ends, the worker stops, so that none is left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from pydantic import ValidationError

from gateway.server.run import SUPERVISORS_SIGNAL, Backend, simulator
from gateway.settings import Settings, join_address, split_address
from gateway.vcenter.options import VCenterOptions

if TYPE_CHECKING:
    from gateway.admin import SharedFolder, WorkerShare

__all__ = ["READY", "SupervisorError", "WorkerTask", "reserve_port", "supervise"]

MAX_FAILED_STARTS = 3
"""A worker that dies so often in a row before it was ready will not do better the next time."""
_FIRST_BACKOFF = 0.25
_MAX_BACKOFF = 15.0
_STABLE_AFTER = 60.0
_KILL_AFTER = 10.0
_STUCK_AFTER = 15.0
READY = b"ready"

_log = logging.getLogger(__name__)


class SupervisorError(Exception):
    """The workers cannot do their work; the text says why."""


@dataclass(frozen=True, slots=True)
class WorkerTask:
    """What a worker is told."""

    settings: Settings
    backend: Backend | None
    folder: str | None = None
    """Where the worker writes for the admin port."""
    number: int = 0
    """Which of the workers it is, from 1."""

    def share(self) -> WorkerShare | None:
        if self.folder is None:
            return None
        from gateway.admin import WorkerShare

        return WorkerShare(self.folder, self.number)

    def to_json(self) -> str:
        backend = asdict(self.backend) if self.backend else None
        settings = self.settings.model_dump(mode="json")
        return json.dumps({"settings": settings, "backend": backend, "folder": self.folder, "number": self.number})

    @classmethod
    def from_json(cls, text: str) -> WorkerTask:
        """Raises SupervisorError when the settings cannot be used any more."""
        content = json.loads(text)
        backend = Backend(**content["backend"]) if content["backend"] else None
        try:
            settings = Settings.model_validate(content["settings"])
        except ValidationError as error:  # A file that was right when the supervisor looked at it.
            problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
            raise SupervisorError(f"the settings do not hold any more: {'; '.join(problems)}") from None
        return cls(settings, backend, content["folder"], content["number"])


@contextlib.contextmanager
def reserve_port(listen: str) -> Iterator[str]:
    """Keeps the port for the workers, and gives the address with the port that was chosen where it is 0.

    Raises OSError when somebody else has the port. The socket never listens: it gets no connections.
    """
    host, port = split_address(listen)
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise OSError(f"cannot listen on {listen}: {error.strerror}") from None
    with socket.socket(family, socket.SOCK_STREAM) as reservation, socket.socket(socket.AF_UNIX) as lock:
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # Without SO_REUSEPORT the kernel refuses a port on which anybody listens already ...
            reservation.bind(address)
            # ... and with it, set now, the workers may join.
            reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            port = reservation.getsockname()[1]
            # Two supervisors that start in the same moment, both with no worker yet, are told apart by a name of the
            # kernel's that vanishes with its owner.
            lock.bind(f"\0vcenter-gateway:{address[0]}:{port}")
        except OSError as error:
            raise OSError(f"cannot listen on {listen}: {error.strerror}") from None
        yield join_address(host, port)


async def supervise(settings: Settings, on_ready: Callable[[int], None]) -> None:
    """Runs the workers until SIGTERM or SIGINT, then stops them within the grace period; a second one ends all at once.

    `on_ready` gets the port as soon as every worker takes calls. Raises OSError when the address cannot be used,
    SupervisorError when workers die again and again before they are ready, and when they had no time to finish.
    """
    server = settings.server
    async with AsyncExitStack() as stack:
        address = stack.enter_context(reserve_port(server.listen))
        backend = await simulator(settings, stack) if settings.simulator.enabled else None
        at_address = settings.model_copy(update={"server": server.model_copy(update={"listen": address})})
        task = WorkerTask(at_address, backend)
        stopping = asyncio.Event()
        # Time for the workers' own grace period, and for them to log out of vCenter afterwards.
        limit = server.settle_seconds + server.grace_seconds + _KILL_AFTER
        workers = _Workers(server.workers, stopping, limit)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, workers.stop)
        if settings.admin.listen:
            task = await _serve_admin(settings.admin.listen, workers, task, stack)
        announcing = asyncio.create_task(_announce(workers, on_ready, split_address(address)[1]))
        try:
            await workers.run(task)
        finally:
            announcing.cancel()


async def _serve_admin(listen: str, workers: _Workers, task: WorkerTask, stack: AsyncExitStack) -> WorkerTask:
    """Serves the admin port for all workers until `stack` ends. Returns their task with what they need for it."""
    # Only here, since nothing is counted that nobody can ask for.
    from gateway.admin import SharedFolder
    from gateway.admin.server import AdminServer, Source

    shared = workers.shared = stack.enter_context(SharedFolder.temporary())
    source = Source(shared.registry, shared.errors, workers.not_ready, workers.not_alive)
    vcenter = VCenterOptions.of(task.settings.vcenter, task.backend.url if task.backend else None)
    server = AdminServer(listen, source, vcenter=vcenter, workers=len(workers.ready))
    stack.push_async_callback(server.stop)
    admin = task.settings.admin.model_copy(update={"listen": await server.start()})
    return replace(task, settings=task.settings.model_copy(update={"admin": admin}), folder=shared.folder)


async def _announce(workers: _Workers, on_ready: Callable[[int], None], port: int) -> None:
    for ready in workers.ready:
        await ready.wait()
    on_ready(port)


class _Workers:
    """A fixed number of places, each filled by one process after the other."""

    def __init__(self, count: int, stopping: asyncio.Event, limit: float) -> None:
        self.ready = [asyncio.Event() for _ in range(count)]
        self.shared: SharedFolder | None = None
        """Where the workers write for the admin port."""
        self._stopping = stopping
        self._limit = limit
        self._processes: set[asyncio.subprocess.Process] = set()
        self._killed = False

    def stop(self) -> None:
        """Ends the workers in order; called again, at once."""
        if self._stopping.is_set():
            self._killed = True
            for process in self._processes:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
        self._stopping.set()

    def not_ready(self) -> str | None:
        """Why not every worker serves; None when all of them do."""
        if self._stopping.is_set():
            return "the gateway is stopping"
        missing = [str(number) for number, ready in enumerate(self.ready, start=1) if not ready.is_set()]
        return f"not ready: worker {', '.join(missing)} of {len(self.ready)}" if missing else None

    def not_alive(self) -> str | None:
        """Which worker is stuck; None when none is."""
        for number, ready in enumerate(self.ready, start=1):
            silent = self.shared.seconds_silent(number) if self.shared and ready.is_set() else 0
            if silent > _STUCK_AFTER:
                return f"worker {number} has been stuck for {silent:.0f} s"
        return None

    async def run(self, task: WorkerTask) -> None:
        """Keeps all places filled until the stop. Raises SupervisorError when no worker comes up, or for a stop at
        once."""
        places = [
            asyncio.create_task(self._fill(replace(task, number=number), ready))
            for number, ready in enumerate(self.ready, start=1)
        ]
        await asyncio.wait(places, return_when=asyncio.FIRST_EXCEPTION)
        self._stopping.set()
        for result in await asyncio.gather(*places, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        if self._killed:
            raise SupervisorError("a second signal came: the workers were killed, and calls under way cut off")

    async def _fill(self, task: WorkerTask, ready: asyncio.Event) -> None:
        number = task.number
        loop = asyncio.get_running_loop()
        deaths = failed_starts = 0
        while not self._stopping.is_set():
            started = loop.time()
            process = await self._start(task)
            self._processes.add(process)
            listening = asyncio.create_task(_listen(process, ready))
            ended = asyncio.create_task(process.wait())
            stop = asyncio.create_task(self._stopping.wait())
            await asyncio.wait([ended, stop], return_when=asyncio.FIRST_COMPLETED)
            stop.cancel()
            if self._stopping.is_set():
                await self._end(number, process)
            code = await ended
            self._processes.discard(process)
            await listening
            if self.shared:
                self.shared.worker_ended(number)
            if self._stopping.is_set():
                return
            failed_starts = 0 if ready.is_set() else failed_starts + 1
            deaths = 1 if loop.time() - started > _STABLE_AFTER else deaths + 1
            ready.clear()
            # As long as another worker serves, it is better to go on with fewer than to stop.
            if failed_starts >= MAX_FAILED_STARTS and not any(other.is_set() for other in self.ready):
                raise SupervisorError(
                    f"worker {number} died {failed_starts} times before it was ready ({_ending(code)}); "
                    "what it said about it is above"
                )
            delay = min(_MAX_BACKOFF, _FIRST_BACKOFF * 2 ** min(deaths - 1, 10))
            _log.error("worker %d died (%s); a new one starts in %g s", number, _ending(code), delay)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), delay)

    async def _start(self, task: WorkerTask) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # A directory named gateway that happens to be where the command was started is not this package.
            "-m",
            "gateway",
            "worker",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
            # A terminal's Ctrl-C reaches the supervisor alone, which then stops the workers in order.
            start_new_session=True,
        )
        _log.info("worker %d started with process id %d", task.number, process.pid)
        assert process.stdin is not None  # noqa: S101 - for the type checker
        process.stdin.write(task.to_json().encode() + b"\n")
        with contextlib.suppress(ConnectionError):
            await process.stdin.drain()
        return process

    async def _end(self, number: int, process: asyncio.subprocess.Process) -> None:
        """Asks the process to stop and waits for it; when it takes too long, it is killed."""
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL if self._killed else SUPERVISORS_SIGNAL)
        try:
            await asyncio.wait_for(process.wait(), self._limit)
        except TimeoutError:
            _log.error("worker %d did not stop within %g s and is killed", number, self._limit)
            process.kill()


async def _listen(process: asyncio.subprocess.Process, ready: asyncio.Event) -> None:
    assert process.stdout is not None  # noqa: S101 - for the type checker
    async for line in process.stdout:
        if line.strip() == READY:
            ready.set()


def _ending(code: int) -> str:
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"exit code {code}"
