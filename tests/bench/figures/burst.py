"""Many concurrent calls while vCenter is slow."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from tests.bench import contenders
from tests.bench.contenders import Contender
from tests.bench.lab import VERY_SLOW, Lab, rotated
from tests.bench.load import Shape
from tests.bench.results import Figure, Section, Series

__all__ = ["measure"]

_SHAPE = Shape(2000, connections=20, streams=100)


def measure(lab: Lab) -> Section:
    """Wall time and peak memory of 2,000 concurrent calls, none of which may fail."""

    def gateway() -> AbstractContextManager[Contender]:
        limit = ("--vcenter-max-concurrent-calls", str(_SHAPE.calls))
        return contenders.gateway(lab.folder, lab.upstream.address(lab.very_slow), *limit)

    def envoy() -> AbstractContextManager[Contender]:
        return contenders.envoy(lab.folder, lab.upstream.address(lab.very_slow_dialect), _SHAPE.calls)

    starts: dict[str, Callable[[], AbstractContextManager[Contender]]] = {"gateway": gateway, "Envoy": envoy}
    seconds: dict[str, list[float]] = {label: [] for label in starts}
    memory: dict[str, list[float]] = {label: [] for label in starts}
    for order in rotated(list(starts), lab.rounds):
        for label in order:
            with starts[label]() as contender:
                lab.cdrom.check(contender.address)
                seconds[label].append(lab.measure(contender, _SHAPE).load.seconds)
                memory[label].append(contender.process.peak_rss())
    return Section(
        "burst",
        "2,000 calls at once",
        f"GetCdrom, {_SHAPE.calls} calls at once on {_SHAPE.connections} connections while each of vCenter's answers "
        f"takes {VERY_SLOW:g} s; a new process each round, with --vcenter-max-concurrent-calls {_SHAPE.calls}. "
        "No call failed.",
        "s",
        [Series(label, values) for label, values in seconds.items()],
        [
            Figure("wall time of 2,000 calls at once", "s", seconds["gateway"], 2.5, 1.5),
            Figure("peak RSS of the process", "MB", memory["gateway"], 250, 120),
            Figure("peak RSS of Envoy's process", "MB", memory["Envoy"]),
        ],
    )
