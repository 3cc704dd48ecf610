"""Runs several worker processes behind one port: starts them, replaces those that die or get stuck, and stops them
together.

The supervisor never starts gRPC, whose threads do not survive a fork; each worker is a separate, newly started process.
A worker gets the settings as one line of JSON on its standard input, and reports `ready` on its standard output. Its
input stays open as long as the supervisor is alive: when it closes, the worker stops, so that no worker is left behind.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, replace

from pydantic import ValidationError

from gateway.address import join_address, split_address
from gateway.files import look_at_files
from gateway.introducing import introduce
from gateway.serving import Backend, simulator
from gateway.settings import Settings
from gateway.signals import on_hangup
from gateway.vcenter.options import VCenterOptions
from gateway.workers import SupervisorError, Workers

__all__ = ["SupervisorError", "WorkerTask", "reserve_port", "supervise"]

_KILL_AFTER = 10.0


@dataclass(frozen=True, slots=True)
class WorkerTask:
    """The task of a worker."""

    settings: Settings
    backend: Backend | None
    number: int = 0
    """Number of the worker, from 1."""

    def to_json(self) -> str:
        backend = asdict(self.backend) if self.backend else None
        return json.dumps(
            {"settings": self.settings.model_dump(mode="json"), "backend": backend, "number": self.number}
        )

    @classmethod
    def from_json(cls, text: str) -> WorkerTask:
        """Raises SupervisorError if the settings are no longer valid."""
        content = json.loads(text)
        backend = Backend(**content["backend"]) if content["backend"] else None
        try:
            settings = Settings.model_validate(content["settings"])
        except ValidationError as error:  # A file was valid when the supervisor checked it.
            problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors()]
            raise SupervisorError(f"the settings are no longer valid: {'; '.join(problems)}") from None
        return cls(settings, backend, content["number"])


@contextlib.contextmanager
def reserve_port(listen: str) -> Iterator[str]:
    """Reserves the port for the workers, and returns the address, with the chosen port if it was 0. Raises OSError if
    the port is in use. The socket never listens, so it gets no connections.
    """
    host, port = split_address(listen)
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise OSError(f"cannot listen on {listen}: {error.strerror}") from None
    with socket.socket(family, socket.SOCK_STREAM) as reservation, socket.socket(socket.AF_UNIX) as lock:
        reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # Without SO_REUSEPORT, the kernel refuses a port on which another process already listens ...
            reservation.bind(address)
            # ... and with it, set afterwards, the workers may share the port.
            reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            port = reservation.getsockname()[1]
            # Two supervisors that start at the same moment, both without a worker yet, are distinguished by an abstract
            # socket name, which vanishes with its owner.
            lock.bind(f"\0vcenter-gateway:{address[0]}:{port}")
        except OSError as error:
            raise OSError(f"cannot listen on {listen}: {error.strerror}") from None
        yield join_address(host, port)


async def supervise(settings: Settings, on_ready: Callable[[int], None]) -> None:
    """Runs the workers until SIGTERM or SIGINT, then stops them within the grace period; a second signal ends all of
    them immediately. On SIGHUP, all of them reload their files. `on_ready` gets the port as soon as every worker
    accepts calls. Raises OSError when the address cannot be used, SupervisorError when workers die again and again
    before they are ready, and when they had no time to finish.
    """
    server = settings.server
    async with AsyncExitStack() as stack:
        address = stack.enter_context(reserve_port(server.listen))
        backend = await simulator(settings, stack) if settings.simulator.enabled else None
        at_address = settings.model_copy(update={"server": server.model_copy(update={"listen": address})})
        task = WorkerTask(at_address, backend)
        workers = Workers(
            server.workers,
            silence=server.worker_timeout_seconds,
            # Time for the workers' own grace period, and for their logout from vCenter afterwards.
            patience=server.settle_seconds + server.grace_seconds + _KILL_AFTER,
        )

        def reload() -> None:
            look_at_files()
            workers.reload()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, workers.stop)
        on_hangup(reload, workers.stop)
        introduce(settings, stack, is_simulated=backend is not None)
        if settings.admin.listen:
            task = await _serve_admin(settings.admin.listen, workers, task, stack)
        announcing = asyncio.create_task(_announce(workers, on_ready, split_address(address)[1]))
        try:
            await workers.run(lambda number: replace(task, number=number).to_json())
        finally:
            announcing.cancel()


async def _serve_admin(listen: str, workers: Workers, task: WorkerTask, stack: AsyncExitStack) -> WorkerTask:
    """Serves the admin port for all workers until `stack` ends. Returns their task with what they need for it."""
    # Imported here, because without an admin port nothing is counted.
    from gateway.admin import WorkerReports
    from gateway.admin.server import AdminServer, Source

    reports = WorkerReports()
    workers.on_report, workers.on_end = reports.take, reports.worker_ended
    source = Source(reports.registry, reports.errors, workers.not_ready, workers.not_alive, workers.collect_reports)
    vcenter = VCenterOptions.of(task.settings.vcenter, task.backend.url if task.backend else None)
    service_account = task.settings.auth.mode == "service-account"
    server = AdminServer(listen, source, vcenter=vcenter, workers=len(workers.places), service_account=service_account)
    stack.push_async_callback(server.stop)
    admin = task.settings.admin.model_copy(update={"listen": await server.start()})
    return replace(task, settings=task.settings.model_copy(update={"admin": admin}))


async def _announce(workers: Workers, on_ready: Callable[[int], None], port: int) -> None:
    for place in workers.places:
        await place.ready.wait()
    on_ready(port)
