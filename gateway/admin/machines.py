"""The metrics of virtual machines in Prometheus' conventions: base units, and names that contain them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from gateway.live.metrics.exported import Measured

__all__ = ["MACHINE_PREFIX", "MachineCollector", "Part"]

MACHINE_PREFIX = "vcenter_vm_"
_UNITS = {
    "percent": ("ratio", 0.01),
    "megaHertz": ("hertz", 1e6),
    "millisecond": ("seconds", 0.001),
    "microsecond": ("seconds", 1e-6),
    "second": ("seconds", 1.0),
    "kiloBytes": ("bytes", 1024.0),
    "kiloBytesPerSecond": ("bytes_per_second", 1024.0),
    "megaBytes": ("bytes", 1024.0**2),
    "megaBytesPerSecond": ("bytes_per_second", 1024.0**2),
    "number": ("", 1.0),
    "watt": ("watts", 1.0),
    "joule": ("joules", 1.0),
    "celsius": ("celsius", 1.0),
}
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_FORBIDDEN = re.compile(r"[^a-z0-9_]+")


class MachineCollector(Collector):
    """One family a counter, with the machine's identifier and name as labels."""

    def __init__(self, newest: Callable[[], Sequence[Measured]]) -> None:
        self._newest = newest

    def collect(self) -> Iterator[Metric]:
        families: dict[str, GaugeMetricFamily] = {}
        for measured in self._newest():
            counter = measured.counter
            unit, factor = _UNITS.get(counter.unit, (_snake(counter.unit), 1.0))
            family = families.get(counter.name)
            if family is None:
                name = "_".join(filter(None, (f"{MACHINE_PREFIX}{_snake(counter.name)}", unit)))
                text = counter.description or f"The counter {counter.name} of vCenter."
                family = families[counter.name] = GaugeMetricFamily(name, text, labels=("vm", "name"))
            family.add_metric((measured.vm, measured.name), measured.value * factor)
        yield from families.values()

    def describe(self) -> Iterator[Metric]:
        """Nothing: the families depend on vCenter's counters."""
        return iter(())


class Part(Collector):
    """The families of a registry that are about machines, or the others."""

    def __init__(self, registry: CollectorRegistry, *, of_machines: bool) -> None:
        self._registry = registry
        self._of_machines = of_machines

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            if metric.name.startswith(MACHINE_PREFIX) is self._of_machines:
                yield metric


def _snake(text: str) -> str:
    return _FORBIDDEN.sub("_", _WORD.sub("_", text).lower())
