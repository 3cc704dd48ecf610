"""The reports of workers to their supervisor for the admin port, and their sum.

Each worker counts in its own memory and reports on request: for each scrape or page view, and otherwise every ten
seconds, because a report takes milliseconds. When a worker ends, its report stays in the sum, and its replacement
continues counting. A killed worker loses its counts since its last report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import orjson
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

from gateway.admin.families import FAMILIES
from gateway.admin.recent import ErrorGroup, RecentErrors, merge_errors

__all__ = ["WorkerReports", "make_report"]

_MERGE_GAUGES: dict[str, Callable[[float, float], float]] = {
    "livesum": lambda one, other: one + other,
    "livemin": min,
    "livemax": max,
}
_OF_GAUGES = {family.full_name: _MERGE_GAUGES[family.of_workers] for family in FAMILIES if family.kind == "gauge"}

Labels = tuple[tuple[str, str], ...]


def make_report(registry: CollectorRegistry, errors: RecentErrors) -> bytes:
    """The counts of a process as JSON."""
    metrics = [
        (
            metric.name,
            metric.documentation,
            metric.type,
            [(sample.name, tuple(sample.labels.items()), sample.value) for sample in metric.samples],
        )
        for metric in registry.collect()
    ]
    return orjson.dumps({"metrics": metrics, "errors": [asdict(group) for group in errors.newest()]})


@dataclass(slots=True)
class _Family:
    """One metric with its samples, in the order in which they are shown."""

    name: str
    documentation: str
    kind: str
    samples: dict[tuple[str, Labels], float] = field(default_factory=dict)

    def add(self, other: _Family) -> None:
        merge = _OF_GAUGES.get(self.name, _MERGE_GAUGES["livesum"])
        for key, value in other.samples.items():
            self.samples[key] = merge(self.samples[key], value) if key in self.samples else value

    def to_metric(self) -> Metric:
        metric = Metric(self.name, self.documentation, self.kind)
        for (name, labels), value in self.samples.items():
            metric.add_sample(name, dict(labels), value)
        return metric


@dataclass(slots=True)
class _Report:
    """The counts of one or several workers."""

    families: dict[str, _Family] = field(default_factory=dict)
    errors: list[ErrorGroup] = field(default_factory=list)

    @classmethod
    def parse(cls, content: str) -> _Report:
        report = cls()
        found: dict[str, Any] = orjson.loads(content)
        for name, documentation, kind, samples in found["metrics"]:
            parsed = {
                (sample, tuple((label, value) for label, value in labels)): number for sample, labels, number in samples
            }
            report.families[name] = _Family(name, documentation, kind, parsed)
        report.errors = [ErrorGroup(**group) for group in found["errors"]]
        return report

    def add(self, other: _Report, *, gauges: bool = True) -> None:
        for name, family in other.families.items():
            if gauges or family.kind != "gauge":
                self.families.setdefault(name, _Family(name, family.documentation, family.kind)).add(family)
        self.errors = merge_errors([*self.errors, *other.errors])


class WorkerReports(Collector):
    """The sum over all workers, including ended ones."""

    def __init__(self) -> None:
        self._ended = _Report()
        """The counts of ended workers."""
        self._living: dict[int, _Report] = {}
        self.registry = CollectorRegistry()
        self.registry.register(self)

    def take(self, number: int, content: str) -> None:
        """Adds the latest report of a worker."""
        self._living[number] = _Report.parse(content)

    def worker_ended(self, number: int) -> None:
        """Keeps the worker's counters, and discards its gauges."""
        if (report := self._living.pop(number, None)) is not None:
            self._ended.add(report, gauges=False)

    def errors(self) -> list[ErrorGroup]:
        """The newest errors of all workers, the newest first."""
        return self._sum().errors

    def collect(self) -> Iterator[Metric]:
        for family in self._sum().families.values():
            yield family.to_metric()

    def describe(self) -> Iterator[Metric]:
        """Nothing: the families depend on the workers."""
        return iter(())

    def _sum(self) -> _Report:
        total = _Report()
        for report in (self._ended, *self._living.values()):
            total.add(report)
        return total
