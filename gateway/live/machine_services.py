"""Combines the services that change and measure virtual machines and their guests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from gateway.calls import Call, Unary
from gateway.contract import Contract
from gateway.events import Events
from gateway.live.endings import Endings
from gateway.live.guest import GuestTools
from gateway.live.guest_service import GuestService
from gateway.live.messages import Messages
from gateway.live.metrics.metrics_service import MetricsService
from gateway.live.rest_calls import RestCalls
from gateway.live.services import WatchingServices
from gateway.live.snapshot_service import SnapshotService
from gateway.live.vm_settings_service import VmSettingsService
from gateway.transcoding import Binding
from gateway.vcenter.client import VCenter

if TYPE_CHECKING:
    from gateway.vim.client import VimClient

__all__ = ["MachineServices"]


class MachineServices:
    """The services of one process. `unary` executes calls of vCenter's REST API, `watching` knows all machines; at most
    `most_transfers` files are copied to and from guests concurrently."""

    def __init__(
        self,
        contract: Contract,
        bindings: Mapping[str, Binding],
        vcenter: VCenter,
        unary: Unary,
        events: Events,
        watching: WatchingServices,
        most_transfers: int,
    ) -> None:
        messages = Messages(contract)
        self.endings = Endings()
        """Cleanups after calls that have not ended yet."""

        def vim(call: Call) -> VimClient:
            return vcenter.vim.client(call.caller.credential, call)

        self.metrics = MetricsService(messages, vcenter, watching.hubs, watching.selector)
        guests = GuestTools(RestCalls(unary, bindings), vim, vcenter, events)
        self.services: Sequence[object] = [
            GuestService(messages, guests, self.endings, most_transfers),
            SnapshotService(messages, vim),
            VmSettingsService(messages, vim, self.endings),
            self.metrics,
        ]

    async def close(self) -> None:
        """Returns when all cleanups have ended, after a few seconds at the latest."""
        await self.endings.close()
