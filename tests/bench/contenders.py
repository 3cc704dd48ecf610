"""The servers that are compared: how each is started, on its own port."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.grpc_core import GRPC_CORE_SETTINGS
from tests.bench.processes import SERVER_CORES, Process, free_port, started

__all__ = ["BENCH_BIN", "CALLERS", "ROOT", "SERVERS", "Contender", "envoy", "floor", "gateway", "threads"]

ROOT = Path(__file__).parents[2]
BENCH_BIN = ROOT / "build" / "bench-venv" / "bin"
"""The environment of the contenders: `make bench` creates it from requirements/bench.txt."""
CALLERS = Path(__file__).parent / "callers"
"""Calling programs, in the same environment."""
SERVERS = Path(__file__).parent / "servers"


@dataclass(frozen=True, slots=True)
class Contender:
    """A server to be measured."""

    label: str
    address: str
    process: Process
    asks: bool = True
    """Whether each call causes a call of vCenter."""


@contextlib.contextmanager
def gateway(
    folder: Path, vcenter: str, *options: str, workers: int = 1, cores: str = SERVER_CORES
) -> Iterator[Contender]:
    """The gateway as a user starts it: session pass-through, checks, metrics, and a line of JSON for each call."""
    port, admin = free_port(), free_port()
    command = [
        *(sys.executable, "-m", "gateway", "serve"),
        *("--vcenter", f"http://{vcenter}"),
        *("--listen", f"127.0.0.1:{port}"),
        *("--admin-listen", f"127.0.0.1:{admin}"),
        *("--workers", str(workers)),
        *options,
    ]
    with _serving("gateway", command, folder / "gateway.log", port, cores) as contender:
        yield contender


@contextlib.contextmanager
def floor(folder: Path, answer: bytes, *, configured: bool = False) -> Iterator[Contender]:
    """A grpc.aio server that makes no upstream call and always returns this message. If it is `configured`, gRPC's core
    has the gateway's settings instead of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "floor.message"
    file.write_bytes(answer)
    port = free_port()
    settings = ["env", *(f"{name}={value}" for name, value in GRPC_CORE_SETTINGS.items())] if configured else []
    command = [*settings, str(BENCH_BIN / "python"), str(SERVERS / "floor.py"), f"127.0.0.1:{port}", str(file)]
    with _serving("configured floor" if configured else "floor", command, folder / "floor.log", port) as contender:
        yield dataclasses.replace(contender, asks=False)


@contextlib.contextmanager
def threads(folder: Path, vcenter: str) -> Iterator[Contender]:
    """The thread-pool server with requests."""
    port = free_port()
    command = [str(BENCH_BIN / "python"), str(SERVERS / "threads.py"), f"127.0.0.1:{port}", f"http://{vcenter}"]
    with _serving("thread pool", command, folder / "threads.log", port) as contender:
        yield contender


@contextlib.contextmanager
def envoy(folder: Path, vcenter: str, max_calls: int = 1024) -> Iterator[Contender]:
    """Envoy with its grpc_json_reverse_transcoder and a maximum number of concurrent calls to vCenter."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    host, _, vcenter_port = vcenter.partition(":")
    file = folder / "envoy.yaml"
    template = (SERVERS / "envoy.yaml").read_text(encoding="utf-8")
    for name, value in {
        "@PORT@": str(port),
        "@DESCRIPTORS@": str(ROOT / "gateway" / "contract" / "descriptors.binpb"),
        "@VCENTER_HOST@": host,
        "@VCENTER_PORT@": vcenter_port,
        "@MAX_CALLS@": str(max_calls),
    }.items():
        template = template.replace(name, value)
    file.write_text(template, encoding="utf-8")
    options = ("--concurrency", "1", "--disable-hot-restart", "--log-level", "warning")
    command = [str(BENCH_BIN / "envoy"), "--config-path", str(file), *options]
    with _serving("Envoy", command, folder / "envoy.log", port) as contender:
        yield contender


@contextlib.contextmanager
def _serving(
    label: str, command: Sequence[str], log: Path, port: int, cores: str = SERVER_CORES
) -> Iterator[Contender]:
    with started(command, log, cores) as process:
        process.wait_for_port(port)
        yield Contender(label, f"127.0.0.1:{port}", process)
