"""InventoryService: all machines whatever their number, machines by what is known of them, and the tree of folders."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.access import Admission, parse_policy, passthrough
from gateway.simulator import Fault, SimulatorOptions
from gateway.vcenter import VCenterOptions
from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import PASSWORD, Client, Failure, System, running_gateway, running_system
from tests.integration.soap_vcenter import soap, soap_vcenter
from tests.integration.vim_servers import SERVERS
from tests.soap import response

STREAM, FIND, TREE = (
    f"vcenter.gateway.v1.InventoryService/{name}" for name in ("StreamVms", "FindVms", "GetInventoryTree")
)
ON = "vm-1001"
SERVICE_CONTENT = (
    "<rootFolder type='Folder'>group-d1</rootFolder><viewManager type='ViewManager'>ViewManager</viewManager>"
    "<propertyCollector type='PropertyCollector'>propertyCollector</propertyCollector>"
)


async def read(client: Client, request: dict[str, Any] | None = None, **how: Any) -> tuple[list[Any], dict[str, Any]]:
    """The machines of a stream, and its first and last message in one."""
    stream = client.stream(STREAM, request or {}, **how)
    vms: list[Any] = []
    ends: dict[str, Any] = {}
    while True:
        try:
            message = await stream.next()
        except StopAsyncIteration:
            return vms, ends
        vms += message.pop("page", {}).get("vms", ())
        ends |= message


@pytest.mark.parametrize("name", SERVERS)
async def test_all_machines(name: str) -> None:
    """Every machine of every server comes once, with the fields that were asked for."""
    async with SERVERS[name]() as server, running_gateway(VCenterOptions(server.url)) as client:
        how: dict[str, Any] = {"user": server.account.user, "password": server.account.password}
        vms, ends = await read(client, {"fields": "name,powerState,placement", "page_size": 2}, **how)
        assert len(vms) == len({vm["vm"] for vm in vms}) == server.machines
        assert all(set(vm) == {"vm", "name", "power_state", "placement"} for vm in vms)
        assert ends["started"]["source"] == "SOURCE_VIM"
        assert ends["ended"] == {"vms": str(server.machines), "complete": True}


@pytest.mark.parametrize(
    ("content", "count"),
    [
        pytest.param({}, 20, id="all"),
        pytest.param({"vms": [ON, "vm-9999"]}, 1, id="machines"),
        pytest.param({"names": ["web-0001", "db-0002"]}, 2, id="names"),
        pytest.param({"vms": [ON], "power_states": ["POWER_STATE_POWERED_OFF"]}, 0, id="none"),
    ],
)
async def test_filters(system: System, content: dict[str, Any], count: int) -> None:
    """A filter selects machines as that of a watch does."""
    vms, ends = await read(system.client, {"filter": content})
    assert len(vms) == count
    assert ends["ended"]["complete"]


async def test_more_than_rest_lists() -> None:
    """With VIM there are no 4,000: all machines come, in far fewer calls than there are machines."""
    async with running_system(SimulatorOptions(vms=4100)) as system:
        vms, ends = await read(system.client, {"fields": "name", "page_size": 1000})
        assert len({vm["vm"] for vm in vms}) == 4100
        assert ends["ended"]["complete"]
        assert len(system.simulator.record) < 100


async def test_more_than_rest_lists_by_rest() -> None:
    """Without VIM the list is split until vCenter gives all of it."""
    async with running_system(SimulatorOptions(vms=4100, release="7.0.3")) as system:
        session = system.simulator.sessions.login(ADMINISTRATOR, PASSWORD)
        how: dict[str, Any] = {"user": None, "metadata": (("vmware-api-session-id", session.identifier),)}
        vms, ends = await read(system.client, {"fields": "name", "page_size": 1000}, **how)
        assert len({vm["vm"] for vm in vms}) == 4100
        assert ends["started"]["source"] == "SOURCE_POLL"
        assert ends["ended"]["complete"]
        system.simulator.sessions.logout(session.identifier)


@pytest.mark.parametrize("operation", ["RetrievePropertiesEx", "ContinueRetrievePropertiesEx"])
async def test_vcenter_is_lost_on_the_way(operation: str) -> None:
    """A stream that cannot be read to its end fails; it never looks like a shorter inventory."""
    async with running_system(SimulatorOptions(vms=600)) as system:
        fault = Fault.unavailable()
        system.simulator.faults.add(fault, operation=f"vim.PropertyCollector.{operation}", times=None)
        with pytest.raises(Failure) as caught:
            await read(system.client, {"fields": "name"})
        assert caught.value.code == "UNAVAILABLE"


async def test_a_policy_hides_machines() -> None:
    """Machines that the policy hides are not there, whatever they are found by."""
    policy = parse_policy(b'rules: [{identities: ["*"], rpcs: ["*"], machines: ["vm-1001"]}]')
    async with running_system(admission=Admission(passthrough(), lambda: policy)) as system:
        vms, _ = await read(system.client, {"fields": "instanceUuid"})
        assert [vm["vm"] for vm in vms] == [ON]
        hidden = system.simulator.inventory.machines["vm-1003"].instance_uuid
        assert await system.client.call(FIND, {"instance_uuid": hidden}) == {}
        assert (await system.client.call(FIND, {"instance_uuid": vms[0]["instance_uuid"]}))["vms"][0]["vm"] == ON


async def test_find(system: System) -> None:
    """A machine is found by its UUIDs, its path, and what its guest says."""
    [machine], _ = await read(system.client, {"filter": {"vms": [ON]}})
    tree = (await system.client.call(TREE))["nodes"]
    folder = next(node["path"] for node in tree if node["node"] == machine["placement"]["folder"])
    for by in (
        {"bios_uuid": machine["bios_uuid"]},
        {"instance_uuid": machine["instance_uuid"]},
        {"ip_address": machine["addresses"]["primary"]},
        {"dns_name": machine["guest_host_name"]},
        {"inventory_path": f"{folder}/{machine['name']}"},
    ):
        found = (await system.client.call(FIND, {**by, "fields": "name"}))["vms"]
        assert found == [{"vm": ON, "name": machine["name"]}]


@pytest.mark.parametrize("by", ["bios_uuid", "instance_uuid", "dns_name", "inventory_path"])
async def test_what_is_not_found(system: System, by: str) -> None:
    """What leads to no machine is answered with none."""
    assert await system.client.call(FIND, {by: "/DC0/vm/nothing" if by == "inventory_path" else "nothing"}) == {}


@pytest.mark.parametrize("request_content", [{}, {"bios_uuid": ""}, {"ip_address": "nonsense"}])
async def test_searches_that_say_nothing(system: System, request_content: dict[str, Any]) -> None:
    """One key is required, and an address has to be one."""
    with pytest.raises(Failure) as caught:
        await system.client.call(FIND, request_content)
    assert caught.value.code == "INVALID_ARGUMENT"


@pytest.mark.parametrize("name", SERVERS)
async def test_the_tree(name: str) -> None:
    """Each node comes after its parent, with a path that leads to it."""
    async with SERVERS[name]() as server, running_gateway(VCenterOptions(server.url)) as client:
        how: dict[str, Any] = {"user": server.account.user, "password": server.account.password}
        nodes = (await client.call(TREE, **how))["nodes"]
        paths = {node["node"]: node["path"] for node in nodes}
        seen: set[str] = set()
        for node in nodes:
            if "parent" in node:
                assert node["parent"] in seen
                above = paths[node["parent"]].rstrip("/")
                assert node["path"] == f"{above}/{node['name']}"
            seen.add(node["node"])
        kinds = {node["path"]: node["type"].removeprefix("INVENTORY_NODE_TYPE_") for node in nodes}
        assert kinds["/"] == "DATACENTER_FOLDER"
        assert kinds["/DC0"] == "DATACENTER"
        assert kinds["/DC0/vm"] == "VM_FOLDER"
        assert kinds["/DC0/host"] == "HOST_FOLDER"
        part = (await client.call(TREE, {"root": next(n["node"] for n in nodes if n["path"] == "/DC0/vm")}, **how))[
            "nodes"
        ]
        assert part[0]["path"] == "/DC0/vm"
        assert {node["path"] for node in part} == {path for path in kinds if path.startswith("/DC0/vm")}
        with pytest.raises(Failure) as caught:
            await client.call(TREE, {"root": "group-v9999"}, **how)
        assert caught.value.code == "NOT_FOUND"


async def test_a_tree_whose_parents_are_hidden() -> None:
    """Credentials that may see a folder and nothing above it get its tree; the path begins at what they see."""
    properties = "RetrievePropertiesEx"

    def content(of_type: str, identifier: str, *values: str) -> str:
        return f"<objects><obj type='{of_type}'>{identifier}</obj>{''.join(values)}</objects>"

    def value(name: str, of_type: str, text: str) -> str:
        return f"<propSet><name>{name}</name><val {of_type}>{text}</val></propSet>"

    folder = content(
        "Folder",
        "group-v7",
        value("name", "xsi:type='xsd:string'", "team"),
        value("parent", "type='Folder' xsi:type='ManagedObjectReference'", "group-v1"),
    )
    children = "<string>Folder</string><string>VirtualMachine</string>"
    kinds = content("Folder", "group-v7", value("childType", "xsi:type='ArrayOfString'", children))
    async with soap_vcenter() as vcenter, running_gateway(VCenterOptions(vcenter.url)) as client:
        vcenter.answer("RetrieveServiceContent", soap(response("RetrieveServiceContent", SERVICE_CONTENT)))
        vcenter.answer("CreateContainerView", soap(response("CreateContainerView", " type='ContainerView'>view-1")))
        collector = soap(response("CreatePropertyCollector", " type='PropertyCollector'>pc-1"))
        vcenter.answer("CreatePropertyCollector", collector)
        for method in ("DestroyView", "DestroyPropertyCollector"):
            vcenter.answer(method, soap(response(method)))
        session = content(
            "SessionManager",
            "SessionManager",
            value("currentSession", "xsi:type='UserSession'", "<key>5</key><userName>alice</userName>"),
        )
        answers = (folder, folder, "", session, kinds)
        vcenter.answer(properties, *(soap(response(properties, *([each] if each else []))) for each in answers))
        tree = await client.call(TREE, {"root": "group-v7"}, user="alice", password="x")
        [node] = tree["nodes"]
        assert (node["node"], node["name"], node["path"]) == ("group-v7", "team", "/team")
