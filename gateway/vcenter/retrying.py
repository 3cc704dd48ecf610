"""The layers that retry: calls according to the policy, and safe requests on another connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from gateway.calls import Call, Layer, Reply, Unary
from gateway.errors import Failure, GatewayError, Reason
from gateway.events import Events, Retried
from gateway.transcoding import RestResponse
from gateway.vcenter.exchange import Exchange, Send
from gateway.vcenter.failures import ConnectionLostError
from gateway.vcenter.retry import DEAD_CONNECTIONS, RetryBudget, RetryPolicy

__all__ = ["Retries", "on_any_connection", "retrying"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Retries:
    """Retries calls of one vCenter, as far as `policy` and `budget` allow. `seconds_refused` is how long the breaker
    refuses calls, 0 if it does not.
    """

    policy: RetryPolicy
    budget: RetryBudget
    events: Events
    seconds_refused: Callable[[], float] = lambda: 0.0

    async def run(
        self,
        attempt: Callable[[], Awaitable[T]],
        operation: str,
        deadline: float,
        *,
        is_repeatable: bool,
        call: Call | None,
    ) -> T:
        """The result of an attempt that succeeds before the deadline. Raises the error of the last attempt, also if the
        breaker refuses another one. `call` is the call that causes them, None for the gateway's own requests."""
        self.budget.called(operation)
        attempts = 0
        last: Failure | None = None
        while True:
            attempts += 1
            try:
                return await attempt()
            except GatewayError as error:
                failure = self.policy.advised(error.failure)
            if last is not None and failure.reason == Reason.VCENTER_CIRCUIT_OPEN:
                raise GatewayError(last.with_(retry_delay=failure.retry_delay))
            last = failure
            delay = self.policy.next(failure, attempts, is_repeatable=is_repeatable)
            late = delay is not None and asyncio.get_running_loop().time() + delay >= deadline
            if delay is None or late or not self.budget.take(operation):
                raise GatewayError(self.policy.told(failure))
            await asyncio.sleep(delay)
            if refused := self.seconds_refused():
                raise GatewayError(failure.with_(retry_delay=refused))
            if call is not None:
                self.events.retried(Retried(call, failure, delay))


def retrying(retries: Retries) -> Layer:
    """Retries a call within its deadline."""

    def layer(unary: Unary) -> Unary:
        def retry(call: Call) -> Awaitable[Reply]:
            binding = call.binding
            return retries.run(
                lambda: unary(call),
                binding.method.operation,
                call.deadline,
                is_repeatable=binding.is_repeatable(call.message),
                call=call,
            )

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
