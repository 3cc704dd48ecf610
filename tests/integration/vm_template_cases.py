"""Virtual machine templates in content libraries: made, deployed, checked out and in, rolled back."""

from __future__ import annotations

from typing import Any

from gateway.simulator import Simulator
from gateway.simulator.libraries import MIRROR, OVF_ITEM, TEMPLATES, VM_TEMPLATE_ITEM
from gateway.simulator.machine import VirtualMachine
from gateway.simulator.templates import add_version
from tests.integration.cases import ErrorCase, Json, Setup, Success
from tests.integration.content_cases import NOT_THERE, checked_out, item, item_with, library_with
from tests.integration.machines_cases import OFF, ON, POLICY, SUSPENDED, TEMPLATE, all_of, machine

__all__ = ["ERRORS", "SUCCESSES"]

_ITEMS = "vcenter.vm_template.v1.LibraryItemsService"
CREATE, DEPLOY, GET = (f"{_ITEMS}/{name}TemplateLibraryItem" for name in ("Create", "Deploy", "Get"))
_CHECK_OUTS = "vcenter.vm_template.library_items.v1.CheckOutsService"
CHECK_IN, CHECK_OUT = f"{_CHECK_OUTS}/CheckInVm", f"{_CHECK_OUTS}/CheckOutVm"
DELETE_CHECK_OUT, GET_CHECK_OUT = f"{_CHECK_OUTS}/DeleteCheckOut", f"{_CHECK_OUTS}/GetCheckOut"
LIST_CHECK_OUTS = f"{_CHECK_OUTS}/ListCheckOuts"
_VERSIONS = "vcenter.vm_template.library_items.v1.VersionsService"
DELETE_VERSION, GET_VERSION, ROLLBACK = (f"{_VERSIONS}/{name}Version" for name in ("Delete", "Get", "Rollback"))
LIST_VERSIONS = f"{_VERSIONS}/ListVersions"
VM_ITEM = "vcenter.vm.v1.LibraryItemService/GetLibraryItem"

MESSAGES = "com.vmware.vdcs.vmtx-main"
NOT_ALLOWED, INVALID, INACCESSIBLE = (
    "NOT_ALLOWED_IN_CURRENT_STATE",
    "INVALID_ARGUMENT",
    "RESOURCE_INACCESSIBLE",
)
CONFIGURATION = "com.vmware.api.vcenter.vm.configuration_inaccessible"
DUPLICATE = "vmsg.DuplicateName.summary"
NO_SPACE = "vmsg.NoDiskSpace.summary"
PLACE = {"folder": "group-v4", "cluster": "domain-c8"}
GIB = 1 << 30
NEW = "vm-1022"


def template(simulator: Simulator) -> VirtualMachine:
    return machine(simulator, TEMPLATE)


def create(**spec: Any) -> Json:
    return {
        "spec": {"source_vm": ON, "name": "web-golden", "library": TEMPLATES, "placement": PLACE, **spec},
    }


def deploy(**spec: Any) -> Json:
    return {"template_library_item": VM_TEMPLATE_ITEM, "spec": {"name": "web-0100", "placement": PLACE, **spec}}


def check_out(**spec: Any) -> Json:
    return {"template_library_item": VM_TEMPLATE_ITEM, "spec": {"name": "golden-change", "placement": PLACE, **spec}}


def of_item(**more: Any) -> Json:
    return {"template_library_item": VM_TEMPLATE_ITEM, **more}


def two_versions(simulator: Simulator) -> None:
    """The template has been changed once: version 1 is the template of the inventory, 2 what was the second machine."""
    found = item(simulator, VM_TEMPLATE_ITEM)
    add_version(simulator.inventory, found, machine(simulator, OFF), simulator.options.clock(), "administrator")


def machine_with(vm: str, **values: Any) -> Setup:
    """A machine with other attributes."""

    def setup(simulator: Simulator) -> None:
        for name, value in values.items():
            setattr(machine(simulator, vm), name, value)

    return setup


def full(datastore: str) -> Setup:
    """A datastore without a free byte."""

    def setup(simulator: Simulator) -> None:
        place = simulator.inventory.places.datastores[datastore]
        place.capacity = place.used

    return setup


def describes_the_template(response: Json, simulator: Simulator) -> None:
    found, info = template(simulator), response["library_item"]
    assert (info["guest_os"], info["vm_template"]) == (found.guest_os, TEMPLATE)
    assert info["cpu"] == {"count": str(found.cpu.count), "cores_per_socket": str(found.cpu.cores_per_socket)}
    assert info["memory"] == {"size_mib": str(found.memory.size_mib)}
    assert info["vm_home_storage"]["datastore"] == "datastore-11"
    assert {key: disk["capacity"] for key, disk in info["disks"].items()} == {
        key: str(disk.capacity) for key, disk in found.disks.items()
    }
    assert info["nics"]["4000"] == {
        "backing_type": "LIBRARY_ITEMS_ETHERNET_INFO_NETWORK_BACKING_TYPE_STANDARD_PORTGROUP",
        "mac_type": "LIBRARY_ITEMS_ETHERNET_INFO_MAC_ADDRESS_TYPE_ASSIGNED",
        "network": "network-12",
    }


def is_new_template(response: Json, simulator: Simulator) -> None:
    new = item(simulator, response["library_item"])
    assert (new.name, new.type, new.description, new.templates) == (
        "web-golden",
        "vm-template",
        "x",
        {"1": NEW},
    )
    assert machine(simulator, NEW).template
    assert not machine(simulator, ON).template


def is_like_the_template(response: Json, simulator: Simulator) -> None:
    assert response == {"vm": NEW}
    new = machine(simulator, NEW)
    assert (new.name, new.power_state, new.template) == ("web-0100", "POWERED_OFF", False)
    assert new.memory.size_mib == template(simulator).memory.size_mib


def is_customized(response: Json, simulator: Simulator) -> None:
    new = machine(simulator, response["vm"])
    assert new.power_state == "POWERED_ON"
    assert (new.cpu.count, new.memory.size_mib) == (4, 1024)
    assert {key: disk.capacity for key, disk in new.disks.items()} == {"2000": 64 * GIB}
    assert new.disks["2000"].vmdk_file.startswith("[datastore2] ")
    assert new.disks["2000"].storage_policy == new.home_storage_policy == POLICY
    assert new.nics["4000"].backing["network"] == "network-14"
    assert {tag.name for tag in simulator.inventory.tagging.tags_of(("VirtualMachine", new.vm))} == {"web"}


def is_checked_out(response: Json, simulator: Simulator) -> None:
    assert response == {"vm": NEW}
    found = item(simulator, VM_TEMPLATE_ITEM).check_out
    assert found is not None
    assert (found.vm, found.user) == (NEW, "VSPHERE.LOCAL\\administrator")
    assert machine(simulator, NEW).power_state == "POWERED_ON"


def is_checked_in(response: Json, simulator: Simulator) -> None:
    assert response == {"version": "2"}
    found = item(simulator, VM_TEMPLATE_ITEM)
    assert (found.check_out, found.templates) == (None, {"1": TEMPLATE, "2": OFF})
    assert machine(simulator, OFF).template


def check_out_is_gone(response: Json, simulator: Simulator) -> None:
    assert response == {}
    assert item(simulator, VM_TEMPLATE_ITEM).check_out is None
    assert OFF not in simulator.inventory.machines


def versions_are(**expected: str) -> Any:
    """The item has exactly these versions with these machines."""

    def check(response: Json, simulator: Simulator) -> None:
        wanted = {key.removeprefix("v"): vm for key, vm in expected.items()}
        assert item(simulator, VM_TEMPLATE_ITEM).templates == wanted

    return check


SUCCESSES = (
    Success(id="a template", rpc=GET, request=of_item(), check=describes_the_template),
    Success(id="an item of another kind", rpc=GET, request={"template_library_item": OVF_ITEM}, response={}),
    Success(id="of a running machine", rpc=CREATE, request=create(description="x"), check=is_new_template),
    Success(id="as it is", rpc=DEPLOY, request=deploy(), check=is_like_the_template),
    Success(
        id="changed in everything",
        rpc=DEPLOY,
        request=deploy(
            powered_on=True,
            vm_home_storage={
                "datastore": "datastore-12",
                "storage_policy": {
                    "type": "LIBRARY_ITEMS_DEPLOY_SPEC_VM_HOME_STORAGE_POLICY_TYPE_USE_SPECIFIED_POLICY",
                    "policy": POLICY,
                },
            },
            disk_storage={
                "datastore": "datastore-12",
                "storage_policy": {
                    "type": "LIBRARY_ITEMS_DEPLOY_SPEC_DISK_STORAGE_POLICY_TYPE_USE_SPECIFIED_POLICY",
                    "policy": POLICY,
                },
            },
            hardware_customization={
                "nics": {"4000": {"network": "network-14"}},
                "disks_to_remove": ["2001"],
                "disks_to_update": {"2000": {"capacity": 64 * GIB}},
                "cpu_update": {"num_cpus": 4},
                "memory_update": {"memory": 1024},
            },
            tags=[{"tag_name_spec": {"category_name": "Role", "tag_name": "web"}}],
        ),
        setup=lambda simulator: template(simulator).disks.update({"2001": template(simulator).disks["2000"]}),
        check=is_customized,
    ),
    Success(id="and powered on", rpc=CHECK_OUT, request=check_out(powered_on=True), check=is_checked_out),
    Success(
        id="a machine that is off",
        rpc=CHECK_IN,
        request=of_item(vm=OFF, spec={"message": "More memory"}),
        setup=checked_out(),
        check=is_checked_in,
    ),
    Success(
        id="with its machine",
        rpc=DELETE_CHECK_OUT,
        request=of_item(vm=OFF),
        setup=checked_out(),
        check=check_out_is_gone,
    ),
    Success(
        id="by whom and when",
        rpc=GET_CHECK_OUT,
        request=of_item(vm=OFF),
        setup=checked_out(),
        response={"check_out": {"time": "2026-01-15T12:00:00Z", "user": "VSPHERE.LOCAL\\administrator"}},
    ),
    Success(
        id="one", rpc=LIST_CHECK_OUTS, request=of_item(), setup=checked_out(), response={"check_outs": [{"vm": OFF}]}
    ),
    Success(id="none", rpc=LIST_CHECK_OUTS, request=of_item(), response={}),
    Success(
        id="two",
        rpc=LIST_VERSIONS,
        request=of_item(),
        setup=two_versions,
        response={
            "versions": [{"version": "1", "vm_template": TEMPLATE}, {"version": "2", "vm_template": OFF}],
        },
    ),
    Success(
        id="the first",
        rpc=GET_VERSION,
        request=of_item(version="1"),
        response={"version": {"vm_template": TEMPLATE}},
    ),
    Success(
        id="to the first",
        rpc=ROLLBACK,
        request=of_item(version="1", spec={"message": "It did not work"}),
        setup=two_versions,
        check=versions_are(v2=OFF, v3=TEMPLATE),
    ),
    Success(
        id="the first",
        rpc=DELETE_VERSION,
        request=of_item(version="1"),
        setup=two_versions,
        check=versions_are(v2=OFF),
    ),
    Success(
        id="checked out",
        rpc=VM_ITEM,
        request={"vm": OFF},
        setup=checked_out(),
        response={"library_item": {"check_out": {"library_item": VM_TEMPLATE_ITEM}}},
    ),
    Success(id="not checked out", rpc=VM_ITEM, request={"vm": ON}, response={"library_item": {}}),
)


def refused(rpc: str, error: str, message: str, request: Json, setup: Setup | None = None, **more: Any) -> ErrorCase:
    """A refusal with one message, of the templates unless it is a whole one."""
    whole = message if "." in message else f"{MESSAGES}.{message}"
    return ErrorCase(rpc=rpc, error=error, request=request, messages=(whole,), setup=setup, **more)


NO_ITEM = "com.vmware.vdcs.cls-main.library_item_not_found"
IN_MAINTENANCE = "com.vmware.vdcs.cls-main.library_in_maintenance"
# The operations on versions and check-outs of one item, with the rest of a request.
ON_ITEMS = (
    (CHECK_IN, {"vm": OFF, "spec": {"message": "x"}}),
    (CHECK_OUT, {"spec": {"name": "x", "placement": PLACE}}),
    (DELETE_CHECK_OUT, {"vm": OFF}),
    (GET_CHECK_OUT, {"vm": OFF}),
    (LIST_CHECK_OUTS, {}),
    (DELETE_VERSION, {"version": "1"}),
    (GET_VERSION, {"version": "1"}),
    (LIST_VERSIONS, {}),
    (ROLLBACK, {"version": "1", "spec": {"message": "x"}}),
)

COMMON_ERRORS = (
    *(
        refused(rpc, "NOT_FOUND", NO_ITEM, {**rest, "template_library_item": NOT_THERE}, id="item")
        for rpc, rest in (*ON_ITEMS, (GET, {}), (DEPLOY, {"spec": deploy()["spec"]}))
    ),
    *(
        refused(rpc, INVALID, "not_vm_template", {**rest, "template_library_item": OVF_ITEM}, id="kind of item")
        for rpc, rest in (*ON_ITEMS, (DEPLOY, {"spec": deploy()["spec"]}))
    ),
    *(
        refused(rpc, INACCESSIBLE, CONFIGURATION, request, machine_with(TEMPLATE, inaccessible=True), id="template")
        for rpc, request in ((GET, of_item()), (DEPLOY, deploy()), (CHECK_OUT, check_out()))
    ),
)

CREATE_ERRORS = (
    refused(CREATE, "NOT_FOUND", "com.vmware.api.vcenter.vm.not_found", create(source_vm="vm-1"), id="machine"),
    refused(CREATE, "NOT_FOUND", "com.vmware.vdcs.cls-main.library_not_found", create(library=NOT_THERE), id="library"),
    refused(CREATE, "ALREADY_EXISTS", "name_taken", create(name="golden-image"), id="in the library"),
    refused(CREATE, "ALREADY_EXISTS", DUPLICATE, create(name="web-0001"), id="in the folder"),
    refused(CREATE, INVALID, "subscribed_library", create(library=MIRROR), id="subscribed library"),
    refused(CREATE, INVALID, "placement_missing", create(placement=None), id="no placement"),
    refused(CREATE, INVALID, "com.vmware.vdcs.cls-main.name_too_long", create(name="x" * 81), id="long name"),
    refused(CREATE, INVALID, "datastore_missing", create(vm_home_storage={}), id="no datastore"),
    refused(
        CREATE,
        INVALID,
        "invalid_policy",
        create(
            disk_storage={
                "datastore": "datastore-11",
                "storage_policy": {
                    "type": "LIBRARY_ITEMS_CREATE_SPEC_DISK_STORAGE_POLICY_TYPE_USE_SPECIFIED_POLICY",
                    "policy": NOT_THERE,
                },
            }
        ),
        id="policy",
    ),
    ErrorCase(
        rpc=CREATE,
        error=NOT_ALLOWED,
        request=create(source_vm=SUSPENDED),
        messages=(f"{MESSAGES}.suspended", "vmsg.InvalidPowerState.summary"),
        id="suspended",
    ),
    refused(CREATE, NOT_ALLOWED, IN_MAINTENANCE, create(), library_with(state="MAINTENANCE"), id="maintenance"),
    refused(CREATE, INACCESSIBLE, CONFIGURATION, create(), machine_with(ON, inaccessible=True)),
    refused(CREATE, "RESOURCE_IN_USE", "vmsg.TaskInProgress.summary", create(), machine_with(ON, busy=True)),
    refused(CREATE, "UNABLE_TO_ALLOCATE_RESOURCE", NO_SPACE, create(), full("datastore-11")),
)


def host_in_maintenance(simulator: Simulator) -> None:
    simulator.inventory.places.hosts["host-10"].in_maintenance = True


DEPLOY_ERRORS = (
    refused(DEPLOY, "ALREADY_EXISTS", DUPLICATE, deploy(name="web-0001")),
    refused(DEPLOY, INVALID, "placement_missing", deploy(placement=None), id="no placement"),
    refused(
        DEPLOY,
        INVALID,
        "disk_too_small",
        deploy(hardware_customization={"disks_to_update": {"2000": {"capacity": GIB}}}),
        id="smaller disk",
    ),
    refused(DEPLOY, INVALID, "device_not_found", deploy(hardware_customization={"nics": {"1": {}}}), id="network card"),
    refused(DEPLOY, INVALID, "invalid_tag", deploy(tags=[{}]), id="tag"),
    refused(
        DEPLOY,
        NOT_ALLOWED,
        "host_in_maintenance",
        deploy(placement={"folder": "group-v4", "host": "host-10"}),
        host_in_maintenance,
        id="host in maintenance",
    ),
    refused(DEPLOY, NOT_ALLOWED, IN_MAINTENANCE, deploy(), library_with(state="MAINTENANCE"), id="library"),
    refused(
        DEPLOY,
        "NOT_FOUND",
        "com.vmware.api.vcenter.folder.not_found",
        deploy(placement={**PLACE, "folder": "group-v1"}),
        id="folder",
    ),
    refused(
        DEPLOY,
        "NOT_FOUND",
        "com.vmware.api.vcenter.guest.customization_spec.not_found",
        deploy(guest_customization={"name": "x"}),
        id="customization",
    ),
    refused(DEPLOY, "UNABLE_TO_ALLOCATE_RESOURCE", NO_SPACE, deploy(), full("datastore-11")),
)

CHECK_OUT_ERRORS = (
    refused(CHECK_OUT, "ALREADY_EXISTS", DUPLICATE, check_out(name="web-0001")),
    refused(CHECK_OUT, INVALID, "field_missing", check_out(name=None), id="no name"),
    refused(CHECK_OUT, INVALID, "field_missing", check_out(placement=None), id="no placement"),
    refused(CHECK_OUT, INVALID, "subscribed_library", check_out(), library_with(type="SUBSCRIBED"), id="subscribed"),
    refused(CHECK_OUT, "UNABLE_TO_ALLOCATE_RESOURCE", "too_many_check_outs", check_out(), checked_out()),
    refused(
        CHECK_OUT, "ERROR", "library_in_maintenance", check_out(), library_with(state="MAINTENANCE"), id="maintenance"
    ),
    *(
        refused(rpc, INVALID, "not_checked_out", of_item(vm=ON, **rest), checked_out(), id="another machine")
        for rpc, rest in ((CHECK_IN, {"spec": {"message": "x"}}), (DELETE_CHECK_OUT, {}), (GET_CHECK_OUT, {}))
    ),
    ErrorCase(
        rpc=CHECK_IN,
        error=NOT_ALLOWED,
        request=of_item(vm=ON, spec={"message": "x"}),
        messages=(f"{MESSAGES}.not_powered_off", "vmsg.InvalidPowerState.summary"),
        setup=checked_out(ON),
    ),
    ErrorCase(
        rpc=DELETE_CHECK_OUT,
        error=NOT_ALLOWED,
        request=of_item(vm=ON),
        messages=(f"{MESSAGES}.powered_on", "vmsg.InvalidPowerState.summary"),
        setup=checked_out(ON),
    ),
)

VERSION_ERRORS = (
    *(
        refused(rpc, "NOT_FOUND", "version_not_found", of_item(version="9", **rest))
        for rpc, rest in ((DELETE_VERSION, {}), (GET_VERSION, {}), (ROLLBACK, {"spec": {"message": "x"}}))
    ),
    *(
        refused(rpc, INVALID, "version_is_latest", of_item(version="1", **rest))
        for rpc, rest in ((DELETE_VERSION, {}), (ROLLBACK, {"spec": {"message": "x"}}))
    ),
    refused(
        ROLLBACK,
        NOT_ALLOWED,
        "item_checked_out",
        of_item(version="1", spec={"message": "x"}),
        all_of(two_versions, checked_out("vm-1006")),
    ),
    refused(
        DELETE_VERSION,
        INACCESSIBLE,
        CONFIGURATION,
        of_item(version="1"),
        all_of(two_versions, machine_with(TEMPLATE, inaccessible=True)),
        id="configuration",
    ),
    refused(
        DELETE_VERSION,
        INACCESSIBLE,
        "template_inaccessible",
        of_item(version="1"),
        all_of(two_versions, item_with(VM_TEMPLATE_ITEM, templates={"1": "vm-1", "2": OFF})),
        id="deleted",
    ),
)
ERRORS = (*COMMON_ERRORS, *CREATE_ERRORS, *DEPLOY_ERRORS, *CHECK_OUT_ERRORS, *VERSION_ERRORS)
