"""The load: h2load, which costs a few microseconds per call, with one prepared request."""

from __future__ import annotations

import re
import statistics
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.calls import SESSION, Call
from tests.bench.processes import LOAD_CORES, BenchError, pinned

__all__ = ["Load", "Shape", "percentile", "run"]

_TIMEOUT = 300


@dataclass(frozen=True, slots=True)
class Shape:
    """How many calls are made, on how many connections, with how many in flight on each."""

    calls: int
    connections: int = 4
    streams: int = 8


@dataclass(frozen=True, slots=True)
class Load:
    """The callers' results. Times are in seconds."""

    calls: int
    seconds: float
    """From the start of the first call to the end of the last one."""
    latencies: Sequence[float]

    @property
    def p50(self) -> float:
        return statistics.median(self.latencies)

    @property
    def p99(self) -> float:
        return percentile(self.latencies, 99)


def percentile(values: Sequence[float], percent: int) -> float:
    """The smallest value that at least this percentage of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def run(
    address: str, calls: Sequence[Call], shape: Shape, *, metadata: Sequence[str] = (), cores: str = LOAD_CORES
) -> Load:
    """Makes each of `calls` in this shape, all of them concurrently: with two calls, twice as many callers.

    `metadata` are additional headers, such as `cache-control: max-age=1`. Raises BenchError if a single call fails: its
    HTTP status must be 200, and the responses must have the total size of that many right responses. h2load does not
    look at grpc-status, but an error has no message or an empty one.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generators: list[subprocess.Popen[str]] = []
        for number, call in enumerate(calls):
            frame, log = folder / f"{number}.frame", folder / f"{number}.log"
            frame.write_bytes(call.frame)
            command = pinned(_command(address, call, shape, metadata, frame, log), cores)
            generators.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
        try:
            for generator, call in zip(generators, calls, strict=True):
                output, _ = generator.communicate(timeout=_TIMEOUT)
                _check(output, call, shape, address)
        except subprocess.TimeoutExpired:
            raise BenchError(f"the calls of {calls[0].rpc} at {address} do not end") from None
        finally:
            for generator in generators:
                generator.kill()
                generator.wait()
        starts, ends = [], []
        for number in range(len(calls)):
            for line in (folder / f"{number}.log").read_text(encoding="ascii").splitlines():
                start, _, duration = line.split("\t")
                starts.append(int(start))
                ends.append(int(start) + int(duration))
    latencies = [(end - start) / 1e6 for start, end in zip(starts, ends, strict=True)]
    return Load(len(latencies), (max(ends) - min(starts)) / 1e6, latencies)


def _command(address: str, call: Call, shape: Shape, metadata: Sequence[str], frame: Path, log: Path) -> list[str]:
    headers = ("content-type: application/grpc", "te: trailers", f"vmware-api-session-id: {SESSION}", *metadata)
    return [
        "h2load",
        f"--requests={shape.calls}",
        f"--clients={shape.connections}",
        f"--max-concurrent-streams={shape.streams}",
        f"--data={frame}",
        f"--log-file={log}",
        *(f"--header={header}" for header in headers),
        # Large windows: responses with thousands of machines must not wait for the generator.
        "--window-bits=24",
        "--connection-window-bits=26",
        f"http://{address}/{call.rpc}",
    ]


def _check(output: str, call: Call, shape: Shape, address: str) -> None:
    statuses = re.search(r"status codes: (\d+) 2xx", output)
    data = re.search(r"traffic: .* \((\d+)\) data", output)
    if not statuses or not data or int(statuses[1]) != shape.calls:
        raise BenchError(f"not all calls of {call.rpc} at {address} succeed:\n{output}")
    right = shape.calls * call.answer_bytes
    if int(data[1]) != right:
        raise BenchError(f"calls of {call.rpc} at {address} fail: {data[1]} bytes instead of {right}\n{output}")
