"""The layer that reports each exchange with vCenter, and propagates its trace to vCenter."""

from __future__ import annotations

import time

from gateway.events import Events, Exchanged
from gateway.tracing import Tracing
from gateway.transcoding import RestResponse
from gateway.vcenter.exchange import Exchange, Send, SendLayer
from gateway.vcenter.failures import TransportError

__all__ = ["observing"]


def observing(events: Events, tracing: Tracing | None) -> SendLayer:
    """Reports the outcome of each exchange to `events`, with its span if `tracing` started one."""

    def layer(send: Send) -> Send:
        async def observe(exchange: Exchange) -> RestResponse:
            started = time.perf_counter()
            operation, call = exchange.request.operation, exchange.call
            outcome: int | str = "CANCELLED"
            cause = ""
            span = None if tracing is None else tracing.exchange(operation, call.trace if call is not None else None)
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
                events.exchanged(Exchanged(operation, outcome, time.perf_counter() - started, call, cause, span))

        return observe

    return layer
