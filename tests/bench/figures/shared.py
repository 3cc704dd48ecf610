"""Many callers that request the same from a slow vCenter."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench import contenders
from tests.bench.contenders import Contender
from tests.bench.lab import SLOW, Lab, rotated
from tests.bench.load import Shape
from tests.bench.results import Figure, Section, Series

__all__ = ["measure"]

_LIMIT = 16
_CALLS_OF_MACHINE = 400
_HEADER = "cache-control: max-age=1"


def measure(lab: Lab) -> Section:
    """500 callers that poll 10 machines: how long they wait, and how many calls vCenter has to serve."""
    # One generator per machine, each with 50 callers that call again as soon as they have their response.
    shape = Shape(lab.calls(_CALLS_OF_MACHINE), connections=5, streams=10)
    callers = shape.connections * shape.streams * len(lab.cdroms)
    limit = ("--vcenter-max-concurrent-calls", str(_LIMIT))
    p50: dict[str, list[float]] = {}
    p99: dict[str, list[float]] = {}
    asked: dict[str, list[float]] = {}
    with (
        contenders.gateway(lab.folder / "slow", lab.upstream.address(lab.slow), *limit) as gateway,
        contenders.envoy(lab.folder / "slow", lab.upstream.address(lab.slow_dialect), _LIMIT) as envoy,
    ):
        ways: dict[str, tuple[Contender, Sequence[str]]] = {
            "gateway": (gateway, ()),
            "gateway with max-age=1": (gateway, (_HEADER,)),
            "Envoy": (envoy, ()),
        }
        for contender in (gateway, envoy):
            lab.cdrom.check(contender.address)
        for order in rotated(list(ways), lab.rounds):
            for label in order:
                contender, metadata = ways[label]
                measured = lab.measure(contender, shape, lab.cdroms, metadata=metadata)
                p50.setdefault(label, []).append(measured.load.p50 * 1e3)
                p99.setdefault(label, []).append(measured.load.p99 * 1e3)
                asked.setdefault(label, []).append(measured.arrived)
    calls = shape.calls * len(lab.cdroms)
    return Section(
        "shared",
        "Shared reads",
        f"GetCdrom of {len(lab.cdroms)} machines by {callers} callers at once, {calls} calls in all; each caller asks "
        f"again as soon as it has its answer. vCenter takes {SLOW * 1000:g} ms a call, at most {_LIMIT} at once. "
        f"With the header, callers send `{_HEADER}`.",
        "ms",
        [Series(f"{label}, {name}", values[label]) for label in ways for name, values in (("p50", p50), ("p99", p99))],
        [Figure(f"vCenter calls for {calls} of the callers', {label}", "calls", asked[label]) for label in ways],
    )
