"""The duration of a single call without other calls in flight."""

from __future__ import annotations

import json
import statistics
import subprocess
from collections.abc import Callable
from functools import partial

from tests.bench.contenders import BENCH_BIN, CALLERS, Contender
from tests.bench.lab import Lab, rotated
from tests.bench.load import Shape
from tests.bench.processes import LOAD_CORES, BenchError, pinned
from tests.bench.results import Figure, Section, Series, ratios

__all__ = ["measure"]

_CALLS = 3_000
_PYTHON_CALLS = 2_000
_LABEL_IN_ANSWER = "CD/DVD drive 1"


def measure(lab: Lab) -> Section:
    """The median of sequential calls: from h2load to each server, and from each kind of Python client."""
    shape = Shape(lab.calls(_CALLS), connections=1, streams=1)
    python_calls = lab.calls(_PYTHON_CALLS)
    vcenter = lab.upstream.address(lab.vcenter)
    contenders = [lab.gateway, lab.floor, lab.threads, lab.envoy]
    for contender in contenders:
        lab.warm(contender)
    ways: dict[str, Callable[[], float]] = {
        f"h2load, {contender.label}": partial(_p50, lab, contender, shape) for contender in contenders
    }
    ways["Python, gateway"] = partial(_python, "grpc", lab.gateway.address, python_calls)
    ways["Python, official SDK directly"] = partial(_python, "sdk", vcenter, python_calls)
    ways["Python, requests directly"] = partial(_python, "requests", vcenter, python_calls)
    values: dict[str, list[float]] = {label: [] for label in ways}
    for order in rotated(list(ways), lab.rounds):
        for label in order:
            values[label].append(ways[label]() * 1e6)
    return Section(
        "latency",
        "Sequential latency",
        f"GetCdrom, one call after the other on one connection: median of {shape.calls} calls by h2load and of "
        f"{python_calls} by Python programs on the generator's core, which end with the decoded answer. The SDK speaks "
        "JSON-RPC with the same nginx, as its own client does by default.",
        "µs",
        [Series(label, series) for label, series in values.items()],
        [
            Figure(
                "p50 of a call against Envoy's",
                "x",
                ratios(values["h2load, gateway"], values["h2load, Envoy"]),
                1.6,
                1.15,
            ),
            Figure(
                "p50 from Python by the gateway against the official SDK calling directly",
                "x",
                ratios(values["Python, gateway"], values["Python, official SDK directly"]),
                1.1,
                0.8,
            ),
            Figure(
                "p50 by the gateway without what a Python caller costs, against the official SDK calling directly",
                "x",
                ratios(values["h2load, gateway"], values["Python, official SDK directly"]),
            ),
        ],
    )


def _p50(lab: Lab, contender: Contender, shape: Shape) -> float:
    return lab.measure(contender, shape).load.p50


def _python(kind: str, address: str, calls: int) -> float:
    """The median in seconds of a Python program's calls; it runs on the cores of the load generator."""
    command = [str(BENCH_BIN / "python"), str(CALLERS / "sequential.py"), kind, address, str(calls)]
    ended = subprocess.run(pinned(command, LOAD_CORES), capture_output=True, text=True, check=False)
    if ended.returncode:
        raise BenchError(f"the caller {kind} fails:\n{ended.stderr}")
    result = json.loads(ended.stdout)
    if _LABEL_IN_ANSWER not in result["answer"]:
        raise BenchError(f"the caller {kind} got {result['answer']}")
    seconds: list[float] = result["seconds"]
    return statistics.median(seconds)
