"""Keeps vCenter from locking accounts: it does that after five refused passwords within three minutes.

The bound is on the account, over all spellings of the user name, all passwords and all callers. What is known of
refused passwords is never pushed out by others: where there is room for no more accounts, no further one is tried.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.vcenter.credential import Basic

__all__ = ["LockoutGuard"]

_WINDOW = 180.0
_UNPROVEN_TRIES = 3
_TRIES = 4
"""One try is left to a password that has worked before, whoever made up others for the same user."""
_COOL_DOWN = 300.0
_PROVEN_COOL_DOWNS = (5.0, 30.0, 300.0)
_MAX_ACCOUNTS = 20_000


@dataclass(slots=True)
class _Account:
    pending: int = 0
    """Logins under way, each of which may be refused."""
    refusals: list[float] = field(default_factory=list)
    """When passwords were refused, within the window."""
    refused: dict[bytes, tuple[float, int]] = field(default_factory=dict)
    """Credentials that are not tried before this time, and how often in a row each was refused."""


class LockoutGuard:
    """Decides whether a password may be tried. `clock` is the time in seconds."""

    def __init__(self, *, max_accounts: int = _MAX_ACCOUNTS, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._max_accounts = max_accounts
        self._accounts: dict[str, _Account] = {}

    def seconds_refused(self, credential: Basic) -> float:
        """How long a credential is not tried because vCenter refused it; 0 where it did not."""
        account = self._accounts.get(credential.account)
        until, _ = account.refused.get(credential.digest, (0.0, 0)) if account else (0.0, 0)
        return max(0.0, until - self._clock())

    def seconds_to_wait(self, credential: Basic, *, is_proven: bool) -> float:
        """How long no further password of the account is tried; 0 where one may be. `is_proven` is one that has
        worked."""
        account = self._accounts.get(credential.account)
        if account is None:
            if len(self._accounts) >= self._max_accounts:
                self._forget()
            return _WINDOW if len(self._accounts) >= self._max_accounts else 0.0
        now = self._clock()
        recent = [time for time in account.refusals if now - time < _WINDOW]
        tries = _TRIES if is_proven else _UNPROVEN_TRIES
        if account.pending + len(recent) < tries:
            return 0.0
        return recent[len(recent) - tries] + _WINDOW - now if len(recent) >= tries else 1.0

    def begins(self, credential: Basic) -> None:
        """A login begins; `accepted`, `refused` or `ended` follows."""
        self._accounts.setdefault(credential.account, _Account()).pending += 1

    def ended(self, credential: Basic) -> None:
        """The login says nothing about the password."""
        account = self._accounts[credential.account]
        account.pending -= 1
        self._drop_if_empty(credential.account, account)

    def accepted(self, credential: Basic) -> None:
        """The password is right."""
        account = self._accounts[credential.account]
        account.refused.pop(credential.digest, None)
        self.ended(credential)

    def refused(self, credential: Basic, *, is_proven: bool) -> float:
        """vCenter refused the password: gives how long it is not tried again, in seconds."""
        account, now = self._accounts[credential.account], self._clock()
        account.pending -= 1
        account.refusals = [time for time in account.refusals if now - time < _WINDOW] + [now]
        _, before = account.refused.get(credential.digest, (0.0, 0))
        wait = _PROVEN_COOL_DOWNS[min(before, len(_PROVEN_COOL_DOWNS) - 1)] if is_proven else _COOL_DOWN
        account.refused = {key: value for key, value in account.refused.items() if value[0] > now - _WINDOW}
        account.refused[credential.digest] = (now + wait, before + 1)
        return wait

    def _forget(self) -> None:
        """Drops what does not matter any more."""
        now = self._clock()
        for name, account in list(self._accounts.items()):
            account.refusals = [time for time in account.refusals if now - time < _WINDOW]
            account.refused = {key: value for key, value in account.refused.items() if value[0] > now}
            self._drop_if_empty(name, account)

    def _drop_if_empty(self, name: str, account: _Account) -> None:
        if not account.pending and not account.refusals and not account.refused:
            self._accounts.pop(name, None)
