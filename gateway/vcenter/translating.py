"""Where a call becomes a REST call, and the answer a reply."""

from __future__ import annotations

from gateway.calls import Call, Reply, Unary
from gateway.errors import GatewayError
from gateway.events import Events
from gateway.vcenter.exchange import Exchange, Send
from gateway.vcenter.failures import TransportError

__all__ = ["translating"]


def translating(send: Send, events: Events) -> Unary:
    """The endpoint that has vCenter carry out a call by `send`."""

    async def translate(call: Call) -> Reply:
        binding = call.binding
        request = binding.encode(call.message)
        headers = {"X-Request-ID": call.request_id}
        try:
            response = await send(Exchange(request, headers, call.deadline, call, binding.is_read_only))
        except TransportError as error:
            raise GatewayError(error.failure(binding.method)) from None
        return Reply(binding.decode(response, events).SerializeToString())

    return translate
