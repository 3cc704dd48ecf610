"""One process's part of the admin port: it counts, and serves the port or, as a worker, reports to the supervisor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from gateway.admin.machines import MachineCollector
from gateway.admin.metrics import Metrics
from gateway.admin.recent import RecentErrors
from gateway.admin.shared import make_report
from gateway.admin.source import Counted
from gateway.events import Events
from gateway.vcenter import VCenterOptions
from gateway.worker_link import WorkerLink

if TYPE_CHECKING:
    from gateway.admin.server import AdminServer
    from gateway.live.metrics.exported import Measured

__all__ = ["ProcessAdmin"]


class ProcessAdmin:
    """Create it before the gateway, which reports its events to the `subscribers`; start it before the gateway, so that
    the port reports the start, and stop it afterwards."""

    def __init__(
        self,
        listen: str,
        vcenter: VCenterOptions,
        worker: WorkerLink | None = None,
        *,
        service_account: bool = False,
    ) -> None:
        self._listen = listen
        self._vcenter = vcenter
        self._worker = worker
        self._service_account = service_account
        self._registry = CollectorRegistry()
        self.metrics = Metrics(self._registry)
        self.errors = RecentErrors()
        self.not_ready: str | None = "the gateway is starting"
        """Why the gateway does not serve; None if it does."""
        self._server: AdminServer | None = None

    @property
    def subscribers(self) -> tuple[Events, ...]:
        """The subscribers to the gateway's events."""
        return self.metrics, self.errors

    def show_machines(self, newest: Callable[[], Sequence[Measured]]) -> None:
        """Also serves the performance of virtual machines, from `newest`."""
        self._registry.register(MachineCollector(newest))

    async def start(self, gateway: Counted) -> str:
        """Returns the address of the admin port. Raises OSError with a readable message if it cannot be used."""
        if self._worker is not None:
            self._worker.make_report = lambda: self._report(gateway)
            return self._listen
        # Imported here, because a worker serves no HTTP, and an HTTP server needs 10 MB.
        from gateway.admin.server import AdminServer, Source

        async def refresh() -> None:
            self.metrics.refresh(gateway)

        source = Source(
            registry=self._registry,
            errors=self.errors.newest,
            not_ready=lambda: self.not_ready,
            not_alive=lambda: None,  # A process that is stuck does not respond at all.
            refresh=refresh,
        )
        self._server = AdminServer(self._listen, source, vcenter=self._vcenter, service_account=self._service_account)
        return await self._server.start()

    async def stop(self) -> None:
        if self._server is not None:
            await self._server.stop()

    def _report(self, gateway: Counted) -> bytes:
        self.metrics.refresh(gateway)
        return make_report(self._registry, self.errors)
