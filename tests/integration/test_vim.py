"""The client of the VIM API against servers that others wrote: inventories, changes, waits, sessions."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from gateway.calls import Basic, SessionId
from gateway.errors import GatewayError
from gateway.vcenter.client import VCenter
from gateway.vim import Data, ObjectUpdate, Ref
from gateway.vim.filters import in_view
from gateway.vim.sessions import SESSION_MANAGER
from tests.integration.harness import eventually
from tests.integration.vim_servers import SERVERS, Inventory, VimServer, inventory_of, running_vcenter


@pytest.fixture(params=SERVERS)
async def server(request: pytest.FixtureRequest) -> AsyncIterator[VimServer]:
    """Each server in turn."""
    async with SERVERS[request.param]() as running:
        yield running


@pytest.fixture
async def vcenter(server: VimServer) -> AsyncIterator[VCenter]:
    """A client of the server."""
    async with running_vcenter(server.url) as client:
        yield client


@pytest.fixture
async def inventory(server: VimServer, vcenter: VCenter) -> Inventory:
    """All machines, as the server's account sees them."""
    return await inventory_of(vcenter, server.account)


async def task_info(inventory: Inventory, task: Ref) -> Data:
    """What became of a task that has ended."""
    client, content = inventory.client, inventory.content
    collector = await client.call(content["propertyCollector"], "CreatePropertyCollector")
    arguments = {"obj": [task]}
    view = await client.call(content["viewManager"], "CreateListView", arguments)
    await client.call(collector, "CreateFilter", {"spec": in_view(view, "Task", ["info"]), "partialUpdates": False})
    version = ""
    while True:
        updates = await client.wait_for_updates(collector, version, seconds=10, most=10)
        assert updates is not None
        version = updates["version"]
        info: Data = updates["filterSet"][0]["objectSet"][0].values["info"]
        if info["state"] in ("success", "error"):
            return info


async def watched(inventory: Inventory) -> tuple[Ref, str]:
    """A collector that tells the power states of all machines, and the version after the first answer."""
    client = inventory.client
    collector = await client.call(inventory.content["propertyCollector"], "CreatePropertyCollector")
    spec = in_view(inventory.view, "VirtualMachine", ["name", "runtime.powerState"])
    await client.call(collector, "CreateFilter", {"spec": spec, "partialUpdates": False})
    updates = await client.wait_for_updates(collector, "", seconds=10, most=100)
    assert updates is not None
    return collector, updates["version"]


def updated(updates: Data | None) -> list[ObjectUpdate]:
    assert updates is not None
    return [update for found in updates["filterSet"] for update in found["objectSet"]]


async def sessions(inventory: Inventory) -> list[Data]:
    """The sessions that are open."""
    [manager] = await inventory.client.properties([SESSION_MANAGER], ["sessionList"])
    found: list[Data] = manager.values["sessionList"]
    return found


async def test_about(inventory: Inventory) -> None:
    """The server tells what it is, and where its singletons are."""
    assert inventory.content["about"]["apiType"] == "VirtualCenter"
    assert inventory.content["rootFolder"].type == "Folder"


@pytest.mark.parametrize("page_size", [1, 4, 100])
async def test_an_inventory_in_pages(server: VimServer, inventory: Inventory, page_size: int) -> None:
    """Every machine comes once, however small the pages are."""
    filters = [in_view(inventory.view, "VirtualMachine", ["name", "runtime.powerState", "config.uuid"])]
    pages = [page async for page in inventory.client.retrieve(filters, page_size=page_size)]
    found = {content.obj: content.values for page in pages for content in page}
    assert max(map(len, pages)) <= page_size
    assert len(found) == sum(map(len, pages)) == server.machines
    assert {values["runtime.powerState"] for values in found.values()} == {"poweredOn"}
    assert len({values["config.uuid"] for values in found.values()}) == server.machines


async def test_reads_do_not_end_each_other(server: VimServer, inventory: Inventory) -> None:
    """Several inventories are read at once, in pages, in one session."""
    filters = [in_view(inventory.view, "VirtualMachine", ["name"])]

    async def count() -> int:
        return len([content async for page in inventory.client.retrieve(filters, page_size=1) for content in page])

    assert await asyncio.gather(*(count() for _ in range(5))) == [server.machines] * 5
    assert len(await sessions(inventory)) == 1


async def test_an_object_that_is_gone(inventory: Inventory) -> None:
    """An object that does not exist is missing from what is read of several; a call of it says so."""
    gone = Ref("VirtualMachine", "vm-9999")
    with pytest.raises(GatewayError) as caught:
        await inventory.client.call(gone, "PowerOffVM_Task")
    assert caught.value.failure.code_name == "NOT_FOUND"
    assert caught.value.failure.metadata["vi_fault"] == "ManagedObjectNotFound"
    assert not caught.value.failure.may_have_executed


async def test_snapshots(inventory: Inventory) -> None:
    """A snapshot is made, found in the tree with its name as given, reverted to, and removed."""
    client, vm = inventory.client, inventory.machines[0]
    arguments = {"name": "before 50%/a\\b", "description": "d", "memory": False, "quiesce": False}
    info = await task_info(inventory, await client.call(vm, "CreateSnapshot_Task", arguments))
    snapshot: Ref = info["result"]
    [content] = await client.properties([vm], ["snapshot"])
    [tree] = content.values["snapshot"]["rootSnapshotList"]
    assert (tree["snapshot"], tree["name"]) == (snapshot, "before 50%/a\\b")
    assert (datetime.now(UTC) - tree["createTime"]).total_seconds() < 60
    for method, more in (("RevertToSnapshot_Task", {}), ("RemoveSnapshot_Task", {"removeChildren": False})):
        info = await task_info(inventory, await client.call(snapshot, method, more))
        assert info["state"] == "success"
    [content] = await client.properties([vm], ["snapshot", "name"])
    assert "snapshot" not in content.values


async def test_a_machine_is_changed(inventory: Inventory) -> None:
    """Note, guest variables and a disk arrive as they were sent."""
    client, vm = inventory.client, inventory.machines[0]
    spec = {
        "annotation": "first line\nsecond & last",
        "extraConfig": [Data("OptionValue", key="guestinfo.answer", value="42")],
    }
    info = await task_info(inventory, await client.call(vm, "ReconfigVM_Task", {"spec": spec}))
    assert info["state"] == "success"
    [content] = await client.properties([vm], ["config.annotation", "config.extraConfig", "config.hardware.device"])
    assert content.values["config.annotation"] == "first line\nsecond & last"
    assert Data("OptionValue", key="guestinfo.answer", value="42") in content.values["config.extraConfig"]
    disk = next(each for each in content.values["config.hardware.device"] if each.type == "VirtualDisk")
    assert disk["backing"].type == "VirtualDiskFlatVer2BackingInfo"
    assert disk["capacityInKB"] > 0


async def test_a_task_that_fails(inventory: Inventory) -> None:
    """What a task ended in is the same failure as that of a call."""
    info = await task_info(inventory, await inventory.client.call(inventory.machines[0], "PowerOnVM_Task"))
    failure = inventory.client.failure("vim.VirtualMachine.PowerOnVM_Task", info["error"])
    assert (failure.code_name, failure.reason) == ("FAILED_PRECONDITION", "ALREADY_IN_DESIRED_STATE")
    assert failure.metadata["vi_fault"] == "InvalidPowerState"


async def test_what_is_found(inventory: Inventory) -> None:
    """A machine is found by its UUID, which another one does not have."""
    client, search = inventory.client, inventory.content["searchIndex"]
    vm = inventory.machines[1]
    [content] = await client.properties([vm], ["config.uuid"])
    arguments = {"uuid": content.values["config.uuid"], "vmSearch": True}
    assert await client.call(search, "FindByUuid", arguments) == vm
    assert await client.call(search, "FindByUuid", {**arguments, "uuid": "00000000-no-such-machine"}) is None
    assert await client.call(search, "FindAllByUuid", arguments) == [vm]


async def test_custom_fields(inventory: Inventory) -> None:
    """A field is defined, set at a machine, and read there."""
    client, manager = inventory.client, inventory.content["customFieldsManager"]
    vm = inventory.machines[0]
    field = await client.call(manager, "AddCustomFieldDef", {"name": "team", "moType": "VirtualMachine"})
    assert await client.call(manager, "SetField", {"entity": vm, "key": field["key"], "value": "a & b"}) is None
    [content] = await client.properties([vm], ["customValue"])
    assert content.values["customValue"] == [Data("CustomFieldStringValue", key=field["key"], value="a & b")]


async def test_events(inventory: Inventory) -> None:
    """The events of a machine come with their types, and in pages."""
    client, manager = inventory.client, inventory.content["eventManager"]
    entity = {"entity": inventory.machines[0], "recursion": "self"}
    events = await client.call(manager, "QueryEvents", {"filter": {"entity": entity}})
    assert "VmPoweredOnEvent" in {event.type for event in events}
    assert {event["vm"]["vm"] for event in events} == {inventory.machines[0]}
    collector = await client.call(manager, "CreateCollectorForEvents", {"filter": {"entity": entity}})
    await client.call(collector, "RewindCollector")
    first = await client.call(collector, "ReadNextEvents", {"maxCount": 1})
    rest = await client.call(collector, "ReadNextEvents", {"maxCount": 100})
    keys = [event["key"] for event in first + rest]
    assert len(first) == 1
    assert len(keys) > 2
    assert keys == sorted(keys)
    assert set(keys) <= {event["key"] for event in events}
    await client.call(collector, "DestroyCollector")


async def test_counters(inventory: Inventory) -> None:
    """A counter is found in the catalogue, and its values come for a machine."""
    client, manager = inventory.client, inventory.content["perfManager"]
    [found] = await client.properties([manager], ["perfCounter"])
    [usage] = [
        counter["key"]
        for counter in found.values["perfCounter"]
        if (counter["groupInfo"]["key"], counter["nameInfo"]["key"], counter["rollupType"])
        == ("cpu", "usage", "average")
    ]
    spec = {
        "entity": inventory.machines[0],
        "intervalId": 20,
        "maxSample": 3,
        "metricId": [{"counterId": usage, "instance": ""}],
    }
    [metric] = await client.call(manager, "QueryPerf", {"querySpec": [spec]})
    assert metric.type == "PerfEntityMetric"
    [series] = metric["value"]
    assert len(series["value"]) == len(metric["sampleInfo"]) == 3
    assert all(isinstance(value, int) for value in series["value"])


async def test_a_template(inventory: Inventory) -> None:
    """A method without a result answers with none; what it did is seen."""
    client, vm = inventory.client, inventory.machines[0]
    await task_info(inventory, await client.call(vm, "PowerOffVM_Task"))
    assert await client.call(vm, "MarkAsTemplate") is None
    [content] = await client.properties([vm], ["config.template"])
    assert content.values["config.template"] is True


async def test_a_wait_sees_a_change(inventory: Inventory) -> None:
    """A change that another call makes ends the wait, with what is new and nothing else."""
    client = inventory.client
    collector, version = await watched(inventory)
    waiting = asyncio.ensure_future(client.wait_for_updates(collector, version, seconds=30, most=100))
    await client.call(inventory.machines[2], "PowerOffVM_Task")
    found = updated(await waiting)
    assert found == [ObjectUpdate("modify", inventory.machines[2], {"runtime.powerState": "poweredOff"}, {})]


async def test_a_wait_without_changes(inventory: Inventory) -> None:
    """When nothing changes there is nothing, and the version stays good."""
    collector, version = await watched(inventory)
    assert await inventory.client.wait_for_updates(collector, version, seconds=1, most=100) is None
    await inventory.client.call(inventory.machines[0], "PowerOffVM_Task")
    assert updated(await inventory.client.wait_for_updates(collector, version, seconds=30, most=100))


async def test_a_wait_that_is_given_up(vcenter: VCenter, inventory: Inventory) -> None:
    """Its caller leaves immediately; vCenter is told, and the next wait on the collector loses no change."""
    client = inventory.client
    collector, version = await watched(inventory)
    waiting = asyncio.ensure_future(client.wait_for_updates(collector, version, seconds=300, most=100))
    await asyncio.wait({waiting}, timeout=0.3)  # It is with vCenter by then; if it is not, that is well too.
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await eventually(lambda: not vcenter.vim.endings, "the wait has ended at vCenter")
    await client.call(inventory.machines[1], "PowerOffVM_Task")
    found = updated(await client.wait_for_updates(collector, version, seconds=30, most=100))
    assert [update.obj for update in found] == [inventory.machines[1]]


async def test_waits_take_no_places(server: VimServer) -> None:
    """More waits than there are places for calls hold up no call."""
    async with running_vcenter(server.url, max_concurrent_calls=1) as vcenter:
        inventory = await inventory_of(vcenter, server.account)
        watches = [await watched(inventory) for _ in range(3)]
        waiting = [
            asyncio.ensure_future(inventory.client.wait_for_updates(collector, version, seconds=60, most=100))
            for collector, version in watches
        ]
        await eventually(lambda: vcenter.connections >= len(watches), "all waits are with vCenter")
        await inventory.client.call(inventory.machines[0], "PowerOffVM_Task", timeout=10)
        assert all(updated(updates) for updates in await asyncio.gather(*waiting))


async def test_one_login(server: VimServer, vcenter: VCenter) -> None:
    """However many calls come at once, a credential logs in once; the stop logs it out."""
    async with running_vcenter(server.url) as another:
        inventory = await inventory_of(another, server.account)
        before = {session["key"] for session in await sessions(inventory)}
        client = vcenter.vim.client(server.account)
        await asyncio.gather(*(client.properties([inventory.machines[0]], ["name"]) for _ in range(20)))
        opened = {session["key"] for session in await sessions(inventory)} - before
        assert len(opened) == vcenter.open_sessions == 1
        await vcenter.close()
        assert not opened & {session["key"] for session in await sessions(inventory)}


async def test_a_wrong_password(server: VimServer, vcenter: VCenter) -> None:
    """It is refused in the words of the REST API, and not tried again for a while."""
    client = vcenter.vim.client(Basic(server.account.user, "wrong"))
    for _ in range(3):
        with pytest.raises(GatewayError) as caught:
            await client.content()
        failure = caught.value.failure
        assert (failure.code_name, failure.reason) == ("UNAUTHENTICATED", "CREDENTIALS_REJECTED")
        assert failure.retry_delay is not None
        assert "wrong" not in f"{failure!r}{caught.value!r}".replace("wrongly", "")
    assert vcenter.session_counts.rejected == 1


async def ended(server: VimServer, inventory: Inventory) -> None:
    """An administrator ends all sessions but the own one."""
    async with running_vcenter(server.url) as another:
        administrator = await inventory_of(another, server.account)
        [own] = await administrator.client.properties([SESSION_MANAGER], ["currentSession"])
        keys = [each["key"] for each in await sessions(administrator)]
        others = [key for key in keys if key != own.values["currentSession"]["key"]]
        await administrator.client.call(SESSION_MANAGER, "TerminateSession", {"sessionId": others})


async def test_a_session_that_was_ended(server: VimServer, vcenter: VCenter, inventory: Inventory) -> None:
    """The call that meets the end is carried out in a new session; no change is refused or made twice for it."""
    await ended(server, inventory)
    info = await task_info(inventory, await inventory.client.call(inventory.machines[0], "PowerOffVM_Task"))
    assert info["state"] == "success"
    assert vcenter.session_counts.logins == 2


async def test_properties_in_a_session_that_was_ended(server: VimServer, inventory: Inventory) -> None:
    """A server that answers with nothing instead of an error, because there is no session, is not believed."""
    await ended(server, inventory)
    [content] = await inventory.client.properties([inventory.machines[0]], ["name"])
    assert content.values["name"]


async def test_an_inventory_in_a_session_that_was_ended(server: VimServer, inventory: Inventory) -> None:
    """A view dies with its session: the inventory cannot be read by it, and is not taken to be empty."""
    await ended(server, inventory)
    filters = [in_view(inventory.view, "VirtualMachine", ["name"])]
    with pytest.raises(GatewayError) as caught:
        [page async for page in inventory.client.retrieve(filters)]
    assert caught.value.failure.code_name == "UNAVAILABLE"


async def test_an_inventory_whose_session_ends_between_pages(server: VimServer, inventory: Inventory) -> None:
    """What has come until then stands; the rest is not taken to be nothing."""
    filters = [in_view(inventory.view, "VirtualMachine", ["name"])]
    pages = inventory.client.retrieve(filters, page_size=2)
    assert len(await anext(pages)) == 2
    await ended(server, inventory)
    with pytest.raises(GatewayError) as caught:
        await anext(pages)
    assert caught.value.failure.code_name == "UNAVAILABLE"


async def test_a_session_id(server: VimServer, vcenter: VCenter) -> None:
    """Before release 8.0.3 a session of the REST API opens nothing here, which is said with the reason."""
    if server.shares_sessions:
        pytest.skip("its sessions serve both APIs")
    with pytest.raises(GatewayError) as caught:
        await vcenter.vim.client(SessionId("of-the-rest-api")).content()
    failure = caught.value.failure
    assert (failure.code_name, failure.reason) == ("UNIMPLEMENTED", "VCENTER_TOO_OLD")
    assert "8.0.3" in failure.message


async def test_a_view_of_another_session(server: VimServer, inventory: Inventory) -> None:
    """Objects of a session are its own."""
    async with running_vcenter(server.url) as another:
        stranger = another.vim.client(server.account)
        with pytest.raises(GatewayError) as caught:
            await stranger.call(inventory.view, "DestroyView")
    assert caught.value.failure.metadata["vi_fault"] == "ManagedObjectNotFound"
