"""The layers that send again: a call when the policy says so, and what does no harm on another connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from gateway.calls import Call, Layer, Reply, Unary
from gateway.errors import Failure, GatewayError, Reason
from gateway.events import Events, Retried
from gateway.transcoding import RestResponse
from gateway.vcenter.exchange import Exchange, Send
from gateway.vcenter.failures import ConnectionLostError
from gateway.vcenter.retry import DEAD_CONNECTIONS, RetryBudget, RetryPolicy

__all__ = ["on_any_connection", "retrying"]


def retrying(
    policy: RetryPolicy, budget: RetryBudget, events: Events, seconds_refused: Callable[[], float] = lambda: 0.0
) -> Layer:
    """Sends a call again within its deadline, as far as `policy` and `budget` allow.

    `seconds_refused` is how long nothing is sent at all, 0 where it is. A call that is not sent again for that reason
    ends in what became of it when it was sent.
    """

    def layer(unary: Unary) -> Unary:
        async def retry(call: Call) -> Reply:
            operation = call.binding.method.operation
            budget.called(operation)
            attempt = 0
            last: Failure | None = None
            while True:
                attempt += 1
                try:
                    return await unary(call)
                except GatewayError as error:
                    failure = policy.advised(error.failure)
                if last is not None and failure.reason == Reason.VCENTER_CIRCUIT_OPEN:
                    raise GatewayError(last.with_(retry_delay=failure.retry_delay))
                last = failure
                delay = policy.next(failure, attempt, is_repeatable=call.binding.is_repeatable(call.message))
                late = delay is not None and asyncio.get_running_loop().time() + delay >= call.deadline
                if delay is None or late or not budget.take(operation):
                    raise GatewayError(policy.told(failure))
                await asyncio.sleep(delay)
                if refused := seconds_refused():
                    raise GatewayError(failure.with_(retry_delay=refused))
                events.retried(Retried(call, failure, delay))

        return retry

    return layer


def on_any_connection(send: Send) -> Send:
    """Sends what does no harm when it is sent twice. A kept connection that turns out to be dead is no reason to give
    up; the next try takes another one, or a new one when all are used up."""

    async def try_again(exchange: Exchange) -> RestResponse:
        for _ in range(DEAD_CONNECTIONS):
            with contextlib.suppress(ConnectionLostError):
                return await send(exchange)
        return await send(exchange)

    return try_again
