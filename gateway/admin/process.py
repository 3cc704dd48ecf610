"""What one process does for the admin port: it counts, and serves the port or, as a worker, reports to who does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

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

__all__ = ["ProcessAdmin"]


class ProcessAdmin:
    """To be made before the gateway, which tells its events to the `subscribers`; to be started before it, so that the
    port tells that it starts, and stopped after it."""

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
        """Why the gateway does not serve; None when it does."""
        self._server: AdminServer | None = None

    @property
    def subscribers(self) -> tuple[Events, ...]:
        """What has to be told of the gateway's events."""
        return self.metrics, self.errors

    def show_machines(self, newest: Callable[[], Sequence[Any]]) -> None:
        """Serves the performance of virtual machines too, as `newest` has it."""
        self._registry.register(MachineCollector(newest))

    async def start(self, gateway: Counted) -> str:
        """Returns the address of the admin port. Raises OSError with a sentence when it cannot be used."""
        if self._worker is not None:
            self._worker.make_report = lambda: self._report(gateway)
            return self._listen
        # Only here, since a worker serves no HTTP, and an HTTP server takes 10 MB.
        from gateway.admin.server import AdminServer, Source

        async def refresh() -> None:
            self.metrics.refresh(gateway)

        source = Source(
            registry=self._registry,
            errors=self.errors.newest,
            not_ready=lambda: self.not_ready,
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
