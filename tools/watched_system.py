"""A gateway with two pods, a vCenter, callers and a Prometheus that scrapes it: a day's events in a few minutes.

For pictures and for looking at a dashboard manually. Everything runs on this machine and ends with the block.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import re
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import yaml

from gateway.calls import Basic
from gateway.contract import load_contract
from gateway.simulator import Fault, Simulator, SimulatorOptions
from gateway.transcoding import compile_bindings

__all__ = ["Watched", "live", "watched_system"]

ROOT = Path(__file__).parents[1]
PROMETHEUS = ROOT / "build" / "tools" / "bin" / "prometheus"
SCRAPE_SECONDS = 2
_PODS = ("gateway-7d9f6-4kxzq", "gateway-7d9f6-w2m8r")

# The callers' rpcs, and their relative frequencies.
_READS: tuple[tuple[int, str, dict[str, Any]], ...] = (
    (8, "vcenter.v1.VmService/ListVms", {}),
    (10, "vcenter.v1.VmService/GetVm", {"vm": "vm-1001"}),
    (12, "vcenter.vm.v1.PowerService/GetPower", {"vm": "vm-1001"}),
    (5, "vcenter.vm.hardware.v1.DiskService/ListDisks", {"vm": "vm-1001"}),
    (4, "vcenter.vm.hardware.v1.EthernetService/ListEthernets", {"vm": "vm-1001"}),
    (4, "vcenter.vm.hardware.v1.CdromService/GetCdrom", {"vm": "vm-1001", "cdrom": "16000"}),
    (3, "vcenter.vm.guest.v1.IdentityService/GetIdentity", {"vm": "vm-1001"}),
    (2, "vcenter.vm.v1.PowerService/ResetVm", {"vm": "vm-1003"}),
    (1, "vcenter.vm.v1.PowerService/StartVm", {"vm": "vm-1001"}),
    (1, "vcenter.vm.v1.PowerService/GetPower", {"vm": "vm-9999"}),
)
_SLOW = "com.vmware.vcenter.VM.get"


@dataclass(frozen=True, slots=True)
class Watched:
    """The addresses of the system."""

    simulator: Simulator
    gateways: tuple[str, ...]
    admin: tuple[str, ...]
    prometheus: str
    """URL of Prometheus."""


@asynccontextmanager
async def watched_system(folder: Path) -> AsyncIterator[Watched]:
    """Starts the system, with the programs' output in `folder`. Prometheus is built with
    `make build/tools/bin/promtool`."""
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator(SimulatorOptions(tls=True, latency=0.004)))
        processes = stack.enter_context(ExitStack())
        gateways, admin = [], []
        for pod in _PODS:
            log = processes.enter_context(_gateway(simulator, folder / pod))
            found = await _find(log, r"serving \S+ on port (\d+), admin port http://([\d.:]+)")
            gateways.append(f"127.0.0.1:{found[1]}")
            admin.append(found[2])
        log = processes.enter_context(_prometheus(admin, folder))
        found = await _find(log, r"Listening on.*address=([\d.:]+)")
        yield Watched(simulator, tuple(gateways), tuple(admin), f"http://{found[1]}")


async def live(system: Watched, seconds: float) -> None:
    """A day's events in this many seconds: calm, a slow vCenter, an outage, a wrong password, a newer vCenter."""
    faults = system.simulator.faults
    async with AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(grpc.aio.insecure_channel(address)) for address in system.gateways]
        callers = [asyncio.create_task(_caller(channels, number)) for number in range(32)]
        try:
            await asyncio.sleep(seconds * 0.3)
            faults.add(Fault("latency", seconds=1.5), operation=_SLOW, times=None)  # All slots are used: calls wait.
            await asyncio.sleep(seconds * 0.15)
            faults.clear()
            await asyncio.sleep(seconds * 0.15)
            faults.add(Fault("reset_before"), times=None)  # No call succeeds: the breakers open.
            await asyncio.sleep(seconds * 0.1)
            faults.clear()
            system.simulator.sessions.expire_all()
            await asyncio.sleep(seconds * 0.1)
            await _call(channels[0], _READS[2][1:], "wrong")
            answer = Fault.answer({"state": "POWERED_ON", "clean_shutdown_time": 1})
            faults.add(answer, operation="com.vmware.vcenter.vm.power.get", times=25)
            await asyncio.sleep(seconds * 0.2)
        finally:
            for caller in callers:
                caller.cancel()
            await asyncio.gather(*callers, return_exceptions=True)


async def _caller(channels: list[grpc.aio.Channel], number: int) -> None:
    """Makes calls, with the pauses of people and programs. Every fourth caller shares its reads."""
    chance = random.Random(number)  # noqa: S311 - the same picture each time, no secret
    while True:
        [(_, rpc, request)] = chance.choices(_READS, [row[0] for row in _READS])
        await _call(chance.choice(channels), (rpc, request), max_age=2 if number % 4 == 0 else 0)
        await asyncio.sleep(chance.expovariate(6))


async def _call(
    channel: grpc.aio.Channel,
    what: tuple[str, dict[str, Any]],
    password: str = "VMware1!",  # noqa: S107 - everybody knows it
    max_age: int = 0,
) -> None:
    rpc, request = what
    binding = _BINDINGS[rpc]
    stub: Any = channel.unary_unary(
        f"/{rpc}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=binding.response_class.FromString,
    )
    metadata = [("authorization", Basic("administrator@vsphere.local", password).header)]
    if max_age:
        metadata.append(("cache-control", f"max-age={max_age}"))
    with contextlib.suppress(grpc.aio.AioRpcError):
        await stub(binding.request_class(**request), metadata=metadata, timeout=5)


_BINDINGS = compile_bindings(load_contract())


@contextmanager
def _process(command: list[str], folder: Path) -> Iterator[Path]:
    """Starts a program; returns the file with its output."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=folder, stdout=output, stderr=output) as process,  # noqa: S603 - our own
    ):
        try:
            yield log
        finally:
            process.terminate()


@contextmanager
def _gateway(simulator: Simulator, folder: Path) -> Iterator[Path]:
    command = [sys.executable, "-m", "gateway", "serve", "--vcenter", simulator.url]
    command += ["--vcenter-thumbprint", str(simulator.thumbprint), "--vcenter-max-concurrent-calls", "8"]
    command += ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]
    with _process(command, folder) as log:
        yield log


@contextmanager
def _prometheus(targets: list[str], folder: Path) -> Iterator[Path]:
    jobs = [
        {"targets": [target], "labels": {"namespace": "apps", "pod": pod, "job": "gateway"}}
        for target, pod in zip(targets, _PODS, strict=True)
    ]
    config = {
        "global": {"scrape_interval": f"{SCRAPE_SECONDS}s"},
        "scrape_configs": [{"job_name": "gateway", "static_configs": jobs}],
    }
    path = folder / "prometheus.yaml"
    path.write_text(yaml.safe_dump(config))
    command = [str(PROMETHEUS), f"--config.file={path}", f"--storage.tsdb.path={folder / 'data'}"]
    with _process([*command, "--web.listen-address=127.0.0.1:0"], folder / "prometheus") as log:
        yield log


async def _find(log: Path, pattern: str) -> re.Match[str]:
    end = time.monotonic() + 30
    while True:
        text = await asyncio.to_thread(log.read_text, encoding="utf-8", errors="replace")
        if found := re.search(pattern, text):
            return found
        if time.monotonic() > end:
            raise TimeoutError(f"{pattern!r} is not in the log:\n{text}")
        await asyncio.sleep(0.1)
