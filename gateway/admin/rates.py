"""Current rates, in addition to the totals since the start."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from gateway.admin.summary import Summary

__all__ = ["SAMPLE_SECONDS", "RateMeter", "Rates"]

SAMPLE_SECONDS = 10.0
"""The sampling interval."""
_WINDOW_SECONDS = 60.0
_LEAST_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Rates:
    """Per second, averaged over the last minute."""

    calls: float = 0.0
    failed: float = 0.0
    vcenter_calls: float = 0.0
    by_rpc: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Sample:
    moment: float
    calls: Mapping[str, int]
    failed: int
    vcenter_calls: float


class RateMeter:
    """Compares the current totals with those of a minute ago. The first sample is zero."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._samples = deque([_Sample(clock(), {}, 0, 0.0)])

    def sample(self, summary: Summary) -> None:
        """Keeps the totals of this moment."""
        sample = self._sample(summary)
        self._samples.append(sample)
        while len(self._samples) > 1 and self._samples[1].moment <= sample.moment - _WINDOW_SECONDS:
            self._samples.popleft()

    def rates(self, summary: Summary) -> Rates:
        """The current rates, from the current totals."""
        before, now = self._samples[0], self._sample(summary)
        seconds = max(_LEAST_SECONDS, now.moment - before.moment)
        by_rpc = {rpc: max(0, count - before.calls.get(rpc, 0)) / seconds for rpc, count in now.calls.items()}
        return Rates(
            calls=sum(by_rpc.values()),
            failed=max(0, now.failed - before.failed) / seconds,
            vcenter_calls=max(0.0, now.vcenter_calls - before.vcenter_calls) / seconds,
            by_rpc=by_rpc,
        )

    def _sample(self, summary: Summary) -> _Sample:
        return _Sample(
            self._clock(),
            {latency.rpc: latency.calls for latency in summary.latencies},
            sum(latency.failed for latency in summary.latencies),
            summary.totals["vcenter_calls_total"],
        )
