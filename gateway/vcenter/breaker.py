"""A circuit breaker: stops calling a vCenter that does not answer, and notices when it does again.

While vCenter restarts, every call would wait for a connection that does not come, and all of them together would greet
it when it is back. After several failures in a row the breaker opens: calls are refused at once, with the time after
which to try again. Then one call at a time is let through as a probe; the first that gets any answer closes it.
"""

from __future__ import annotations

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
    """One of them does, to see how vCenter is."""


class Breaker:
    """The breaker of one vCenter.

    Opens after `failures` in a row for `open_seconds`, twice as long after each probe that fails, at most
    `max_open_seconds`. `on_change` is told each new state.
    """

    def __init__(
        self,
        failures: int = 10,
        open_seconds: float = 2.0,
        max_open_seconds: float = 30.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        on_change: Callable[[BreakerState], None] = lambda state: None,
    ) -> None:
        self.state = BreakerState.CLOSED
        self._limit = failures
        self._first_wait = open_seconds
        self._max_wait = max_open_seconds
        self._clock = clock
        self._on_change = on_change
        self._failures = 0
        self._wait = open_seconds
        self._open_until = 0.0

    def admit(self) -> None:
        """Lets a call through, or raises GatewayError (UNAVAILABLE, with the time after which to try again).

        Each call that was let through has to be followed by `succeeded`, `failed` or `gave_up`.
        """
        if self.state is BreakerState.CLOSED:
            return
        now = self._clock()
        if self.state is BreakerState.OPEN and now >= self._open_until:
            self._become(BreakerState.HALF_OPEN)
            return
        remaining = self._open_until - now if self.state is BreakerState.OPEN else self._first_wait
        raise GatewayError(
            code_pb2.UNAVAILABLE,
            Reason.VCENTER_CIRCUIT_OPEN,
            "vCenter did not answer several calls in a row; the call was not sent",
            retry_delay=max(0.1, remaining),
        )

    def succeeded(self) -> None:
        """vCenter answered, whatever it said."""
        self._failures = 0
        self._wait = self._first_wait
        if self.state is not BreakerState.CLOSED:
            self._become(BreakerState.CLOSED)

    def failed(self) -> None:
        """There was no connection, or the proxy in front of vCenter said that it is down."""
        self._failures += 1
        if self.state is BreakerState.HALF_OPEN:
            self._wait = min(self._wait * 2, self._max_wait)
        elif self.state is BreakerState.OPEN or self._failures < self._limit:
            return
        self._open_until = self._clock() + self._wait
        self._become(BreakerState.OPEN)

    def gave_up(self) -> None:
        """The call ended without saying anything about vCenter: it was cancelled. A probe is taken again."""
        if self.state is BreakerState.HALF_OPEN:
            self._open_until = self._clock()
            self._become(BreakerState.OPEN)

    def _become(self, state: BreakerState) -> None:
        self.state = state
        self._on_change(state)
