"""The layer that lets calls in: what the policy does not allow goes no further, nor what has to be recorded and cannot
be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.calls.call import Call
from gateway.calls.endpoint import Layer, Reply, Unary
from gateway.events import Events

__all__ = ["admitted"]


def admitted(
    authorize: Callable[[Call], None], events: Events, recorded: Callable[[Call], Awaitable[None]] | None = None
) -> Layer:
    """Passes on calls that `authorize` allows, changes as soon as they are `recorded`; both raise GatewayError for
    others."""

    def layer(unary: Unary) -> Unary:
        async def enter(call: Call) -> Reply:
            authorize(call)
            events.call_started(call)
            if recorded is not None and not call.binding.is_read_only:
                await recorded(call)
            return await unary(call)

        return enter

    return layer
