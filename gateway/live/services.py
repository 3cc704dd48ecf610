"""Puts together the services that watch vCenter, and ends what they keep there."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from gateway.access.scope import Scope
from gateway.calls import Call, Unary
from gateway.contract import Contract
from gateway.errors import Failure, Reason
from gateway.live.messages import Messages
from gateway.live.rest_calls import RestCalls
from gateway.live.vm_watching import Selector, VmWatching
from gateway.live.vms.fields import VmFields
from gateway.live.vms.hubs import HubLimits, Hubs
from gateway.live.vms.responses import VmResponses
from gateway.live.vms.tags import TaggedMachines
from gateway.transcoding import Binding
from gateway.vcenter.client import VCenter

__all__ = ["WatchingServices"]

_STOPPING = Failure.of(Reason.GATEWAY_STOPPING, "this replica of the gateway stops; call again")


class WatchingServices:
    """The services of one process. `unary` carries out calls of vCenter's REST API, `scope` tells what the policy lets
    the caller of a call see."""

    def __init__(
        self,
        contract: Contract,
        bindings: Mapping[str, Binding],
        vcenter: VCenter,
        unary: Unary,
        scope: Callable[[Call], Scope],
        limits: HubLimits | None = None,
    ) -> None:
        messages, fields, calls = Messages(contract), VmFields(contract), RestCalls(unary, bindings)
        responses = VmResponses(contract, fields)
        self.hubs = Hubs(vcenter, contract, fields, calls, limits or HubLimits())
        selector = Selector(scope, TaggedMachines(calls))
        self.services: Sequence[object] = [VmWatching(messages, fields, responses, self.hubs, selector)]

    async def close(self) -> None:
        """Ends what waits, and destroys what was made at vCenter for it."""
        await self.hubs.close(_STOPPING)
