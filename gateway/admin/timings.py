"""Counts outcomes and durations: the series that every call updates.

prometheus_client takes a lock for each number and compares bucket after bucket, which was 4 % of what a call costs.
Here, a call changes three plain numbers, and the samples are created on request. Everything runs in the event loop.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING

from prometheus_client import Metric
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from gateway.admin.families import Family

__all__ = ["Series", "Timings"]


class Series:
    """One rpc, or one operation of vCenter."""

    __slots__ = ("_bounds", "buckets", "counts", "labels", "seconds")

    def __init__(self, labels: tuple[str, ...], bounds: Sequence[float]) -> None:
        self.labels = labels
        self.counts: Counter[int | str] = Counter()
        self.seconds = 0.0
        """Of all together."""
        self.buckets = [0] * (len(bounds) + 1)
        self._bounds = bounds

    def ended(self, how: int | str, seconds: float) -> None:
        """Counts one more."""
        self.buckets[bisect_left(self._bounds, seconds)] += 1
        self.seconds += seconds
        self.counts[how] += 1


class Timings(Collector):
    """The samples of a counter, whose last label is the outcome, and of histograms of the duration."""

    def __init__(self, ends: Family, **durations: tuple[Family, Sequence[float]]) -> None:
        """`durations` are the histograms by a name of their own, each with the upper bounds of its buckets in
        seconds."""
        self._ends = ends
        self._durations = durations
        self._series: dict[str, list[Series]] = {name: [] for name in durations}

    def add(self, durations: str, *labels: str) -> Series:
        """A new series, which one of the histograms has too."""
        series = Series(labels, self._durations[durations][1])
        self._series[durations].append(series)
        return series

    def collect(self) -> Iterator[Metric]:
        ends = CounterMetricFamily(self._ends.full_name, self._ends.meaning, labels=self._ends.labels)
        for name, (family, bounds) in self._durations.items():
            took = HistogramMetricFamily(family.full_name, family.meaning, labels=family.labels)
            names = [*map(floatToGoString, bounds), "+Inf"]
            for series in self._series[name]:
                for how, count in series.counts.items():
                    ends.add_metric((*series.labels, str(how)), count)
                took.add_metric(
                    series.labels, list(zip(names, accumulate(series.buckets), strict=True)), series.seconds
                )
            yield took
        yield ends
