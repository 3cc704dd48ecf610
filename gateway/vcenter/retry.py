"""Decides whether, when and how often the gateway or its callers retry.

Nothing else in the gateway does: all refusals take their retry delay from here. One case needs no decision: a call with
an expired session, which vCenter did not execute, is sent once more with a new one (`with_session`).

A change is retried only if vCenter certainly did not execute it: there was no connection. A call without side effects,
or with a client token by which vCenter recognizes it, is also retried after a lost connection, 502, 503 and
RESOURCE_BUSY, but not if vCenter reports a lasting state. Waits use exponential backoff with jitter, and end before the
caller's deadline; and a budget limits the number of retries, so that they do not multiply the load of an outage.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from google.rpc import code_pb2

from gateway.errors import VCENTER_DOMAIN, Failure, Reason
from gateway.settings.vcenter import RetrySettings

__all__ = [
    "CLIENT_RETRIES",
    "DEAD_CONNECTIONS",
    "FIRST_PROBE_SECONDS",
    "LOGIN_UNDER_WAY_SECONDS",
    "LONGEST_PROBE_SECONDS",
    "OVERLOADED_SECONDS",
    "PROVEN_REJECTED_SECONDS",
    "REJECTED_SECONDS",
    "SHORTEST_SECONDS",
    "TOO_MANY_STREAMS_SECONDS",
    "ClientRetries",
    "RetryBudget",
    "RetryPolicy",
]

OVERLOADED_SECONDS = 1.0
"""For a call that is refused because too many calls wait."""
TOO_MANY_STREAMS_SECONDS = 5.0
"""For a stream that is refused because too many are open."""
FIRST_PROBE_SECONDS = 2.0
"""How long nothing is sent to a vCenter that does not respond; twice as long after each failed probe."""
LONGEST_PROBE_SECONDS = 30.0
SHORTEST_SECONDS = 0.1
"""Minimum retry delay for callers."""
REJECTED_SECONDS = 300.0
"""For a password that vCenter rejected and that has never worked. vCenter counts rejections for three minutes."""
PROVEN_REJECTED_SECONDS = (5.0, 30.0, 300.0)
"""For one that has worked before, by how often in a row it was rejected: vCenter itself may be at fault."""
LOGIN_UNDER_WAY_SECONDS = 1.0
"""For a password that must wait for the outcome of logins in flight."""
DEAD_CONNECTIONS = 8
"""How many dead connections a logout tries before its last attempt."""

# Statuses after which the same read may succeed: a proxy lost the service, or there was none.
_TRANSIENT_STATUSES = frozenset({"502", "503"})
_NO_ANSWER = frozenset({Reason.VCENTER_UNREACHABLE, Reason.VCENTER_CONNECTION_LOST, Reason.VCENTER_TIMEOUT})
_BUSY = "RESOURCE_BUSY"
_BUSY_SECONDS = 1.0
_MAX_ADVICE = 30.0
_WATCH_SECONDS, _MAX_WATCH_SECONDS = 1.0, 30.0
_DEFAULTS = RetrySettings()


class RetryBudget:
    """Allows retries of about `ratio` of all calls, and `reserve` of them even with hardly any calls."""

    def __init__(self, ratio: float = _DEFAULTS.budget_ratio, reserve: float = 10.0) -> None:
        self._ratio = ratio
        self._reserve = reserve
        self._tokens: dict[str, float] = {}
        """The remaining budget of each operation: one that never succeeds takes nothing from the others."""

    def called(self, operation: str) -> None:
        """A call was made for the first time."""
        tokens = self._tokens.get(operation)
        if tokens is not None:
            self._tokens[operation] = min(self._reserve, tokens + self._ratio)

    def take(self, operation: str) -> bool:
        """Whether a call may be retried now; if so, it is counted."""
        tokens = self._tokens.get(operation, self._reserve)
        if tokens < 1:
            return False
        self._tokens[operation] = tokens - 1
        return True


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and after which time a call is retried. Times are in seconds."""

    tries: int = _DEFAULTS.tries
    """Maximum number of attempts, including the first."""
    backoff: float = _DEFAULTS.backoff_seconds
    """Maximum wait before the second attempt; it doubles with each attempt."""
    max_backoff: float = _DEFAULTS.max_backoff_seconds
    budget_ratio: float = _DEFAULTS.budget_ratio
    """The share of an operation's calls that may be retried, in addition to a small reserve."""
    login_backoff: float = _DEFAULTS.login_backoff_seconds
    """How long no login is tried after a failed one; it doubles with each failure."""
    max_login_backoff: float = _DEFAULTS.max_login_backoff_seconds
    jitter: Callable[[float, float], float] = random.uniform
    """Picks a wait between the two."""

    def next(self, failure: Failure, attempt: int, *, is_repeatable: bool) -> float | None:
        """How long to wait after attempt number `attempt` failed with `failure`; None for no retry. The budget and the
        deadline apply afterwards."""
        if attempt >= self.tries or not _may_repeat(failure, is_repeatable):
            return None
        wait = self.jitter(0, min(self.max_backoff, self.backoff * 2 ** (attempt - 1)))
        return wait if failure.retry_delay is None else max(wait, failure.retry_delay)

    def next_login(self, failures: int, advised: float | None, *, was_answered: bool = True) -> float:
        """How long no login of the same credential is tried after `failures` in a row that were not about the password.
        `advised` is vCenter's `Retry-After`; if vCenter asks for an hour, the gateway retries sooner. After a login
        without a response, the wait is that of a call: the next connection may work, and otherwise the breaker
        opens."""
        first, most = self.login_backoff, self.max_login_backoff
        if not was_answered:
            first, most = self.backoff, self.max_backoff
        longest = min(most, first * 2 ** min(failures - 1, 16))
        wait = self.jitter(longest / 2, longest)
        return wait if advised is None else min(max(wait, advised), self.max_login_backoff)

    @staticmethod
    def next_watch(failures: int, advised: float | None = None) -> float:
        """How long the gateway waits before it watches vCenter again, after `failures` attempts in a row that showed
        nothing. The first wait is short, so that a restart of vCenter causes only a short gap."""
        longest = min(_MAX_WATCH_SECONDS, _WATCH_SECONDS * 2 ** min(failures - 1, 16))
        wait = random.uniform(0, longest)  # noqa: S311 - no secret
        return wait if advised is None else max(wait, advised)

    @classmethod
    def of(cls, settings: RetrySettings) -> RetryPolicy:
        """The policy from the settings."""
        return cls(
            tries=settings.tries,
            backoff=settings.backoff_seconds,
            max_backoff=settings.max_backoff_seconds,
            budget_ratio=settings.budget_ratio,
            login_backoff=settings.login_backoff_seconds,
            max_login_backoff=settings.max_login_backoff_seconds,
        )

    def budget(self) -> RetryBudget:
        """A new budget for one vCenter."""
        return RetryBudget(self.budget_ratio)

    @staticmethod
    def advised(failure: Failure) -> Failure:
        """The failure with a retry delay, if its kind implies one."""
        if failure.reason == _BUSY and failure.domain == VCENTER_DOMAIN and failure.retry_delay is None:
            return failure.with_(retry_delay=_BUSY_SECONDS)
        return failure

    @staticmethod
    def told(failure: Failure) -> Failure:
        """The failure for the caller. vCenter may ask for an hour although it recovers within a minute, and clients
        obey, so they are told to retry sooner."""
        if failure.retry_delay is not None and failure.retry_delay > _MAX_ADVICE and failure.domain == VCENTER_DOMAIN:
            return failure.with_(retry_delay=_MAX_ADVICE)
        return failure

    @staticmethod
    def client_pushback(failure: Failure) -> int | None:
        """Milliseconds for `grpc-retry-pushback-ms`, -1 for never, None to leave it to the client's own policy."""
        return -1 if failure.may_have_executed or failure.is_lasting else None


def _may_repeat(failure: Failure, is_repeatable: bool) -> bool:
    """Whether the same call may succeed a moment later, and is safe to retry."""
    if failure.reason in _NO_ANSWER:
        return failure.code == code_pb2.UNAVAILABLE and (is_repeatable or not failure.may_have_executed)
    if not is_repeatable or failure.is_lasting:
        return False
    return failure.reason == _BUSY or (
        failure.code == code_pb2.UNAVAILABLE and failure.metadata.get("http_status") in _TRANSIENT_STATUSES
    )


@dataclass(frozen=True, slots=True)
class ClientRetries:
    """How clients retry reads that failed with UNAVAILABLE, with gRPC's own retries. Times are in seconds."""

    max_attempts: int = 4
    initial_backoff: float = 0.2
    max_backoff: float = 3.0
    backoff_multiplier: float = 2
    codes: tuple[str, ...] = ("UNAVAILABLE",)
    max_tokens: float = 20
    """Only a part of many failing calls is retried, so that retries do not multiply the load of an outage."""
    token_ratio: float = 0.1


CLIENT_RETRIES = ClientRetries()
"""Source of clients/service_config.json and of the retries of clients without one."""
