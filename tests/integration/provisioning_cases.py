"""The life of virtual machines: made, copied, moved, registered, deleted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.simulator import Simulator
from gateway.simulator.machine import VirtualMachine
from tests.integration.cases import ErrorCase, Json, Setup, Success
from tests.integration.machines_cases import BUSY, INACCESSIBLE, OFF, ON, TEMPLATE, all_of, machine

__all__ = ["ERRORS", "SUCCESSES"]

_VM = "vcenter.v1.VmService"
CREATE, CLONE, CLONE_TASK, INSTANT_CLONE, REGISTER, UNREGISTER, DELETE, RELOCATE, RELOCATE_TASK = (
    f"{_VM}/{name}Vm{suffix}"
    for name, suffix in (
        ("Create", ""),
        ("Clone", ""),
        ("Clone", "Task"),
        ("InstantClone", ""),
        ("Register", ""),
        ("Unregister", ""),
        ("Delete", ""),
        ("Relocate", ""),
        ("Relocate", "Task"),
    )
)
NEW = "vm-1022"
PLACEMENT = {"folder": "group-v4", "resource_pool": "resgroup-9", "host": "host-10", "datastore": "datastore-11"}
_MESSAGES = "com.vmware.api.vcenter.vm"
DUPLICATE, FULL, NOT_AVAILABLE = (
    "vmsg.DuplicateName.summary",
    "vmsg.NoDiskSpace.summary",
    f"{_MESSAGES}.placement.host_not_available",
)
DISJOINT, MEMORY = f"{_MESSAGES}.placement.disjoint", "vmsg.InsufficientMemoryResourcesFault.summary"
IN_PROGRESS = "vmsg.TaskInProgress.summary"
VMX = "[datastore1] db-0002/db-0002.vmx"


def new_machine(simulator: Simulator) -> VirtualMachine:
    return machine(simulator, NEW)


def full(datastore: str) -> Setup:
    """A datastore without a free byte."""

    def setup(simulator: Simulator) -> None:
        place = simulator.inventory.places.datastores[datastore]
        place.capacity = place.used

    return setup


def in_maintenance(host: str) -> Setup:
    """A host that takes no machines."""
    return lambda simulator: setattr(simulator.inventory.places.hosts[host], "in_maintenance", True)


def without_memory(host: str) -> Setup:
    """A host on which nothing more can run."""
    return lambda simulator: simulator.inventory.host_memory_mib.update({host: 0})


def changed(vm: str, **attributes: Any) -> Setup:
    """A machine with other attributes."""

    def setup(simulator: Simulator) -> None:
        for name, value in attributes.items():
            setattr(machine(simulator, vm), name, value)

    return setup


def made(condition: Callable[[VirtualMachine], bool]) -> Callable[[Any, Simulator], None]:
    """The answer is the identifier of a new machine, which meets the condition."""

    def check(response: Json, simulator: Simulator) -> None:
        assert response == {"vm": NEW}
        assert condition(new_machine(simulator))

    return check


def holds(vm: str, condition: Callable[[VirtualMachine], bool]) -> Callable[[Any, Simulator], None]:
    """The answer is empty, and the machine meets the condition."""

    def check(response: Json, simulator: Simulator) -> None:
        assert response == {}
        assert condition(machine(simulator, vm))

    return check


def started(service_operation: str, vm: str) -> Callable[[Any, Simulator], None]:
    """The answer is the identifier of a task that runs on the machine."""

    def check(response: Json, simulator: Simulator) -> None:
        task = simulator.inventory.tasks.tasks[response["task"]]
        assert (f"{task.service}.{task.operation}", task.target, task.status) == (
            service_operation,
            ("VirtualMachine", vm),
            "RUNNING",
        )

    return check


def gone(response: Json, simulator: Simulator) -> None:
    """The machine is in the inventory no more, and its files are still there."""
    assert response == {}
    assert OFF not in simulator.inventory.machines
    assert "[datastore1] db-0002/db-0002.vmdk" in simulator.inventory.disk_files


def deleted(response: Json, simulator: Simulator) -> None:
    """Neither the machine nor its files are there."""
    assert response == {}
    assert OFF not in simulator.inventory.machines
    assert not [file for file in simulator.inventory.disk_files if "db-0002/" in file]


def create(**more: Any) -> Json:
    return {"spec": {"guest_os": "UBUNTU_64", "name": "new-1", "placement": PLACEMENT, **more}}


def clone(**more: Any) -> Json:
    return {"spec": {"source": ON, "name": "new-1", **more}}


def register(**more: Any) -> Json:
    placement = {name: value for name, value in PLACEMENT.items() if name != "datastore"}
    return {"spec": {"datastore_path": VMX, "placement": placement, **more}}


def unregistered(simulator: Simulator) -> None:
    """The files of a machine without the machine."""
    del simulator.inventory.machines[OFF]


def disk(unit: int) -> Json:
    return {
        "type": "DISK_HOST_BUS_ADAPTER_TYPE_SCSI",
        "scsi": {"bus": 0, "unit": unit},
        "new_vmdk": {"capacity": 1 << 30},
    }


SUCCESSES: tuple[Success, ...] = (
    Success(
        id="with what suits the guest",
        rpc=CREATE,
        request=create(),
        check=made(
            lambda new: (
                (new.cpu.count, new.memory.size_mib, new.boot.type, new.hardware_version, new.power_state)
                == (1, 2048, "BIOS", "VMX_21", "POWERED_OFF")
                and [item.capacity for item in new.disks.values()] == [16 << 30]
            )
        ),
    ),
    Success(
        id="with everything",
        rpc=CREATE,
        request=create(
            hardware_version="VMX_19",
            cpu={"count": 4, "cores_per_socket": 2},
            memory={"size_mib": 8192},
            boot={"type": "BOOT_TYPE_EFI"},
            boot_devices=[{"type": "DEVICE_TYPE_DISK"}, {"type": "DEVICE_TYPE_ETHERNET"}],
            disks=[disk(0), disk(1)],
            nics=[{"backing": {"type": "ETHERNET_BACKING_TYPE_STANDARD_PORTGROUP", "network": "network-14"}}],
            cdroms=[{}],
            floppies=[{}],
            parallel_ports=[{}],
            serial_ports=[{}],
            storage_policy={"policy": "aa6d5a82-1c88-45da-85d3-3d74b91a5bad"},
        ),
        check=made(
            lambda new: (
                new.boot_devices == [{"type": "DISK", "disks": ["2000", "2001"]}, {"type": "ETHERNET", "nic": "4000"}]
                and (new.cpu.count, new.memory.size_mib, new.boot.type) == (4, 8192, "EFI")
                and new.nics["4000"].backing["network"] == "network-14"
                and [len(devices) for devices in (new.cdroms, new.floppies, new.parallel_ports, new.serial_ports)]
                == [1] * 4
                and new.home_storage_policy == "aa6d5a82-1c88-45da-85d3-3d74b91a5bad"
            )
        ),
    ),
    Success(
        id="on a cluster, without a name",
        rpc=CREATE,
        request={
            "spec": {
                "guest_os": "WINDOWS_SERVER_2021",
                "placement": {"folder": "group-v22", "cluster": "domain-c26", "datastore": "datastore-24"},
            }
        },
        check=made(
            lambda new: (
                (new.name, new.placement.host, new.boot.type) == ("New Virtual Machine", "host-28", "EFI")
                and new.scsi_adapters["1000"].type == "LSILOGICSAS"
            )
        ),
    ),
    Success(
        id="in the place of its source",
        rpc=CLONE,
        request=clone(),
        check=made(lambda new: (new.name, new.placement.host, new.power_state) == ("new-1", "host-10", "POWERED_OFF")),
    ),
    Success(
        id="elsewhere, with fewer disks, customized and running",
        rpc=CLONE,
        request=clone(
            placement={
                "folder": "group-v31",
                "resource_pool": "resgroup-33",
                "host": "host-13",
                "datastore": "datastore-12",
            },
            disks_to_remove=["2001"],
            disks_to_update={"2000": {"datastore": "datastore-11"}},
            guest_customization_spec={"name": "linux-2-nics"},
            power_on=True,
        ),
        check=made(
            lambda new: (
                (new.placement.folder, new.placement.host, new.power_state) == ("group-v31", "host-13", "POWERED_ON")
                and {key: item.vmdk_file for key, item in new.disks.items()}
                == {"2000": "[datastore1] new-1/new-1.vmdk"}
                and new.directory == "[datastore2] new-1"
                and new.guest.customization is not None
            )
        ),
    ),
    Success(
        id="of a template",
        rpc=CLONE,
        request=clone(source=TEMPLATE, placement=PLACEMENT),
        check=made(lambda new: not new.template),
    ),
    Success(id="begun", rpc=CLONE_TASK, request=clone(), check=started("com.vmware.vcenter.VM.clone$task", ON)),
    Success(
        id="runs on from its source",
        rpc=INSTANT_CLONE,
        request=clone(bios_uuid="4211d0ad-7b4a-4f6e-9c1c-5f1d8a6f0e21", disconnect_all_nics=True),
        check=made(
            lambda new: (
                new.power_state == "POWERED_ON"
                and new.guest.processes != {}
                and new.bios_uuid == "4211d0ad-7b4a-4f6e-9c1c-5f1d8a6f0e21"
                and {nic.state for nic in new.nics.values()} == {"NOT_CONNECTED"}
            )
        ),
    ),
    Success(
        id="with other devices",
        rpc=INSTANT_CLONE,
        request=clone(
            placement={"folder": "group-v31", "datastore": "datastore-12"},
            nics_to_update={
                "4000": {"backing": {"type": "ETHERNET_BACKING_TYPE_STANDARD_PORTGROUP", "network": "network-14"}}
            },
            serial_ports_to_update={"9000": {"yield_on_poll": False}},
            parallel_ports_to_update={"10000": {"start_connected": True}},
        ),
        check=made(
            lambda new: (
                new.nics["4000"].backing["network"] == "network-14"
                and new.nics["4000"].state == "CONNECTED"
                and not new.serial_ports["9000"].yield_on_poll
                and new.parallel_ports["10000"].start_connected
            )
        ),
    ),
    Success(
        id="by a datastore path",
        rpc=REGISTER,
        request=register(),
        check=made(lambda new: (new.name, new.directory) == ("db-0002", "[datastore1] db-0002")),
        setup=unregistered,
    ),
    Success(
        id="by datastore and path, under a new name",
        rpc=REGISTER,
        request=register(datastore="datastore-11", path="db-0002/db-0002.vmx", name="renamed", datastore_path=None),
        check=made(lambda new: (new.name, new.directory) == ("renamed", "[datastore1] db-0002")),
        setup=unregistered,
    ),
    Success(id="keeps files", rpc=UNREGISTER, request={"vm": OFF}, check=gone),
    Success(id="with files", rpc=DELETE, request={"vm": OFF}, check=deleted),
    Success(
        id="to another host",
        rpc=RELOCATE,
        request={"vm": ON, "spec": {"placement": {"host": "host-13"}}},
        check=holds(ON, lambda item: item.placement.host == "host-13" and item.power_state == "POWERED_ON"),
    ),
    Success(
        id="to another folder and datastore, with a disk elsewhere",
        rpc=RELOCATE,
        request={
            "vm": OFF,
            "spec": {
                "placement": {"folder": "group-v4", "datastore": "datastore-12"},
                "disks": {"2001": {"datastore": "datastore-11"}},
            },
        },
        check=holds(
            OFF,
            lambda item: (
                item.placement.folder == "group-v4"
                and [disk.vmdk_file for disk in item.disks.values()]
                == ["[datastore2] db-0002/db-0002.vmdk", "[datastore1] db-0002/db-0002_1.vmdk"]
            ),
        ),
    ),
    Success(id="nowhere", rpc=RELOCATE, request={"vm": ON, "spec": {}}, check=holds(ON, lambda item: not item.busy)),
    Success(
        id="begun",
        rpc=RELOCATE_TASK,
        request={"vm": ON, "spec": {"placement": {"host": "host-13"}}},
        check=started("com.vmware.vcenter.VM.relocate$task", ON),
    ),
)


def _no_place(kind: str) -> str:
    return f"com.vmware.api.vcenter.{kind}.not_found"


def _create_errors() -> list[ErrorCase]:
    def case(error: str, message: str, setup: Setup | None = None, label: str = "", **more: Any) -> ErrorCase:
        return ErrorCase(rpc=CREATE, error=error, messages=(message,), request=create(**more), setup=setup, id=label)

    return [
        case("ALREADY_EXISTS", DUPLICATE, label="name", name="web-0001"),
        case("INVALID_ARGUMENT", f"{_MESSAGES}.placement.folder_required", placement={}),
        case(
            "INVALID_ARGUMENT",
            f"{_MESSAGES}.placement.resource_pool_required",
            label="pool",
            placement={"folder": "group-v4", "datastore": "datastore-11"},
        ),
        case("INVALID_ARGUMENT", DISJOINT, label="pool of another cluster", placement={**PLACEMENT, "host": "host-28"}),
        case("INVALID_ARGUMENT", DISJOINT, label="datacenter", placement={**PLACEMENT, "folder": "group-v22"}),
        case("INVALID_ARGUMENT", "vmsg.InvalidName.summary", label="name", name="x" * 81),
        case(
            "INVALID_ARGUMENT",
            f"{_MESSAGES}.placement.not_a_vm_folder",
            label="folder of hosts",
            placement={**PLACEMENT, "folder": "group-h5"},
        ),
        case(
            "INVALID_ARGUMENT",
            f"{_MESSAGES}.placement.datastore_not_reachable",
            label="datastore",
            placement={**PLACEMENT, "datastore": "datastore-24"},
        ),
        case(
            "INVALID_ARGUMENT",
            f"{_MESSAGES}.placement.host_required",
            lambda simulator: setattr(simulator.inventory.places.clusters["domain-c8"], "drs_enabled", False),
            label="no DRS",
            placement={"folder": "group-v4", "cluster": "domain-c8", "datastore": "datastore-11"},
        ),
        case("NOT_FOUND", _no_place("folder"), placement={**PLACEMENT, "folder": "group-v999"}),
        case(
            "NOT_FOUND",
            _no_place("network"),
            label="network",
            nics=[{"backing": {"type": "ETHERNET_BACKING_TYPE_STANDARD_PORTGROUP", "network": "network-999"}}],
        ),
        case("RESOURCE_INACCESSIBLE", NOT_AVAILABLE, in_maintenance("host-10")),
        case(
            "RESOURCE_INACCESSIBLE",
            f"{_MESSAGES}.placement.datastore_not_accessible",
            lambda simulator: setattr(simulator.inventory.places.datastores["datastore-11"], "accessible", False),
            label="datastore",
        ),
        case("RESOURCE_IN_USE", "com.vmware.api.vcenter.vm.device.address_in_use", disks=[disk(0), disk(0)]),
        case("UNABLE_TO_ALLOCATE_RESOURCE", FULL, full("datastore-11")),
        case("UNSUPPORTED", "vmsg.UnsupportedGuest.summary", guest_os="WIN_98"),
        case("UNSUPPORTED", "vmsg.UnsupportedVmVersion.summary", label="version", hardware_version="VMX_22"),
    ]


def _clone_errors(rpc: str) -> list[ErrorCase]:
    def case(error: str, message: str, setup: Setup | None = None, label: str = "", **more: Any) -> ErrorCase:
        return ErrorCase(rpc=rpc, error=error, messages=(message,), request=clone(**more), setup=setup, id=label)

    return [
        case("ALREADY_EXISTS", DUPLICATE, name="web-0001"),
        case("ERROR", IN_PROGRESS, source=BUSY),
        case("INVALID_ARGUMENT", f"{_MESSAGES}.placement.resource_pool_required", source=TEMPLATE),
        case(
            "INVALID_ARGUMENT",
            f"{_MESSAGES}.clone.disk_removed_and_updated",
            label="removed and updated",
            disks_to_remove=["2001"],
            disks_to_update={"2001": {"datastore": "datastore-12"}},
        ),
        case("INVALID_ARGUMENT", f"{_MESSAGES}.invalid_disk", label="no such disk", disks_to_remove=["2009"]),
        case(
            "INVALID_ARGUMENT",
            f"{_MESSAGES}.placement.datastore_required",
            label="no datastore",
            disks_to_update={"2001": {}},
        ),
        case(
            "INVALID_ARGUMENT",
            "vmsg.NicSettingMismatch.summary",
            label="customization",
            guest_customization_spec={"name": "linux-1-nic"},
        ),
        case("NOT_FOUND", _no_place("vm"), source="vm-999999"),
        case(
            "NOT_FOUND",
            "com.vmware.api.vcenter.guest.customization_spec.not_found",
            label="customization",
            guest_customization_spec={"name": "nothing"},
        ),
        case("NOT_FOUND", _no_place("datastore"), label="datastore", placement={"datastore": "datastore-999"}),
        case("RESOURCE_INACCESSIBLE", f"{_MESSAGES}.configuration_inaccessible", source=INACCESSIBLE),
        case("RESOURCE_INACCESSIBLE", NOT_AVAILABLE, in_maintenance("host-10"), label="host"),
        case("UNABLE_TO_ALLOCATE_RESOURCE", FULL, full("datastore-11")),
        case("UNABLE_TO_ALLOCATE_RESOURCE", MEMORY, without_memory("host-10"), label="memory", power_on=True),
    ]


def _instant_clone_errors() -> list[ErrorCase]:
    def case(error: str, message: str, setup: Setup | None = None, label: str = "", **more: Any) -> ErrorCase:
        return ErrorCase(
            rpc=INSTANT_CLONE, error=error, messages=(message,), request=clone(**more), setup=setup, id=label
        )

    return [
        case("ALREADY_EXISTS", DUPLICATE, name="web-0001"),
        case("ERROR", "vmsg.InvalidPowerState.summary", source=OFF),
        case("INVALID_ARGUMENT", f"{_MESSAGES}.invalid_nic", nics_to_update={"4009": {}}),
        case(
            "INVALID_ARGUMENT",
            "com.vmware.api.vcenter.vm.hardware.ethernet.invalid_mac_address",
            label="address",
            nics_to_update={"4000": {"mac_type": "ETHERNET_MAC_ADDRESS_TYPE_MANUAL", "mac_address": "no address"}},
        ),
        case("NOT_FOUND", _no_place("vm"), source="vm-999999"),
        case("RESOURCE_INACCESSIBLE", f"{_MESSAGES}.configuration_inaccessible", source=INACCESSIBLE),
        case("UNABLE_TO_ALLOCATE_RESOURCE", MEMORY, without_memory("host-10")),
        case("UNABLE_TO_ALLOCATE_RESOURCE", FULL, full("datastore-11"), label="datastore"),
    ]


def _register_errors() -> list[ErrorCase]:
    def case(error: str, message: str, setup: Setup | None = None, label: str = "", **more: Any) -> ErrorCase:
        return ErrorCase(
            rpc=REGISTER, error=error, messages=(message,), request=register(**more), setup=setup, id=label
        )

    return [
        case("ALREADY_EXISTS", "vmsg.AlreadyExists.summary"),
        case("ALREADY_EXISTS", DUPLICATE, unregistered, label="name", name="web-0001"),
        case("INVALID_ARGUMENT", f"{_MESSAGES}.register.location", datastore="datastore-11"),
        case(
            "INVALID_ARGUMENT", "vmsg.InvalidDatastorePath.summary", label="path", datastore_path="db-0002/db-0002.vmx"
        ),
        case(
            "INVALID_ARGUMENT",
            f"{_MESSAGES}.register.invalid_path",
            label="file",
            datastore_path="[datastore1] db-0002",
        ),
        case("NOT_FOUND", "vmsg.FileNotFound.summary", datastore_path="[datastore1] x/x.vmx"),
        case("NOT_FOUND", _no_place("datastore"), label="datastore", datastore_path="[nowhere] x/x.vmx"),
        case("RESOURCE_INACCESSIBLE", NOT_AVAILABLE, all_of(unregistered, in_maintenance("host-10"))),
        case("UNABLE_TO_ALLOCATE_RESOURCE", FULL, all_of(unregistered, full("datastore-11"))),
    ]


def _relocate_errors(rpc: str) -> list[ErrorCase]:
    def case(error: str, message: str, setup: Setup | None = None, label: str = "", **spec: Any) -> ErrorCase:
        request = {"vm": spec.pop("vm", ON), "spec": spec}
        return ErrorCase(rpc=rpc, error=error, messages=(message,), request=request, setup=setup, id=label)

    return [
        case("ERROR", FULL, full("datastore-12"), placement={"datastore": "datastore-12"}),
        case("ERROR", IN_PROGRESS, vm=BUSY, label="busy"),
        case("ERROR", MEMORY, without_memory("host-13"), label="memory", placement={"host": "host-13"}),
        case("ERROR", DUPLICATE, changed(OFF, name="web-0001"), label="name", vm=OFF, placement={"folder": "group-v4"}),
        case("INVALID_ARGUMENT", DISJOINT, placement={"resource_pool": "resgroup-33", "host": "host-28"}),
        case(
            "INVALID_ARGUMENT",
            f"{_MESSAGES}.invalid_disk",
            label="disk",
            disks={"2009": {"datastore": "datastore-12"}},
        ),
        case(
            "INVALID_ARGUMENT",
            f"{_MESSAGES}.placement.datastore_not_reachable",
            label="datastore of a disk",
            disks={"2001": {"datastore": "datastore-24"}},
        ),
        case("NOT_FOUND", _no_place("host"), label="host", placement={"host": "host-999"}),
        case(
            "RESOURCE_INACCESSIBLE",
            NOT_AVAILABLE,
            in_maintenance("host-13"),
            label="host",
            placement={"host": "host-13"},
        ),
    ]


ERRORS: tuple[ErrorCase, ...] = (
    *_create_errors(),
    *_clone_errors(CLONE),
    *_clone_errors(CLONE_TASK),
    *_instant_clone_errors(),
    *_register_errors(),
    *_relocate_errors(RELOCATE),
    *_relocate_errors(RELOCATE_TASK),
    ErrorCase(
        rpc=DELETE,
        error="NOT_ALLOWED_IN_CURRENT_STATE",
        messages=(f"{_MESSAGES}.delete.not_powered_off", "vmsg.InvalidPowerState.summary"),
        request={"vm": ON},
    ),
    ErrorCase(
        rpc=UNREGISTER,
        error="NOT_ALLOWED_IN_CURRENT_STATE",
        messages=(f"{_MESSAGES}.unregister.powered_on", "vmsg.InvalidPowerState.summary"),
        request={"vm": ON},
    ),
    *(
        ErrorCase(
            rpc=rpc,
            error="RESOURCE_BUSY",
            messages=(IN_PROGRESS,),
            request={"vm": OFF},
            setup=changed(OFF, copies=1),
            id="being copied",
        )
        for rpc in (DELETE, UNREGISTER)
    ),
)
