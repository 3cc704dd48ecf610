"""The performance of machines at the admin port: which machines, in which units, and as Prometheus takes it."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from prometheus_client import CollectorRegistry, generate_latest

from gateway.admin.machines import MachineCollector, Part
from gateway.calls import Basic
from gateway.live.metrics.exported import ExportedMetrics
from gateway.simulator import Fault, Simulator, SimulatorOptions
from tests.integration.harness import eventually
from tests.integration.processes import running
from tests.integration.vim_servers import running_vcenter

PROMTOOL = Path(__file__).parents[2] / "build" / "tools" / "bin" / "promtool"
USAGE, MEMORY = "cpu.usage.average", "mem.usage.average"


def get(address: str) -> requests.Response:
    return requests.get(address, timeout=10)


@asynccontextmanager
async def exporting(
    names: Sequence[str], counters: Sequence[str] = (USAGE,), most: int = 100, **more: Any
) -> AsyncIterator[tuple[Simulator, ExportedMetrics]]:
    async with Simulator(SimulatorOptions(vms=20)) as simulator, running_vcenter(simulator.url) as vcenter:
        credential = Basic(simulator.user, simulator.password)
        exported = ExportedMetrics(vcenter, lambda: credential, names, counters, most, **more)
        try:
            yield simulator, exported
        finally:
            await exported.close()


def machines_on(simulator: Simulator) -> dict[str, str]:
    return {
        machine.vm: machine.name
        for machine in simulator.inventory.machines.values()
        if machine.power_state == "POWERED_ON" and not machine.template
    }


async def test_all_machines_that_run() -> None:
    """Each machine that runs has the newest value of each counter, with its name."""
    async with exporting(["*"], [USAGE, MEMORY]) as (simulator, exported):
        found = await eventually(exported.newest, "values")
        assert {(item.vm, item.name) for item in found} == set(machines_on(simulator).items())
        assert len(found) == 2 * len(machines_on(simulator))
        assert all(0 <= item.value <= 100 for item in found)


async def test_chosen_machines() -> None:
    """Patterns choose machines by their names."""
    async with exporting(["web-*", "none"]) as (simulator, exported):
        found = await eventually(exported.newest, "values")
        chosen = {vm for vm, name in machines_on(simulator).items() if name.startswith("web-")}
        assert chosen
        assert {item.vm for item in found} == chosen


async def test_too_many_machines(caplog: pytest.LogCaptureFixture) -> None:
    """Of more machines than allowed the first ones are read, and it is said."""
    async with exporting(["*"], most=3) as (simulator, exported):
        found = await eventually(exported.newest, "values")
        assert [item.vm for item in found] == sorted(machines_on(simulator))[:3]
    assert "allows only 3" in caplog.text


async def test_trouble(caplog: pytest.LogCaptureFixture) -> None:
    """Trouble with vCenter is said once, and values come again when it is over."""
    async with exporting(["*"], seconds=0.05) as (simulator, exported):
        await eventually(exported.newest, "values")
        simulator.faults.add(Fault.unavailable(), times=None)
        await eventually(lambda: "cannot be read" in caplog.text, "the trouble is said")
        await asyncio.sleep(0.3)
        assert caplog.text.count("cannot be read") == 1
        simulator.faults.clear()
        before = exported.newest()
        await eventually(lambda: exported.newest() is not before, "new values")


async def test_an_unknown_counter(caplog: pytest.LogCaptureFixture) -> None:
    """A counter that vCenter does not have is named in the log."""
    async with exporting(["*"], [USAGE, "cpu.nonsense.average"]):
        await eventually(lambda: "metrics[1]" in caplog.text, "the counter is named")


@pytest.mark.parametrize(
    ("counter", "unit", "value", "family", "shown"),
    [
        ("cpu.usage.average", "percent", 48.0, "vcenter_vm_cpu_usage_average_ratio", 0.48),
        ("cpu.usagemhz.average", "megaHertz", 2.0, "vcenter_vm_cpu_usagemhz_average_hertz", "2e+06"),
        ("cpu.ready.summation", "millisecond", 120.0, "vcenter_vm_cpu_ready_summation_seconds", 0.12),
        ("mem.consumed.average", "kiloBytes", 2.0, "vcenter_vm_mem_consumed_average_bytes", 2048.0),
        (
            "virtualDisk.read.average",
            "kiloBytesPerSecond",
            1.0,
            "vcenter_vm_virtual_disk_read_average_bytes_per_second",
            1024.0,
        ),
        ("sys.uptime.latest", "second", 5.0, "vcenter_vm_sys_uptime_latest_seconds", 5.0),
        ("cpu.cores.latest", "number", 5.0, "vcenter_vm_cpu_cores_latest", 5.0),
        ("x.y.latest", "teraBytes", 5.0, "vcenter_vm_x_y_latest_tera_bytes", 5.0),
    ],
)
def test_units(counter: str, unit: str, value: float, family: str, shown: float) -> None:
    """Values are in base units, and names say so."""
    item: Any = SimpleNamespace(
        counter=SimpleNamespace(name=counter, unit=unit, description=""), vm="vm-1", name='a "b"', value=value
    )
    registry = CollectorRegistry()
    registry.register(MachineCollector(lambda: [item]))
    [line] = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    assert line == f'{family}{{name="a \\"b\\"",vm="vm-1"}} {shown}'
    [metric] = Part(registry, of_machines=True).collect()
    assert metric.name == family
    assert list(Part(registry, of_machines=False).collect()) == []


@pytest.mark.parametrize("workers", [1, 2])
async def test_the_admin_port(tmp_path: Path, workers: int) -> None:
    """The admin port serves the machines apart from its own metrics, whichever worker has read them."""
    options = ("--admin-listen", "127.0.0.1:0", "--metrics-machines", "web-*", "--workers", str(workers))
    async with running(tmp_path, "serve", "--simulator", "--listen", "127.0.0.1:0", *options) as process:
        found = await process.wait_for(r"admin port (http://127\.0\.0\.1:\d+)")
        answer: Any = None
        for _ in range(100):
            answer = await asyncio.to_thread(get, f"{found[1]}/metrics/machines")
            if "vcenter_vm_" in answer.text:
                break
            await asyncio.sleep(0.1)
        own = await asyncio.to_thread(get, f"{found[1]}/metrics")
    assert 'vcenter_vm_cpu_usage_average_ratio{name="web-0001",vm="vm-1001"}' in answer.text
    assert "vcenter_gateway_" not in answer.text
    assert "vcenter_vm_" not in own.text
    assert "vcenter_gateway_" in own.text
    if not PROMTOOL.exists():
        assert not os.environ.get("CI"), "there is no promtool: run `make build/tools/bin/promtool`"
        pytest.skip("there is no promtool: run `make build/tools/bin/promtool`")
    checked = await asyncio.to_thread(
        subprocess.run, [PROMTOOL, "check", "metrics"], input=answer.content, capture_output=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
