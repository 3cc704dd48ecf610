"""The cost of a machine in a short list and in a long one."""

from __future__ import annotations

import statistics
from contextlib import ExitStack

from tests.bench import contenders
from tests.bench.lab import SIZES, Lab, rotated
from tests.bench.load import Shape
from tests.bench.results import Figure, Section, Series

__all__ = ["measure"]

_MACHINES = 600_000
_MOST_CALLS = 8_000
_JUDGED = (100, 1000, 4000)
"""Lists of 10 are not judged: their machines cost less than the variation between calls."""


def measure(lab: Lab) -> Section:
    """CPU time of ListVms with 1 to 4,000 machines."""
    costs: dict[int, list[float]] = {size: [] for size in SIZES}
    with ExitStack() as stack:
        calls, gateways = {}, {}
        for size in SIZES:
            calls[size] = lab.list_call(size)
            vcenter = lab.upstream.address(lab.sized[size])
            gateways[size] = stack.enter_context(contenders.gateway(lab.folder / str(size), vcenter))
            lab.measure(gateways[size], _shape(lab, size), [calls[size]])
        for order in rotated(SIZES, lab.rounds):
            for size in order:
                costs[size].append(lab.measure(gateways[size], _shape(lab, size), [calls[size]]).cpu * 1e6)
    each = {
        size: [(cost - one) / (size - 1) for cost, one in zip(costs[size], costs[1], strict=True)]
        for size in SIZES
        if size > 1
    }
    # The quotient of medians: the most and the least expensive single rounds mostly show noise.
    medians = [statistics.median(each[size]) for size in _JUDGED]
    spread = (max(medians) / min(medians) - 1) * 100
    return Section(
        "size",
        "Cost against size",
        "ListVms with lists of different lengths: CPU time of a call. What a machine costs is the cost of the list "
        "less that of a list with one, divided by the other machines; whether that is flat is judged by the medians "
        f"from {_JUDGED[0]} to {_JUDGED[-1]} machines.",
        "µs",
        [Series(f"{size:,} machine{'s' * (size > 1)}", values) for size, values in costs.items()],
        [
            *(Figure(f"a machine among {size:,}", "µs", values) for size, values in each.items()),
            Figure("dearest over cheapest machine, less 1", "%", [spread], 20),
        ],
    )


def _shape(lab: Lab, size: int) -> Shape:
    return Shape(max(20, lab.calls(min(_MOST_CALLS, _MACHINES // size))), connections=1, streams=4)
