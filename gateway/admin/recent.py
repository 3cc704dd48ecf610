"""The last calls that failed, for the status page."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass

from gateway.events import CallEnded, Events

__all__ = ["MAX_ERRORS", "RecentError", "RecentErrors"]

MAX_ERRORS = 20
# A reason is vCenter's word, of any length.
_MAX_REASON = 100


@dataclass(frozen=True, slots=True)
class RecentError:
    """One call that failed. Says nothing about the caller."""

    time: float
    """Seconds since the epoch."""
    rpc: str
    code: str
    reason: str
    request_id: str


class RecentErrors(Events):
    """Keeps the newest errors of this process."""

    def __init__(self) -> None:
        self._errors: deque[RecentError] = deque(maxlen=MAX_ERRORS)
        self.changes = 0
        """Grows with each error."""

    def call_ended(self, ended: CallEnded) -> None:
        """Keeps a call that failed."""
        if ended.failure is not None:
            self.changes += 1
            reason = ended.reason[:_MAX_REASON]
            self._errors.append(RecentError(time.time(), ended.rpc, ended.code, reason, ended.request_id))

    def restore(self, errors: list[RecentError]) -> None:
        """Takes over errors from before this process, the newest first."""
        self._errors.extendleft(errors)

    def newest(self) -> list[RecentError]:
        """The newest first."""
        return list(reversed(self._errors))
