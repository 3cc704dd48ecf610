"""Bounds how many calls are repeated, so that an outage is not multiplied by those who try again."""

from __future__ import annotations

__all__ = ["RetryBudget"]


class RetryBudget:
    """Lets about `ratio` of all calls be repeated, and `reserve` of them even when hardly anything is called."""

    def __init__(self, ratio: float = 0.1, reserve: float = 10.0) -> None:
        self._ratio = ratio
        self._reserve = reserve
        self.tokens = reserve
        """Repetitions that are left."""

    def called(self) -> None:
        """A call was made for the first time."""
        self.tokens = min(self._reserve, self.tokens + self._ratio)

    def take(self) -> bool:
        """Whether a call may be repeated now; if so, it counts as repeated."""
        if self.tokens < 1:
            return False
        self.tokens -= 1
        return True
