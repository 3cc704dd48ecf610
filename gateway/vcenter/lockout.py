"""Keeps vCenter from locking accounts, which it does after five wrong passwords within three minutes.

The limit applies to the account, across all spellings of the user name, all passwords and all callers. Of the four safe
attempts, passwords that have worked before may use three, and all others three: neither a caller with made-up passwords
nor one that keeps using an old password takes the last attempt from the other. Records of rejected passwords are never
evicted by others: if no more accounts can be remembered, no unknown password of a new account is tried.
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
    """Counted separately: index 0 for unknown passwords, 1 for those that have worked."""

    pending: list[int] = field(default_factory=lambda: [0, 0])
    """Logins in flight, each of which may be rejected."""
    refusals: tuple[list[float], list[float]] = field(default_factory=lambda: ([], []))
    """Times of rejected passwords within the window."""
    refused: dict[bytes, tuple[float, int]] = field(default_factory=dict)
    """Credentials with the time of the next attempt, and how often in a row each was rejected."""

    def seconds_to_wait(self, kind: int, now: float) -> float:
        """How long no other password of this kind may be tried."""
        return max(
            _seconds_until_room(self.refusals[kind], self.pending[kind], _TRIES_OF_A_KIND, now),
            _seconds_until_room(sorted(self.refusals[0] + self.refusals[1]), sum(self.pending), _TRIES, now),
        )

    def forget(self, now: float) -> None:
        """Removes expired entries."""
        for refusals in self.refusals:
            refusals[:] = [time for time in refusals if now - time < _WINDOW]
        self.refused = {key: value for key, value in self.refused.items() if value[0] > now - _WINDOW}

    @property
    def is_empty(self) -> bool:
        return not any(self.pending) and not any(self.refusals) and not self.refused


def _seconds_until_room(refusals: list[float], pending: int, tries: int, now: float) -> float:
    """How long until fewer than `tries` rejections are within the window, counting each login in flight as one; 0 if
    that is already so. `refusals` are in order."""
    recent = [time for time in refusals if now - time < _WINDOW]
    if pending + len(recent) < tries:
        return 0.0
    return recent[len(recent) - tries] + _WINDOW - now if len(recent) >= tries else LOGIN_UNDER_WAY_SECONDS


@dataclass(frozen=True, slots=True)
class Attempt:
    """A login in flight. Call exactly one of the methods, once."""

    guard: LockoutGuard
    account: _Account
    credential: Basic
    is_proven: bool

    def accepted(self) -> None:
        """The password is right."""
        self.account.refused.pop(self.credential.digest, None)
        self.ended()

    def ended(self) -> None:
        """vCenter did not check the password."""
        self.account.pending[self.is_proven] -= 1
        self.guard.settle(self.credential)

    def unanswered(self) -> None:
        """vCenter may have checked the password, with unknown outcome. A password that has worked before counts as
        right; any other may have been rejected."""
        if not self.is_proven:
            self.account.refusals[self.is_proven].append(self.guard.clock())
        self.ended()

    def refused(self) -> float:
        """vCenter rejected the password. Returns the seconds until it is tried again."""
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
        """How long a credential is not tried because vCenter rejected it; 0 if it may be tried."""
        account = self._accounts.get(credential.account)
        until, _ = account.refused.get(credential.digest, (0.0, 0)) if account else (0.0, 0)
        return max(0.0, until - self.clock())

    def seconds_to_wait(self, credential: Basic, *, is_proven: bool) -> float:
        """How long no other password of the account is tried; 0 if one may be. `is_proven` means one that has
        worked."""
        account, now = self._accounts.get(credential.account), self.clock()
        if account is not None:
            return account.seconds_to_wait(is_proven, now)
        return 0.0 if is_proven or self._has_room(now) else _WINDOW

    def begins(self, credential: Basic, *, is_proven: bool) -> Attempt:
        """Starts a login; report its outcome to the returned attempt."""
        account = self._accounts.setdefault(credential.account, _Account())
        account.pending[is_proven] += 1
        return Attempt(self, account, credential, is_proven)

    def settle(self, credential: Basic) -> None:
        """Removes expired entries after a login has ended."""
        account = self._accounts[credential.account]
        account.forget(self.clock())
        if account.is_empty:
            del self._accounts[credential.account]

    def _has_room(self, now: float) -> bool:
        """Whether another account can be remembered. Scans all of them only from time to time."""
        if len(self._accounts) >= self._max_accounts and now >= self._next_cleanup:
            self._next_cleanup = now + _BETWEEN_CLEANUPS
            for name, account in list(self._accounts.items()):
                account.forget(now)
                if account.is_empty:
                    del self._accounts[name]
        return len(self._accounts) < self._max_accounts
