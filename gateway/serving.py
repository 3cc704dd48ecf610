"""Serves until a signal arrives: runs one process of the gateway from its settings."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import resource
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.calls import Basic
from gateway.errors import GatewayError, Reason
from gateway.event_log import EventLog
from gateway.events import combined
from gateway.files import look_at_files
from gateway.introducing import in_background, introduce
from gateway.live import HubLimits
from gateway.server.gateway import Gateway
from gateway.server.guards import account_file, make_guards
from gateway.server.options import ServerOptions
from gateway.server.streams import StreamLimits
from gateway.settings import ServerSettings, Settings
from gateway.signals import on_hangup, stop_event
from gateway.tracing import start_tracing
from gateway.vcenter.failures import TransportError
from gateway.vcenter.options import VCenterOptions
from gateway.vcenter.retry import RetryPolicy
from gateway.worker_link import WorkerLink

if TYPE_CHECKING:
    from gateway.admin import ProcessAdmin

__all__ = ["Backend", "ServerEndedError", "run", "simulator"]

_log = logging.getLogger(__name__)
_YOUNG_OBJECTS = 700
"""How many new objects the garbage collector waits for: the default of Python 3.11. The command line raises it, to load
faster."""


class ServerEndedError(Exception):
    """gRPC's server ended although nothing stopped it. A process that no longer serves must be replaced."""


@dataclass(frozen=True, slots=True)
class Backend:
    """A running simulator: its address, and who may log in."""

    url: str
    user: str
    password: str = field(repr=False)


async def simulator(settings: Settings, stack: AsyncExitStack) -> Backend:
    """Starts the embedded vCenter on a free port of the loopback address, until `stack` ends."""
    # Imported here, because a gateway in front of a real vCenter does not need it.
    from gateway.simulator import Simulator, SimulatorOptions

    started = Simulator(SimulatorOptions(vms=settings.simulator.vms, release=settings.simulator.release))
    await started.start()
    stack.push_async_callback(started.stop)
    return Backend(started.url, started.user, started.password)


async def run(
    settings: Settings,
    on_ready: Callable[[int], None],
    *,
    backend: Backend | None = None,
    worker: WorkerLink | None = None,
) -> None:
    """Serves until SIGTERM or SIGINT, then waits for calls in flight; the same signal again ends the process
    immediately. On SIGHUP, it reloads its files.

    `on_ready` gets the port as soon as the gateway accepts calls. `backend` is a simulator that another process runs;
    without it, this process starts one if the settings say so. `worker` is a worker's link to its supervisor, which
    serves the admin port; without it, this process serves the port if the settings say so. Raises OSError if an address
    cannot be used, UnusableFileError if a file cannot be used, TracingError, ContractError if the package was built
    from wrong protos, and ServerEndedError.
    """
    _work_in_batches()
    _use_all_files()
    async with AsyncExitStack() as stack:
        if worker is not None:
            await worker.start()
            stack.push_async_callback(worker.close)
        if settings.simulator.enabled and backend is None:
            backend = await simulator(settings, stack)
        guards = make_guards(settings, Basic(backend.user, backend.password) if backend else None)
        if guards.audit_file:
            # Its last records are those of calls that end during the stop.
            stack.push_async_callback(asyncio.to_thread, guards.audit_file.close)
        if worker is None:
            introduce(settings, stack, is_simulated=backend is not None)
        vcenter = VCenterOptions.of(settings.vcenter, backend.url if backend else None)
        admin = _admin(settings, vcenter, worker)
        tracing = start_tracing(settings.tracing, vcenter.url)
        stack.push_async_callback(tracing.stop)
        gateway = Gateway(
            vcenter,
            guards.admission,
            retries=RetryPolicy.of(settings.vcenter.retries),
            options=_server_options(settings.server, reuse_port=worker is not None),
            events=combined(*(admin.subscribers if admin else ()), EventLog()),
            audit=guards.audit,
            tracing=tracing,
            tls=guards.tls,
            hubs=HubLimits(settings.live.max_hubs, settings.live.poll_seconds),
        )
        stopping = stop_event()
        issuers = guards.admission.issuers
        parts: list[Callable[[], object]] = [look_at_files, *([issuers.refresh] if issuers else [])]
        reload = _reload([*parts, *([guards.audit_file.reopen] if guards.audit_file else [])])
        if worker is None:
            on_hangup(reload, stopping.set)
        else:
            worker.on_reload = reload
            on_hangup(reload, lambda: None)
        also = ""
        if admin:
            stack.push_async_callback(admin.stop)
            also = f", admin port http://{await admin.start(gateway)}"
        port = await gateway.start()
        stack.push_async_callback(gateway.stop)
        # These objects stay until the end, so the garbage collector need not examine them repeatedly.
        gc.collect()
        gc.freeze()
        gc.set_threshold(_YOUNG_OBJECTS)
        _log.info("serving %s on port %d%s", vcenter.url, port, also)
        if admin:
            admin.not_ready = None
        on_ready(port)
        if settings.metrics.machines and admin and (worker is None or worker.number == 1):
            _export_machines(settings, gateway, admin, backend, stack)
        if worker is None or worker.number == 1:
            in_background(_try_login(settings, gateway), stack)
        if gateway.vcenter is not None and backend is None:
            # So that health and metrics report whether vCenter can be called before the first call.
            in_background(gateway.vcenter.answers(), stack)
        # Never cancelled, because that would keep gRPC's server from stopping.
        ended = asyncio.ensure_future(gateway.wait())
        ended.add_done_callback(lambda _: stopping.set())
        await stopping.wait()
        if ended.done():
            raise ServerEndedError("the gRPC server stopped unexpectedly") from ended.exception()
        if admin:
            admin.not_ready = "the gateway is stopping"
        _log.info("stopping: calls in flight have %g s to finish", settings.server.grace_seconds)
    _log.info("stopped")


async def _try_login(settings: Settings, gateway: Gateway) -> None:
    """Logs an error if vCenter rejects the service account, before any caller is affected.

    Only one worker does this, because vCenter locks an account after five rejected logins.
    """
    account = account_file(settings.auth)
    if account is None or gateway.vcenter is None:
        return
    credential = account.current()
    try:
        await gateway.vcenter.sessions.get(credential)
    except GatewayError as error:
        failure = error.failure
        if failure.reason == Reason.CREDENTIALS_REJECTED:
            _log.error(
                "vCenter refused the service account %s: %s. No call can succeed until the name (auth.user) and the "
                "content of %s are right",
                credential.user,
                failure.message,
                account.path,
            )
        else:
            _log.warning("the service account %s could not log in to vCenter: %s", credential.user, failure.message)
    except TransportError:
        pass  # The probe of vCenter logs this.


def _export_machines(
    settings: Settings, gateway: Gateway, admin: ProcessAdmin, backend: Backend | None, stack: AsyncExitStack
) -> None:
    """Lets the admin port serve the performance of machines, which is read with the service account, or with the
    simulator's own account. Only one worker does this."""
    if gateway.vcenter is None:
        return
    # Imported here, because few gateways need it.
    from gateway.live.metrics.exported import ExportedMetrics

    account = account_file(settings.auth)

    def credential() -> Basic:
        if account is not None:
            return account.current()
        return Basic(backend.user, backend.password) if backend else Basic("", "")

    chosen = settings.metrics
    exported = ExportedMetrics(gateway.vcenter, credential, chosen.machines, chosen.counters, chosen.max_machines)
    stack.push_async_callback(exported.close)
    admin.show_machines(exported.newest)


def _reload(parts: list[Callable[[], object]]) -> Callable[[], None]:
    def reload() -> None:
        for part in parts:
            part()
        _log.info("SIGHUP: reloading files and reopening the audit log")

    return reload


def _work_in_batches() -> None:
    """Asks Linux not to preempt a thread of this process whenever another one of its threads becomes runnable.

    gRPC's threads and the event loop wake each other several times per call. With preemption, they switched 16 times
    per call under load; without it, 5 times, which saves an eighth of the CPU time. Threads that start later inherit
    the policy.
    """
    with contextlib.suppress(AttributeError, OSError):  # Not on Linux, or not allowed.
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _use_all_files() -> None:
    """Raises the limit of open files to the maximum that this process is allowed.

    Each connection is one. The usual limit of 1024 is for programs that use select(), which supports no more: with it,
    the thousandth client would get no response, and vCenter could not be reached.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def _admin(settings: Settings, vcenter: VCenterOptions, worker: WorkerLink | None) -> ProcessAdmin | None:
    if settings.admin.listen is None:
        return None
    # Imported here, because without an admin port nothing is counted.
    from gateway.admin import ProcessAdmin

    service_account = settings.auth.mode == "service-account"
    return ProcessAdmin(settings.admin.listen, vcenter, worker, service_account=service_account)


def _server_options(server: ServerSettings, *, reuse_port: bool) -> ServerOptions:
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
