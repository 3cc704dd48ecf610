"""The layers that retry: calls according to the policy, and safe requests on another connection."""

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
    """Retries a call within its deadline, as far as `policy` and `budget` allow. `seconds_refused` is how long the
    breaker refuses calls, 0 if it does not. A call that is not retried for that reason fails with the error of its last
    attempt.
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
    """Sends a request that is safe to repeat. If an idle connection turns out to be dead, the next attempt uses another
    one, or a new one after all of them."""

    async def try_again(exchange: Exchange) -> RestResponse:
        for _ in range(DEAD_CONNECTIONS):
            with contextlib.suppress(ConnectionLostError):
                return await send(exchange)
        return await send(exchange)

    return try_again
