"""The results: plain values, which are written as JSON and shown as tables and plots."""

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
    """A value with a target, usually a ratio within a round."""

    title: str
    unit: str
    """`x` for ratios."""
    values: Sequence[float]
    """One per round."""
    bar: float | None = None
    """The required value, None if the figure is only reported."""
    aim: float | None = None
    """The desired value."""
    at_least: bool = False
    """Whether higher is better."""

    @property
    def median(self) -> float:
        return statistics.median(self.values)

    def reaches(self, limit: float | None) -> bool | None:
        """Whether the median meets the limit, None if there is none."""
        if limit is None:
            return None
        return self.median >= limit if self.at_least else self.median <= limit


@dataclass(frozen=True, slots=True)
class Section:
    """One measurement: its figures, and the absolute values that they are computed from."""

    key: str
    """Its name for `--only`, and the plot's file name."""
    title: str
    how: str
    """How it was measured, in sentences."""
    unit: str
    """The unit of all series."""
    series: Sequence[Series]
    figures: Sequence[Figure]
    seconds: float = field(default=0.0)
    """How long the measurement took."""


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """The ratio of our values to the others', round by round."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]
