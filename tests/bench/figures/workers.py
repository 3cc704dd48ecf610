"""The gain from a second worker on two cores."""

from __future__ import annotations

from tests.bench import contenders
from tests.bench.lab import Lab, rotated
from tests.bench.load import Shape
from tests.bench.processes import ALL_CORES
from tests.bench.results import Figure, Section, Series, ratios

__all__ = ["measure"]

_CALLS = 10_000


def measure(lab: Lab) -> Section:
    """Calls per second with one worker and with two; only nginx is pinned."""
    shape = Shape(lab.calls(_CALLS), connections=64, streams=1)
    rates: dict[int, list[float]] = {1: [], 2: []}
    costs: dict[int, list[float]] = {1: [], 2: []}
    shares = []
    vcenter = lab.upstream.address(lab.vcenter)
    with (
        contenders.gateway(lab.folder / "1", vcenter, workers=1, cores=ALL_CORES) as one,
        contenders.gateway(lab.folder / "2", vcenter, workers=2, cores=ALL_CORES) as two,
    ):
        both = {1: one, 2: two}
        for contender in both.values():
            lab.warm(contender)
        for order in rotated(list(both), lab.rounds):
            for workers in order:
                measured = lab.measure(both[workers], shape, cores=ALL_CORES)
                rates[workers].append(measured.load.calls / measured.load.seconds)
                costs[workers].append(measured.cpu)
                if workers == 2:
                    shares.append(100 * measured.generator / (measured.generator + measured.cpu))
    return Section(
        "workers",
        "Two workers on two cores",
        f"GetCdrom, {shape.calls} calls a round on {shape.connections} connections, "
        f"{shape.connections * shape.streams} at once. The generator and nginx need the same two cores, "
        "and leave less for two workers.",
        "calls/s",
        [Series(f"{workers} worker{'s' * (workers > 1)}", values) for workers, values in rates.items()],
        [
            Figure(
                "calls a second of two workers against one", "x", ratios(rates[2], rates[1]), None, 1.8, at_least=True
            ),
            Figure("share of all CPU time that generator and nginx take beside two workers", "%", shares),
            Figure("CPU of a call with two workers against one", "x", ratios(costs[2], costs[1])),
        ],
    )
