"""Combines the services that watch vCenter, and ends what they keep there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence

from gateway.access import Admission
from gateway.calls import Call, Unary
from gateway.contract import Contract
from gateway.errors import Failure, Reason
from gateway.events import Events
from gateway.live.event_watching import EventWatching
from gateway.live.inventory_service import InventoryService
from gateway.live.messages import Messages
from gateway.live.rest_calls import RestCalls
from gateway.live.task_watching import TaskWatching
from gateway.live.tasks.cancelling import TaskCancelling
from gateway.live.tasks.feed import TaskFeed
from gateway.live.tasks.states import TaskStates
from gateway.live.vm_watching import Selector, VmWatching
from gateway.live.vms.fields import VmFields
from gateway.live.vms.hubs import HubLimits, Hubs
from gateway.live.vms.responses import VmResponses
from gateway.live.vms.tags import TaggedMachines
from gateway.transcoding import Binding
from gateway.transcoding.error_response import error_reader
from gateway.vcenter.client import VCenter

__all__ = ["WatchingServices"]

_STOPPING = Failure.of(Reason.GATEWAY_STOPPING, "this replica of the gateway is stopping; call again")


class WatchingServices:
    """The services of one process. `unary` executes calls of vCenter's REST API, `recorded` waits for the audit record
    of a change."""

    def __init__(
        self,
        contract: Contract,
        bindings: Mapping[str, Binding],
        vcenter: VCenter,
        unary: Unary,
        admission: Admission,
        recorded: Callable[[Call], Awaitable[None]] | None,
        events: Events,
        limits: HubLimits | None = None,
    ) -> None:
        messages, fields, calls = Messages(contract), VmFields(contract), RestCalls(unary, bindings)
        responses = VmResponses(contract, fields)
        self.hubs = Hubs(vcenter, contract, fields, calls, limits or HubLimits())
        selector = self.selector = Selector(admission.scope, TaggedMachines(calls))
        states = TaskStates(messages, error_reader(contract))

        def new_feed(call: Call) -> TaskFeed:
            credential = call.caller.credential
            return TaskFeed(credential, vcenter.vim.client(credential), calls, states)

        cancelling = TaskCancelling(vcenter, calls, bindings, admission.authorize, recorded, events)
        self._tasks = TaskWatching(messages, vcenter, admission.scope, new_feed, cancelling)
        self._events = EventWatching(messages, vcenter, admission.scope)
        self.services: Sequence[object] = [
            VmWatching(messages, fields, responses, self.hubs, selector),
            self._tasks,
            self._events,
            InventoryService(contract, messages, vcenter, calls, fields, responses, selector),
        ]

    def stopping(self) -> None:
        """The streams are about to end because the gateway stops: their callers continue elsewhere."""
        self._tasks.is_stopping = True

    async def close(self) -> None:
        """Ends all waits, and destroys what was created at vCenter for them."""
        await self._tasks.close(_STOPPING)
        self._events.close(_STOPPING)
        await self.hubs.close(_STOPPING)
