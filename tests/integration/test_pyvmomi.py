"""pyVmomi, VMware's own client of the VIM API, against the simulator."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pyVim.connect import Disconnect, SmartConnect
from pyVmomi import SoapStubAdapter, vim, vmodl

from gateway.simulator import RELEASES, Simulator, SimulatorOptions

VMS = 12


@pytest.fixture(params=RELEASES)
async def simulator(request: pytest.FixtureRequest) -> AsyncIterator[Simulator]:
    """One of each release."""
    async with Simulator(SimulatorOptions(vms=VMS, release=request.param)) as running:
        yield running


@contextmanager
def connected(simulator: Simulator, **options: Any) -> Iterator[Any]:
    """A service instance with a session, which is ended."""
    names = {"protocol": "http", "user": simulator.user, "pwd": simulator.password, **options}
    service = SmartConnect(host="127.0.0.1", port=simulator.port, **names)
    try:
        yield service
    finally:
        Disconnect(service)


def machine_named(service: Any, name: str) -> Any:
    view = service.content.viewManager.CreateContainerView(service.content.rootFolder, [vim.VirtualMachine], True)
    try:
        return next(machine for machine in view.view if machine.name == name)
    finally:
        view.DestroyView()


def result_of(service: Any, task: Any) -> Any:
    """What a task ended with: its result, or the fault it raised."""
    collector = service.content.propertyCollector.CreatePropertyCollector()
    properties = vmodl.query.PropertyCollector
    spec = properties.FilterSpec(
        objectSet=[properties.ObjectSpec(obj=task)], propSet=[properties.PropertySpec(type=vim.Task, pathSet=["info"])]
    )
    collector.CreateFilter(spec, partialUpdates=False)
    version = ""
    while True:
        update = collector.WaitForUpdatesEx(version, properties.WaitOptions(maxWaitSeconds=20))
        assert update is not None
        version = update.version
        info = update.filterSet[0].objectSet[0].changeSet[0].val
        if info.state in ("success", "error"):
            collector.DestroyPropertyCollector()
            if info.state == "error":
                raise info.error
            return info.result


async def test_login_and_inventory(simulator: Simulator) -> None:
    """It finds out the release, logs in, and walks from the root folder to a host and a machine."""

    def look() -> None:
        with connected(simulator) as service:
            assert service.content.about.apiVersion == RELEASES[simulator.options.release].version
            assert service.content.sessionManager.currentSession.userName == "VSPHERE.LOCAL\\administrator"
            first, second = service.content.rootFolder.childEntity
            assert (first.name, second.name) == ("DC0", "DC1")
            [cluster] = first.hostFolder.childEntity
            assert [host.name for host in cluster.host] == ["esx-10.vsphere.local", "esx-13.vsphere.local"]
            machine = machine_named(service, "web-0001")
            assert machine.runtime.host.parent == cluster
            assert machine.resourcePool.owner == cluster
            assert machine.parent == first.vmFolder

    await asyncio.to_thread(look)
    assert simulator.sessions.counts()["open"] == 0


async def test_login_over_https() -> None:
    """The cookie of a session that is for HTTPS alone comes back over HTTPS."""
    async with Simulator(SimulatorOptions(vms=1, tls=True)) as simulator:
        context = ssl.create_default_context(cadata=simulator.certificate_pem)

        def look() -> str:
            with connected(simulator, protocol="https", sslContext=context) as service:
                return str(service.content.sessionManager.currentSession.fullName)

        assert await asyncio.to_thread(look) == "administrator"


async def test_a_wrong_password(simulator: Simulator) -> None:
    """It raises InvalidLogin."""

    def log_in() -> None:
        stub = SoapStubAdapter("127.0.0.1", -simulator.port, version="vim.version.version9")
        try:
            manager = vim.ServiceInstance("ServiceInstance", stub).RetrieveContent().sessionManager
            with pytest.raises(vim.fault.InvalidLogin):
                manager.Login(simulator.user, "wrong")
            with pytest.raises(vim.fault.NotAuthenticated):
                manager.Logout()
        finally:
            stub.DropConnections()  # SmartConnect leaves its own open.

    await asyncio.to_thread(log_in)
    assert simulator.sessions.counts()["rejected_logins"] == 1


async def test_every_property_can_be_read(simulator: Simulator) -> None:
    """All properties of all objects come as the types that pyVmomi knows for them."""
    properties = vmodl.query.PropertyCollector
    types = [
        vim.VirtualMachine, vim.Folder, vim.Datacenter, vim.ComputeResource, vim.HostSystem, vim.ResourcePool,
        vim.Datastore, vim.Network,
    ]  # fmt: skip

    def read() -> list[Any]:
        with connected(simulator) as service:
            content = service.content
            machine = machine_named(service, "web-0001")
            result_of(service, machine.CreateSnapshot("s", "d", True, False))
            view = content.viewManager.CreateContainerView(content.rootFolder, types, True)
            step = properties.TraversalSpec(name="view", type=vim.view.ContainerView, path="view", skip=False)
            spec = properties.FilterSpec(
                objectSet=[properties.ObjectSpec(obj=view, skip=True, selectSet=[step])],
                propSet=[properties.PropertySpec(type=kind, all=True) for kind in types],
            )
            found = content.propertyCollector.RetrievePropertiesEx([spec], properties.RetrieveOptions())
            assert content.taskManager.recentTask[0].info.entity == machine
            assert content.eventManager.latestEvent is not None
            assert content.eventManager.description.eventInfo
            assert content.perfManager.historicalInterval
            return list(found.objects)

    objects = await asyncio.to_thread(read)
    kinds = [type(item.obj) for item in objects]
    assert kinds.count(vim.VirtualMachine) == VMS + 1
    assert {vim.ClusterComputeResource, vim.ComputeResource, vim.dvs.DistributedVirtualPortgroup} <= set(kinds)
    machine = next(item for item in objects if item.obj._moId == "vm-1001")
    values = {item.name: item.val for item in machine.propSet}
    assert isinstance(values["config"], vim.vm.ConfigInfo)
    assert isinstance(values["snapshot"].rootSnapshotList[0].snapshot, vim.vm.Snapshot)
    nic = next(item for item in values["config"].hardware.device if item.key == 4000)
    assert isinstance(nic, vim.vm.device.VirtualVmxnet3)
    assert values["guest"].net[0].ipAddress[0] == values["guest"].ipAddress == "10.20.1.1"


async def test_a_change_by_rest_ends_a_wait(simulator: Simulator) -> None:
    """A wait on a container view gets what the REST API has changed, and nothing else."""
    properties = vmodl.query.PropertyCollector
    inventory, clock = simulator.inventory, simulator.options.clock
    started = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait() -> list[Any]:
        with connected(simulator) as service:
            content = service.content
            view = content.viewManager.CreateContainerView(content.rootFolder, [vim.VirtualMachine], True)
            step = properties.TraversalSpec(name="view", type=vim.view.ContainerView, path="view", skip=False)
            spec = properties.FilterSpec(
                objectSet=[properties.ObjectSpec(obj=view, skip=True, selectSet=[step])],
                propSet=[properties.PropertySpec(type=vim.VirtualMachine, pathSet=["name", "runtime.powerState"])],
            )
            collector = content.propertyCollector
            collector.CreateFilter(spec, partialUpdates=False)
            first = collector.WaitForUpdatesEx("", properties.WaitOptions(maxWaitSeconds=20))
            assert len(first.filterSet[0].objectSet) == VMS + 1
            loop.call_soon_threadsafe(started.set)
            update = collector.WaitForUpdatesEx(first.version, properties.WaitOptions(maxWaitSeconds=20))
            return list(update.filterSet[0].objectSet)

    waiting = asyncio.ensure_future(asyncio.to_thread(wait))
    await started.wait()
    inventory.machines["vm-1003"].set_power_state("POWERED_OFF", clock())
    simulator.changes.touched("VirtualMachine", "vm-1003")
    [update] = await waiting
    assert (update.kind, update.obj._moId) == ("modify", "vm-1003")
    assert [(change.name, change.val) for change in update.changeSet] == [("runtime.powerState", "poweredOff")]


async def test_snapshots_bring_the_state_back(simulator: Simulator) -> None:
    """A machine goes back to what it was: memory, note, and the power it had."""

    def work() -> None:
        with connected(simulator) as service:
            machine = machine_named(service, "web-0001")
            snapshot = result_of(service, machine.CreateSnapshot("before 50%25", "d", True, False))
            spec = vim.vm.ConfigSpec(annotation="changed", memoryMB=8192)
            result_of(service, machine.Reconfigure(spec))
            result_of(service, machine.PowerOff())
            assert (machine.config.annotation, machine.config.hardware.memoryMB) == ("changed", 8192)
            result_of(service, snapshot.RevertToSnapshot_Task())
            assert machine.runtime.powerState == "poweredOn"
            assert (machine.config.annotation, machine.config.hardware.memoryMB) == ("", 4096)
            assert machine.snapshot.rootSnapshotList[0].name == "before 50%25"
            result_of(service, machine.RemoveAllSnapshots())
            assert machine.snapshot is None

    await asyncio.to_thread(work)


async def test_a_task_that_fails(simulator: Simulator) -> None:
    """What it ended in is raised as what it is, with its members."""

    def work() -> None:
        with connected(simulator) as service:
            machine = machine_named(service, "web-0001")
            with pytest.raises(vim.fault.InvalidPowerState) as caught:
                result_of(service, machine.PowerOn())
            assert caught.value.existingState == "poweredOn"
            with pytest.raises(vim.fault.DuplicateName):
                result_of(service, machine.Rename("cache-0005"))

    await asyncio.to_thread(work)


async def test_events_and_counters(simulator: Simulator) -> None:
    """Events of a machine come with their types; counters come as numbers and as text."""

    def work() -> None:
        with connected(simulator) as service:
            machine = machine_named(service, "web-0001")
            result_of(service, machine.Rename("web/new"))
            assert machine.name == "web%2fnew"
            entity = vim.event.EventFilterSpec.ByEntity(entity=machine, recursion="self")
            events = service.content.eventManager.QueryEvents(vim.event.EventFilterSpec(entity=entity))
            renamed = next(event for event in events if isinstance(event, vim.event.VmRenamedEvent))
            assert (renamed.oldName, renamed.newName) == ("web-0001", "web%2fnew")
            assert renamed.userName == "VSPHERE.LOCAL\\administrator"
            manager = service.content.perfManager
            usage = next(
                item.key for item in manager.perfCounter if (item.groupInfo.key, item.nameInfo.key) == ("cpu", "usage")
            )
            metric = vim.PerformanceManager.MetricId(counterId=usage, instance="")
            spec = vim.PerformanceManager.QuerySpec(entity=machine, metricId=[metric], intervalId=20, maxSample=4)
            [numbers] = manager.QueryPerf([spec])
            assert len(numbers.value[0].value) == len(numbers.sampleInfo) == 4
            spec.format = "csv"
            [text] = manager.QueryPerf([spec])
            assert text.value[0].value == ",".join(map(str, numbers.value[0].value))

    await asyncio.to_thread(work)
