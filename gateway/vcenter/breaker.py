"""A circuit breaker: stops calling a vCenter that does not answer, and notices when it does again.

While vCenter restarts, every call would wait for a connection that does not come, and all of them together would greet
it when it is back. After several failures in a row the breaker opens: calls are refused at once, with the time after
which to try again. Then a call is let through now and then as a probe; the first that gets any answer closes it.

A vCenter that takes calls and never answers is away too. But one call whose time is over does not tell that: its
deadline may be short, or its operation slow. So it counts as a failure only where it changes nothing, which is quick,
has waited for long, and nobody got an answer from vCenter in all that time.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from enum import StrEnum

from google.rpc import code_pb2

from gateway.transcoding import GatewayError, Reason

__all__ = ["Breaker", "BreakerState"]


class BreakerState(StrEnum):
    """Whether calls reach vCenter."""

    CLOSED = "closed"
    """They do."""
    OPEN = "open"
    """They are refused."""
    HALF_OPEN = "half-open"
    """Single ones do, to see how vCenter is."""


class Breaker:
    """The breaker of one vCenter.

    Opens after `failures` in a row for `open_seconds`, twice as long after each probe that fails, at most
    `max_open_seconds`. A call that gives up is a failure from `silence` seconds on. `on_change` is told each new state.
    """

    def __init__(
        self,
        failures: int = 10,
        open_seconds: float = 2.0,
        max_open_seconds: float = 30.0,
        *,
        silence: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
        on_change: Callable[[BreakerState], None] = lambda state: None,
    ) -> None:
        self.state = BreakerState.CLOSED
        self._limit = failures
        self._first_wait = open_seconds
        self._max_wait = max_open_seconds
        self.silence = silence
        """Seconds."""
        self._clock = clock
        self._on_change = on_change
        self._failures = 0
        self._wait = open_seconds
        self._next_probe = 0.0
        self._last_answer = -math.inf

    def admit(self) -> float:
        """Lets a call through and gives the time, for `gave_up`; or raises GatewayError (UNAVAILABLE, with the time
        after which to try again).

        Each call that was let through has to be followed by `succeeded`, `failed` or `gave_up`.
        """
        now = self._clock()
        if self.state is BreakerState.CLOSED:
            return now
        remaining = self._next_probe - now
        if remaining > 0:
            raise GatewayError(
                code_pb2.UNAVAILABLE,
                Reason.VCENTER_CIRCUIT_OPEN,
                "vCenter did not answer several calls in a row; the call was not sent",
                retry_delay=max(0.1, remaining),
            )
        # The next probe does not wait for the end of this one, which may come as late as its deadline.
        self._next_probe = now + self._wait
        self._become(BreakerState.HALF_OPEN)
        return now

    def succeeded(self) -> None:
        """vCenter answered, whatever it said."""
        self._failures = 0
        self._wait = self._first_wait
        self._last_answer = self._clock()
        self._become(BreakerState.CLOSED)

    def failed(self) -> None:
        """There was no connection, or the proxy in front of vCenter said that it is down."""
        self._failures += 1
        if self.state is BreakerState.HALF_OPEN:
            self._wait = min(self._wait * 2, self._max_wait)
        elif self.state is BreakerState.OPEN or self._failures < self._limit:
            return
        self._next_probe = self._clock() + self._wait
        self._become(BreakerState.OPEN)

    def gave_up(self, since: float | None = None) -> None:
        """The call ended without an answer: its time was over, or its caller left. `since` is when it was let through,
        None where that it took long says nothing about vCenter. A probe that says nothing is taken again."""
        if since is not None and self._last_answer <= since <= self._clock() - self.silence:
            self.failed()
        elif self.state is BreakerState.HALF_OPEN:
            self._next_probe = self._clock()
            self._become(BreakerState.OPEN)

    def _become(self, state: BreakerState) -> None:
        if self.state is not state:
            self.state = state
            self._on_change(state)
