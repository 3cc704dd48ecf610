"""The layer that admits calls: it stops calls that the policy does not allow, and changes that must be recorded but
cannot be."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.calls.call import Call
from gateway.calls.endpoint import Layer, Reply, Unary
from gateway.events import Events

__all__ = ["admitted"]


def admitted(
    authorize: Callable[[Call], None], events: Events, recorded: Callable[[Call], Awaitable[None]] | None = None
) -> Layer:
    """Passes on calls that `authorize` allows, and changes once they are `recorded`; both raise GatewayError
    otherwise."""

    def layer(unary: Unary) -> Unary:
        async def enter(call: Call) -> Reply:
            authorize(call)
            events.call_started(call)
            if recorded is not None and not call.binding.is_read_only:
                await recorded(call)
            return await unary(call)

        return enter

    return layer
