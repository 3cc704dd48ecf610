"""Translates a call into a REST call, and the response into a reply. A few calls depend on vCenter's release, which is
requested only for those.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from gateway.calls import Call, Reply, Unary
from gateway.errors import GatewayError
from gateway.events import Events
from gateway.transcoding import Binding, RestResponse
from gateway.vcenter.exchange import Exchange, Send
from gateway.vcenter.failures import TransportError
from gateway.vcenter.releases import form_for, with_release

__all__ = ["translating"]

_OPERATION_NOT_FOUND = "OPERATION_NOT_FOUND"
_LARGE = 256 * 1024
"""Size of a response in bytes from which its translation takes milliseconds."""


def translating(events: Events, release: Callable[[], Awaitable[str | None]]) -> Callable[[Send], Unary]:
    """Executes each call by sending its exchange. `release` returns the version of vCenter's API."""

    def layer(send: Send) -> Unary:
        async def translate(call: Call) -> Reply:
            binding = call.binding
            request = binding.encode(call.message)
            if request.newer is not None:
                request = form_for(await release(), request)
            headers = {"X-Request-ID": call.request_id, **request.headers}
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
            try:
                if len(response.body) < _LARGE:
                    return decoded(binding, response)
                return await asyncio.to_thread(decoded, binding, response)  # A long error.
            except GatewayError as error:
                if error.failure.reason == _OPERATION_NOT_FOUND and binding.method.since:
                    raise GatewayError(with_release(error.failure, binding.method, await release())) from None
                raise

        return translate

    async def keep(large: list[Reply], binding: Binding, response: RestResponse) -> None:
        # In a separate thread, because this would block the event loop.
        large.append(await asyncio.to_thread(decoded, binding, response))

    def decoded(binding: Binding, response: RestResponse) -> Reply:
        return Reply(binding.decode(response, events).SerializeToString())

    return layer
