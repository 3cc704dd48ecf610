"""Handles a unary rpc: bytes in, bytes or a rich status out. The same function for every rpc."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from google.rpc import code_pb2

from gateway.calls import Unary
from gateway.errors import Failure, GatewayError, Reason
from gateway.events import Events
from gateway.server.arrival import REQUEST_ID_HEADER, Arrival, Door, refuse
from gateway.server.peers import Handler
from gateway.transcoding import Binding

__all__ = ["CANCELLED", "unary_handler"]

_AGE_HEADER = "age"
CANCELLED = Failure(code_pb2.CANCELLED, "", "")
"""The failure of a call whose caller disconnected."""


def unary_handler(
    door: Door,
    binding: Binding,
    unary: Unary,
    events: Events,
    max_response_bytes: int,
    take_room: Callable[[Any, int], None] | None = None,
) -> Handler:
    """The handler of one rpc. It accepts and returns serialized messages, so that an invalid request, and a response
    that is too large for gRPC, are handled like every other error."""

    async def handle(data: bytes | Failure, context: Any) -> bytes:
        arrival = Arrival(door, binding, context)
        failure: Failure | None = CANCELLED
        response, age = b"", None
        try:
            call = await arrival.call(data)
            answering = unary(call)
            if binding.method.waits:
                answering = asyncio.ensure_future(answering)
                try:
                    await arrival.while_allowed(call, answering)
                finally:
                    answering.cancel()  # Has no effect if it has ended.
            response, age = await answering
            if len(response) > max_response_bytes:
                text = f"the response has {len(response)} bytes; the gateway sends at most {max_response_bytes}"
                raise GatewayError(arrival.unanswered(Reason.VCENTER_RESPONSE_TOO_LARGE, text))
            if take_room is not None:
                take_room(context, len(response))
            if age is not None:
                await context.send_initial_metadata(((_AGE_HEADER, str(age)),))
            context.set_trailing_metadata(((REQUEST_ID_HEADER, arrival.request_id),))
            failure = None
        except GatewayError as error:
            failure = error.failure
        except Exception as error:
            failure = arrival.bug(error)
        finally:
            events.call_ended(arrival.ended(failure, age))
        if failure is not None:
            response = b""  # Released, so that it is not kept while a slow peer receives the status.
            await refuse(context, failure, arrival.request_id)
        return response

    return handle
