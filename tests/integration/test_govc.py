"""govc, the command line of govmomi, against the simulator."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.simulator import RELEASES, Simulator, SimulatorOptions

_GOVC = Path(__file__).parents[2] / "build" / "tools" / "bin" / "govc"
_SECONDS = 60


class Govc:
    """Runs commands of govc in one datacenter of one simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self._environment = {
            **os.environ,
            "GOVC_URL": f"{simulator.url}/sdk",
            "GOVC_USERNAME": simulator.user,
            "GOVC_PASSWORD": simulator.password,
            "GOVC_DATACENTER": "DC0",
            "GOVC_PERSIST_SESSION": "false",
        }

    async def __call__(self, *command: str) -> str:
        """What the command prints; it has to succeed."""
        process = await asyncio.create_subprocess_exec(
            _GOVC, *command, env=self._environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            output, errors = await asyncio.wait_for(process.communicate(), _SECONDS)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        assert process.returncode == 0, errors.decode()
        return output.decode()

    async def json(self, *command: str) -> Any:
        """What the command prints as JSON."""
        return json.loads(await self(*command, "-json"))


@pytest.fixture(params=RELEASES)
async def govc(request: pytest.FixtureRequest) -> AsyncIterator[Govc]:
    """The commands, against each release."""
    if not _GOVC.exists():
        assert not os.environ.get("CI"), f"there is no govc: run `make {_GOVC.relative_to(_GOVC.parents[3])}`"
        pytest.skip("there is no govc: run `make build/tools/bin/govc`, which takes Go")
    async with Simulator(SimulatorOptions(vms=12, release=request.param)) as simulator:
        yield Govc(simulator)


async def test_about(govc: Govc) -> None:
    """It tells the release."""
    about = (await govc.json("about"))["about"]
    assert about["apiVersion"] == RELEASES[govc.simulator.options.release].version
    assert about["apiType"] == "VirtualCenter"


async def test_ls(govc: Govc) -> None:
    """Folders, clusters and machines are listed by their paths."""
    assert (await govc("ls", "/")).split() == ["/DC0", "/DC1"]
    assert "/DC0/vm/Production" in (await govc("ls", "/DC0/vm")).splitlines()
    assert "/DC0/host/Cluster0/esx-10.vsphere.local (HostSystem)" in await govc("ls", "-l", "/DC0/host/Cluster0")


async def test_find(govc: Govc) -> None:
    """All machines are found, templates among them, and by a property."""
    assert len((await govc("find", "/", "-type", "m")).split()) == 13
    assert "/DC0/vm/web-0001" in (await govc("find", "/", "-type", "m", "-runtime.powerState", "poweredOn")).split()


async def test_vm_info(govc: Govc) -> None:
    """A machine is shown with its address and its host."""
    shown = await govc("vm.info", "-r", "-e", "-t", "web-0001")
    for expected in ("/DC0/vm/web-0001", "poweredOn", "10.20.1.1", "esx-10.vsphere.local", "4096MB"):
        assert expected in shown


async def test_vm_power(govc: Govc) -> None:
    """A machine is switched off and on, which both of the simulator's sides see."""
    machine = govc.simulator.inventory.machines["vm-1001"]
    assert "OK" in await govc("vm.power", "-off", "web-0001")
    assert machine.power_state == "POWERED_OFF"
    assert "OK" in await govc("vm.power", "-on", "web-0001")
    assert machine.power_state == "POWERED_ON"


async def test_snapshots(govc: Govc) -> None:
    """Snapshots are created, listed as a tree, reverted to and removed."""
    machine = govc.simulator.inventory.machines["vm-1001"]
    await govc("snapshot.create", "-vm", "web-0001", "-m=false", "first")
    await govc("snapshot.create", "-vm", "web-0001", "second")
    assert [line.strip() for line in (await govc("snapshot.tree", "-vm", "web-0001")).splitlines()] == [
        "first",
        "second",
        ".",
    ]
    await govc("vm.change", "-vm", "web-0001", "-annotation", "later")
    await govc("snapshot.revert", "-vm", "web-0001", "first")
    assert (machine.annotation, machine.power_state) == ("", "POWERED_OFF")
    await govc("snapshot.remove", "-vm", "web-0001", "second")
    await govc("snapshot.remove", "-vm", "web-0001", "*")
    assert not machine.snapshots.by_id


async def test_events(govc: Govc) -> None:
    """What happened to a machine is told in its order, also what was done by other means."""
    await govc("vm.power", "-off", "web-0001")
    lines = (await govc("events", "/DC0/vm/web-0001")).splitlines()
    assert "Created virtual machine web-0001" in lines[0]
    assert "web-0001 on esx-10.vsphere.local in DC0 is powered off" in lines[-1]


async def test_tasks(govc: Govc) -> None:
    """Tasks are shown with their machine and how they ended."""
    await govc("vm.power", "-off", "web-0001")
    shown = await govc("tasks", "/DC0/vm/web-0001")
    assert "PowerOffVM" in shown
    assert "success" in shown
