"""The layer that lets calls in: what the policy does not allow goes no further."""

from __future__ import annotations

from collections.abc import Callable

from gateway.calls.call import Call
from gateway.calls.endpoint import Reply, Unary
from gateway.events import Events

__all__ = ["admitted"]


def admitted(admit: Callable[[Call], None], unary: Unary, events: Events) -> Unary:
    """Passes on calls that `admit` lets in; it raises GatewayError for every other one."""

    async def enter(call: Call) -> Reply:
        admit(call)
        events.call_started(call)
        return await unary(call)

    return enter
