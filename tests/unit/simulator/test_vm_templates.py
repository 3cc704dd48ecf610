"""Virtual machine templates in libraries: made, deployed, checked out, changed, checked in, rolled back."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.simulator import ManualClock
from gateway.simulator.clock import timestamp
from gateway.simulator.inventory import STORAGE_POLICIES
from gateway.simulator.libraries import ISO_ITEM, OVF_ITEM, TEMPLATES, VM_TEMPLATE_ITEM
from gateway.simulator.machine import VirtualMachine
from tests.unit.simulator.harness import Answer, Api

ITEMS = "/api/vcenter/vm-template/library-items"
ITEM = f"{ITEMS}/{VM_TEMPLATE_ITEM}"
TEMPLATE = "vm-1021"
PLACE = {"folder": "group-v4", "cluster": "domain-c8"}
GIB = 1 << 30


@pytest.fixture
def template(api: Api) -> VirtualMachine:
    """The machine of the template in the library."""
    return api.inventory.machines[TEMPLATE]


def deploy(api: Api, name: str = "web-0100", **spec: Any) -> Answer:
    return api("POST", f"{ITEM}?action=deploy", {"name": name, "placement": PLACE, **spec})


def deployed(api: Api, **spec: Any) -> VirtualMachine:
    answer = deploy(api, **spec)
    assert answer.status == 200
    return api.inventory.machines[answer.json]


def check_out(api: Api, name: str = "golden-change", **spec: Any) -> Answer:
    return api("POST", f"{ITEM}/check-outs?action=check-out", {"name": name, "placement": PLACE, **spec})


def check_in(api: Api, vm: str) -> Answer:
    return api("POST", f"{ITEM}/check-outs/{vm}?action=check-in", {"message": "changed"})


def versions(api: Api) -> dict[str, str]:
    return {entry["version"]: entry["vm_template"] for entry in api("GET", f"{ITEM}/versions").json}


def listed(api: Api) -> list[str]:
    return [entry["vm"] for entry in api("GET", "/api/vcenter/vm").json]


def test_the_description_is_that_of_the_template(api: Api, template: VirtualMachine) -> None:
    """Hardware, storage and the machine behind it."""
    info = api("GET", ITEM).json
    assert info["guest_OS"] == template.guest_os
    assert info["cpu"] == {"count": template.cpu.count, "cores_per_socket": template.cpu.cores_per_socket}
    assert info["memory"] == {"size_MiB": template.memory.size_mib}
    assert info["vm_template"] == TEMPLATE
    assert {key: disk["capacity"] for key, disk in info["disks"].items()} == {
        key: disk.capacity for key, disk in template.disks.items()
    }
    assert info["nics"]["4000"] == {
        "backing_type": "STANDARD_PORTGROUP",
        "mac_type": "ASSIGNED",
        "network": "network-12",
    }
    assert info["vm_home_storage"]["datastore"] == "datastore-11"


@pytest.mark.parametrize("item", [OVF_ITEM, ISO_ITEM])
def test_another_item_has_no_template(api: Api, item: str) -> None:
    """The description is empty, everything else is refused."""
    assert api("GET", f"{ITEMS}/{item}").json is None
    for target in ("versions", "versions/1", "check-outs", "check-outs/vm-1001"):
        assert api("GET", f"{ITEMS}/{item}/{target}").error_type == "INVALID_ARGUMENT"


def test_a_deployed_machine_is_its_own(api: Api, template: VirtualMachine) -> None:
    """It is off and no template, has the hardware of the template, and what no two machines share."""
    machine = deployed(api)
    assert (machine.power_state, machine.template, machine.name) == ("POWERED_OFF", False, "web-0100")
    assert (machine.cpu, machine.memory.size_mib) == (template.cpu, template.memory.size_mib)
    assert machine.instance_uuid != template.instance_uuid
    assert machine.nics["4000"].mac_address != template.nics["4000"].mac_address
    files = {disk.vmdk_file for disk in machine.disks.values()}
    assert files.isdisjoint(disk.vmdk_file for disk in template.disks.values())
    assert machine.placement.folder == "group-v4"
    assert machine.vm in listed(api)
    assert TEMPLATE not in listed(api)


def test_a_deployed_machine_is_powered_on_and_customized(api: Api, clock: ManualClock) -> None:
    """Both happen after the answer."""
    machine = deployed(api, powered_on=True, guest_customization={"name": _spec_for(api)})
    assert machine.power_state == "POWERED_ON"
    clock.advance(600)
    customization = api("GET", f"/api/vcenter/vm/{machine.vm}/guest/customization").json
    assert customization["status"] == "SUCCEEDED"


def _spec_for(api: Api) -> str:
    nics = len(api.inventory.machines[TEMPLATE].nics)
    return f"linux-{nics}-nic{'s' if nics > 1 else ''}"


def test_a_machine_that_does_not_fit_stays_off(api: Api) -> None:
    """The deployment has succeeded all the same."""
    memory = api.inventory.host_memory_mib
    api.inventory.host_memory_mib = dict.fromkeys(memory, 0)
    assert deployed(api, powered_on=True).power_state == "POWERED_OFF"


def test_a_deployed_machine_gets_tags(api: Api) -> None:
    """Given by identifier, by name, or by both; one that cannot be attached undoes the deployment."""
    tags = {tag.name: tag.tag for tag in api.inventory.tagging.tags.values()}
    names = {"category_name": "Role", "tag_name": "web"}
    machine = deployed(api, tags=[{"tag_id": tags["production"]}, {"tag_name_spec": names, "tag_id": tags["web"]}])
    attached = api.inventory.tagging.tags_of(("VirtualMachine", machine.vm))
    assert {tag.name for tag in attached} == {"production", "web"}
    before = len(api.inventory.machines)
    for wrong, error in (
        ([{"tag_id": "x"}], "NOT_FOUND"),
        ([{"tag_name_spec": {**names, "tag_name": "x"}}], "NOT_FOUND"),
        ([{"tag_id": tags["production"], "tag_name_spec": names}], "INVALID_ARGUMENT"),
        ([{}], "INVALID_ARGUMENT"),
        ([{"tag_id": tags["production"]}, {"tag_id": tags["development"]}], "INVALID_ARGUMENT"),
    ):
        assert deploy(api, "web-0101", tags=wrong).error_type == error
    assert len(api.inventory.machines) == before


def test_hardware_differs_where_the_caller_says_so(api: Api, template: VirtualMachine) -> None:
    """Networks, disks, processors and memory; the template stays as it is."""
    first, *others = template.disks
    machine = deployed(
        api,
        hardware_customization={
            "nics": {"4000": {"network": "network-14"}},
            "disks_to_update": {first: {"capacity": 64 * GIB}},
            "disks_to_remove": others,
            "cpu_update": {"num_cpus": 4, "num_cores_per_socket": 2},
            "memory_update": {"memory": 12288},
        },
    )
    assert machine.nics["4000"].backing["network"] == "network-14"
    assert {key: disk.capacity for key, disk in machine.disks.items()} == {first: 64 * GIB}
    assert (machine.cpu.count, machine.cpu.cores_per_socket, machine.memory.size_mib) == (4, 2, 12288)
    assert template.nics["4000"].backing["network"] == "network-12"
    assert template.disks[first].capacity == 16 * GIB
    assert api.inventory.disk_files[machine.disks[first].vmdk_file] == 64 * GIB


def test_storage_is_that_of_the_template_unless_the_caller_says_otherwise(api: Api, template: VirtualMachine) -> None:
    """Home, all disks, single disks; each with its policy."""
    gold = next(key for key, name in STORAGE_POLICIES.items() if name == "Gold")
    specified = {"type": "USE_SPECIFIED_POLICY", "policy": gold}
    first, second = template.disks
    machine = deployed(
        api,
        vm_home_storage={"datastore": "datastore-12", "storage_policy": specified},
        disk_storage={"datastore": "datastore-12", "storage_policy": {"type": "USE_SOURCE_POLICY"}},
        disk_storage_overrides={second: {"datastore": "datastore-11", "storage_policy": specified}},
    )
    assert machine.directory == "[datastore2] web-0100"
    assert machine.home_storage_policy == machine.disks[second].storage_policy == gold
    assert machine.disks[first].storage_policy == template.disks[first].storage_policy
    assert machine.disks[first].vmdk_file.startswith("[datastore2] ")
    assert machine.disks[second].vmdk_file.startswith("[datastore1] ")
    same = deployed(api, name="web-0101")
    assert same.directory == "[datastore1] web-0101"
    assert [disk.storage_policy for disk in same.disks.values()] == [
        disk.storage_policy for disk in template.disks.values()
    ]


def test_a_template_goes_to_the_storage_of_its_library(api: Api) -> None:
    """It is a machine of its own that no list shows; the source stays as it is."""
    spec = {"source_vm": "vm-1001", "name": "web-golden", "library": TEMPLATES, "placement": PLACE}
    before = set(listed(api))
    item = api("POST", ITEMS, spec).json
    info = api("GET", f"{ITEMS}/{item}").json
    template = api.inventory.machines[info["vm_template"]]
    assert template.template
    assert (template.power_state, api.inventory.machines["vm-1001"].power_state) == ("POWERED_OFF", "POWERED_ON")
    assert {disk["disk_storage"]["datastore"] for disk in info["disks"].values()} == {"datastore-11"}
    assert set(listed(api)) == before
    assert api("GET", f"/api/content/library/item/{item}").json["type"] == "vm-template"
    assert api("POST", f"{ITEMS}/{item}?action=deploy", {"name": "web-0100", "placement": PLACE}).status == 200


def test_a_template_as_govc_asks_for_it(api: Api) -> None:
    """It sends a value that only deployments have, which is taken; others are not."""
    storage: dict[str, Any] = {"datastore": "datastore-12", "storage_policy": {"type": "USE_SOURCE_POLICY"}}
    spec = {"name": "golden", "source_vm": "vm-1002", "library": TEMPLATES, "placement": PLACE}
    answer = api("POST", ITEMS, {**spec, "vm_home_storage": storage, "disk_storage": storage})
    assert answer.status == 201
    assert api("GET", f"{ITEMS}/{answer.json}").json["vm_home_storage"] == {"datastore": "datastore-12"}
    storage["storage_policy"] = {"type": "USE_DEFAULT_POLICY"}
    answer = api("POST", ITEMS, {**spec, "name": "other", "vm_home_storage": storage})
    assert answer.message_ids[-1] == "vapi.bindings.typeconverter.enum.unknown.value"


def test_a_checked_out_machine_knows_its_item(api: Api, clock: ManualClock) -> None:
    """Until it is checked in."""
    vm = check_out(api).json
    assert api("GET", f"/api/vcenter/vm/{vm}/library-item").json == {"check_out": {"library_item": VM_TEMPLATE_ITEM}}
    assert api("GET", "/api/vcenter/vm/vm-1001/library-item").json == {}
    assert api("GET", f"{ITEM}/check-outs").json == [{"vm": vm}]
    assert api("GET", f"{ITEM}/check-outs/{vm}").json == {
        "time": timestamp(clock()),
        "user": "VSPHERE.LOCAL\\administrator",
    }
    assert check_in(api, vm).status == 200
    assert api("GET", f"/api/vcenter/vm/{vm}/library-item").json == {}
    assert api("GET", f"{ITEM}/check-outs").json == []
    assert check_in(api, vm).error_type == "INVALID_ARGUMENT"


def test_a_change_becomes_a_version(api: Api) -> None:
    """The latest and the one before it are kept, with their machines."""
    assert versions(api) == {"1": TEMPLATE}
    second = check_out(api).json
    assert api("PATCH", f"/api/vcenter/vm/{second}/hardware/memory", {"size_MiB": 2048}).status == 204
    assert check_in(api, second).json == "2"
    assert versions(api) == {"1": TEMPLATE, "2": second}
    assert api("GET", ITEM).json["memory"] == {"size_MiB": 2048}
    assert second not in listed(api)
    third = check_out(api, "another-change").json
    assert check_in(api, third).json == "3"
    assert versions(api) == {"2": second, "3": third}
    assert TEMPLATE not in api.inventory.machines
    assert api("GET", f"{ITEM}/versions/2").json == {"vm_template": second}
    assert api("GET", f"{ITEM}/versions/1").error_type == "NOT_FOUND"
    assert api("GET", f"/api/content/library/item/{VM_TEMPLATE_ITEM}").json["content_version"] == "3"


def test_a_rollback_is_a_version_too(api: Api) -> None:
    """The numbers grow, and it can be rolled back again."""
    second = check_out(api).json
    check_in(api, second)
    rollback = api("POST", f"{ITEM}/versions/1?action=rollback", {"message": "it was wrong"})
    assert rollback.json == "3"
    assert versions(api) == {"2": second, "3": TEMPLATE}
    assert api("GET", ITEM).json["vm_template"] == TEMPLATE
    assert api("POST", f"{ITEM}/versions/3?action=rollback", {"message": "x"}).error_type == "INVALID_ARGUMENT"
    assert api("POST", f"{ITEM}/versions/2?action=rollback", {"message": "x"}).json == "4"


def test_an_older_version_can_be_deleted(api: Api) -> None:
    """Its machine goes with it; the latest stays."""
    second = check_out(api).json
    check_in(api, second)
    assert api("DELETE", f"{ITEM}/versions/2").error_type == "INVALID_ARGUMENT"
    assert api("DELETE", f"{ITEM}/versions/1").status == 204
    assert api("DELETE", f"{ITEM}/versions/1").error_type == "NOT_FOUND"
    assert versions(api) == {"2": second}
    assert TEMPLATE not in api.inventory.machines


def test_one_machine_at_a_time_is_checked_out(api: Api) -> None:
    """Meanwhile the item cannot go, nor go back; deleting the machine frees it, also behind the library's back."""
    vm = check_out(api).json
    assert check_out(api, "second").error_type == "UNABLE_TO_ALLOCATE_RESOURCE"
    item = f"/api/content/library/item/{VM_TEMPLATE_ITEM}"
    assert api("DELETE", item).error_type == "NOT_ALLOWED_IN_CURRENT_STATE"
    library = f"/api/content/library/{TEMPLATES}"
    assert api("DELETE", library).error_type == "NOT_ALLOWED_IN_CURRENT_STATE"
    assert api("POST", f"{library}?action=force-delete").error_type == "NOT_ALLOWED_IN_CURRENT_STATE"
    assert api("DELETE", f"{ITEM}/check-outs/{vm}").status == 204
    assert vm not in listed(api)
    again = check_out(api).json
    assert api("DELETE", f"/api/vcenter/vm/{again}").status == 204
    assert api("GET", f"{ITEM}/check-outs").json == []
    assert check_out(api).status == 200


def test_a_running_machine_is_neither_checked_in_nor_deleted(api: Api) -> None:
    """Once it is off, it is."""
    vm = check_out(api, powered_on=True).json
    assert check_in(api, vm).error_type == "NOT_ALLOWED_IN_CURRENT_STATE"
    assert api("DELETE", f"{ITEM}/check-outs/{vm}").error_type == "NOT_ALLOWED_IN_CURRENT_STATE"
    assert api("POST", f"/api/vcenter/vm/{vm}/power?action=stop").status == 204
    assert check_in(api, vm).status == 200


def test_a_template_that_was_deleted_behind_the_librarys_back(api: Api) -> None:
    """The item is there, but nothing can be made of it."""
    assert api("DELETE", f"/api/vcenter/vm/{TEMPLATE}").status == 204
    assert api("GET", f"/api/content/library/item/{VM_TEMPLATE_ITEM}").status == 200
    for answer in (api("GET", ITEM), deploy(api), check_out(api)):
        assert answer.error_type == "RESOURCE_INACCESSIBLE"
    assert api("DELETE", f"/api/content/library/item/{VM_TEMPLATE_ITEM}").status == 204


def test_a_full_datastore_takes_no_machine(api: Api) -> None:
    """Nothing is left behind."""
    datastore = api.inventory.places.datastores["datastore-11"]
    datastore.capacity = datastore.used + GIB
    before = datastore.used, len(api.inventory.machines)
    assert deploy(api).error_type == "UNABLE_TO_ALLOCATE_RESOURCE"
    assert check_out(api).error_type == "UNABLE_TO_ALLOCATE_RESOURCE"
    assert (datastore.used, len(api.inventory.machines)) == before
    assert deployed(api, vm_home_storage={"datastore": "datastore-12"}, disk_storage={"datastore": "datastore-12"})


WRONG = [
    ("no-placement", {"placement": None}, "INVALID_ARGUMENT"),
    ("no-folder", {"placement": {"cluster": "domain-c8"}}, "INVALID_ARGUMENT"),
    ("nowhere-to-compute", {"placement": {"folder": "group-v4"}}, "INVALID_ARGUMENT"),
    ("no-such-host", {"placement": {"folder": "group-v4", "host": "host-1"}}, "NOT_FOUND"),
    ("no-such-folder", {"placement": {"folder": "group-v1", "host": "host-10"}}, "NOT_FOUND"),
    ("disjoint", {"placement": {"folder": "group-v4", "host": "host-28"}}, "INVALID_ARGUMENT"),
    ("name-taken", {"name": "web-0001"}, "ALREADY_EXISTS"),
    ("no-datastore", {"vm_home_storage": {}}, "INVALID_ARGUMENT"),
    ("no-such-datastore", {"disk_storage": {"datastore": "datastore-1"}}, "NOT_FOUND"),
    ("no-such-disk", {"disk_storage_overrides": {"1": {"datastore": "datastore-11"}}}, "INVALID_ARGUMENT"),
    ("no-such-nic", {"hardware_customization": {"nics": {"1": {}}}}, "INVALID_ARGUMENT"),
    ("no-such-network", {"hardware_customization": {"nics": {"4000": {"network": "network-1"}}}}, "NOT_FOUND"),
    ("no-such-subnet", {"hardware_customization": {"nics": {"4000": {"subnet": "group-1"}}}}, "NOT_FOUND"),
    ("smaller", {"hardware_customization": {"disks_to_update": {"2000": {"capacity": GIB}}}}, "INVALID_ARGUMENT"),
    (
        "cores",
        {"hardware_customization": {"cpu_update": {"num_cpus": 3, "num_cores_per_socket": 2}}},
        "INVALID_ARGUMENT",
    ),
    ("memory", {"hardware_customization": {"memory_update": {"memory": 2}}}, "INVALID_ARGUMENT"),
    ("no-such-customization", {"guest_customization": {"name": "x"}}, "NOT_FOUND"),
    ("wrong-customization", {"guest_customization": {"name": "windows-1-nic"}}, "INVALID_ARGUMENT"),
]


@pytest.mark.parametrize(("spec", "error"), [pytest.param(spec, error, id=name) for name, spec, error in WRONG])
def test_what_cannot_be_deployed(api: Api, spec: dict[str, Any], error: str) -> None:
    """It is refused before anything is copied."""
    before = len(api.inventory.machines)
    assert deploy(api, **{"name": "web-0100", **spec}).error_type == error
    assert len(api.inventory.machines) == before
