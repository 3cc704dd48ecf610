"""What all measurements share: the canned upstream, the rpcs, and the servers, each started when first needed."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

from google.protobuf import json_format

from tests.bench import contenders
from tests.bench.bodies import CDROM, LIST, VM, VMS, cdrom_path, write_bodies
from tests.bench.calls import Call, make_call
from tests.bench.contenders import BENCH_BIN, CALLERS, Contender
from tests.bench.load import Load, Shape, run
from tests.bench.processes import LOAD_CORES, BenchError
from tests.bench.upstream import Site, Upstream, nginx

__all__ = ["SIZES", "SLOW", "VERY_SLOW", "Lab", "Round", "rotated"]

SIZES = (1, 10, 100, 1000, 4000)
"""Numbers of machines in the measured lists."""
SLOW = 0.05
"""The duration of vCenter's calls in the realistic case, in seconds."""
VERY_SLOW = 1.0

_CDROM_RPC = "vcenter.vm.hardware.v1.CdromService/GetCdrom"
_Item = TypeVar("_Item")


@dataclass(frozen=True, slots=True)
class Round:
    """One contender under load, once. Times are in seconds."""

    load: Load
    cpu: float
    """The server's CPU time for each call."""
    generator: float
    """CPU time of the generator and of the upstream for each call."""
    arrived: int
    """Calls that reached the upstream."""


class Lab:
    """The environment for measurements, in a folder for arbitrary files."""

    def __init__(self, folder: Path, stack: ExitStack, rounds: int, *, quick: bool) -> None:
        self.folder = folder
        self.rounds = rounds
        self.quick = quick
        self._stack = stack
        self._www = folder / "www"
        write_bodies(self._www, SIZES)
        self.cdroms = [
            make_call(_CDROM_RPC, {"vm": vm, "cdrom": CDROM}, self._body("vcenter", cdrom_path(vm))) for vm in VMS
        ]
        self._write_dialect()
        self.vcenter = Site(self._www / "vcenter")
        self.dialect = Site(self._www / "dialect")
        self.sized = {size: Site(self._www / f"vcenter-{size}") for size in SIZES}
        self.slow = Site(self.vcenter.folder, SLOW)
        self.slow_dialect = Site(self.dialect.folder, SLOW)
        self.very_slow = Site(self.vcenter.folder, VERY_SLOW)
        self.very_slow_dialect = Site(self.dialect.folder, VERY_SLOW)
        sites = [self.vcenter, self.dialect, self.slow, self.slow_dialect, self.very_slow, self.very_slow_dialect]
        self.upstream: Upstream = stack.enter_context(
            nginx(folder / "nginx", [*sites, *self.sized.values()], self._rpc_result())
        )

    def calls(self, number: int) -> int:
        """The number of calls, reduced in a quick run, whose values are meaningless."""
        return max(number // 20, 50) if self.quick else number

    @property
    def cdrom(self) -> Call:
        """The default rpc for measurements."""
        return self.cdroms[0]

    @cached_property
    def vm_body(self) -> bytes:
        """vCenter's response to GetVm."""
        return self._body("vcenter", VM).read_bytes()

    def list_call(self, size: int) -> Call:
        """ListVms with this many machines."""
        return make_call("vcenter.v1.VmService/ListVms", {}, self._body(f"vcenter-{size}", LIST))

    @cached_property
    def gateway(self) -> Contender:
        return self._stack.enter_context(contenders.gateway(self.folder, self.upstream.address(self.vcenter)))

    @cached_property
    def floor(self) -> Contender:
        return self._stack.enter_context(contenders.floor(self.folder, self.cdrom.expected.SerializeToString()))

    @cached_property
    def configured_floor(self) -> Contender:
        answer = self.cdrom.expected.SerializeToString()
        return self._stack.enter_context(contenders.floor(self.folder, answer, configured=True))

    @cached_property
    def threads(self) -> Contender:
        return self._stack.enter_context(contenders.threads(self.folder, self.upstream.address(self.vcenter)))

    @cached_property
    def envoy(self) -> Contender:
        return self._stack.enter_context(contenders.envoy(self.folder, self.upstream.address(self.dialect)))

    def warm(self, contender: Contender, call: Call | None = None) -> None:
        """Checks a contender's response, and lets it open its connections and fill its caches."""
        call = call or self.cdrom
        call.check(contender.address)
        run(contender.address, [call], Shape(self.calls(2000)))

    def measure(
        self,
        contender: Contender,
        shape: Shape,
        calls: Sequence[Call] = (),
        *,
        metadata: Sequence[str] = (),
        cores: str = LOAD_CORES,
    ) -> Round:
        """Puts a load on a contender and returns its cost. Raises BenchError unless every call got the right response.

        Without `metadata`, which may let it share responses, every call must also have reached the upstream.
        """
        calls = calls or [self.cdrom]
        arrived, server, generator = self.upstream.calls(), contender.process.cpu(), self._generator_cpu()
        load = run(contender.address, calls, shape, metadata=metadata, cores=cores)
        server, generator = contender.process.cpu() - server, self._generator_cpu() - generator
        arrived = self.upstream.calls() - arrived - 1
        for call in calls:
            call.check(contender.address)
        if not metadata and arrived != (load.calls if contender.asks else 0):
            raise BenchError(f"{arrived} of {load.calls} calls to {contender.label} reached the upstream")
        return Round(load, server / load.calls, generator / load.calls, arrived)

    def _generator_cpu(self) -> float:
        """CPU time of the upstream and of all generators so far."""
        ended = resource.getrusage(resource.RUSAGE_CHILDREN)
        return self.upstream.process.cpu() + ended.ru_utime + ended.ru_stime

    def _rpc_result(self) -> str:
        """vCenter's response to the official SDK."""
        body = self._body("vcenter", cdrom_path(VMS[0])).read_bytes()
        return subprocess.run(
            [BENCH_BIN / "python", CALLERS / "sdk.py"], input=body, capture_output=True, check=True
        ).stdout.decode()

    def _write_dialect(self) -> None:
        """The responses of an upstream for Envoy: the whole response message in protobuf's own JSON."""
        for vm, call in zip(VMS, self.cdroms, strict=True):
            file = self._body("dialect", cdrom_path(vm))
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json_format.MessageToJson(call.expected, preserving_proto_field_name=True))

    def _body(self, folder: str, path: str) -> Path:
        return self._www / folder / f"{path.lstrip('/')}.json"


def rotated(items: Sequence[_Item], rounds: int) -> Iterator[list[_Item]]:
    """The items once for each round, starting with a different one each time, so that none is always first."""
    for number in range(rounds):
        start = number % len(items)
        yield [*items[start:], *items[:start]]
