"""The layer that tells of each exchange with vCenter, and vCenter of the trace that it belongs to."""

from __future__ import annotations

import time

from gateway.events import Events, Exchanged
from gateway.tracing import Tracing
from gateway.transcoding import RestResponse
from gateway.vcenter.exchange import Exchange, Send
from gateway.vcenter.failures import TransportError

__all__ = ["observing"]


def observing(send: Send, events: Events, tracing: Tracing | None) -> Send:
    """Tells `events` how each exchange ended, and has `tracing` follow it."""

    async def observe(exchange: Exchange) -> RestResponse:
        started = time.perf_counter()
        operation = exchange.request.operation
        outcome: int | str = "CANCELLED"
        cause = ""
        span = None if tracing is None else tracing.exchange(operation)
        if span is not None:
            exchange = exchange.with_headers(span.headers)
        try:
            response = await send(exchange)
            outcome = response.status
            return response
        except TransportError as error:
            outcome, cause = error.reason, str(error)
            raise
        finally:
            if span is not None:
                span.end(outcome)
            events.exchanged(Exchanged(operation, outcome, time.perf_counter() - started, exchange.call, cause))

    return observe
