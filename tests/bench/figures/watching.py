"""How late watchers hear of changes, what they cost, and how long inventories take."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import grpc

from gateway.calls import Basic
from gateway.contract import load_contract
from tests.bench import contenders
from tests.bench.contenders import CALLERS, ROOT, SERVERS, Contender
from tests.bench.lab import Lab
from tests.bench.processes import LOAD_CORES, BenchError, pinned
from tests.bench.results import Figure, Section, Series, ratios

__all__ = ["measure", "measure_inventory"]

_MACHINES, _RATE = 4_000, 100
_WATCHERS = 1_000
_SECONDS = 10.0
_INVENTORY = 10_000
_IDENTITY = ("authorization", Basic("administrator@vsphere.local", "VMware1!").header)
_GET = "vcenter.vm.v1.PowerService/GetPower"
_LIMITS = ("--max-streams", "5000", "--max-streams-per-caller", "5000", "--log-level", "warning")
_UNARY_PAUSE = 0.01


class _Program:
    """A program of the benchmark that is talked to by lines."""

    def __init__(self, *arguments: str, cores: str = LOAD_CORES) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self._popen = subprocess.Popen(
            pinned([sys.executable, *arguments], cores),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )

    def say(self) -> None:
        assert self._popen.stdin is not None
        self._popen.stdin.write("\n")
        self._popen.stdin.flush()

    def hear(self) -> str:
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline()
        if not line:
            raise BenchError(f"{self._popen.args!r} has ended")
        return line.strip()

    def end(self) -> None:
        assert self._popen.stdin is not None
        self._popen.stdin.close()
        try:
            self._popen.wait(15)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


@contextlib.contextmanager
def _program(*arguments: str) -> Iterator[_Program]:
    program = _Program(*arguments)
    try:
        yield program
    finally:
        program.end()


@contextlib.contextmanager
def _system(lab: Lab, machines: int) -> Iterator[tuple[_Program, str, Contender]]:
    """A simulator whose machines change, and a gateway in front of it."""
    with _program(str(SERVERS / "changing.py"), str(machines), str(_RATE)) as simulator:
        address = simulator.hear()
        with contenders.gateway(lab.folder, address, *_LIMITS) as gateway:
            yield simulator, address, gateway


def measure(lab: Lab) -> Section:
    """One watcher, and a thousand with filters, while 100 machines change each second."""
    machines = lab.calls(_MACHINES)
    watchers = lab.calls(_WATCHERS)
    found: dict[str, list[float]] = {}

    def add(name: str, value: float) -> None:
        found.setdefault(name, []).append(value)

    for _ in range(lab.rounds):
        with _system(lab, machines) as (simulator, _, gateway):
            one = _watch(simulator, gateway, 1, machines, "all")
            add("p50", one["p50"])
            add("p99", one["p99"])
        with _system(lab, machines) as (simulator, _, gateway):
            idle = _unary(gateway, _SECONDS / 2)
            with _watching(gateway, 1, machines, "all"):
                before = gateway.process.rss()
            with _watching(gateway, watchers, machines, "some") as program:
                add("memory", (gateway.process.rss() - before) * 1e3 / watchers)
                simulator.say()
                add("waits", float(simulator.hear()))
                program.say()
                add("beside", _unary(gateway, _SECONDS - 1) / idle)
                many = json.loads(program.hear())
                simulator.say()
                simulator.hear()
            if many["watchers"] < watchers:
                raise BenchError(f"only {many['watchers']} of {watchers} watchers heard of a change")
            add("worst", many["worst"])
    return Section(
        "watching",
        "Watching machines",
        f"{machines} simulated machines, of which {_RATE} change each second, watched with name, power state and "
        f"note by one stream without a filter, and by {watchers} streams, each of 100 machines of its own. The lag is "
        "the time from the change at the simulator to the message at the watcher. GetPower is called beside the many.",
        "s",
        [Series("lag of one watcher, p50", found["p50"]), Series("lag of one watcher, p99", found["p99"])],
        [
            Figure("lag of one watcher, p50", "s", found["p50"], 0.1, 0.02),
            Figure("lag of one watcher, p99", "s", found["p99"], 0.5, 0.1),
            Figure("waits at vCenter for 1,000 watchers", "", found["waits"], 1, 1),
            Figure("worst lag of 1,000 watchers", "s", found["worst"], 2, 0.5),
            Figure("memory of a watcher", "KB", found["memory"], 60, 35),
            Figure("p99 of calls beside 1,000 watchers, of idle", "x", found["beside"], 5, 2),
        ],
    )


def measure_inventory(lab: Lab) -> Section:
    """All machines with 16 fields, by the gateway in two ways and by pyVmomi."""
    machines = lab.calls(_INVENTORY)
    seconds: dict[str, list[float]] = {"stream": [], "get": [], "pyvmomi": []}
    with _system(lab, machines) as (_, vcenter, gateway):
        for _ in range(lab.rounds):
            for kind, values in seconds.items():
                with _program(str(CALLERS / "inventory.py"), kind, gateway.address, vcenter) as program:
                    taken, count = program.hear().split()
                if int(count) < machines:
                    raise BenchError(f"{kind}: {count} of {machines} machines")
                values.append(float(taken))
    labels = {"stream": "StreamVms", "get": "ListVms and GetVm", "pyvmomi": "pyVmomi"}
    return Section(
        "inventory",
        "Reading an inventory",
        f"{machines} simulated machines with 16 fields each, from nothing to all of them in the caller's hands. "
        "The simulator's own time is part of each.",
        "s",
        [Series(labels[kind], values) for kind, values in seconds.items()],
        [
            Figure("10,000 machines by StreamVms", "s", seconds["stream"], 4, 1.5),
            Figure("StreamVms, of pyVmomi's time", "x", ratios(seconds["stream"], seconds["pyvmomi"])),
            Figure("StreamVms, of the time of ListVms and GetVm", "x", ratios(seconds["stream"], seconds["get"])),
        ],
    )


@contextlib.contextmanager
def _watching(gateway: Contender, watchers: int, machines: int, kind: str) -> Iterator[_Program]:
    """Watchers that know the state and wait for a line to begin measuring."""
    arguments = (gateway.address, str(watchers), str(machines), str(_SECONDS), kind)
    with _program(str(CALLERS / "watching.py"), *arguments) as program:
        if program.hear() != "ready":
            raise BenchError("the watchers do not get ready")
        yield program


def _watch(simulator: _Program, gateway: Contender, watchers: int, machines: int, kind: str) -> dict[str, Any]:
    with _watching(gateway, watchers, machines, kind) as program:
        simulator.say()
        simulator.hear()
        program.say()
        found: dict[str, Any] = json.loads(program.hear())
        simulator.say()
        simulator.hear()
    return found


def _unary(gateway: Contender, seconds: float) -> float:
    """The p99 of a call that is made again and again, in seconds."""
    request: Any = load_contract().message_class("vcenter.vm.v1.GetPowerRequest")(vm="vm-1001")
    taken: list[float] = []
    with grpc.insecure_channel(gateway.address) as channel:
        call: Any = channel.unary_unary(f"/{_GET}", bytes, bytes)
        call(request.SerializeToString(), metadata=(_IDENTITY,))
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            began = time.perf_counter()
            call(request.SerializeToString(), metadata=(_IDENTITY,))
            taken.append(time.perf_counter() - began)
            time.sleep(_UNARY_PAUSE)
    return statistics.quantiles(taken, n=100)[98]
