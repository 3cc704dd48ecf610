"""A circuit breaker: stops calling a vCenter that does not respond, and detects when it responds again.

While vCenter restarts, every call would wait for a connection, and all of them would hit it at the same time when it is
back. After several failures in a row, the breaker opens: calls are refused immediately, with a retry delay. From time
to time, one call is let through as a probe; the first one that gets any response closes the breaker.

A connection that cannot be opened is a certain sign. A connection that breaks during a call is not, nor is a proxy's
page: a single operation or request may cause it while vCenter is healthy. Before the breaker opens for such a reason,
it sends vCenter a harmless request of its own. A vCenter that accepts calls but never responds is down too. But a
single call that times out does not prove that: its deadline may be short, or its operation slow. Therefore, it only
counts, as a reason to probe, if it is a read, which is fast, has waited for long, and no call got a response from
vCenter during that time.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from enum import StrEnum

from gateway.errors import Failure, GatewayError, Reason
from gateway.events import BreakerChanged, Events
from gateway.transcoding import RestResponse
from gateway.vcenter.exchange import Exchange, Send, SendLayer
from gateway.vcenter.failures import AnswerTooLargeError, CertificateError, ConnectionLostError, NotSentError
from gateway.vcenter.retry import FIRST_PROBE_SECONDS, LONGEST_PROBE_SECONDS, SHORTEST_SECONDS

__all__ = ["Breaker", "BreakerState", "guarded"]

# Statuses of the proxy in front of vCenter if there is nothing behind it.
_PROXY_ERRORS = frozenset({502, 503, 504})


class BreakerState(StrEnum):
    """Whether calls reach vCenter."""

    CLOSED = "closed"
    """They do."""
    OPEN = "open"
    """They are refused."""
    HALF_OPEN = "half-open"
    """Single calls do, to probe vCenter."""


async def _no_answer() -> bool:
    return False


class Breaker:
    """The breaker of one vCenter. Opens after `failures` in a row for `open_seconds`, twice as long after each failed
    probe, at most `max_open_seconds`. A call that times out counts as a failure from `silence` seconds on. `answers`
    sends vCenter a request and returns whether it responded.
    """

    def __init__(
        self,
        failures: int = 10,
        open_seconds: float = FIRST_PROBE_SECONDS,
        max_open_seconds: float = LONGEST_PROBE_SECONDS,
        *,
        silence: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        events: Events | None = None,
        answers: Callable[[], Awaitable[bool]] = _no_answer,
    ) -> None:
        self.state = BreakerState.CLOSED
        self.cause = ""
        """Why the breaker is not closed."""
        self._limit = failures
        self._first_wait = open_seconds
        self._max_wait = max_open_seconds
        self.silence = silence
        """Seconds."""
        self._clock = clock
        self._events = events or Events()
        self._answers = answers
        self._failures = 0
        self._wait = open_seconds
        self._next_probe = 0.0
        self._last_answer = -math.inf
        self._asking: asyncio.Future[None] | None = None

    @property
    def seconds_to_probe(self) -> float:
        """How long calls are still refused, 0 if they are not."""
        return 0.0 if self.state is BreakerState.CLOSED else max(0.0, self._next_probe - self._clock())

    def admit(self) -> float:
        """Admits a call and returns the time, for `gave_up`; or raises GatewayError (UNAVAILABLE, with the retry
        delay). Each admitted call must be followed by `succeeded`, `failed`, `doubted` or `gave_up`.
        """
        now = self._clock()
        if self.state is BreakerState.CLOSED:
            return now
        remaining = self._next_probe - now
        if remaining > 0:
            text = "vCenter did not answer several calls in a row; the call was not sent"
            raise GatewayError(
                Failure.of(
                    Reason.VCENTER_CIRCUIT_OPEN,
                    text,
                    retry_delay=max(SHORTEST_SECONDS, remaining),
                    cause=self.cause,
                )
            )
        # The next probe does not wait for the end of this one, which may be as late as its deadline.
        self._next_probe = now + self._wait
        self._become(BreakerState.HALF_OPEN)
        return now

    def succeeded(self) -> None:
        """vCenter responded, no matter what."""
        self._failures = 0
        self._wait = self._first_wait
        self._last_answer = self._clock()
        self._become(BreakerState.CLOSED)

    def failed(self, cause: str = "") -> None:
        """There was no connection."""
        self._failures += 1
        if self.state is BreakerState.HALF_OPEN:
            self._wait = min(self._wait * 2, self._max_wait)
        elif self.state is BreakerState.OPEN or self._failures < self._limit:
            return
        self._next_probe = self._clock() + self._wait
        self._become(BreakerState.OPEN, cause)

    def doubted(self, cause: str = "") -> None:
        """The connection broke during a call, or the proxy in front of vCenter reported that the service behind it is
        down, which may affect only this call."""
        if self.state is not BreakerState.CLOSED or self._failures + 1 < self._limit:
            self.failed(cause)
        elif self._asking is None:
            self._asking = asyncio.ensure_future(self._ask(cause))

    def gave_up(self, since: float | None = None) -> None:
        """The call ended without a response: its deadline expired, or its caller disconnected. `since` is when it was
        admitted, None if its duration says nothing about vCenter. An inconclusive probe is repeated."""
        if since is not None and self._last_answer <= since <= self._clock() - self.silence:
            self.doubted("vCenter accepts calls but does not answer them")
        elif self.state is BreakerState.HALF_OPEN:
            self._next_probe = self._clock()
            self._become(BreakerState.OPEN, self.cause)

    def close(self) -> None:
        """Ends the breaker's own requests."""
        if self._asking is not None:
            self._asking.cancel()

    async def _ask(self, cause: str) -> None:
        try:
            if await self._answers():
                self.succeeded()
            else:
                self.failed(cause)
        finally:
            self._asking = None

    def _become(self, state: BreakerState, cause: str = "") -> None:
        if self.state is not state:
            self.state = state
            self.cause = cause if state is BreakerState.OPEN else "" if state is BreakerState.CLOSED else self.cause
            self._events.breaker_changed(BreakerChanged(state, self.cause))


def guarded(breaker: Breaker) -> SendLayer:
    """Sends exchanges that the breaker admits, and reports their outcome to it."""

    def layer(send: Send) -> Send:
        async def guard(exchange: Exchange) -> RestResponse:
            admitted = breaker.admit()
            try:
                response = await send(exchange)
            except CertificateError:
                breaker.gave_up()  # Callers should see the certificate's problem, not that the breaker is open.
                raise
            except NotSentError as error:
                breaker.failed(str(error))
                raise
            except ConnectionLostError as error:
                breaker.doubted(str(error))
                raise
            except AnswerTooLargeError:
                breaker.succeeded()
                raise
            except BaseException:
                breaker.gave_up(admitted if exchange.is_quick else None)
                raise
            if response.status not in _PROXY_ERRORS or response.is_json:
                breaker.succeeded()
            elif response.status == 504 and not exchange.is_quick:
                breaker.gave_up()  # A change may be slow.
            else:
                breaker.doubted(f"the proxy in front of vCenter answered HTTP {response.status}")
            return response

        return guard

    return layer
