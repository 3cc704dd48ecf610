"""The layer that sends a call again when the policy says so."""

from __future__ import annotations

import asyncio

from gateway.calls import Call, Layer, Reply, Unary
from gateway.errors import GatewayError
from gateway.events import Events, Retried
from gateway.vcenter.retry import RetryBudget, RetryPolicy

__all__ = ["retrying"]


def retrying(policy: RetryPolicy, budget: RetryBudget, events: Events) -> Layer:
    """Sends a call again within its deadline, as far as `policy` and `budget` allow."""

    def layer(unary: Unary) -> Unary:
        async def retry(call: Call) -> Reply:
            operation = call.binding.method.operation
            budget.called(operation)
            attempt = 0
            while True:
                attempt += 1
                try:
                    return await unary(call)
                except GatewayError as error:
                    failure = policy.advised(error.failure)
                delay = policy.next(failure, call, attempt)
                late = delay is not None and asyncio.get_running_loop().time() + delay >= call.deadline
                if delay is None or late or not budget.take(operation):
                    raise GatewayError(policy.told(failure))
                events.retried(Retried(call, failure, delay))
                await asyncio.sleep(delay)

        return retry

    return layer
