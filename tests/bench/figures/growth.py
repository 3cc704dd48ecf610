"""Whether memory grows with the number of calls."""

from __future__ import annotations

from tests.bench import contenders
from tests.bench.lab import Lab
from tests.bench.load import Shape
from tests.bench.results import Figure, Section, Series

__all__ = ["measure"]

_CALLS = 30_000
_PARTS = 10


def measure(lab: Lab) -> Section:
    """The memory of one process over 300,000 calls, once, because all rounds would be the same."""
    shape = Shape(lab.calls(_CALLS))
    memory = []
    with contenders.gateway(lab.folder, lab.upstream.address(lab.vcenter)) as gateway:
        for _ in range(_PARTS):
            lab.measure(gateway, shape)
            memory.append(gateway.process.rss())
    return Section(
        "growth",
        "Memory over 300,000 calls",
        f"GetCdrom, {_PARTS} times {shape.calls} calls to the same process, RSS after each part.",
        "MB",
        [Series(f"after {(number + 1) * shape.calls:,} calls", [value]) for number, value in enumerate(memory)],
        [Figure("RSS growth after the first tenth", "%", [(memory[-1] / memory[0] - 1) * 100], 5, 1)],
    )
