"""OVF packages: what is in them, the machines that are made of them, and packages that are made of machines."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from gateway.simulator import Simulator
from gateway.simulator.inventory import BUSY, INACCESSIBLE
from gateway.simulator.libraries import ISO_ITEM, MIRROR, OVF_ITEM, TEMPLATES
from gateway.simulator.operations.ovfs import UNTRUSTED_HOST
from tests.integration.cases import ErrorCase, Json, Setup, Success
from tests.integration.content_cases import NOT_THERE, item_with
from tests.integration.machines_cases import OFF, ON, all_of, machine

__all__ = ["ERRORS", "SUCCESSES"]

EXPORT_FLAGS = "vcenter.ovf.v1.ExportFlagService/ListExportFlags"
IMPORT_FLAGS = "vcenter.ovf.v1.ImportFlagService/ListImportFlags"
_ITEMS = "vcenter.ovf.v1.LibraryItemService"
CREATE, DEPLOY, FILTER = (f"{_ITEMS}/{name}OvfLibraryItem" for name in ("Create", "Deploy", "Filter"))
DEPLOY_TASK = "vcenter.v1.OvfsService/DeployOvfTask"

MESSAGES = "com.vmware.vdcs.ovf-main"
TOKEN = "5e2c81d7-40b3-4a6f-9d18-c7b0a2f3e64d"
NEW = "vm-1022"
GIB = 1 << 30


def deploy(item: str = OVF_ITEM, target: Json | None = None, **spec: Any) -> Json:
    return {
        "ovf_library_item_id": item,
        "target": target or {"resource_pool_id": "resgroup-9"},
        "deployment_spec": {"name": "web-0100", "accept_all_eula": True, **spec},
    }


def describe(item: str = OVF_ITEM, **target: str) -> Json:
    return {"ovf_library_item_id": item, "target": {"resource_pool_id": "resgroup-9", **target}}


def capture(source: str = OFF, kind: str = "VirtualMachine", target: Json | None = None, **spec: Any) -> Json:
    return {
        "source": {"type": kind, "id": source},
        "target": target or {"library_id": TEMPLATES},
        "create_spec": {"name": "captured", **spec},
    }


def from_url(url: str = "https://images.example.com/photon.ova", **spec: Any) -> Json:
    return {
        "spec": {
            "url": url,
            "name": "web-0100",
            "resource_pool": "resgroup-9",
            "vm_home_datastore": {"datastore": "datastore-11"},
            **spec,
        }
    }


def full(datastore: str) -> Setup:
    """A datastore without a free byte."""

    def setup(simulator: Simulator) -> None:
        place = simulator.inventory.places.datastores[datastore]
        place.capacity = place.used

    return setup


def made(name: str, **expected: Any) -> Any:
    """The machine that the response names is there, off, with the hardware of the package."""

    def check(response: Any, simulator: Simulator) -> None:
        assert response["result"]["succeeded"]
        assert response["result"]["error"] == {}, "lists with nothing in them"
        assert response["result"]["resource_id"] == {"type": "VirtualMachine", "id": NEW}
        new = machine(simulator, NEW)
        assert (new.name, new.guest_os, new.power_state) == (name, "VMWARE_PHOTON_64", "POWERED_OFF")
        assert [disk.capacity for disk in new.disks.values()] == [16 * GIB]
        for field, value in expected.items():
            assert getattr(new.placement, field) == value

    return check


def refused_by_result(**error: Any) -> Any:
    """The result has one error with these fields, and no machine was made."""

    def check(response: Any, simulator: Simulator) -> None:
        assert not response["result"].get("succeeded", False)
        [found] = response["result"]["error"]["errors"]
        assert {name: found[name] for name in error} == error
        assert NEW not in simulator.inventory.machines

    return check


def refused_by_server(error_type: str, message_id: str, text: str, arguments: list[str]) -> Any:
    """The result has an error of the server, in the words of the OVF service."""
    message = {"id": message_id, "default_message": text, "args": arguments}
    error = {"error_type": error_type, "messages": [message]}
    return refused_by_result(category="OVF_MESSAGE_CATEGORY_SERVER", error=error)


def on_network(network: str) -> Any:
    def check(response: Any, simulator: Simulator) -> None:
        [nic] = machine(simulator, NEW).nics.values()
        assert nic.backing["network"] == network

    return check


def captured(item_of: Any) -> Any:
    """The item has an OVF package with the disks of the machine."""

    def check(response: Any, simulator: Simulator) -> None:
        item = simulator.inventory.libraries.item(item_of(response))
        assert response["result"]["succeeded"]
        assert response["result"]["error"] == {}, "lists with nothing in them"
        assert (item.type, [name.rpartition(".")[2] for name in item.files]) == ("ovf", ["ovf", "mf", "vmdk", "vmdk"])
        assert item.package is not None
        assert item.package.disks == tuple(disk.capacity for disk in machine(simulator, OFF).disks.values())

    return check


def token_is_remembered(response: Any, simulator: Simulator) -> None:
    """A second call with the token would be answered with the same machine."""
    task = simulator.inventory.client_tokens["com.vmware.vcenter.ovf.library_item.deploy", UUID(TOKEN)]
    assert task.result["resource_id"]["id"] == response["result"]["resource_id"]["id"] == NEW


def lists(flags: list[str]) -> Any:
    """The response has these flags."""

    def check(response: Any, simulator: Simulator) -> None:
        assert [flag["option"] for flag in response["flags"]] == flags

    return check


def is_task(response: Any, simulator: Simulator) -> None:
    """The response names a task that deploys the package."""
    [task] = [item for item in simulator.inventory.tasks.tasks.values() if item.service == "com.vmware.vcenter.ovfs"]
    assert response["task"].startswith(task.task)


SUCCESSES = (
    Success(
        id="all",
        rpc=EXPORT_FLAGS,
        request={},
        check=lambda response, simulator: (
            [flag["option"] for flag in response["flags"]] == ["EXTRA_CONFIG", "PRESERVE_MAC"]
        ),
    ),
    Success(
        id="all",
        rpc=IMPORT_FLAGS,
        request={"rp": "resgroup-9"},
        check=lists(["LAX"]),
    ),
    Success(
        id="networks and licenses",
        rpc=FILTER,
        request=describe(),
        response={
            "summary": {
                "name": "photon-5",
                "annotation": "Photon OS 5 with its tools",
                "eulas": ["The example license: do as you like with what is not there."],
                "networks": ["VM Network"],
                "storage_groups": ["group1"],
                "additional_params": [
                    {
                        "@class": "com.vmware.vcenter.ovf.property_params",
                        "type": "PropertyParams",
                        "properties": [
                            {
                                "id": "guestinfo.hostname",
                                "default_value": "photon",
                                "value": "photon",
                                "type": "string",
                            }
                        ],
                    }
                ],
            }
        },
    ),
    Success(
        id="to a pool", rpc=DEPLOY, request=deploy(), check=made("web-0100", folder="group-v4", cluster="domain-c8")
    ),
    Success(
        id="to a host and a folder",
        rpc=DEPLOY,
        request=deploy(target={"resource_pool_id": "resgroup-9", "host_id": "host-13", "folder_id": "group-v31"}),
        check=made("web-0100", host="host-13", folder="group-v31"),
    ),
    Success(id="under the name in the package", rpc=DEPLOY, request=deploy(name="photon-5"), check=made("photon-5")),
    Success(
        id="on another network",
        rpc=DEPLOY,
        request=deploy(network_mappings={"VM Network": "dvportgroup-17"}),
        check=on_network("dvportgroup-17"),
    ),
    Success(id="with a token", rpc=DEPLOY, request={**deploy(), "client_token": TOKEN}, check=token_is_remembered),
    Success(
        id="license not accepted",
        rpc=DEPLOY,
        request=deploy(accept_all_eula=False),
        check=refused_by_result(name="accept_all_EULA", value="false"),
    ),
    Success(
        id="unknown flag",
        rpc=DEPLOY,
        request=deploy(flags=["STRICT"]),
        check=refused_by_result(name="flags", value="STRICT"),
    ),
    Success(
        id="name taken",
        rpc=DEPLOY,
        request=deploy(name="web-0001"),
        check=refused_by_server(
            "ALREADY_EXISTS",
            "com.vmware.vdcs.util.duplicate_name",
            'An object of type "VirtualMachine" named "web-0001" already exists.',
            ["VirtualMachine", "web-0001"],
        ),
    ),
    Success(
        id="no space",
        rpc=DEPLOY,
        request=deploy(default_datastore_id="datastore-11"),
        setup=full("datastore-11"),
        check=refused_by_server(
            "UNABLE_TO_ALLOCATE_RESOURCE",
            "com.vmware.vdcs.util.unable_to_allocate_resource",
            "The operation failed due to Insufficient disk space on datastore 'datastore1'.",
            ["Insufficient disk space on datastore 'datastore1'."],
        ),
    ),
    Success(
        id="to a new item",
        rpc=CREATE,
        request=capture(),
        check=captured(lambda response: response["result"]["ovf_library_item_id"]),
    ),
    Success(
        id="over an item",
        rpc=CREATE,
        request=capture(target={"library_item_id": OVF_ITEM}),
        check=captured(lambda response: OVF_ITEM),
    ),
    Success(
        id="starts a task",
        rpc=DEPLOY_TASK,
        request=from_url(),
        check=is_task,
    ),
    Success(
        id="with its certificate",
        rpc=DEPLOY_TASK,
        request=from_url(f"https://{UNTRUSTED_HOST}/photon.ova", source_certificate="-----BEGIN CERTIFICATE-----"),
        check=is_task,
    ),
)


def refused(rpc: str, error: str, message: str, request: Json, **more: Any) -> ErrorCase:
    return ErrorCase(rpc=rpc, error=error, messages=(message,), request=request, **more)


def of(kind: str) -> str:
    return f"com.vmware.api.vcenter.{kind}.not_found"


NO_ITEM = "com.vmware.vdcs.cls-main.library_item_not_found"
ERRORS = (
    refused(IMPORT_FLAGS, "NOT_FOUND", of("resource_pool"), {"rp": "resgroup-99"}),
    *(
        case
        for rpc, request in ((FILTER, describe), (DEPLOY, deploy))
        for case in (
            refused(rpc, "NOT_FOUND", NO_ITEM, request(NOT_THERE)),
            refused(rpc, "INVALID_ARGUMENT", f"{MESSAGES}.not_ovf", request(ISO_ITEM)),
            refused(
                rpc,
                "RESOURCE_INACCESSIBLE",
                f"{MESSAGES}.files_inaccessible",
                request(),
                setup=lambda simulator: [
                    setattr(file, "cached", False)
                    for file in simulator.inventory.libraries.item(OVF_ITEM).files.values()
                ],
            ),
        )
    ),
    refused(DEPLOY, "NOT_FOUND", of("resource_pool"), deploy(target={"resource_pool_id": "resgroup-99"}), id="no-pool"),
    refused(DEPLOY, "NOT_FOUND", of("network"), deploy(network_mappings={"VM Network": "network-99"}), id="no-network"),
    refused(
        DEPLOY,
        "INVALID_ARGUMENT",
        "com.vmware.vdcs.cls-main.invalid_client_token",
        {**deploy(), "client_token": "once"},
        id="token",
    ),
    refused(CREATE, "NOT_FOUND", of("vm"), capture("vm-999999"), id="no-machine"),
    refused(CREATE, "NOT_FOUND", NO_ITEM, capture(target={"library_item_id": NOT_THERE}), id="no-item"),
    refused(
        CREATE,
        "INVALID_ARGUMENT",
        f"{MESSAGES}.invalid_target",
        capture(target={"library_id": TEMPLATES, "library_item_id": OVF_ITEM}),
        id="two-targets",
    ),
    refused(
        CREATE,
        "INVALID_ARGUMENT",
        f"{MESSAGES}.subscribed_library",
        capture(target={"library_id": MIRROR}),
        id="mirror",
    ),
    refused(CREATE, "INVALID_ARGUMENT", f"{MESSAGES}.name_taken", capture(name="photon-5"), id="name"),
    refused(CREATE, "INVALID_ARGUMENT", f"{MESSAGES}.invalid_type", capture(kind="HostSystem"), id="type"),
    ErrorCase(
        rpc=CREATE,
        error="NOT_ALLOWED_IN_CURRENT_STATE",
        messages=(f"{MESSAGES}.not_powered_off", "vmsg.InvalidPowerState.summary"),
        request=capture(ON),
    ),
    refused(CREATE, "RESOURCE_BUSY", "vmsg.TaskInProgress.summary", capture(f"vm-{1022 + BUSY}")),
    refused(
        CREATE,
        "RESOURCE_INACCESSIBLE",
        "com.vmware.api.vcenter.vm.configuration_inaccessible",
        capture(f"vm-{1022 + INACCESSIBLE}"),
    ),
    refused(
        DEPLOY_TASK,
        "INVALID_ARGUMENT",
        "com.vmware.api.vcenter.ovfs.invalid_url",
        from_url("ftp://images.example.com/photon.ova"),
    ),
    refused(DEPLOY_TASK, "NOT_FOUND", of("datastore"), from_url(vm_home_datastore={"datastore": "datastore-99"})),
    refused(
        DEPLOY_TASK,
        "UNVERIFIED_PEER",
        "com.vmware.api.vcenter.ovfs.untrusted",
        from_url(f"https://{UNTRUSTED_HOST}/photon.ova"),
    ),
    refused(
        DEPLOY_TASK,
        "ERROR",
        "com.vmware.api.vcenter.vm.placement.host_not_available",
        from_url(host_system="host-13"),
        setup=all_of(
            lambda simulator: setattr(simulator.inventory.places.hosts["host-13"], "in_maintenance", True),
            item_with(OVF_ITEM),
        ),
    ),
)
