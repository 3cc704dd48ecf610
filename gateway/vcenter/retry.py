"""Decides whether, when and how often something is tried again, by the gateway or by its callers.

Nothing else in the gateway does: whoever refuses a call takes the time after which to come again from here. One case
needs no decision: a call that met an ended session, which vCenter did not run, is sent once more with a new one
(`with_session`).

A change is sent again only when vCenter certainly did not run it: there was no connection. A call without side effects,
or with a client token by which vCenter recognizes it, is also sent again after a lost connection, 502, 503 and
RESOURCE_BUSY. What vCenter itself calls a lasting state is
not. Every wait is jittered, grows, and ends before the caller's deadline; and a budget bounds how many calls are sent
again, so that an outage is not multiplied.
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
"""For a call that is refused because too many wait for their turn."""
TOO_MANY_STREAMS_SECONDS = 5.0
"""For a stream that is refused because too many are open."""
FIRST_PROBE_SECONDS = 2.0
"""How long nothing is sent to a vCenter that does not answer; twice as long after each probe that fails."""
LONGEST_PROBE_SECONDS = 30.0
SHORTEST_SECONDS = 0.1
"""No caller is told to come again sooner."""
REJECTED_SECONDS = 300.0
"""For a password that vCenter refused and that has never worked. vCenter counts refusals for three minutes."""
PROVEN_REJECTED_SECONDS = (5.0, 30.0, 300.0)
"""For one that has worked before, by how often in a row it was refused: vCenter itself may be at fault."""
LOGIN_UNDER_WAY_SECONDS = 1.0
"""For a password that has to wait for how the logins under way end."""
DEAD_CONNECTIONS = 8
"""How many connections that turn out to be dead a logout tries before its last one."""

# After which the same read may well succeed: a proxy lost the service, or there was none.
_TRANSIENT_STATUSES = frozenset({"502", "503"})
_NO_ANSWER = frozenset({Reason.VCENTER_UNREACHABLE, Reason.VCENTER_CONNECTION_LOST, Reason.VCENTER_TIMEOUT})
_BUSY = "RESOURCE_BUSY"
_BUSY_SECONDS = 1.0
_MAX_ADVICE = 30.0
_DEFAULTS = RetrySettings()


class RetryBudget:
    """Lets about `ratio` of all calls be sent again, and `reserve` of them even when hardly anything is called."""

    def __init__(self, ratio: float = _DEFAULTS.budget_ratio, reserve: float = 10.0) -> None:
        self._ratio = ratio
        self._reserve = reserve
        self._tokens: dict[str, float] = {}
        """What is left of an operation's. Each has its own: one that never succeeds takes nothing from the others."""

    def called(self, operation: str) -> None:
        """A call was made for the first time."""
        tokens = self._tokens.get(operation)
        if tokens is not None:
            self._tokens[operation] = min(self._reserve, tokens + self._ratio)

    def take(self, operation: str) -> bool:
        """Whether a call may be sent again now; if so, it counts."""
        tokens = self._tokens.get(operation, self._reserve)
        if tokens < 1:
            return False
        self._tokens[operation] = tokens - 1
        return True


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and after which time a call is sent again. Times are in seconds."""

    tries: int = _DEFAULTS.tries
    """How often a call is sent, the first time included."""
    backoff: float = _DEFAULTS.backoff_seconds
    """The longest wait before the second try; it doubles with each further one."""
    max_backoff: float = _DEFAULTS.max_backoff_seconds
    budget_ratio: float = _DEFAULTS.budget_ratio
    """The share of an operation's calls that may be sent again, beside a small reserve."""
    login_backoff: float = _DEFAULTS.login_backoff_seconds
    """How long no login is tried after one that failed; it doubles with each further one."""
    max_login_backoff: float = _DEFAULTS.max_login_backoff_seconds
    jitter: Callable[[float, float], float] = random.uniform
    """Picks a wait between the two."""

    def next(self, failure: Failure, attempt: int, *, is_repeatable: bool) -> float | None:
        """How long to wait after try number `attempt` ended in `failure`; None for never. A budget has its say after
        that, and the deadline."""
        if attempt >= self.tries or not _may_repeat(failure, is_repeatable):
            return None
        wait = self.jitter(0, min(self.max_backoff, self.backoff * 2 ** (attempt - 1)))
        return wait if failure.retry_delay is None else max(wait, failure.retry_delay)

    def next_login(self, failures: int, advised: float | None, *, was_answered: bool = True) -> float:
        """How long no login of the same credential is tried after `failures` in a row that were not about the password.
        `advised` is what vCenter asks for; a vCenter that asks for an hour is asked again sooner. After a login that
        was not answered the wait is that of a call: the connection broke, which the next one may not, and the breaker
        sees to it where none holds."""
        first, most = self.login_backoff, self.max_login_backoff
        if not was_answered:
            first, most = self.backoff, self.max_backoff
        longest = min(most, first * 2 ** min(failures - 1, 16))
        wait = self.jitter(longest / 2, longest)
        return wait if advised is None else min(max(wait, advised), self.max_login_backoff)

    @classmethod
    def of(cls, settings: RetrySettings) -> RetryPolicy:
        """The policy that the settings describe."""
        return cls(
            tries=settings.tries,
            backoff=settings.backoff_seconds,
            max_backoff=settings.max_backoff_seconds,
            budget_ratio=settings.budget_ratio,
            login_backoff=settings.login_backoff_seconds,
            max_login_backoff=settings.max_login_backoff_seconds,
        )

    def budget(self) -> RetryBudget:
        """A budget of its own for one vCenter."""
        return RetryBudget(self.budget_ratio)

    @staticmethod
    def advised(failure: Failure) -> Failure:
        """The failure with the time after which the caller may try again, where that follows from what it is."""
        if failure.reason == _BUSY and failure.domain == VCENTER_DOMAIN and failure.retry_delay is None:
            return failure.with_(retry_delay=_BUSY_SECONDS)
        return failure

    @staticmethod
    def told(failure: Failure) -> Failure:
        """The failure as its caller reads it. vCenter may ask for an hour where it is well again within a minute, and
        clients obey: they are told to come back sooner."""
        if failure.retry_delay is not None and failure.retry_delay > _MAX_ADVICE and failure.domain == VCENTER_DOMAIN:
            return failure.with_(retry_delay=_MAX_ADVICE)
        return failure

    @staticmethod
    def client_pushback(failure: Failure) -> int | None:
        """Milliseconds for `grpc-retry-pushback-ms`, -1 for never, None to leave it to the client's own policy."""
        return -1 if failure.may_have_executed or failure.is_lasting else None


def _may_repeat(failure: Failure, is_repeatable: bool) -> bool:
    """Whether the same call may well succeed a moment later, and does no harm when it is sent again."""
    if failure.reason in _NO_ANSWER:
        return failure.code == code_pb2.UNAVAILABLE and (is_repeatable or not failure.may_have_executed)
    if not is_repeatable or failure.is_lasting:
        return False
    return failure.reason == _BUSY or (
        failure.code == code_pb2.UNAVAILABLE and failure.metadata.get("http_status") in _TRANSIENT_STATUSES
    )


@dataclass(frozen=True, slots=True)
class ClientRetries:
    """How clients repeat reads that ended in UNAVAILABLE, by gRPC's own retries. Times are in seconds."""

    max_attempts: int = 4
    initial_backoff: float = 0.2
    max_backoff: float = 3.0
    backoff_multiplier: float = 2
    codes: tuple[str, ...] = ("UNAVAILABLE",)
    max_tokens: float = 20
    """Of many failing calls only a part is repeated, so that an outage is not multiplied."""
    token_ratio: float = 0.1


CLIENT_RETRIES = ClientRetries()
"""What clients/service_config.json and the retries of clients without one are generated from."""
