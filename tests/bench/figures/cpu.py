"""The CPU time of a call."""

from __future__ import annotations

from tests.bench.lab import Lab, rotated
from tests.bench.load import Shape
from tests.bench.results import Figure, Section, Series, ratios

__all__ = ["measure"]

_CALLS = 10_000


def measure(lab: Lab) -> Section:
    """CPU time of one GetCdrom, for the gateway and its alternatives."""
    contenders = [lab.gateway, lab.floor, lab.threads, lab.envoy, lab.configured_floor]
    for contender in contenders:
        lab.warm(contender)
    shape = Shape(lab.calls(_CALLS))
    costs: dict[str, list[float]] = {contender.label: [] for contender in contenders}
    for order in rotated(contenders, lab.rounds):
        for contender in order:
            measured = lab.measure(contender, shape)
            costs[contender.label].append(measured.cpu * 1e6)
    mine, floor, threads = (costs[contender.label] for contender in contenders[:3])
    return Section(
        "cpu",
        "CPU time of a call",
        f"GetCdrom, {shape.calls} calls a round, {shape.connections * shape.streams} of them at once on "
        f"{shape.connections} connections. User and system time of the server's process.",
        "µs",
        [Series(label, values) for label, values in costs.items()],
        [
            Figure("CPU of a call over the floor's", "x", ratios(mine, floor), 2.2, 1.5),
            Figure("CPU of a call against the thread-pool server's", "x", ratios(mine, threads), 0.45, 0.3),
        ],
    )
