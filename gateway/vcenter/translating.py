"""Where a call becomes a REST call, and the answer a reply."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway.calls import Call, Reply, Unary
from gateway.errors import GatewayError
from gateway.events import Events
from gateway.transcoding import Binding, RestResponse
from gateway.vcenter.exchange import Exchange, Send
from gateway.vcenter.failures import TransportError

__all__ = ["translating"]

_LARGE = 256 * 1024
"""Size of an answer in bytes from which on its translation takes milliseconds."""


def translating(events: Events) -> Callable[[Send], Unary]:
    """Has vCenter carry out each call by what sends its exchange."""

    def layer(send: Send) -> Unary:
        async def translate(call: Call) -> Reply:
            binding = call.binding
            request = binding.encode(call.message)
            headers = {"X-Request-ID": call.request_id}
            large: list[Reply] = []

            def read(response: RestResponse) -> Awaitable[None] | None:
                return (
                    keep(large, binding, response) if response.status < 300 and len(response.body) >= _LARGE else None
                )

            try:
                response = await send(Exchange(request, headers, call.deadline, call, binding.is_read_only, read))
            except TransportError as error:
                raise GatewayError(error.failure(binding.method)) from None
            if large:
                return large[0]
            if len(response.body) < _LARGE:
                return decoded(binding, response)
            return await asyncio.to_thread(decoded, binding, response)  # A long error.

        return translate

    async def keep(large: list[Reply], binding: Binding, response: RestResponse) -> None:
        # A thread of its own, since the event loop would stand still for as long as this takes.
        large.append(await asyncio.to_thread(decoded, binding, response))

    def decoded(binding: Binding, response: RestResponse) -> Reply:
        return Reply(binding.decode(response, events).SerializeToString())

    return layer
