"""Serves until a signal comes: what one process of the gateway does, made from its settings."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import resource
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.events import combined
from gateway.events.log import EventLog
from gateway.server.access import make_access
from gateway.server.gateway import Gateway, ServerOptions
from gateway.server.streams import StreamLimits
from gateway.settings import ServerSettings, Settings
from gateway.tracing import start_tracing
from gateway.vcenter import Basic
from gateway.vcenter.options import VCenterOptions

if TYPE_CHECKING:
    from gateway.admin import ProcessAdmin, WorkerShare

__all__ = ["SUPERVISORS_SIGNAL", "Backend", "ServerEndedError", "run", "simulator", "stop_event"]

SUPERVISORS_SIGNAL = signal.SIGUSR1
"""By which a supervisor stops its workers. One of its own: service managers send SIGTERM to the supervisor and to the
workers, and that is not to be a second signal for these."""
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, SUPERVISORS_SIGNAL)

_log = logging.getLogger(__name__)


class ServerEndedError(Exception):
    """gRPC's server is gone although nobody stopped it. A process that serves nothing any more is to be replaced."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A running simulator: where it is, and who may log in there."""

    url: str
    user: str
    password: str = field(repr=False)


async def simulator(settings: Settings, stack: AsyncExitStack) -> Backend:
    """Starts the embedded vCenter on a free port of the loopback address; leaving `stack` stops it."""
    # Only here, since a gateway in front of a real vCenter has no use for it.
    from gateway.simulator import Simulator, SimulatorOptions

    vcenter = Simulator(SimulatorOptions(vms=settings.simulator.vms))
    await vcenter.start()
    stack.push_async_callback(vcenter.stop)
    return Backend(vcenter.url, vcenter.user, vcenter.password)


async def run(
    settings: Settings,
    on_ready: Callable[[int], None],
    *,
    backend: Backend | None = None,
    reuse_port: bool = False,
    share: WorkerShare | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, then lets the calls under way finish; the same signal again ends the process at
    once.

    `on_ready` gets the port as soon as calls are taken. `backend` is a simulator that runs elsewhere; without it, one
    is started where the settings ask for it. `share` is where a worker writes for the admin port, which its supervisor
    serves; without it, the port is served where the settings ask for it. Raises OSError when an address cannot be used,
    UnusableFileError for a file that cannot be used, TracingError, ContractError when the package was built from wrong
    protos, and ServerEndedError.
    """
    _work_in_batches()
    _use_all_files()
    async with AsyncExitStack() as stack:
        if settings.simulator.enabled and backend is None:
            backend = await simulator(settings, stack)
        access = make_access(settings, Basic(backend.user, backend.password) if backend else None)
        _warn(settings)
        vcenter = VCenterOptions.of(settings.vcenter, backend.url if backend else None)
        admin = _admin(settings, vcenter, share)
        tracing = start_tracing(settings.tracing, vcenter.url)
        stack.push_async_callback(tracing.stop)
        gateway = Gateway(
            vcenter,
            access.admission,
            options=_server_options(settings.server, reuse_port),
            events=combined(*(admin.subscribers if admin else ()), EventLog()),
            audit=access.audit,
            tracing=tracing,
            tls=access.tls,
        )
        stopping = stop_event()
        also = ""
        if admin:
            stack.push_async_callback(admin.stop)
            also = f", admin port http://{await admin.start(gateway)}"
        port = await gateway.start()
        stack.push_async_callback(gateway.stop)
        # What is there now stays: the garbage collector need not look at it again and again.
        gc.collect()
        gc.freeze()
        _log.info("serving %s on port %d%s", vcenter.url, port, also)
        if admin:
            admin.not_ready = None
        on_ready(port)
        # Never cancelled, which would keep gRPC's server from stopping.
        ended = asyncio.ensure_future(gateway.wait())
        ended.add_done_callback(lambda _: stopping.set())
        await stopping.wait()
        if ended.done():
            raise ServerEndedError("gRPC's server has ended by itself") from ended.exception()
        if admin:
            admin.not_ready = "the gateway is stopping"
        _log.info("stopping: calls under way have %g s to finish", settings.server.grace_seconds)
    _log.info("stopped")


def _work_in_batches() -> None:
    """Asks Linux not to interrupt a thread of this process whenever another one of its threads has something to do.

    gRPC's threads and the event loop wake each other several times a call. Interrupted each time, they switched 16
    times a call under load; now 5, for an eighth less CPU time. Threads that start later inherit it.
    """
    with contextlib.suppress(AttributeError, OSError):  # Not on Linux, or not allowed.
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _use_all_files() -> None:
    """Lets this process open as many files as it may.

    Each connection is one. The customary 1024 are for programs that use select(), which knows no more: with them, the
    thousandth client would find nobody to answer, and vCenter could not be reached.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _admin(settings: Settings, vcenter: VCenterOptions, share: WorkerShare | None) -> ProcessAdmin | None:
    if settings.admin.listen is None:
        return None
    # Only here, since nothing is counted that nobody can ask for.
    from gateway.admin import ProcessAdmin

    return ProcessAdmin(settings.admin.listen, vcenter, share)


def _warn(settings: Settings) -> None:
    """Says aloud what was switched off."""
    if not settings.vcenter.verify:
        _log.warning("vCenter's certificate is NOT verified: anybody on the way can read and change everything")
    if settings.auth.allow_anyone and settings.auth.mode == "service-account":
        _log.warning("callers need NOT prove who they are: anybody who reaches this address uses the service account")
    if not settings.is_local and not settings.tls.cert_file:
        _log.warning("callers are served WITHOUT TLS: anybody on the way can read their passwords and sessions")


def stop_event() -> asyncio.Event:
    """Set by the first stop signal. The same signal again ends the process at once."""
    loop = asyncio.get_running_loop()
    event = asyncio.Event()

    def stop(number: int) -> None:
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)  # Else SIGINT were an exception, which the event loop may swallow.
        event.set()

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop, number)
    return event


def _server_options(server: ServerSettings, reuse_port: bool) -> ServerOptions:
    return ServerOptions(
        listen=server.listen,
        reuse_port=reuse_port,
        max_request_bytes=server.max_request_bytes,
        max_response_bytes=server.max_response_bytes,
        max_metadata_bytes=server.max_metadata_bytes,
        max_unsent_bytes=server.max_unsent_bytes,
        max_concurrent_streams=server.max_concurrent_streams,
        max_connections=server.max_connections,
        streams=StreamLimits(server.max_streams, server.max_streams_per_caller),
        keepalive_seconds=server.keepalive_seconds,
        max_connection_age_seconds=server.max_connection_age_seconds,
        settle_seconds=server.settle_seconds,
        grace_seconds=server.grace_seconds,
        reflection=server.reflection,
        health=server.health,
    )
