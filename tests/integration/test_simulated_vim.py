"""The simulator's VIM API beside its REST API: waits, versions, sessions, tasks, snapshots and what else they share."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from gateway.calls import Basic, SessionId
from gateway.errors import GatewayError
from gateway.simulator import Fault, Simulator, SimulatorOptions
from gateway.simulator.machine import Question
from gateway.vcenter.client import VCenter
from gateway.vim import Data, ObjectUpdate, Ref
from gateway.vim.filters import in_view, of_objects
from tests.integration.harness import eventually
from tests.integration.vim_servers import Inventory, inventory_of, running_vcenter
from tests.unit.simulator.harness import basic

PATHS = ("name", "runtime.powerState", "config.annotation")
OFF = {"runtime.powerState": "poweredOff"}


@dataclass(frozen=True, slots=True)
class Both:
    """A simulator, its VIM API, and its REST API."""

    simulator: Simulator
    vcenter: VCenter
    inventory: Inventory
    http: aiohttp.ClientSession

    async def call(self, this: Ref, method: str, /, **arguments: Any) -> Any:
        return await self.inventory.client.call(this, method, arguments)

    def singleton(self, name: str) -> Ref:
        """One of vCenter's managers, such as `searchIndex`."""
        found: Ref = self.inventory.content[name]
        return found

    async def rest(self, method: str, path: str, body: Any = None) -> Any:
        async with self.http.request(method, f"/api/{path}", json=body) as response:
            assert response.status < 300, await response.text()
            return await response.json() if response.status != 204 else None

    async def stop(self, vm: str) -> None:
        """Switches a machine off by REST."""
        await self.rest("POST", f"vcenter/vm/{vm}/power?action=stop")

    async def properties(self, ref: Ref, *paths: str) -> dict[str, Any]:
        [content] = await self.inventory.client.properties([ref], paths)
        return dict(content.values)

    async def ended(self, task: Ref) -> Data:
        """What became of a task."""
        while True:
            info: Data = (await self.properties(task, "info"))["info"]
            if info["state"] in ("success", "error"):
                return info
            await self.simulator.changes.wait(1)

    async def watch(self, paths: Sequence[str] = PATHS, view: Ref | None = None) -> Watch:
        """A collector with a filter on all machines, or on those of a view."""
        collector = await self.call(self.singleton("propertyCollector"), "CreatePropertyCollector")
        spec = in_view(view or self.inventory.view, "VirtualMachine", paths)
        await self.call(collector, "CreateFilter", spec=spec, partialUpdates=False)
        return Watch(self, collector)


class Watch:
    """The state of machines as updates tell it."""

    def __init__(self, both: Both, collector: Ref) -> None:
        self.both = both
        self.collector = collector
        self.version = ""
        self.state: dict[str, dict[str, Any]] = {}

    async def next(self, seconds: int = 30, most: int = 100) -> list[ObjectUpdate]:
        """The next updates of one answer, which change the state; none when there were none for so long."""
        client = self.both.inventory.client
        updates = await client.wait_for_updates(self.collector, self.version, seconds=seconds, most=most)
        if updates is None:
            return []
        self.version = updates["version"]
        found = [update for part in updates.get("filterSet", ()) for update in part.get("objectSet", ())]
        for update in found:
            if update.kind == "leave":
                del self.state[update.obj.value]
            else:
                assert (update.kind == "enter") == (update.obj.value not in self.state)
                self.state.setdefault(update.obj.value, {}).update(update.values)
        return found

    async def all(self, most: int = 100) -> list[ObjectUpdate]:
        """All updates that there are now."""
        found: list[ObjectUpdate] = []
        while updates := await self.next(0, most):
            found += updates
        return found


@contextmanager
def vim_fault(name: str) -> Iterator[None]:
    """What is within ends in the fault."""
    with pytest.raises(GatewayError) as caught:
        yield
    assert caught.value.failure.metadata.get("vi_fault") == name


@pytest.fixture
def options() -> SimulatorOptions:
    return SimulatorOptions(vms=12, transition=0.2)


@pytest.fixture
async def both(options: SimulatorOptions) -> AsyncIterator[Both]:
    async with (
        Simulator(options) as simulator,
        running_vcenter(simulator.url) as vcenter,
        aiohttp.ClientSession(simulator.url) as http,
    ):
        async with http.post("/api/session", headers=basic(simulator.user)) as response:
            http.headers["vmware-api-session-id"] = await response.json()
        inventory = await inventory_of(vcenter, Basic(simulator.user, simulator.password))
        yield Both(simulator, vcenter, inventory, http)


async def test_a_change_by_rest(both: Both) -> None:
    """It ends a wait, as one update with what is different; the record of changes has it too."""
    watch = await both.watch()
    assert len(await watch.all()) == 13
    waiting = asyncio.ensure_future(watch.next())
    await both.stop("vm-1001")
    assert await waiting == [ObjectUpdate("modify", Ref("VirtualMachine", "vm-1001"), OFF, {})]
    change = both.simulator.changes.record[-1]
    assert (change.vm, change.user, change.reconfigured) == ("vm-1001", both.simulator.user, False)
    assert change.before is not None
    assert change.after is not None
    assert (change.before.power_state, change.after.power_state) == ("POWERED_ON", "POWERED_OFF")


async def test_a_touch_that_changes_nothing(both: Both) -> None:
    """It is no update."""
    watch = await both.watch()
    await watch.all()
    both.simulator.changes.touched("VirtualMachine", "vm-1001")
    assert await watch.next(0) == []


async def test_machines_that_come_and_go(both: Both) -> None:
    """A new machine enters, one that is deleted leaves."""
    watch = await both.watch()
    await watch.all()
    placement = {"folder": "group-v4", "host": "host-10", "datastore": "datastore-11"}
    vm = await both.rest("POST", "vcenter/vm", {"guest_OS": "UBUNTU_64", "name": "new", "placement": placement})
    assert [(update.kind, update.obj.value) for update in await watch.all()] == [("enter", vm)]
    assert watch.state[vm]["name"] == "new"
    await both.rest("DELETE", f"vcenter/vm/{vm}")
    assert [(update.kind, update.obj.value) for update in await watch.all()] == [("leave", vm)]


async def test_a_machine_that_moves(both: Both) -> None:
    """It leaves the view of one folder, and enters that of another one."""
    manager, root = both.singleton("viewManager"), Ref("Folder", "group-v31")
    arguments = {"container": root, "type": ["VirtualMachine"], "recursive": True}
    watch = await both.watch(view=await both.call(manager, "CreateContainerView", **arguments))
    await watch.all()
    assert sorted(watch.state) == ["vm-1002", "vm-1006", "vm-1010"]
    vm = Ref("VirtualMachine", "vm-1001")
    await both.ended(await both.call(root, "MoveIntoFolder_Task", list=[vm]))
    assert [(update.kind, update.obj.value) for update in await watch.all()] == [("enter", "vm-1001")]
    await both.ended(await both.call(Ref("Folder", "group-v4"), "MoveIntoFolder_Task", list=[vm]))
    assert [(update.kind, update.obj.value) for update in await watch.all()] == [("leave", "vm-1001")]
    assert await both.properties(vm, "parent") == {"parent": Ref("Folder", "group-v4")}


async def test_what_time_changes(both: Both) -> None:
    """The address of a guest shows when its tools have started, although nobody asks for anything."""
    watch = await both.watch(["guest.ipAddress", "guest.toolsRunningStatus"])
    await watch.all()
    await both.rest("POST", "vcenter/vm/vm-1002/power?action=start")
    [update] = await watch.next()
    assert update.values == {"guest.ipAddress": "10.20.1.2", "guest.toolsRunningStatus": "guestToolsRunning"}


async def test_pages_of_updates(both: Both) -> None:
    """They are cut, and the version of a cut one is good for the next call only."""
    watch = await both.watch()
    client = both.inventory.client
    updates = await client.wait_for_updates(watch.collector, "", seconds=0, most=5)
    assert updates is not None
    assert updates["truncated"] is True
    again = await client.wait_for_updates(watch.collector, updates["version"], seconds=0, most=5)
    assert again is not None
    with vim_fault("InvalidCollectorVersion"):
        await client.wait_for_updates(watch.collector, updates["version"], seconds=0, most=5)
    with vim_fault("InvalidCollectorVersion"):
        await client.wait_for_updates(watch.collector, "999", seconds=0, most=5)
    assert len(await watch.all(most=5)) == 13


async def test_an_answer_that_is_asked_for_again(both: Both) -> None:
    """The same version brings the same updates, for a client that has lost the answer."""
    watch = await both.watch()
    await watch.all()
    client, before = both.inventory.client, watch.version
    await both.stop("vm-1001")
    first = await client.wait_for_updates(watch.collector, before, seconds=30, most=100)
    assert first is not None
    assert await client.wait_for_updates(watch.collector, before, seconds=30, most=100) == first
    watch.version = first["version"]
    await both.stop("vm-1003")
    assert [update.obj.value for update in await watch.next()] == ["vm-1003"]


async def test_an_answer_that_is_cut(both: Both) -> None:
    """What is lost with the connection in the middle of an answer comes again with the same version."""
    watch = await both.watch()
    await watch.all()
    await both.stop("vm-1001")
    both.simulator.faults.add(Fault.of("cut_body", {}), operation="vim.PropertyCollector.WaitForUpdatesEx")
    with pytest.raises(GatewayError):
        await watch.next()
    assert [update.values for update in await watch.next()] == [OFF]


async def test_a_client_that_hangs_up(both: Both) -> None:
    """Its wait takes no changes with it."""
    watch = await both.watch()
    await watch.all()
    wait = await waiting(both, watch)
    wait.cancel()
    with pytest.raises(asyncio.CancelledError):
        await wait
    await both.stop("vm-1001")
    assert [update.values for update in await watch.next()] == [OFF]


async def test_everything_anew(both: Both) -> None:
    """The empty version begins from the start."""
    watch = await both.watch()
    await watch.all()
    watch.version, watch.state = "", {}
    assert {update.kind for update in await watch.all()} == {"enter"}
    assert len(watch.state) == 13


async def waiting(both: Both, watch: Watch) -> asyncio.Future[Any]:
    """A wait that has arrived."""
    found = asyncio.ensure_future(watch.next())
    await eventually(lambda: both.simulator.changes.waiting > 0, "the wait is with the simulator")
    return found


async def test_a_filter_that_is_made_during_a_wait(both: Both) -> None:
    """What it selects enters into the wait."""
    collector = await both.call(both.singleton("propertyCollector"), "CreatePropertyCollector")
    watch = Watch(both, collector)
    wait = await waiting(both, watch)
    await both.call(collector, "CreateFilter", spec=of_objects([both.inventory.machines[0]], ["name"]))
    [update] = await wait
    assert (update.kind, update.values) == ("enter", {"name": "web-0001"})


@pytest.mark.parametrize("name", ["CancelWaitForUpdates", "DestroyPropertyCollector"])
async def test_a_wait_that_is_canceled(both: Both, name: str) -> None:
    """It ends with a fault."""
    watch = await both.watch()
    await watch.all()
    wait = await waiting(both, watch)
    await both.call(watch.collector, name)
    with vim_fault("RequestCanceled"):
        await wait


async def test_a_wait_whose_session_ends(both: Both) -> None:
    """It ends with a fault, and the collector is gone."""
    watch = await both.watch()
    await watch.all()
    wait = await waiting(both, watch)
    both.simulator.sessions.expire_all()
    with vim_fault("RequestCanceled"):
        await wait
    with vim_fault("ManagedObjectNotFound"):
        await watch.next()


async def test_a_burst(both: Both) -> None:
    """Many changes of a machine between two looks are one update, and the last state is what it tells."""
    watch = await both.watch()
    await watch.all()
    for number in range(5000):
        machine = both.simulator.inventory.machines[f"vm-{1001 + number % 11}"]
        machine.annotation = f"note {number}"
        both.simulator.changes.touched("VirtualMachine", machine.vm, reconfigured=True)
    assert len(await watch.all(most=7)) == 11
    machines = both.simulator.inventory.machines.values()
    assert {watch.state[machine.vm].get("config.annotation") for machine in machines} == {
        "", None, *(f"note {number}" for number in range(5000 - 11, 5000))
    }  # fmt: skip


async def test_many_machines_and_changes() -> None:
    """Four thousand machines are told in pages, and hundreds of changes one by one, each with its latest state."""
    async with Simulator(SimulatorOptions(vms=4000)) as simulator, running_vcenter(simulator.url) as vcenter:
        inventory = await inventory_of(vcenter, Basic(simulator.user, simulator.password))
        async with aiohttp.ClientSession(simulator.url) as http:
            both = Both(simulator, vcenter, inventory, http)
            watch = await both.watch()
            assert len(await watch.all()) == 4001
            for number in range(1000):
                machine = simulator.inventory.machines[f"vm-{1001 + 3 * number}"]
                machine.annotation = str(number)
                simulator.changes.touched("VirtualMachine", machine.vm, reconfigured=True)
                if number % 10 == 0:
                    assert await watch.next()
            await watch.all()
            assert all(
                watch.state[f"vm-{1001 + 3 * number}"]["config.annotation"] == str(number) for number in range(1000)
            )


async def test_pages_of_an_inventory(both: Both) -> None:
    """A token is good once; without a limit there are no pages."""
    collector = await both.call(both.singleton("propertyCollector"), "CreatePropertyCollector")
    filters = [in_view(both.inventory.view, "VirtualMachine", ["name"])]
    whole = await both.call(collector, "RetrievePropertiesEx", specSet=filters, options={})
    assert len(whole["objects"]) == 13
    page = await both.call(collector, "RetrievePropertiesEx", specSet=filters, options={"maxObjects": 12})
    rest = await both.call(collector, "ContinueRetrievePropertiesEx", token=page["token"])
    assert [len(page["objects"]), len(rest["objects"]), rest.get("token")] == [12, 1, None]
    with vim_fault("InvalidArgument"):
        await both.call(collector, "ContinueRetrievePropertiesEx", token=page["token"])
    page = await both.call(collector, "RetrievePropertiesEx", specSet=filters, options={"maxObjects": 1})
    await both.call(collector, "CancelRetrievePropertiesEx", token=page["token"])
    with vim_fault("InvalidArgument"):
        await both.call(collector, "ContinueRetrievePropertiesEx", token=page["token"])


@pytest.mark.parametrize("path", ["nmae", "config.hardware.numCPUs", "name.first", "config..name", "runtime.host.name"])
async def test_a_path_that_leads_nowhere(both: Both, path: str) -> None:
    """It is refused with its name."""
    with vim_fault("InvalidProperty"):
        await both.watch(["name", path])


async def test_elements_by_their_keys(both: Both) -> None:
    """A device and a setting are read one by one."""
    vm = both.inventory.machines[0]
    spec = {"extraConfig": [Data("OptionValue", key="guestinfo.a", value="1")]}
    await both.ended(await both.call(vm, "ReconfigVM_Task", spec=spec))
    device, option = "config.hardware.device[4000]", 'config.extraConfig["guestinfo.a"]'
    found = await both.properties(vm, device, option, "config.hardware.device[1]")
    assert found.keys() == {device, option}
    assert (found[device].type, found[option]["value"]) == ("VirtualVmxnet3", "1")


async def test_without_a_session(both: Both) -> None:
    """The property collector answers with nothing, everything else with a fault."""
    envelope = (
        '<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body>'
        '<{0} xmlns="urn:vim25"><_this type="{1}">{2}</_this>{3}</{0}></Body></Envelope>'
    )
    spec = (
        "<specSet><propSet><type>VirtualMachine</type><pathSet>name</pathSet></propSet>"
        "<objectSet><obj type='VirtualMachine'>vm-1001</obj></objectSet></specSet><options/>"
    )
    async with aiohttp.ClientSession(both.simulator.url) as http:
        body = envelope.format("RetrievePropertiesEx", "PropertyCollector", "propertyCollector", spec)
        async with http.post("/sdk", data=body) as response:
            assert response.status == 200
            assert "returnval" not in await response.text()
        body = envelope.format("PowerOffVM_Task", "VirtualMachine", "vm-1001", "")
        async with http.post("/sdk", data=body) as response:
            assert response.status == 500
            assert 'NotAuthenticatedFault xmlns="urn:vim25" xsi:type="NotAuthenticated"' in await response.text()


@pytest.mark.parametrize("body", [b"", b"<a", b"<a/>", b"<!DOCTYPE a><a/>", b"{}"], ids=repr)
async def test_no_soap(both: Both, body: bytes) -> None:
    """What is no call is a fault."""
    async with both.http.post("/sdk", data=body) as response:
        assert response.status == 500
        assert "InvalidRequest" in await response.text()


async def test_who_may_what(both: Both) -> None:
    """A user who may read may not change; one without privileges may not even log in."""
    password = both.simulator.password
    reader = both.vcenter.vim.client(Basic("readonly@vsphere.local", password))
    with vim_fault("NoPermission"):
        await reader.call(both.inventory.machines[0], "PowerOffVM_Task")
    async with running_vcenter(both.simulator.url) as vcenter:
        nobody = vcenter.vim.client(Basic("noaccess@vsphere.local", password))
        view = {"container": both.singleton("rootFolder"), "type": ["VirtualMachine"], "recursive": True}
        with vim_fault("NoPermission"):
            await nobody.call(both.singleton("viewManager"), "CreateContainerView", view)


async def test_one_session_for_both(both: Both) -> None:
    """From 8.0.3 on, a session of the REST API opens the VIM API."""
    client = both.vcenter.vim.client(SessionId(both.http.headers["vmware-api-session-id"]))
    assert await client.properties([both.inventory.machines[0]], ["name"])


@pytest.mark.parametrize("options", [SimulatorOptions(vms=1, release="8.0.2")], ids=["8.0.2"])
async def test_sessions_apart(both: Both) -> None:
    """Before, each API has its own."""
    session = both.http.headers["vmware-api-session-id"]
    async with aiohttp.ClientSession(both.simulator.url, cookies={"vmware_soap_session": session}) as http:
        body = (
            '<Envelope xmlns="http://schemas.xmlsoap.org/soap/envelope/"><Body><Logout xmlns="urn:vim25">'
            '<_this type="SessionManager">SessionManager</_this></Logout></Body></Envelope>'
        )
        async with http.post("/sdk", data=body) as response:
            assert "NotAuthenticated" in await response.text()


@pytest.mark.parametrize("options", [SimulatorOptions(vms=2, task_seconds=0.5)], ids=["slow"])
async def test_tasks_that_take_their_time(both: Both) -> None:
    """A machine has one task at a time; its progress is told, and it can be canceled."""
    vm = both.inventory.machines[0]
    task = await both.call(vm, "PowerOffVM_Task")
    with pytest.raises(GatewayError) as caught:
        await both.call(vm, "Rename_Task", newName="other")
    assert caught.value.failure.metadata["vi_fault"] == "TaskInProgress"
    view = await both.call(both.singleton("viewManager"), "CreateListView", obj=[task])
    collector = await both.call(both.singleton("propertyCollector"), "CreatePropertyCollector")
    await both.call(collector, "CreateFilter", spec=in_view(view, "Task", ["info"]), partialUpdates=False)
    watch = Watch(both, collector)
    seen = []
    while not seen or seen[-1]["state"] == "running":
        seen += [update.values["info"] for update in await watch.next()]
    progress = [info["progress"] for info in seen if info["state"] == "running"]
    assert progress == sorted(progress)
    assert len(progress) >= 3
    assert seen[-1]["state"] == "success"
    task = await both.call(vm, "PowerOnVM_Task")
    assert await both.call(view, "ModifyListView", add=[task, Ref("Task", "task-999")]) == [Ref("Task", "task-999")]
    await both.call(task, "CancelTask")
    info = await both.ended(task)
    assert (info["cancelled"], info["error"].type) == (True, "RequestCanceled")
    assert both.simulator.inventory.machines["vm-1001"].power_state == "POWERED_OFF"
    with vim_fault("InvalidState"):
        await both.call(task, "CancelTask")


async def test_tasks_of_both(both: Both) -> None:
    """A task has one identifier, whichever API began it and whichever is asked for it."""
    vm = both.inventory.machines[0]
    task = await both.call(vm, "PowerOnVM_Task")
    assert (await both.ended(task))["error"].type == "InvalidPowerState"
    shown = await both.rest("GET", f"cis/tasks/{task.value}")
    assert (shown["status"], shown["error"]["error_type"]) == ("FAILED", "NOT_ALLOWED_IN_CURRENT_STATE")
    [message] = shown["error"]["messages"]
    assert message["default_message"].endswith("in the current state (Powered on).")
    spec = {"source": "vm-1002", "name": "copy", "placement": {"folder": "group-v4"}}
    started = await both.rest("POST", "vcenter/vm?action=clone&vmw-task=true", spec)
    info = await both.ended(Ref("Task", started))
    assert (info["name"], info["state"]) == ("CloneVM_Task", "success")
    assert (await both.properties(info["result"], "name"))["name"] == "copy"


async def test_snapshots_bring_the_guest_back(both: Both) -> None:
    """Files in the guest, devices and settings are what they were; a machine without memory comes back off."""
    vm = both.inventory.machines[0]
    machine = both.simulator.inventory.machines["vm-1001"]
    files, account = machine.guest.files, machine.guest.accounts["root"]
    assert files.exists(account, "/etc/hosts")
    info = await both.ended(
        await both.call(vm, "CreateSnapshot_Task", name="s", description="", memory=False, quiesce=False)
    )
    files.remove(account, "/etc/hosts")
    await both.rest("DELETE", "vcenter/vm/vm-1001/hardware/ethernet/4001")
    await both.ended(await both.call(vm, "Rename_Task", newName="renamed"))
    await both.ended(await both.call(info["result"], "RevertToSnapshot_Task"))
    assert machine.guest.files.exists(account, "/etc/hosts")
    assert (machine.power_state, sorted(machine.nics), machine.name) == ("POWERED_OFF", ["4000", "4001"], "renamed")


async def test_a_tree_of_snapshots(both: Both) -> None:
    """Snapshots hang from the one that was current; those that are removed leave their children to the one before."""
    vm = both.inventory.machines[0]

    async def take(name: str) -> Ref:
        task = await both.call(vm, "CreateSnapshotEx_Task", name=name, description="", memory=False)
        taken: Ref = (await both.ended(task))["result"]
        return taken

    one = await take("one")
    two = await take("two")
    three = await take("three")
    await both.ended(await both.call(two, "RevertToSnapshot_Task"))
    await take("four")
    await both.call(three, "RenameSnapshot", name="third")
    await both.ended(await both.call(two, "RemoveSnapshot_Task", removeChildren=False))
    info = (await both.properties(vm, "snapshot"))["snapshot"]
    [root] = info["rootSnapshotList"]
    assert root["snapshot"] == one
    assert [child["name"] for child in root["childSnapshotList"]] == ["third", "four"]
    with vim_fault("ManagedObjectNotFound"):
        await both.call(two, "RevertToSnapshot_Task")
    await both.ended(await both.call(one, "RemoveSnapshot_Task", removeChildren=True))
    assert await both.properties(vm, "snapshot") == {}


async def test_a_guard_against_lost_updates(both: Both) -> None:
    """A change that knows an older version of the configuration is refused."""
    vm = both.inventory.machines[0]
    version = (await both.properties(vm, "config.changeVersion"))["config.changeVersion"]
    spec = {"changeVersion": version, "annotation": "first"}
    assert (await both.ended(await both.call(vm, "ReconfigVM_Task", spec=spec)))["state"] == "success"
    info = await both.ended(await both.call(vm, "ReconfigVM_Task", spec={**spec, "annotation": "second"}))
    assert info["error"].type == "ConcurrentAccess"
    assert (await both.properties(vm, "config.annotation"))["config.annotation"] == "first"


async def test_a_change_that_is_refused_changes_nothing(both: Both) -> None:
    """CPUs that would be possible are not added when the memory is not."""
    vm = both.inventory.machines[0]
    info = await both.ended(await both.call(vm, "ReconfigVM_Task", spec={"numCPUs": 4, "memoryMB": 4097}))
    assert info["error"].type == "InvalidArgument"
    assert (await both.properties(vm, "config.hardware.numCPU"))["config.hardware.numCPU"] == 2


async def test_a_question(both: Both) -> None:
    """It shows, it is answered with one of its answers, and is gone."""
    vm = both.inventory.machines[0]
    machine = both.simulator.inventory.machines["vm-1001"]
    machine.question = Question("7", "Moved or copied?", {"1": "Moved", "2": "Copied"}, "2")
    both.simulator.changes.touched("VirtualMachine", "vm-1001")
    shown = (await both.properties(vm, "runtime.question"))["runtime.question"]
    assert (shown["id"], [item["label"] for item in shown["choice"]["choiceInfo"]]) == ("7", ["Moved", "Copied"])
    with vim_fault("InvalidArgument"):
        await both.call(vm, "AnswerVM", questionId="7", answerChoice="3")
    await both.call(vm, "AnswerVM", questionId="7", answerChoice="1")
    assert await both.properties(vm, "runtime.question") == {}


async def test_a_screenshot(both: Both) -> None:
    """It is a picture on a datastore, to be fetched with a password and to be deleted."""
    info = await both.ended(await both.call(both.inventory.machines[0], "CreateScreenshot_Task"))
    assert info["result"] == "[datastore1] web-0001/web-0001-1.png"
    path = "/folder/web-0001/web-0001-1.png?dcPath=DC0&dsName=datastore1"
    async with aiohttp.ClientSession(both.simulator.url) as http:
        async with http.get(path) as response:
            assert response.status == 401
        async with http.get(path, headers=basic(both.simulator.user)) as response:
            content = await response.read()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert struct.unpack(">II", content[16:24]) == (160, 100)
    arguments = {"name": info["result"], "datacenter": Ref("Datacenter", "datacenter-3")}
    for expected in ("success", "error"):
        task = await both.call(both.singleton("fileManager"), "DeleteDatastoreFile_Task", **arguments)
        assert (await both.ended(task))["state"] == expected


async def test_templates(both: Both) -> None:
    """A machine that is off becomes a template and a machine again, on another host if asked."""
    vm = both.inventory.machines[1]
    await both.call(vm, "MarkAsTemplate")
    assert "vm-1002" not in {item["vm"] for item in await both.rest("GET", "vcenter/vm")}
    pool, host = Ref("ResourcePool", "resgroup-33"), Ref("HostSystem", "host-10")
    await both.call(vm, "MarkAsVirtualMachine", pool=pool, host=host)
    assert await both.properties(vm, "config.template", "resourcePool", "runtime.host") == {
        "config.template": False,
        "resourcePool": pool,
        "runtime.host": host,
    }


async def test_what_is_found(both: Both) -> None:
    """Machines are found by address, name in the DNS, path and UUID; what is escaped in a path is a part of a name."""
    search, vm = both.singleton("searchIndex"), both.inventory.machines[0]
    assert await both.call(search, "FindAllByIp", ip="10.20.1.1", vmSearch=True) == [vm]
    assert await both.call(search, "FindByDnsName", dnsName="web-0001.example.com", vmSearch=True) == vm
    assert await both.call(search, "FindByInventoryPath", inventoryPath="/DC0/vm/web-0001") == vm
    assert await both.call(search, "FindByInventoryPath", inventoryPath="DC0/vm/nobody") is None
    await both.ended(await both.call(vm, "Rename_Task", newName="a/b"))
    assert await both.call(search, "FindByInventoryPath", inventoryPath="DC0/vm/a%2fb") == vm
    assert await both.call(search, "FindChild", entity=Ref("Folder", "group-v4"), name="a%2fb") == vm
    assert both.simulator.inventory.machines["vm-1001"].name == "a/b"


async def test_folders(both: Both) -> None:
    """They are made, renamed, moved and removed; vCenter's own are not."""
    root = Ref("Folder", "group-v4")
    folder = await both.call(root, "CreateFolder", name="new")
    with vim_fault("DuplicateName"):
        await both.call(root, "CreateFolder", name="new")
    await both.ended(await both.call(folder, "Rename_Task", newName="newer"))
    production = Ref("Folder", "group-v31")
    await both.ended(await both.call(production, "MoveIntoFolder_Task", list=[folder]))
    assert await both.properties(folder, "name", "parent") == {"name": "newer", "parent": production}
    await both.ended(await both.call(folder, "Destroy_Task"))
    assert folder.value not in {item["folder"] for item in await both.rest("GET", "vcenter/folder")}
    assert (await both.ended(await both.call(root, "Destroy_Task")))["error"].type == "NotSupported"


async def test_events_of_both(both: Both) -> None:
    """What the REST API does to a machine is an event as what the VIM API does, with who did it."""
    await both.stop("vm-1001")
    await both.ended(await both.call(both.inventory.machines[0], "ReconfigVM_Task", spec={"annotation": "x"}))
    entity = {"entity": both.inventory.machines[0], "recursion": "self"}
    kinds = ["VmPoweredOffEvent", "VmReconfiguredEvent"]
    spec = {"entity": entity, "eventTypeId": kinds}
    events = await both.call(both.singleton("eventManager"), "QueryEvents", filter=spec)
    assert [event.type for event in events] == kinds
    assert {event["userName"] for event in events} == {"VSPHERE.LOCAL\\administrator"}


async def test_faults_on_demand(both: Both) -> None:
    """A fault of either API is told in the words of the one that is called."""
    faults, vm = both.simulator.faults, both.inventory.machines[0]
    method = "vim.VirtualMachine.PowerOffVM_Task"
    faults.add(Fault.vim_fault("TaskInProgress", "It is busy."), operation=method)
    with vim_fault("TaskInProgress"):
        await both.call(vm, "PowerOffVM_Task")
    faults.add(Fault.error("RESOURCE_BUSY"), operation=method)
    with vim_fault("TaskInProgress"):
        await both.call(vm, "PowerOffVM_Task")
    assert [call.executed for call in both.simulator.record.of(method)] == [False, False]
    with pytest.raises(ValueError, match="no operation"):
        faults.add(Fault.vim_fault("NotFound"), operation="vim.VirtualMachine.NoSuchMethod")
