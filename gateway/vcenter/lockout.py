"""Keeps vCenter from locking accounts: it does that after five refused passwords within three minutes.

The bound is on the account, over all spellings of the user name, all passwords and all callers. Of the four tries that
are safe, passwords that have worked before may use three, and all others three: neither a caller who makes passwords up
nor one who goes on with an old password takes the last try from the other. What is known of refused passwords is never
pushed out by others: where there is room for no more accounts, no unknown password of a further one is tried.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.calls import Basic
from gateway.vcenter.retry import LOGIN_UNDER_WAY_SECONDS, PROVEN_REJECTED_SECONDS, REJECTED_SECONDS

__all__ = ["Attempt", "LockoutGuard"]

_WINDOW = 180.0
_TRIES = 4
_TRIES_OF_A_KIND = 3
_MAX_ACCOUNTS = 20_000
_BETWEEN_CLEANUPS = 1.0


@dataclass(slots=True)
class _Account:
    """What counts is apart by kind: index 0 for passwords of which nothing is known, 1 for those that have worked."""

    pending: list[int] = field(default_factory=lambda: [0, 0])
    """Logins under way, each of which may be refused."""
    refusals: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))
    """When passwords were refused, within the window."""
    refused: dict[bytes, tuple[float, int]] = field(default_factory=dict)
    """Credentials that are not tried before this time, and how often in a row each was refused."""

    def seconds_to_wait(self, kind: int, now: float) -> float:
        """How long no further password of this kind may be tried."""
        return max(
            _seconds_until_room(self.refusals[kind], self.pending[kind], _TRIES_OF_A_KIND, now),
            _seconds_until_room(sorted(self.refusals[0] + self.refusals[1]), sum(self.pending), _TRIES, now),
        )

    def forget(self, now: float) -> None:
        """Drops what does not matter any more."""
        for refusals in self.refusals:
            refusals[:] = [time for time in refusals if now - time < _WINDOW]
        self.refused = {key: value for key, value in self.refused.items() if value[0] > now - _WINDOW}

    @property
    def is_empty(self) -> bool:
        return not any(self.pending) and not any(self.refusals) and not self.refused


def _seconds_until_room(refusals: list[float], pending: int, tries: int, now: float) -> float:
    """How long it takes until fewer than `tries` refusals are within the window, each login under way counted as one;
    0 when it is so now. `refusals` are in their order."""
    recent = [time for time in refusals if now - time < _WINDOW]
    if pending + len(recent) < tries:
        return 0.0
    return recent[len(recent) - tries] + _WINDOW - now if len(recent) >= tries else LOGIN_UNDER_WAY_SECONDS


@dataclass(frozen=True, slots=True)
class Attempt:
    """A login under way. Exactly one of the methods is called, once."""

    guard: LockoutGuard
    account: _Account
    credential: Basic
    is_proven: bool

    def accepted(self) -> None:
        """The password is right."""
        self.account.refused.pop(self.credential.digest, None)
        self.ended()

    def ended(self) -> None:
        """vCenter did not judge the password."""
        self.account.pending[self.is_proven] -= 1
        self.guard.settle(self.credential)

    def unanswered(self) -> None:
        """vCenter may have judged the password, and nobody knows how. One that has worked before is taken to be right;
        any other one may have been refused."""
        if not self.is_proven:
            self.account.refusals[self.is_proven].append(self.guard.clock())
        self.ended()

    def refused(self) -> float:
        """vCenter refused the password. Gives how long it is not tried again, in seconds."""
        account, key, now = self.account, self.credential.digest, self.guard.clock()
        account.refusals[self.is_proven].append(now)
        _, before = account.refused.get(key, (0.0, 0))
        proven = PROVEN_REJECTED_SECONDS
        wait = proven[min(before, len(proven) - 1)] if self.is_proven else REJECTED_SECONDS
        account.refused[key] = (now + wait, before + 1)
        self.ended()
        return wait


class LockoutGuard:
    """Decides whether a password may be tried. `clock` is the time in seconds."""

    def __init__(self, *, max_accounts: int = _MAX_ACCOUNTS, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._max_accounts = max_accounts
        self._accounts: dict[str, _Account] = {}
        self._next_cleanup = 0.0

    def seconds_refused(self, credential: Basic) -> float:
        """How long a credential is not tried because vCenter refused it; 0 where it did not."""
        account = self._accounts.get(credential.account)
        until, _ = account.refused.get(credential.digest, (0.0, 0)) if account else (0.0, 0)
        return max(0.0, until - self.clock())

    def seconds_to_wait(self, credential: Basic, *, is_proven: bool) -> float:
        """How long no further password of the account is tried; 0 where one may be. `is_proven` is one that has
        worked."""
        account, now = self._accounts.get(credential.account), self.clock()
        if account is not None:
            return account.seconds_to_wait(is_proven, now)
        return 0.0 if is_proven or self._has_room(now) else _WINDOW

    def begins(self, credential: Basic, *, is_proven: bool) -> Attempt:
        """A login begins, to be told how it ended."""
        account = self._accounts.setdefault(credential.account, _Account())
        account.pending[is_proven] += 1
        return Attempt(self, account, credential, is_proven)

    def settle(self, credential: Basic) -> None:
        """Drops what does not matter any more after a login ended."""
        account = self._accounts[credential.account]
        account.forget(self.clock())
        if account.is_empty:
            del self._accounts[credential.account]

    def _has_room(self, now: float) -> bool:
        """Whether another account can be remembered. Looks through all of them now and then only."""
        if len(self._accounts) >= self._max_accounts and now >= self._next_cleanup:
            self._next_cleanup = now + _BETWEEN_CLEANUPS
            for name, account in list(self._accounts.items()):
                account.forget(now)
                if account.is_empty:
                    del self._accounts[name]
        return len(self._accounts) < self._max_accounts
