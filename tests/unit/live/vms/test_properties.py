"""Properties of VIM as fields of VmState."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf import json_format

from gateway.contract import load_contract
from gateway.live.vms.places import Places
from gateway.live.vms.properties import VmProperties
from gateway.vim.values import Data, Fault, Ref
from tests.machines import FIELDS, message

FOLDER, HOST, POOL = Ref("Folder", "group-v2"), Ref("HostSystem", "host-5"), Ref("ResourcePool", "resgroup-7")
CLUSTER, DATACENTER = Ref("ClusterComputeResource", "domain-c4"), Ref("Datacenter", "datacenter-1")

FAULT = Fault("NoPermission", "denied", Data("NoPermission"))


def places() -> Places:
    """A folder in a datacenter, and a host in a cluster with a pool."""
    found = Places(load_contract())
    for obj, parent in ((FOLDER, Ref("Folder", "group-v1")), (HOST, CLUSTER), (POOL, CLUSTER)):
        found.put(obj, {"name": obj.value, "parent": parent})
    found.put(Ref("Folder", "group-v1"), {"name": "vm", "parent": DATACENTER})
    found.put(CLUSTER, {"name": "c", "parent": Ref("Folder", "group-h1")})
    found.put(Ref("Folder", "group-h1"), {"name": "host", "parent": DATACENTER})
    found.put(DATACENTER, {"name": "DC0", "parent": Ref("Folder", "group-d1")})
    return found


def state(*updates: dict[str, Any]) -> dict[str, Any]:
    """The fields of a machine after some updates, without those that every machine has."""
    properties = VmProperties(load_contract(), FIELDS)
    draft = properties.draft("vm-1")
    for values in updates:
        properties.update(draft, values)
    machine = properties.machine(draft, places(), {1: "owner"})
    found: dict[str, Any] = json_format.MessageToDict(
        message("VmState", b"".join(machine.parts)), preserving_proto_field_name=True
    )
    return {name: value for name, value in found.items() if name not in ("vm", "has_snapshots")}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"name": "web/1"}, {"name": "web/1"}),
        ({"runtime.powerState": "poweredOn"}, {"power_state": "POWER_STATE_POWERED_ON"}),
        ({"runtime.connectionState": "inaccessible"}, {"connection_state": "VM_CONNECTION_STATE_INACCESSIBLE"}),
        ({"runtime.connectionState": "of the future"}, {}),
        ({"config.hardware.numCPU": 4}, {"cpu_count": 4}),
        ({"config.hardware.memoryMB": 1 << 40}, {"memory_size_mib": str(1 << 40)}),
        ({"guest.hostName": "web.example.com"}, {"guest_host_name": "web.example.com"}),
        ({"guest.toolsRunningStatus": "guestToolsNotRunning"}, {"tools": "TOOLS_RUNNING_STATE_NOT_RUNNING"}),
        (
            {"guest.toolsRunningStatus": "guestToolsExecutingScripts"},
            {"tools": "TOOLS_RUNNING_STATE_EXECUTING_SCRIPTS"},
        ),
        ({"guest.guestState": "shuttingDown"}, {"guest_state": "GUEST_STATE_SHUTTING_DOWN"}),
        ({"config.version": "vmx-19"}, {"hardware_version": "VMX_19"}),
        ({"config.uuid": "u", "config.instanceUuid": "i"}, {"bios_uuid": "u", "instance_uuid": "i"}),
        ({"config.template": True}, {"template": True}),
        ({"config.annotation": ""}, {"annotation": ""}),
        ({"config.changeVersion": "c", "config.guestId": "g"}, {"change_version": "c", "guest_id": "g"}),
        ({"runtime.bootTime": datetime(2026, 3, 1, tzinfo=UTC)}, {"boot_time": "2026-03-01T00:00:00Z"}),
        ({"something.new": 1}, {}),
    ],
    ids=lambda value: next(iter(value), "nothing"),
)
def test_simple_fields(values: dict[str, Any], expected: dict[str, Any]) -> None:
    """Each property is one field; what is not known is left out."""
    assert state(values) == expected


@pytest.mark.parametrize(
    "name", ["name", "runtime.powerState", "guest.net", "customValue", "parent", "guest.ipAddress"]
)
def test_what_became_unset(name: str) -> None:
    """A property that vCenter has no longer leaves its field unset."""
    values: dict[str, Any] = {
        "name": "a",
        "runtime.powerState": "poweredOn",
        "guest.net": [Data("GuestNicInfo", ipAddress=["10.0.0.1"])],
        "customValue": [Data("CustomFieldStringValue", key=1, value="b")],
        "parent": FOLDER,
        "guest.ipAddress": "10.0.0.1",
    }
    assert state({name: values[name]}) != {}
    assert state({name: values[name]}, {name: None}) == {}


ODD = ["odd", 7, True, 1.5, [], ["odd"], [7], Data("ManagedEntityStatus"), [Data("Tag", key=1)], FOLDER, FAULT]
"""Values of types that a property does not have."""


@pytest.mark.parametrize("path", VmProperties(load_contract(), FIELDS).paths(FIELDS.all))
def test_a_value_of_another_type(path: str) -> None:
    """Whatever type a value has, the machine can be told, with its other fields; no value is shown as Python's text for
    it."""
    other = "config.uuid" if path != "config.uuid" else "config.guestId"
    for value in ODD:
        found = state({path: value, other: "as it is"})
        assert "as it is" in found.values(), value
        assert "Fault" not in str(found), value
        assert state({path: value}, {path: None}) == {}, value


def test_placement() -> None:
    """The datacenter and the cluster follow from the places above the machine's own."""
    found = state({"parent": FOLDER, "runtime.host": HOST, "resourcePool": POOL})["placement"]
    assert found == {
        "folder": "group-v2",
        "datacenter": "datacenter-1",
        "host": "host-5",
        "cluster": "domain-c4",
        "resource_pool": "resgroup-7",
    }


def test_addresses() -> None:
    """Addresses come with their adapters; they stay together when one of the two properties changes."""
    nic = Data("GuestNicInfo", network="VM Network", ipAddress=["10.0.0.1", "fe80::1"], macAddress="m", connected=True)
    nic["deviceConfigId"] = 4000
    inner = Data("GuestNicInfo", ipAddress=["172.17.0.1"], deviceConfigId=-1)
    first = {"guest.net": [nic, inner], "guest.ipAddress": "10.0.0.1"}
    assert state(first)["addresses"] == {
        "primary": "10.0.0.1",
        "nics": [
            {
                "nic": "4000",
                "mac_address": "m",
                "network_name": "VM Network",
                "ip_addresses": ["10.0.0.1", "fe80::1"],
                "connected": True,
            },
            {"ip_addresses": ["172.17.0.1"]},
        ],
    }
    changed = state(first, {"guest.ipAddress": "10.0.0.2"})["addresses"]
    assert (changed["primary"], len(changed["nics"])) == ("10.0.0.2", 2)


def test_custom_attributes() -> None:
    """Attributes have their names; one whose definition is not known has its number."""
    values = [Data("CustomFieldStringValue", key=key, value=f"v{key}") for key in (2, 1)]
    assert state({"customValue": values})["custom_attributes"] == {"owner": "v1", "2": "v2"}


def test_snapshots() -> None:
    """A machine has snapshots or has none; it is always told."""
    properties = VmProperties(load_contract(), FIELDS)
    draft = properties.draft("vm-1")

    def told() -> bool:
        machine = properties.machine(draft, places(), {})
        return bool(message("VmState", b"".join(machine.parts)).has_snapshots)

    assert not told()
    properties.update(draft, {"snapshot": Data("VirtualMachineSnapshotInfo", rootSnapshotList=[Data("X")])})
    assert told()
    properties.update(draft, {"snapshot": None})
    assert not told()


def test_a_question() -> None:
    """A question comes with its answers."""
    choices = [Data("ElementDescription", key=str(key), label=f"l{key}") for key in range(2)]
    question = Data("VirtualMachineQuestionInfo", id="q", text="?")
    question["choice"] = Data("ChoiceOption", choiceInfo=choices, defaultIndex=1)
    assert state({"runtime.question": question})["question"] == {
        "id": "q",
        "text": "?",
        "choices": [{"key": "0", "label": "l0"}, {"key": "1", "label": "l1"}],
        "default_choice": "1",
    }


def test_paths() -> None:
    """Only the properties of the fields that are asked for are read, with those that filters look at."""
    properties = VmProperties(load_contract(), FIELDS)
    few = properties.paths(FIELDS.named(["annotation"]))
    assert "config.annotation" in few
    assert "guest.net" not in few
    assert set(few) < set(properties.paths(FIELDS.all))
    assert {"guest.net", "guest.ipAddress"} <= set(properties.paths(FIELDS.named(["addresses"])))
