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
from dataclasses import asdict, dataclass

from gateway.server.run import Backend, simulator
from gateway.settings import Settings, split_address

__all__ = ["READY", "SupervisorError", "WorkerTask", "reserve_port", "supervise"]

MAX_FAILED_STARTS = 3
"""A worker that dies so often in a row before it was ready will not do better the next time."""
_FIRST_BACKOFF = 0.25
_MAX_BACKOFF = 15.0
_STABLE_AFTER = 60.0
_KILL_AFTER = 10.0
READY = b"ready"

_log = logging.getLogger(__name__)


class SupervisorError(Exception):
    """The workers cannot do their work; the text says why."""


@dataclass(frozen=True, slots=True)
class WorkerTask:
    """What a worker is told."""

    settings: Settings
    backend: Backend | None

    def to_json(self) -> str:
        backend = asdict(self.backend) if self.backend else None
        return json.dumps({"settings": self.settings.model_dump(mode="json"), "backend": backend})

    @classmethod
    def from_json(cls, text: str) -> WorkerTask:
        content = json.loads(text)
        backend = Backend(**content["backend"]) if content["backend"] else None
        return cls(Settings.model_validate(content["settings"]), backend)


@contextlib.contextmanager
def reserve_port(listen: str) -> Iterator[str]:
    """Keeps the port for the workers, and gives the address with the port that was chosen where it is 0.

    Raises OSError when somebody else has the port. The socket never listens: it gets no connections.
    """
    host, port = split_address(listen)
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
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
        yield f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def supervise(settings: Settings, on_ready: Callable[[int], None]) -> None:
    """Runs the workers until SIGTERM or SIGINT, then stops them within the grace period.

    `on_ready` gets the port as soon as every worker takes calls. Raises OSError when the address cannot be used,
    SupervisorError when workers die again and again before they are ready.
    """
    server = settings.server
    async with AsyncExitStack() as stack:
        address = stack.enter_context(reserve_port(server.listen))
        backend = await simulator(settings, stack) if settings.simulator.enabled else None
        at_address = settings.model_copy(update={"server": server.model_copy(update={"listen": address})})
        stopping = asyncio.Event()
        # Time for the workers' own grace period, and for them to log out of vCenter afterwards.
        limit = server.settle_seconds + server.grace_seconds + _KILL_AFTER
        workers = _Workers(server.workers, WorkerTask(at_address, backend).to_json(), stopping, limit)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        announcing = asyncio.create_task(_announce(workers, on_ready, split_address(address)[1]))
        try:
            await workers.run()
        finally:
            announcing.cancel()


async def _announce(workers: _Workers, on_ready: Callable[[int], None], port: int) -> None:
    for ready in workers.ready:
        await ready.wait()
    on_ready(port)


class _Workers:
    """A fixed number of places, each filled by one process after the other."""

    def __init__(self, count: int, task: str, stopping: asyncio.Event, limit: float) -> None:
        self.ready = [asyncio.Event() for _ in range(count)]
        self._task = task
        self._stopping = stopping
        self._limit = limit

    async def run(self) -> None:
        """Keeps all places filled until the stop. Raises SupervisorError when no worker comes up."""
        places = [asyncio.create_task(self._fill(number, ready)) for number, ready in enumerate(self.ready, start=1)]
        await asyncio.wait(places, return_when=asyncio.FIRST_EXCEPTION)
        self._stopping.set()
        for result in await asyncio.gather(*places, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def _fill(self, number: int, ready: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        deaths = failed_starts = 0
        while not self._stopping.is_set():
            started = loop.time()
            process = await self._start(number)
            listening = asyncio.create_task(_listen(process, ready))
            ended = asyncio.create_task(process.wait())
            stop = asyncio.create_task(self._stopping.wait())
            await asyncio.wait([ended, stop], return_when=asyncio.FIRST_COMPLETED)
            stop.cancel()
            if self._stopping.is_set():
                await self._end(number, process)
            code = await ended
            await listening
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

    async def _start(self, number: int) -> asyncio.subprocess.Process:
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
        _log.info("worker %d started with process id %d", number, process.pid)
        assert process.stdin is not None  # noqa: S101 - for the type checker
        process.stdin.write(self._task.encode() + b"\n")
        with contextlib.suppress(ConnectionError):
            await process.stdin.drain()
        return process

    async def _end(self, number: int, process: asyncio.subprocess.Process) -> None:
        """Asks the process to stop and waits for it; when it takes too long, it is killed."""
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
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
