"""What was measured: plain values, which are written as JSON and shown as tables and plots."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

__all__ = ["Figure", "Section", "Series", "ratios"]


@dataclass(frozen=True, slots=True)
class Series:
    """One absolute value in each round."""

    label: str
    values: Sequence[float]

    @property
    def median(self) -> float:
        return statistics.median(self.values)


@dataclass(frozen=True, slots=True)
class Figure:
    """A value to be reached, mostly a ratio within a round."""

    title: str
    unit: str
    """`x` for ratios."""
    values: Sequence[float]
    """One a round."""
    bar: float | None = None
    """What must be reached, None if it is only reported."""
    aim: float | None = None
    """What is hoped for."""
    at_least: bool = False
    """Whether more is better."""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def reaches(self, limit: float | None) -> bool | None:
        """Whether the median is as good as the limit, None if there is none."""
        if limit is None:
            return None
        return self.median >= limit if self.at_least else self.median <= limit


@dataclass(frozen=True, slots=True)
class Section:
    """One measurement: its figures, and the absolute values they come from."""

    key: str
    """What `--only` calls it, and the plot's file name."""
    title: str
    how: str
    """What was done, in sentences."""
    unit: str
    """Of all series."""
    series: Sequence[Series]
    figures: Sequence[Figure]
    seconds: float = field(default=0.0)
    """How long the measurement took."""


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Round by round, what is ours in parts of what is theirs."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]
