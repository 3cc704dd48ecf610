"""The lag and the cost of watchers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

from tests.bench.contenders import CALLERS, Contender
from tests.bench.figures.changing import RATE, system
from tests.bench.lab import Lab
from tests.bench.processes import BenchError
from tests.bench.programs import Program, program
from tests.bench.results import Figure, Section, Series, ratios

__all__ = ["measure"]

_MACHINES = 4_000
_WATCHERS = 1_000
_FEW_WATCHERS = 100
_SECONDS = 10.0


def measure(lab: Lab) -> Section:
    """One watcher, a thousand with filters, and a hundred next to one that does not read, while machines change."""
    machines, watchers = lab.calls(_MACHINES), lab.calls(_WATCHERS)
    found: dict[str, list[float]] = {}

    def add(name: str, value: float) -> None:
        found.setdefault(name, []).append(value)

    for _ in range(lab.rounds):
        with system(lab, machines) as (simulator, _, gateway):
            one = _watch(simulator, gateway, 1, machines, "all")
            add("p50", one["p50"])
            add("p99", one["p99"])
            add("alone", _watch(simulator, gateway, _FEW_WATCHERS, machines, "some")["worst"])
            before = gateway.process.rss()
            with _watching(gateway, 1, machines, "unread", 0.0):
                add("beside one unread", _watch(simulator, gateway, _FEW_WATCHERS, machines, "some")["worst"])
                add("unread memory", gateway.process.rss() - before)
        with system(lab, machines) as (simulator, _, gateway):
            idle = _call(gateway, _SECONDS / 2)
            with _watching(gateway, 1, machines, "all"):
                before = gateway.process.rss()
            with _watching(gateway, watchers, machines, "some") as many:
                add("memory", (gateway.process.rss() - before) * 1e3 / watchers)
                simulator.say()
                add("waits", float(simulator.hear()))
                many.say()
                add("beside", _call(gateway, _SECONDS - 1) / idle)
                heard = json.loads(many.hear())
                simulator.say()
                simulator.hear()
            if heard["watchers"] < watchers:
                raise BenchError(f"only {heard['watchers']} of {watchers} watchers heard of a change")
            add("worst", heard["worst"])
    return Section(
        "watching",
        "Watching machines",
        f"{machines} simulated machines, of which {RATE} change each second, watched with name, power state and "
        f"note by one stream without a filter, and by {watchers} streams, each of 100 machines of its own. The lag is "
        "the time from the change at the simulator to the message at the watcher. GetPower is called beside the many. "
        "Simulator and caller go before the watchers on the core that they share, so that what is measured is the "
        f"gateway. {_FEW_WATCHERS} watchers are measured alone, and beside one that reads nothing.",
        "s",
        [
            Series("lag of one watcher, p50", found["p50"]),
            Series("lag of one watcher, p99", found["p99"]),
            Series(f"worst lag of {_FEW_WATCHERS} watchers", found["alone"]),
            Series(f"worst lag of {_FEW_WATCHERS} watchers beside one that reads nothing", found["beside one unread"]),
            Series("worst lag of 1,000 watchers", found["worst"]),
        ],
        [
            Figure("lag of one watcher, p50", "s", found["p50"], 0.1, 0.02),
            Figure("lag of one watcher, p99", "s", found["p99"], 0.5, 0.1),
            Figure("waits at vCenter for 1,000 watchers", "", found["waits"], 1, 1),
            Figure("worst lag of 1,000 watchers", "s", found["worst"], 2, 0.5),
            Figure("memory of a watcher", "KB", found["memory"], 60, 35),
            Figure("p99 of calls beside 1,000 watchers, of idle", "x", found["beside"], 5, 2),
            Figure("worst lag beside a watcher that reads nothing, of that without", "x", _beside_unread(found)),
            Figure("growth of memory with a watcher that reads nothing", "MB", found["unread memory"]),
        ],
    )


def _beside_unread(found: dict[str, list[float]]) -> list[float]:
    return ratios(found["beside one unread"], found["alone"])


@contextlib.contextmanager
def _watching(
    gateway: Contender, watchers: int, machines: int, kind: str, seconds: float = _SECONDS
) -> Iterator[Program]:
    """Watchers that know the state and wait for a line before they measure."""
    arguments = (gateway.address, str(watchers), str(machines), str(seconds), kind)
    with program(str(CALLERS / "watching.py"), *arguments) as caller:
        if caller.hear() != "ready":
            raise BenchError("the watchers do not get ready")
        yield caller


def _watch(simulator: Program, gateway: Contender, watchers: int, machines: int, kind: str) -> dict[str, Any]:
    with _watching(gateway, watchers, machines, kind) as caller:
        simulator.say()
        simulator.hear()
        caller.say()
        found: dict[str, Any] = json.loads(caller.hear())
        simulator.say()
        simulator.hear()
    return found


def _call(gateway: Contender, seconds: float) -> float:
    """The p99 of a repeated call, in seconds."""
    with program(str(CALLERS / "calling.py"), gateway.address, str(seconds), goes_first=True) as caller:
        return float(caller.hear())
