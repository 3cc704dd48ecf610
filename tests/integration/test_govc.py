"""govc, the command line of govmomi, against the simulator."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import os
import tarfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.simulator import RELEASES, Simulator, SimulatorOptions
from tests.integration.certificates import Authority
from tests.ovf import DESCRIPTOR

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
        code, output, errors = await self._run(*command)
        assert code == 0, errors
        return output

    async def fails(self, told: str, *command: str) -> None:
        """The command has to fail, and to tell why."""
        code, _, errors = await self._run(*command)
        assert code != 0
        assert told in errors

    async def _run(self, *command: str) -> tuple[int | None, str, str]:
        process = await asyncio.create_subprocess_exec(
            _GOVC, *command, env=self._environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            output, errors = await asyncio.wait_for(process.communicate(), _SECONDS)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return process.returncode, output.decode(), errors.decode()

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


async def test_resource_pools(govc: Govc) -> None:
    """A pool is made in another one, changed, shown and removed."""
    pools = govc.simulator.inventory.places.resource_pools
    await govc("pool.create", "-cpu.limit", "2000", "*/Resources/limited")
    [pool] = [pool for pool in pools.values() if pool.name == "limited"]
    assert (pool.parent, pool.cpu.limit) == ("resgroup-9", 2000)
    await govc("pool.change", "-mem.limit", "5000", "-mem.shares", "high", "*/Resources/limited")
    assert (pool.memory.limit, pool.memory.level) == (5000, "HIGH")
    assert "5000MB" in await govc("pool.info", "*/Resources/limited")
    await govc("pool.change", "-name", "renamed", "*/Resources/limited")
    await govc("pool.destroy", "*/Resources/renamed")
    assert "renamed" not in {pool.name for pool in pools.values()}


async def test_datacenters_and_folders(govc: Govc) -> None:
    """Datacenters and folders are made, moved, renamed and destroyed."""
    await govc("datacenter.create", "DC9")
    await govc("folder.create", "/DC9/vm/a")
    await govc("folder.create", "/DC9/vm/a/b")
    await govc("object.mv", "/DC9/vm/a/b", "/DC9/vm")
    await govc("object.rename", "/DC9/vm/b", "c")
    assert (await govc("find", "/DC9/vm")).split() == ["/DC9/vm", "/DC9/vm/a", "/DC9/vm/c"]
    await govc("object.destroy", "/DC9")
    assert (await govc("ls", "/")).split() == ["/DC0", "/DC1"]


async def test_clone_and_destroy(govc: Govc) -> None:
    """A machine is copied to where the command says, as a template too, and destroyed; its source stays."""
    machines = govc.simulator.inventory.machines
    place = ("-ds", "datastore2", "-pool", "*/Resources")
    await govc("vm.clone", "-vm", "web-0001", "-on=false", "-folder", "Production", *place, "copy")
    [copy] = machines.named("copy")
    assert (copy.placement.folder, copy.datastore, copy.power_state) == ("group-v31", "datastore2", "POWERED_OFF")
    await govc("vm.clone", "-vm", "copy", "-template", "-on=false", *place, "golden")
    await govc("vm.clone", "-vm", "golden", "-on=true", *place, "started")
    [golden], [started] = machines.named("golden"), machines.named("started")
    assert (golden.template, started.template, started.power_state) == (True, False, "POWERED_ON")
    await govc("vm.destroy", "copy", "started")
    assert not machines.named("copy") + machines.named("started")
    assert machines["vm-1001"].power_state == "POWERED_ON"


async def test_migrate_and_maintenance(govc: Govc) -> None:
    """A machine moves to another host and datastore; a host that enters maintenance gives its machines away."""
    machine, hosts = govc.simulator.inventory.machines["vm-1001"], govc.simulator.inventory.places.hosts
    await govc("vm.migrate", "-host", "esx-13.vsphere.local", "web-0001")
    await govc("vm.migrate", "-ds", "datastore2", "web-0001")
    assert (machine.placement.host, machine.datastore, machine.power_state) == ("host-13", "datastore2", "POWERED_ON")
    await govc("host.maintenance.enter", "esx-13.vsphere.local")
    assert (machine.placement.host, hosts["host-13"].in_maintenance) == ("host-10", True)
    await govc.fails("maintenance mode", "vm.migrate", "-host", "esx-13.vsphere.local", "web-0001")
    await govc("host.maintenance.exit", "esx-13.vsphere.local")
    assert not hosts["host-13"].in_maintenance
    await govc.fails("timed out", "host.maintenance.enter", "-dc", "DC1", "esx-29.vsphere.local")


async def test_tags(govc: Govc) -> None:
    """Categories and tags are made, changed, attached, listed by either end, and removed."""
    await govc("tags.category.create", "-d", "Who pays", "-t", "VirtualMachine", "Owner")
    await govc("tags.create", "-c", "Owner", "alice")
    await govc("tags.create", "-c", "Owner", "bob")
    await govc("tags.attach", "alice", "/DC0/vm/web-0001")
    await govc.fails("cis.tagging.cardinalityViolation.error", "tags.attach", "bob", "/DC0/vm/web-0001")
    assert (await govc("tags.attached.ls", "alice")).split() == ["VirtualMachine:vm-1001"]
    assert (await govc("tags.attached.ls", "-r", "/DC0/vm/web-0001")).split() == ["production", "alice"]
    await govc("tags.update", "-n", "carol", "alice")
    await govc("tags.detach", "carol", "/DC0/vm/web-0001")
    for tag in ("carol", "bob"):
        await govc("tags.rm", tag)
    await govc("tags.category.rm", "Owner")
    assert (await govc("tags.category.ls")).split() == ["Environment", "Role"]


async def test_libraries(govc: Govc) -> None:
    """Machines are deployed from packages and templates, captured as both, checked out and in."""
    compute = ("-pool", "*/Resources", "-folder", "vm")
    place = (*compute, "-ds", "datastore1")
    machines, libraries = govc.simulator.inventory.machines, govc.simulator.inventory.libraries
    await govc("library.deploy", *place, "/templates/photon-5", "of-a-package")
    await govc("library.deploy", *place, "/templates/golden-image", "of-a-template")
    assert machines.named("of-a-package")
    assert machines.named("of-a-template")
    await govc("library.clone", "-vm", "of-a-package", "-ovf", "templates", "package")
    await govc("library.clone", "-vm", "of-a-package", *place, "templates", "template")
    assert "/templates/template" in (await govc("library.ls", "*/*")).split()
    assert "Guest OS" in await govc("library.vmtx.info", "/templates/template")
    await govc("library.checkout", *compute, "/templates/template", "change")
    await govc("library.checkin", "-vm", "change", "-m", "changed", "/templates/template")
    [item] = [item for item in libraries.items.values() if item.name == "template"]
    assert int(item.content_version) > 1
    await govc("library.rm", "/templates/package")
    assert "/templates/package" not in (await govc("library.ls", "*/*")).split()


async def test_library_files(govc: Govc, tmp_path: Path) -> None:
    """A library is made, and an image and an archive of a package are imported: exported again, and deployed."""
    image, archive = tmp_path / "small.iso", tmp_path / "small.ova"
    image.write_bytes(b"image" * 300_000)
    write_archive(archive, {"small.ovf": DESCRIPTOR, "disk1.vmdk": b"disk"})
    await govc("library.create", "-ds", "datastore1", "mine")
    await govc("library.import", "-n", "image", "mine", str(image))
    await govc("library.import", "-m", "-n", "package", "mine", str(archive))
    assert (await govc("library.ls", "/mine/*")).split() == ["/mine/image", "/mine/package"]
    await govc("library.export", "/mine/image/small.iso", str(tmp_path / "back.iso"))
    assert (tmp_path / "back.iso").read_bytes() == image.read_bytes()
    await govc("library.deploy", "-pool", "*/Resources", "-folder", "vm", "-ds", "datastore1", "/mine/package", "new")
    [machine] = govc.simulator.inventory.machines.named("new")
    assert (machine.guest_os, machine.memory.size_mib) == ("CENTOS_7_64", 512)
    transferred = {call.target: call.body for call in govc.simulator.record if call.target.startswith("/cls/data/")}
    assert transferred == {f"/cls/data/*/{name}": b"" for name in ("small.iso", "small.ovf", "disk1.vmdk")}
    await govc.fails("made up", "library.export", "/templates/photon-5/photon-5.mf", str(tmp_path / "none"))
    await govc("library.rm", "/mine")
    assert (await govc("library.ls")).split() == ["/templates", "/mirror"]


async def test_subscribed_libraries(govc: Govc) -> None:
    """A library is published and followed, by one that is told about changes; files are evicted."""
    mine = (await govc("library.create", "-ds", "datastore1", "-pub=true", "mine")).strip()
    url = f"https://vcenter.vsphere.local/cls/vcsp/lib/{mine}/lib.json"
    assert url in await govc("library.info", "mine")
    machine = govc.simulator.inventory.machines["vm-1002"].name
    await govc("library.create", "-ds", "datastore2", "-sub", url, "-sub-ondemand=true", "copy")
    await govc("library.clone", "-vm", machine, "-ovf", "mine", "package")
    await govc("library.sync", "copy")
    await _until(lambda: govc("library.ls", "/copy/*"), "/copy/package")
    await govc("library.sync", "-f", "/copy/package")
    [package] = [item for item in govc.simulator.inventory.libraries.items.values() if item.source is not None][1:]
    await _until(lambda: govc("library.info", "/copy/package"), f"{package.size}B")
    await govc("library.evict", "copy")
    assert not package.cached
    place = ("-folder", "vm", "-net", "VM Network", "-cluster", "Cluster0")
    subscription = (await govc("library.subscriber.create", *place, "mine", "copy")).strip()
    assert "copy" in await govc("library.subscriber.ls", "mine")
    assert "LOCAL" in await govc("library.subscriber.info", "mine", subscription)
    await govc("library.clone", "-vm", machine, "-ovf", "mine", "another")
    await govc("library.publish", "mine", subscription)
    await _until(lambda: govc("library.ls", "/copy/*"), "/copy/another")
    await govc("library.rm", "copy")
    assert (await govc("library.ls")).split() == ["/templates", "/mirror", "/mine"]


async def test_trust_in_signers(govc: Govc, tmp_path: Path) -> None:
    """The policy that verifies packages is listed, and certificates are added, shown and removed."""
    assert "OVF default policy" in await govc("library.policy.ls")
    file = tmp_path / "signer.pem"
    file.write_bytes(Authority("signer").certificate)
    await govc("library.trust.create", str(file))
    [certificate] = govc.simulator.inventory.libraries.certificates
    assert certificate in await govc("library.trust.ls")
    assert "signer" in await govc("library.trust.info", certificate)
    await govc("library.trust.rm", certificate)
    assert govc.simulator.inventory.libraries.certificates == {}


async def _until(command: Callable[[], Awaitable[str]], told: str) -> None:
    """Repeats a command until it prints that."""
    async with asyncio.timeout(_SECONDS):
        while told not in await command():
            pass


def write_archive(path: Path, files: dict[str, bytes]) -> None:
    """An OVA: the files, and a manifest with their checksums."""
    manifest = "".join(f"SHA256({name})= {hashlib.sha256(content).hexdigest()}\n" for name, content in files.items())
    with tarfile.open(path, "w") as archive:
        for name, content in {**files, "small.mf": manifest.encode()}.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
