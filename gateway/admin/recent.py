"""The last errors, for the status page: equal ones together, so that a caller who repeats a mistake hides nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, replace

from gateway.errors import SERVER_FAULTS
from gateway.events import CallEnded, Events

__all__ = ["MAX_ERRORS", "ErrorGroup", "RecentErrors", "merge_errors"]

MAX_ERRORS = 20
"""Kept of each kind: of errors that are the server's matter, and of those that are the callers'."""
# A reason is vCenter's word, of any length.
_MAX_REASON = 100


@dataclass(frozen=True, slots=True)
class ErrorGroup:
    """Calls of one rpc that failed in the same way. Says nothing about the callers."""

    rpc: str
    code: str
    reason: str
    count: int
    time: float
    """When the last one failed, in seconds since the epoch."""
    request_id: str
    """Of the last one."""

    @property
    def is_server_fault(self) -> bool:
        """Whether vCenter or the gateway has to do something about it, rather than the caller."""
        return self.code in SERVER_FAULTS

    @property
    def key(self) -> tuple[str, str, str]:
        return self.rpc, self.code, self.reason


class RecentErrors(Events):
    """Keeps the newest errors of this process."""

    def __init__(self) -> None:
        self._groups: dict[tuple[str, str, str], ErrorGroup] = {}
        """The newest last."""

    def call_ended(self, ended: CallEnded) -> None:
        """Keeps a call that failed."""
        if ended.failure is None:
            return
        new = ErrorGroup(ended.rpc, ended.code, ended.reason[:_MAX_REASON], 1, time.time(), ended.request_id)
        known = self._groups.pop(new.key, None)
        self._groups[new.key] = new if known is None else replace(new, count=known.count + 1)
        if known is None:
            self._forget_oldest(new.is_server_fault)

    def newest(self) -> list[ErrorGroup]:
        """The newest first."""
        return list(reversed(self._groups.values()))

    def _forget_oldest(self, is_server_fault: bool) -> None:
        alike = [key for key, group in self._groups.items() if group.is_server_fault is is_server_fault]
        if len(alike) > MAX_ERRORS:
            del self._groups[alike[0]]


def merge_errors(groups: Iterable[ErrorGroup]) -> list[ErrorGroup]:
    """The errors of several processes as those of one, the newest first."""
    merged: dict[tuple[str, str, str], ErrorGroup] = {}
    for group in groups:
        known = merged.get(group.key, group)
        count = group.count + known.count if group.key in merged else group.count
        merged[group.key] = replace(max(known, group, key=lambda item: item.time), count=count)
    newest = sorted(merged.values(), key=lambda group: group.time, reverse=True)
    kept = {kind: [group for group in newest if group.is_server_fault is kind][:MAX_ERRORS] for kind in (True, False)}
    return sorted(kept[True] + kept[False], key=lambda group: group.time, reverse=True)
