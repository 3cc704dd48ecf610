"""The example `examples/provision` in each of its languages: the whole life of a machine, and each way to fail in it.

Whatever happens, the simulated vCenter is afterwards as it was before.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.simulator import Simulator, SimulatorOptions
from gateway.simulator.releases import RELEASES
from gateway.simulator.tasks import Task
from gateway.vcenter import VCenterOptions
from tests.integration.cases import ADMINISTRATOR
from tests.integration.example_programs import Ended, Program, end_of, go_program, python_program
from tests.integration.harness import PASSWORD, Client, eventually, running_gateway
from tests.integration.provision_steps import (
    CLONE,
    DELETE,
    FAILURES,
    NAME,
    SERVICE,
    TASK,
    WRONG,
    Failing,
    fault,
    full_datastores,
    lost,
)

# Building a program in Go takes its time where nothing of it is cached.
pytestmark = pytest.mark.timeout(600)

SOURCES = Path(__file__).parents[2] / "examples" / "provision"

STORY = (
    f"{SERVICE}.guest.customization_specs.create",
    CLONE,
    "com.vmware.cis.tagging.tag_association.attach",
    f"{SERVICE}.vm.hardware.disk.create",
    f"{SERVICE}.vm.hardware.ethernet.create",
    f"{SERVICE}.vm.power.start",
    f"{SERVICE}.vm.guest.filesystem.transfers.create",
    f"{SERVICE}.vm.guest.processes.create",
    f"{SERVICE}.vm.guest.filesystem.transfers.create",
    f"{SERVICE}.vm.power.stop",
    DELETE,
    f"{SERVICE}.guest.customization_specs.delete",
)
"""What the program changes, in this order."""


@pytest.fixture(scope="module", params=["python", "go"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The example in one of its languages."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "python":
        return python_program(SOURCES / "python" / "provision.py", folder)
    return go_program(SOURCES / "go", folder)


@asynccontextmanager
async def running_vcenter(transition: float = 0.05, **options: Any) -> AsyncIterator[tuple[Simulator, Client]]:
    """A simulated vCenter with a gateway in front; `transition` is the time that its guests take to start."""
    async with Simulator(SimulatorOptions(vms=8, transition=transition, **options)) as simulator:
        async with running_gateway(VCenterOptions(simulator.url)) as client:
            yield simulator, client
        assert simulator.sessions.counts()["open"] == 0, "a session with vCenter was left open"


def environment(client: Client, password: str = PASSWORD) -> dict[str, str]:
    return {
        "GATEWAY_TARGET": client.address,
        "GATEWAY_USER": ADMINISTRATOR,
        "GATEWAY_PASSWORD": PASSWORD,
        "GUEST_PASSWORD": password,
    }


def arguments(*more: str) -> tuple[str, ...]:
    return ("--poll", "0.05", *more, NAME)


def contents(simulator: Simulator) -> Mapping[str, Any]:
    """Everything that a program could leave behind."""
    inventory, now = simulator.inventory, simulator.options.clock()
    places, libraries, tagging = inventory.places, inventory.libraries, inventory.tagging
    transfers = inventory.transfers._prepared.values()
    return {
        "machines": {vm: repr(machine) for vm, machine in inventory.machines.items()},
        "directories": sorted(inventory.machines.directories),
        "places": [repr(place) for place in (places.folders, places.resource_pools, places.hosts, places.networks)],
        "space": {name: datastore.used for name, datastore in places.datastores.items()},
        "files": sorted(inventory.files),
        "disk files": dict(inventory.disk_files),
        "customization specs": repr(inventory.customization_specs.records),
        "libraries": repr((libraries.libraries, libraries.items, libraries.check_outs)),
        "tags": {tag.name: tagging.objects_of(tag) for tag in tagging.tags.values()},
        "tasks that run": unfinished(simulator),
        "transfers": [item for item in transfers if item.is_valid(inventory.machines.get(item.machine.vm), now)],
    }


def unfinished(simulator: Simulator) -> list[Task]:
    simulator.inventory.settle(simulator.options.clock())
    return [task for task in simulator.inventory.tasks.tasks.values() if task.ended is None]


def assert_no_secrets(ended: Ended) -> None:
    """Neither passwords nor the URLs of transfers are printed."""
    for secret in (PASSWORD, WRONG, "token="):
        assert secret not in ended.out + ended.err


@pytest.mark.parametrize("release", RELEASES)
async def test_the_whole_story(program: Program, release: str) -> None:
    """The machine is made, equipped, started, used and removed, and everything is as before."""
    async with running_vcenter(0.5, release=release) as (simulator, client):
        before = contents(simulator)
        ended = await program.run(*arguments(), **environment(client))
        assert (ended.code, ended.err) == (0, "")
        assert f"the guest says: {NAME}\n" in ended.out
        assert contents(simulator) == before
        changes = [call.operation for call in simulator.record if call.operation in STORY]
        assert changes == list(STORY)
        assert_no_secrets(ended)


@pytest.mark.parametrize("case", FAILURES.values(), ids=FAILURES)
async def test_a_step_that_fails(program: Program, case: Failing) -> None:
    """The program ends, says why, and removes all that it has made."""
    async with running_vcenter(case.transition) as (simulator, client):
        case.prepare(simulator)
        before = contents(simulator)
        ended = await program.run(*arguments(*case.arguments), **environment(client, case.password))
        assert ended.code == 1
        assert case.says in ended.err
        assert "left behind" not in ended.err
        assert contents(simulator) == before
        assert_no_secrets(ended)


async def test_a_task_that_somebody_cancels(program: Program) -> None:
    """The clone is cancelled by another user of vCenter."""
    async with running_vcenter(30) as (simulator, client):
        before = contents(simulator)
        async with program.started(*arguments(), **environment(client)) as process:
            [task] = await eventually(lambda: unfinished(simulator), "the clone", 30)
            await client.call("cis.v1.TaskService/CancelTask", {"task": task.task})
            ended = await end_of(process)
        assert ended.code == 1
        assert "the task failed: CANCELED: The task was canceled by a user." in ended.err
        assert contents(simulator) == before


async def test_a_datastore_that_fills_meanwhile(program: Program) -> None:
    """There is room when the clone begins, and none when it ends."""
    async with running_vcenter(1) as (simulator, client):
        before = contents(simulator)
        async with program.started(*arguments(), **environment(client)) as process:
            await eventually(lambda: unfinished(simulator), "the clone", 30)
            full_datastores(simulator)
            ended = await end_of(process)
        assert ended.code == 1
        assert "the task failed: UNABLE_TO_ALLOCATE_RESOURCE: Insufficient disk space on datastore" in ended.err
        assert contents(simulator) == before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["interrupted", "terminated"])
async def test_a_program_that_is_stopped(program: Program, number: int) -> None:
    """It cancels the clone, and removes what it has made."""
    async with running_vcenter(30) as (simulator, client):
        before = contents(simulator)
        async with program.started(*arguments(), **environment(client)) as process:
            await eventually(lambda: simulator.record.of(f"{TASK}.get"), "the first question", 30)
            process.send_signal(number)
            ended = await end_of(process)
        assert ended.code == 1
        assert "interrupted" in ended.err
        assert contents(simulator) == before


@pytest.mark.parametrize(
    "prepare",
    [
        fault(f"{SERVICE}.vm.hardware.disk.create", "RESOURCE_BUSY", times=2),
        fault(f"{SERVICE}.vm.power.start", "RESOURCE_BUSY", times=2),
        fault(f"{SERVICE}.vm.power.stop", "RESOURCE_BUSY", times=2),
        fault(DELETE, "RESOURCE_BUSY", times=2),
        lost(f"{SERVICE}.vm.power.stop"),
        lost(DELETE),
        lost(f"{SERVICE}.guest.customization_specs.delete"),
    ],
    ids=["disk", "power-on", "power-off", "deletion", "power-off-lost", "deletion-lost", "spec-deletion-lost"],
)
async def test_what_passes_by_itself(program: Program, prepare: Callable[[Simulator], None]) -> None:
    """A machine that is busy for a moment, and lost answers of what can be repeated, do not stop the program."""
    async with running_vcenter() as (simulator, client):
        prepare(simulator)
        before = contents(simulator)
        ended = await program.run(*arguments(), **environment(client))
        assert (ended.code, ended.err) == (0, "")
        assert contents(simulator) == before


async def test_a_machine_that_cannot_be_removed(program: Program) -> None:
    """What had gone wrong before and the machine that is left are both told, and the rest is removed."""
    async with running_vcenter() as (simulator, client):
        before = contents(simulator)
        fault(DELETE, "UNAUTHORIZED", times=None)(simulator)
        ended = await program.run(*arguments("--script", "#!/bin/sh\nexit 3\n"), **environment(client))
        assert ended.code == 1
        assert "exited with 3" in ended.err
        [left] = simulator.inventory.machines.named(NAME)
        assert f"the machine {left.vm} is left behind" in ended.err
        assert contents(simulator)["customization specs"] == before["customization specs"]


async def test_a_task_that_does_not_end(program: Program) -> None:
    """The task that is left is told, and the rest is removed."""
    async with running_vcenter(30) as (simulator, client):
        before = contents(simulator)
        fault(f"{TASK}.cancel", "UNSUPPORTED")(simulator)
        ended = await program.run(*arguments("--timeout", "0.3"), **environment(client))
        assert ended.code == 1
        [left] = unfinished(simulator)
        assert f"the task {left.task} is left behind" in ended.err
        assert contents(simulator)["customization specs"] == before["customization specs"]


async def test_a_transfer_whose_url_names_no_host(program: Program) -> None:
    """The host of the URL is `*`: what the program is told takes its place."""
    async with running_vcenter() as (simulator, client):
        transfers: Any = simulator.inventory.transfers
        prepare = transfers.prepare
        transfers.prepare = lambda *values: prepare(*values[:-1], f"http://*:{simulator.port}")
        ended = await program.run(*arguments("--transfer-host", "127.0.0.1"), **environment(client))
        assert (ended.code, ended.err) == (0, "")


async def test_transfers_over_tls(program: Program, tmp_path: Path) -> None:
    """The certificate of the host is trusted by the authorities that are given, and by no others."""
    async with Simulator(SimulatorOptions(vms=8, transition=0.05, tls=True)) as simulator:
        authorities = tmp_path / "ca.pem"
        await asyncio.to_thread(authorities.write_text, simulator.certificate_pem or "")
        async with running_gateway(VCenterOptions(simulator.url, ca_file=str(authorities))) as client:
            refused = await program.run(*arguments(), **environment(client))
            trusted = await program.run(*arguments("--ca-file", str(authorities)), **environment(client))
    assert refused.code == 1
    assert "certificate" in refused.err
    assert_no_secrets(refused)
    assert (trusted.code, trusted.err) == (0, "")
