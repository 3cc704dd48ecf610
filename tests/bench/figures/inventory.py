"""How long reading a whole inventory takes."""

from __future__ import annotations

from tests.bench.contenders import CALLERS
from tests.bench.figures.changing import system
from tests.bench.lab import Lab
from tests.bench.processes import BenchError
from tests.bench.programs import program
from tests.bench.results import Figure, Section, Series, ratios

__all__ = ["measure"]

_MACHINES = 10_000
_WAYS = {"stream": "StreamVms", "get": "ListVms and GetVm", "pyvmomi": "pyVmomi", "govc": "govc"}


def measure(lab: Lab) -> Section:
    """All machines with 16 fields, read through the gateway in two ways, with pyVmomi and with govc."""
    machines = lab.calls(_MACHINES)
    seconds: dict[str, list[float]] = {way: [] for way in _WAYS}
    with system(lab, machines) as (_, vcenter, gateway):
        for _ in range(lab.rounds):
            for way, values in seconds.items():
                with program(str(CALLERS / "inventory.py"), way, gateway.address, vcenter) as caller:
                    taken, count = caller.hear().split()
                if int(count) < machines:
                    raise BenchError(f"{way}: {count} of {machines} machines")
                values.append(float(taken))
    return Section(
        "inventory",
        "Reading an inventory",
        f"{machines} simulated machines with 16 fields each, from nothing to all of them in the caller's hands; of "
        "govc as JSON, from the start of its process. The simulator's own time is part of each.",
        "s",
        [Series(_WAYS[way], values) for way, values in seconds.items()],
        [
            Figure("10,000 machines by StreamVms", "s", seconds["stream"], 4, 1.5),
            Figure("StreamVms, of pyVmomi's time", "x", ratios(seconds["stream"], seconds["pyvmomi"])),
            Figure("StreamVms, of govc's time", "x", ratios(seconds["stream"], seconds["govc"])),
            Figure("StreamVms, of the time of ListVms and GetVm", "x", ratios(seconds["stream"], seconds["get"])),
        ],
    )
