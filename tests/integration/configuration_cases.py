"""Cases of the CPU, memory, boot and disk services."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from gateway.simulator import Simulator
from gateway.simulator.inventory import STORAGE_POLICIES, device_id
from gateway.simulator.machine import Address, Boot, Cpu, Disk, Memory, ScsiAdapter, VirtualMachine
from tests.integration.cases import ErrorCase, Json, Setup, Success

__all__ = ["ERRORS", "SUCCESSES"]

_SERVICES = "vcenter.vm.hardware.v1"
GET_CPU, UPDATE_CPU = (f"{_SERVICES}.CpuService/{verb}Cpu" for verb in ("Get", "Update"))
GET_MEMORY, UPDATE_MEMORY = (f"{_SERVICES}.MemoryService/{verb}Memory" for verb in ("Get", "Update"))
GET_BOOT, UPDATE_BOOT = (f"{_SERVICES}.BootService/{verb}Boot" for verb in ("Get", "Update"))
LIST_DISKS = f"{_SERVICES}.DiskService/ListDisks"
GET_DISK, CREATE_DISK, UPDATE_DISK, DELETE_DISK = (
    f"{_SERVICES}.DiskService/{verb}Disk" for verb in ("Get", "Create", "Update", "Delete")
)

ON, OFF, NO_HOT_ADD, SUSPENDED, WINDOWS = "vm-1001", "vm-1002", "vm-1003", "vm-1018", "vm-1017"
IDE_DISK_ON = "vm-1016"
MESSAGES = "com.vmware.api.vcenter.vm.hardware"
DEVICE = "com.vmware.api.vcenter.vm.device"
POWER = "vmsg.InvalidPowerState.summary"
GIB = 1 << 30


def machine(simulator: Simulator, vm: str) -> VirtualMachine:
    return simulator.inventory.machines[vm]


def with_(vm: str, **attributes: Any) -> Setup:
    """A setup that gives a machine other values."""

    def setup(simulator: Simulator) -> None:
        for name, value in attributes.items():
            setattr(machine(simulator, vm), name, value)

    return setup


def leaves(vm: str, **attributes: Any) -> Callable[[Any, Simulator], None]:
    """A check of an empty response and of what the machine is after the call."""

    def check(response: Any, simulator: Simulator) -> None:
        assert response == {}
        assert {name: getattr(machine(simulator, vm), name) for name in attributes} == attributes

    return check


# --- CPU --------------------------------------------------------------------------------------------------------------


def cpu_update(id: str, vm: str, spec: Json, after: Cpu, before: Cpu | None = None) -> Success:  # noqa: A002 - as in Success
    return Success(
        id=id,
        rpc=UPDATE_CPU,
        request={"vm": vm, "spec": spec},
        setup=with_(vm, cpu=before) if before else None,
        check=leaves(vm, cpu=after),
    )


def cpu_error(id: str, error: str, message: str, vm: str, spec: Json, **before: Any) -> ErrorCase:  # noqa: A002 - likewise
    return ErrorCase(
        id=id,
        rpc=UPDATE_CPU,
        error=error,
        request={"vm": vm, "spec": spec},
        messages=(message, POWER) if error == "NOT_ALLOWED_IN_CURRENT_STATE" else (message,),
        setup=with_(vm, **before) if before else None,
    )


CPU_SUCCESSES = (
    Success(
        id="hot add",
        rpc=GET_CPU,
        request={"vm": ON},
        response={"cpu": {"count": "2", "cores_per_socket": "1", "hot_add_enabled": True, "hot_remove_enabled": False}},
    ),
    Success(
        id="several cores per socket",
        rpc=GET_CPU,
        request={"vm": SUSPENDED},
        setup=with_(SUSPENDED, cpu=Cpu(8, 4, False, True)),
        response={"cpu": {"count": "8", "cores_per_socket": "4", "hot_add_enabled": False, "hot_remove_enabled": True}},
    ),
    cpu_update("count", OFF, {"count": "6"}, Cpu(6, 1, True, False)),
    cpu_update(
        "everything",
        OFF,
        {"count": "6", "cores_per_socket": "3", "hot_add_enabled": False, "hot_remove_enabled": True},
        Cpu(6, 3, False, True),
    ),
    cpu_update("nothing", OFF, {}, Cpu(2, 1, True, False)),
    cpu_update("flags off", OFF, {"hot_add_enabled": False}, Cpu(2, 1, False, False)),
    cpu_update("fewer without hot remove while off", OFF, {"count": "1"}, Cpu(1, 1, True, False)),
    cpu_update("hot add", ON, {"count": "4"}, Cpu(4, 1, True, False)),
    cpu_update("hot remove", ON, {"count": "2"}, Cpu(2, 2, False, True), before=Cpu(8, 2, False, True)),
    cpu_update("the same count without hot add", NO_HOT_ADD, {"count": "2"}, Cpu(2, 1, False, False)),
    cpu_update("the same cores per socket while on", ON, {"cores_per_socket": "1"}, Cpu(2, 1, True, False)),
    cpu_update("the largest", OFF, {"count": "768", "cores_per_socket": "64"}, Cpu(768, 64, True, False)),
)

_RANGE, _MULTIPLE = f"{MESSAGES}.cpu.count_out_of_range", f"{MESSAGES}.cpu.count_not_multiple"
CPU_ERRORS = (
    cpu_error("negative count", "INVALID_ARGUMENT", _RANGE, OFF, {"count": "-1"}),
    cpu_error("count zero", "INVALID_ARGUMENT", _RANGE, OFF, {"count": "0"}),
    cpu_error("too many", "INVALID_ARGUMENT", _RANGE, OFF, {"count": "769"}),
    cpu_error("too many for the hardware", "INVALID_ARGUMENT", _RANGE, OFF, {"count": "9"}, hardware_version="VMX_07"),
    cpu_error("too many for the guest", "INVALID_ARGUMENT", _RANGE, OFF, {"count": "2"}, guest_os="DOS"),
    cpu_error("no core per socket", "INVALID_ARGUMENT", _MULTIPLE, OFF, {"cores_per_socket": "0"}),
    cpu_error("half a socket", "INVALID_ARGUMENT", _MULTIPLE, OFF, {"count": "3", "cores_per_socket": "2"}),
    cpu_error("count does not fit sockets", "INVALID_ARGUMENT", _MULTIPLE, ON, {"count": "3"}, cpu=Cpu(2, 2, True)),
    cpu_error(
        "hot plug on old hardware",
        "INVALID_ARGUMENT",
        "vmsg.CpuHotPlugNotSupported.summary",
        OFF,
        {"hot_remove_enabled": True},
        hardware_version="VMX_04",
    ),
    *(
        cpu_error(
            f"{flag} {state}",
            "NOT_ALLOWED_IN_CURRENT_STATE",
            f"{MESSAGES}.cpu.hot_plug_not_powered_off",
            vm,
            {flag: value},
        )
        for vm, state in ((ON, "on"), (SUSPENDED, "suspended"))
        for flag, value in (("hot_add_enabled", True), ("hot_remove_enabled", False))
    ),
    *(
        cpu_error(id, "NOT_ALLOWED_IN_CURRENT_STATE", f"{MESSAGES}.cpu.{message}", vm, spec, cpu=before)
        for id, message, vm, spec, before in (  # noqa: A001 - as in ErrorCase
            ("more without hot add", "hot_add_disabled", ON, {"count": "3"}, Cpu(2, 1, False, True)),
            ("fewer without hot remove", "hot_remove_disabled", ON, {"count": "1"}, Cpu(2, 1, True, False)),
            ("more without hot add, suspended", "hot_add_disabled", SUSPENDED, {"count": "3"}, Cpu(2, 1, False, True)),
            ("more while suspended", "suspended", SUSPENDED, {"count": "3"}, Cpu(2, 1, True, True)),
            (
                "cores per socket while on",
                "cores_per_socket_not_powered_off",
                ON,
                {"cores_per_socket": "2"},
                Cpu(2, 1, True, True),
            ),
        )
    ),
)


# --- Memory -----------------------------------------------------------------------------------------------------------


def memory_update(id: str, vm: str, spec: Json, after: Memory, **before: Any) -> Success:  # noqa: A002 - as in Success
    return Success(
        id=id,
        rpc=UPDATE_MEMORY,
        request={"vm": vm, "spec": spec},
        setup=with_(vm, **before) if before else None,
        check=leaves(vm, memory=after),
    )


def memory_error(id: str, error: str, message: str, vm: str, spec: Json, **before: Any) -> ErrorCase:  # noqa: A002 - likewise
    return ErrorCase(
        id=id,
        rpc=UPDATE_MEMORY,
        error=error,
        request={"vm": vm, "spec": spec},
        messages=(message, POWER) if error == "NOT_ALLOWED_IN_CURRENT_STATE" else (message,),
        setup=with_(vm, **before) if before else None,
    )


def memory_got(id: str, vm: str, response: Json, memory: Memory | None = None) -> Success:  # noqa: A002 - likewise
    return Success(
        id=id,
        rpc=GET_MEMORY,
        request={"vm": vm},
        response={"memory": response},
        setup=with_(vm, memory=memory) if memory else None,
    )


MEMORY_SUCCESSES = (
    memory_got(
        "hot add while on",
        ON,
        {
            "size_mib": "4096",
            "hot_add_enabled": True,
            "hot_add_increment_size_mib": "128",
            "hot_add_limit_mib": "65536",
        },
    ),
    memory_got(
        "hot add up to what the hardware can have",
        ON,
        {
            "size_mib": "8388608",
            "hot_add_enabled": True,
            "hot_add_increment_size_mib": "128",
            "hot_add_limit_mib": "25149440",
        },
        Memory(8388608, True, 8388608),
    ),
    memory_got("hot add while off", OFF, {"size_mib": "4096", "hot_add_enabled": True}),
    memory_got(
        "hot add while suspended",
        SUSPENDED,
        {"size_mib": "4096", "hot_add_enabled": True},
        Memory(4096, True),
    ),
    memory_got(
        "no hot add",
        NO_HOT_ADD,
        {
            "size_mib": "4096",
            "hot_add_enabled": False,
            "hot_add_increment_size_mib": "0",
            "hot_add_limit_mib": "4096",
        },
    ),
    memory_update("size", OFF, {"size_mib": "4100"}, Memory(4100, True)),
    memory_update("smaller", OFF, {"size_mib": "4"}, Memory(4, True)),
    memory_update("the largest", OFF, {"size_mib": "25149440"}, Memory(25149440, True)),
    memory_update("everything", OFF, {"size_mib": "1024", "hot_add_enabled": False}, Memory(1024, False)),
    memory_update("nothing", OFF, {}, Memory(4096, True)),
    memory_update("hot add", ON, {"size_mib": "4224"}, Memory(4224, True)),
    memory_update("hot add to the limit", ON, {"size_mib": "65536"}, Memory(65536, True)),
    memory_update("the same size while on", ON, {"size_mib": "4100"}, Memory(4100, True), memory=Memory(4100, True)),
)

_SIZE_RANGE, _SIZE_MULTIPLE = f"{MESSAGES}.memory.size_out_of_range", f"{MESSAGES}.memory.size_not_multiple"
MEMORY_ERRORS = (
    memory_error("negative", "INVALID_ARGUMENT", _SIZE_RANGE, OFF, {"size_mib": "-4"}),
    memory_error("zero", "INVALID_ARGUMENT", _SIZE_RANGE, OFF, {"size_mib": "0"}),
    memory_error("too much", "INVALID_ARGUMENT", _SIZE_RANGE, OFF, {"size_mib": "25149444"}),
    memory_error(
        "too much for the hardware",
        "INVALID_ARGUMENT",
        _SIZE_RANGE,
        OFF,
        {"size_mib": "261124"},
        hardware_version="VMX_07",
    ),
    memory_error("too much for the guest", "INVALID_ARGUMENT", _SIZE_RANGE, OFF, {"size_mib": "68"}, guest_os="DOS"),
    memory_error("no multiple of 4", "INVALID_ARGUMENT", _SIZE_MULTIPLE, OFF, {"size_mib": "4098"}),
    memory_error("no multiple of the increment", "INVALID_ARGUMENT", _SIZE_MULTIPLE, ON, {"size_mib": "4100"}),
    memory_error(
        "beyond the limit",
        "INVALID_ARGUMENT",
        f"{MESSAGES}.memory.hot_add_limit_exceeded",
        ON,
        {"size_mib": "65664"},
    ),
    memory_error(
        "hot add on old hardware",
        "INVALID_ARGUMENT",
        "vmsg.MemoryHotPlugNotSupported.summary",
        OFF,
        {"hot_add_enabled": True},
        hardware_version="VMX_04",
    ),
    *(
        memory_error(id, "NOT_ALLOWED_IN_CURRENT_STATE", f"{MESSAGES}.memory.{message}", vm, spec)
        for id, message, vm, spec in (  # noqa: A001 - as in ErrorCase
            ("flag while on", "hot_add_not_powered_off", ON, {"hot_add_enabled": True}),
            ("flag while suspended", "hot_add_not_powered_off", SUSPENDED, {"hot_add_enabled": False}),
            ("size without hot add", "hot_add_disabled", NO_HOT_ADD, {"size_mib": "8192"}),
            ("the same size without hot add", "hot_add_disabled", NO_HOT_ADD, {"size_mib": "4096"}),
            ("less while on", "hot_remove", ON, {"size_mib": "2048"}),
        )
    ),
    memory_error(
        "more while suspended",
        "NOT_ALLOWED_IN_CURRENT_STATE",
        f"{MESSAGES}.memory.suspended",
        SUSPENDED,
        {"size_mib": "32768"},
        memory=Memory(16384, True, 16384),
    ),
    memory_error(
        "size without hot add, suspended",
        "NOT_ALLOWED_IN_CURRENT_STATE",
        f"{MESSAGES}.memory.hot_add_disabled",
        SUSPENDED,
        {"size_mib": "32768"},
        memory=Memory(16384, False, 16384),
    ),
)


# --- Boot -------------------------------------------------------------------------------------------------------------


def boot_update(id: str, vm: str, spec: Json, after: Boot, before: Boot | None = None) -> Success:  # noqa: A002 - as in Success
    return Success(
        id=id,
        rpc=UPDATE_BOOT,
        request={"vm": vm, "spec": spec},
        setup=with_(vm, boot=before) if before else None,
        check=leaves(vm, boot=after),
    )


BIOS, EFI = "BOOT_TYPE_BIOS", "BOOT_TYPE_EFI"
_DEFAULTS = {"delay": "0", "retry": False, "retry_delay": "10000", "enter_setup_mode": False}
_EVERYTHING = {"delay": "5000", "retry": True, "retry_delay": "0", "enter_setup_mode": True}

BOOT_SUCCESSES = (
    Success(id="BIOS", rpc=GET_BOOT, request={"vm": ON}, response={"boot": {"type": BIOS, **_DEFAULTS}}),
    Success(
        id="EFI",
        rpc=GET_BOOT,
        request={"vm": WINDOWS},
        response={
            "boot": {
                "type": EFI,
                "efi_legacy_boot": False,
                "network_protocol": "BOOT_NETWORK_PROTOCOL_IPV4",
                **_DEFAULTS,
            }
        },
    ),
    Success(
        id="other than the defaults",
        rpc=GET_BOOT,
        request={"vm": ON},
        setup=with_(ON, boot=Boot("EFI", True, "IPV6", 5000, True, 0, True)),
        response={
            "boot": {
                "type": EFI,
                "efi_legacy_boot": True,
                "network_protocol": "BOOT_NETWORK_PROTOCOL_IPV6",
                **_EVERYTHING,
            }
        },
    ),
    boot_update("nothing", OFF, {}, Boot()),
    boot_update("BIOS", OFF, {"type": BIOS, **_EVERYTHING}, Boot("BIOS", False, "IPV4", 5000, True, 0, True)),
    boot_update(
        "to EFI",
        OFF,
        {
            "type": EFI,
            "efi_legacy_boot": True,
            "network_protocol": "BOOT_NETWORK_PROTOCOL_IPV6",
            **_EVERYTHING,
        },
        Boot("EFI", True, "IPV6", 5000, True, 0, True),
    ),
    boot_update("from EFI", OFF, {"type": BIOS}, Boot(), before=Boot("EFI")),
    boot_update("back to the defaults", OFF, _DEFAULTS, Boot(), before=Boot("BIOS", False, "IPV4", 1, True, 1, True)),
    boot_update("while on", ON, {"enter_setup_mode": True, "delay": "1"}, Boot(delay=1, enter_setup_mode=True)),
    boot_update("while suspended", SUSPENDED, {"retry": True}, Boot(retry=True)),
    boot_update("EFI settings while on", WINDOWS, {"type": EFI, "efi_legacy_boot": True}, Boot("EFI", True)),
    boot_update("the longest delay", OFF, {"delay": "2147483647"}, Boot(delay=2147483647)),
)


def boot_error(id: str, message: str, spec: Json, **before: Any) -> ErrorCase:  # noqa: A002 - as in ErrorCase
    return ErrorCase(
        id=id,
        rpc=UPDATE_BOOT,
        error="INVALID_ARGUMENT",
        request={"vm": OFF, "spec": spec},
        messages=(f"{MESSAGES}.boot.{message}",),
        setup=with_(OFF, **before) if before else None,
    )


BOOT_ERRORS = (
    boot_error("negative delay", "delay_out_of_range", {"delay": "-1"}),
    boot_error("delay too long", "delay_out_of_range", {"delay": "2147483648"}),
    boot_error("negative retry delay", "retry_delay_out_of_range", {"retry": True, "retry_delay": "-1"}),
    boot_error("retry delay too long", "retry_delay_out_of_range", {"retry_delay": "9223372036854775807"}),
    boot_error("no EFI on old hardware", "efi_not_supported", {"type": EFI}, hardware_version="VMX_07"),
    *(
        ErrorCase(
            id=f"firmware {state}",
            rpc=UPDATE_BOOT,
            error="ERROR",
            request={"vm": vm, "spec": {"type": EFI}},
            messages=(f"{MESSAGES}.boot.type_not_powered_off", POWER),
        )
        for vm, state in ((ON, "on"), (SUSPENDED, "suspended"))
    ),
)


# --- Disk -------------------------------------------------------------------------------------------------------------

SPARE, OTHER_SPARE = "[datastore1] spare/spare-1.vmdk", "[datastore1] spare/spare-2.vmdk"
POLICY = next(iter(STORAGE_POLICIES))


def all_of(*steps: Setup) -> Setup:
    """Several setups one after the other."""

    def setup(simulator: Simulator) -> None:
        for step in steps:
            step(simulator)

    return setup


def backing(file: str) -> Json:
    return {"type": "DISK_BACKING_TYPE_VMDK_FILE", "vmdk_file": file}


def on(adapter: str, **address: Any) -> dict[str, Any]:
    """The type of an adapter in a spec or an info, with an address unless there is none to give."""
    kind = {"type": f"DISK_HOST_BUS_ADAPTER_TYPE_{adapter}"}
    return {**kind, adapter.lower(): address} if address else kind


def attached(vm: str, *disks: tuple[Address, str]) -> Setup:
    """A setup that attaches further disks with these files."""

    def setup(simulator: Simulator) -> None:
        for number, (address, file) in enumerate(disks):
            capacity = simulator.inventory.disk_files.setdefault(file, GIB)
            machine(simulator, vm).disks[device_id(address)] = Disk(f"Further {number}", address, file, capacity)

    return setup


def filled(vm: str, adapter: str, bus: int, units: int) -> Setup:
    """A setup in which the units of an adapter that were free have disks."""

    def setup(simulator: Simulator) -> None:
        places = {Address(adapter, bus, unit) for unit in range(units) if adapter != "SCSI" or unit != 7}
        free = places - machine(simulator, vm).occupied_addresses()
        attached(vm, *((place, f"[datastore1] further/{place.unit}.vmdk") for place in free))(simulator)

    return setup


def with_spare(vm: str) -> Setup:
    """A setup in which another machine has the first spare file."""
    return attached(vm, (Address("SCSI", 0, 9), SPARE))


def disk(label: str, file: str, capacity: int, **address: Any) -> Json:
    info = {"label": label, **address, "backing": backing(file)}
    return {"disk": {**info, "capacity": str(capacity)} if capacity else info}


def got(id: str, address: Address, capacity: int, **shown: Any) -> Success:  # noqa: A002 - as in Success
    """A disk on a particular adapter is shown with its address."""

    def setup(simulator: Simulator) -> None:
        added = Disk("Hard disk 3", address, SPARE, capacity)
        machine(simulator, OFF).disks[device_id(address)] = added

    return Success(
        id=id,
        rpc=GET_DISK,
        request={"vm": OFF, "disk": device_id(address)},
        response=disk("Hard disk 3", SPARE, capacity, **shown),
        setup=setup,
    )


def created(
    id: str,  # noqa: A002 - as in Success
    key: str,
    spec: Json,
    expected: Disk,
    *,
    vm: str = OFF,
    setup: Setup | None = None,
) -> Success:
    """A disk is created under the identifier, and is what is expected afterwards; so is the size of its file."""

    def check(response: Any, simulator: Simulator) -> None:
        assert response == {"disk": key}
        assert machine(simulator, vm).disks[key] == expected
        assert simulator.inventory.disk_files[expected.vmdk_file] == expected.capacity

    return Success(id=id, rpc=CREATE_DISK, request={"vm": vm, "spec": spec}, setup=setup, check=check)


def placed(
    id: str,  # noqa: A002 - as in Success
    key: str,
    spec: Json,
    address: Address,
    *,
    vm: str = OFF,
    setup: Setup | None = None,
) -> Success:
    """A disk with a file of its own gets the expected address."""
    expected = Disk("Hard disk 3", address, SPARE, 10 * GIB)
    return created(id, key, {**spec, "backing": backing(SPARE)}, expected, vm=vm, setup=setup)


def new_file(name: str, capacity: int, policy: str | None = None, vm_name: str = "db-0002") -> Disk:
    """The third disk of the machine, at the first free SCSI address."""
    file = f"[datastore1] {vm_name}/{name}.vmdk"
    return Disk("Hard disk 3", Address("SCSI", 0, 2), file, capacity, policy)


def another_scsi(simulator: Simulator) -> None:
    machine(simulator, OFF).scsi_adapters["1001"] = ScsiAdapter(1, "LSILOGIC", 192)


def freed_label(simulator: Simulator) -> None:
    del machine(simulator, OFF).disks["2000"]


def is_detached(vm: str, key: str, file: str, boot_devices: list[Any]) -> Callable[[Any, Simulator], None]:
    """The disk is gone, its file is not, and the machine no longer boots from it."""

    def check(response: Any, simulator: Simulator) -> None:
        assert response == {}
        assert key not in machine(simulator, vm).disks
        assert file in simulator.inventory.disk_files
        assert machine(simulator, vm).boot_devices == boot_devices

    return check


def has_file(vm: str, key: str, file: str, capacity: int, policy: str | None) -> Callable[[Any, Simulator], None]:
    def check(response: Any, simulator: Simulator) -> None:
        assert response == {}
        changed = machine(simulator, vm).disks[key]
        assert (changed.vmdk_file, changed.capacity, changed.storage_policy) == (file, capacity, policy)

    return check


def with_policy(simulator: Simulator) -> None:
    disks = machine(simulator, OFF).disks
    disks["2001"] = replace(disks["2001"], storage_policy=POLICY)


NIC_BOOT = {"type": "ETHERNET", "nic": "4000"}
OFF_FILE, OFF_SECOND = "[datastore1] db-0002/db-0002.vmdk", "[datastore1] db-0002/db-0002_1.vmdk"

DISK_SUCCESSES = (
    Success(
        id="all",
        rpc=LIST_DISKS,
        request={"vm": ON},
        response={"disks": [{"disk": "2000"}, {"disk": "2001"}]},
    ),
    Success(
        id="by number",
        rpc=LIST_DISKS,
        request={"vm": OFF},
        setup=attached(OFF, (Address("NVME", 0, 0), SPARE), (Address("SATA", 0, 1), OTHER_SPARE)),
        response={"disks": [{"disk": key} for key in ("2000", "2001", "16001", "32000")]},
    ),
    Success(id="none", rpc=LIST_DISKS, request={"vm": OFF}, setup=with_(OFF, disks={}), response={}),
    Success(
        id="SCSI",
        rpc=GET_DISK,
        request={"vm": ON, "disk": "2001"},
        response=disk(
            "Hard disk 2",
            "[datastore1] web-0001/web-0001_1.vmdk",
            40 * GIB,
            **on("SCSI", bus="0", unit="1"),
        ),
    ),
    got("IDE", Address("IDE", 1, 0), GIB, **on("IDE", primary=False, master=True)),
    got("SATA", Address("SATA", 0, 29), GIB, **on("SATA", bus="0", unit="29")),
    got("NVME", Address("NVME", 1, 2), GIB, **on("NVME", bus="1", unit="2")),
    got("capacity zero", Address("SCSI", 0, 3), 0, **on("SCSI", bus="0", unit="3")),
    created("a new file, all by default", "2002", {"new_vmdk": {}}, new_file("db-0002_2", 16 * GIB)),
    created(
        "a new file with everything",
        "2002",
        {"new_vmdk": {"name": "data", "capacity": "1048576", "storage_policy": {"policy": POLICY}}},
        new_file("data", 1 << 20, POLICY),
    ),
    created(
        "the first free name and label",
        "2000",
        {"new_vmdk": {}},
        Disk("Hard disk 1", Address("SCSI", 0, 0), "[datastore1] db-0002/db-0002_2.vmdk", 16 * GIB),
        setup=freed_label,
    ),
    created(
        "the capacity for the guest",
        "2002",
        {"new_vmdk": {}},
        new_file("db-0002_2", 90 * GIB),
        setup=with_(OFF, guest_os="WINDOWS_SERVER_2019"),
    ),
    created(
        "an unsupported guest with nothing left open",
        "2002",
        {**on("SCSI"), "new_vmdk": {"capacity": "512"}},
        new_file("db-0002_2", 512),
        setup=with_(OFF, guest_os="DARWIN_64"),
    ),
    created(
        "the largest",
        "2002",
        {"new_vmdk": {"capacity": str(62 << 40)}},
        new_file("db-0002_2", 62 << 40),
        setup=lambda simulator: setattr(simulator.inventory.places.datastores["datastore-11"], "capacity", 64 << 40),
    ),
    created(
        "hot add",
        "2002",
        {"new_vmdk": {"name": "hot"}},
        new_file("hot", 16 * GIB, vm_name="web-0001"),
        vm=ON,
    ),
    placed("an existing file", "2002", {}, Address("SCSI", 0, 2)),
    placed("at a SCSI address", "2015", on("SCSI", bus="0", unit="15"), Address("SCSI", 0, 15)),
    placed("on a SCSI bus", "2016", on("SCSI", bus="1"), Address("SCSI", 1, 0), setup=another_scsi),
    placed(
        "past the SCSI adapter itself",
        "2008",
        on("SCSI"),
        Address("SCSI", 0, 8),
        setup=attached(OFF, *((Address("SCSI", 0, unit), f"[datastore1] further/{unit}.vmdk") for unit in range(2, 7))),
    ),
    placed(
        "on the next SCSI adapter",
        "2016",
        on("SCSI"),
        Address("SCSI", 1, 0),
        setup=all_of(another_scsi, filled(OFF, "SCSI", 0, 16)),
    ),
    placed("at an IDE address", "3003", on("IDE", primary=False, master=False), Address("IDE", 1, 1)),
    placed("on an IDE adapter", "3001", on("IDE", primary=True), Address("IDE", 0, 1)),
    placed("as an IDE master", "3002", on("IDE", master=True), Address("IDE", 1, 0)),
    placed("at any IDE address", "3001", on("IDE"), Address("IDE", 0, 1)),
    placed("at a SATA address", "16029", on("SATA", bus="0", unit="29"), Address("SATA", 0, 29)),
    placed("SATA beside a CD-ROM, while on", "16001", on("SATA"), Address("SATA", 0, 1), vm=ON),
    placed(
        "at an NVMe address",
        "32018",
        on("NVME", bus="1", unit="3"),
        Address("NVME", 1, 3),
        setup=with_(OFF, nvme_adapters={"31001": 1}),
    ),
    placed(
        "at any NVMe address", "32000", on("NVME"), Address("NVME", 0, 0), setup=with_(OFF, nvme_adapters={"31000": 0})
    ),
    placed(
        "on the adapter for the guest",
        "32000",
        {},
        Address("NVME", 0, 0),
        setup=with_(OFF, guest_os="WINDOWS_11_64", nvme_adapters={"31000": 0}),
    ),
    placed("a file of a machine that is off", "2002", {}, Address("SCSI", 0, 2), setup=with_spare("vm-1006")),
    Success(
        id="another file",
        rpc=UPDATE_DISK,
        request={"vm": OFF, "disk": "2001", "spec": {"backing": backing(OTHER_SPARE)}},
        setup=with_policy,
        check=has_file(OFF, "2001", OTHER_SPARE, 20 * GIB, None),
    ),
    Success(
        id="the same file",
        rpc=UPDATE_DISK,
        request={"vm": OFF, "disk": "2001", "spec": {"backing": backing(OFF_SECOND)}},
        setup=with_policy,
        check=has_file(OFF, "2001", OFF_SECOND, 40 * GIB, POLICY),
    ),
    Success(
        id="nothing while on",
        rpc=UPDATE_DISK,
        request={"vm": ON, "disk": "2001", "spec": {}},
        check=leaves(ON, power_state="POWERED_ON"),
    ),
    Success(
        id="a boot device",
        rpc=DELETE_DISK,
        request={"vm": OFF, "disk": "2000"},
        check=is_detached(OFF, "2000", OFF_FILE, [NIC_BOOT]),
    ),
    Success(
        id="one of two boot devices, while on",
        rpc=DELETE_DISK,
        request={"vm": ON, "disk": "2001"},
        setup=with_(ON, boot_devices=[NIC_BOOT, {"type": "DISK", "disks": ["2001", "2000"]}]),
        check=is_detached(
            ON, "2001", "[datastore1] web-0001/web-0001_1.vmdk", [NIC_BOOT, {"type": "DISK", "disks": ["2000"]}]
        ),
    ),
    Success(
        id="IDE",
        rpc=DELETE_DISK,
        request={"vm": OFF, "disk": "3001"},
        setup=attached(OFF, (Address("IDE", 0, 1), SPARE)),
        check=is_detached(OFF, "3001", SPARE, [{"type": "DISK", "disks": ["2000"]}, NIC_BOOT]),
    ),
)


def create_error(
    id: str,  # noqa: A002 - as in ErrorCase
    error: str,
    message: str,
    spec: Json,
    *,
    vm: str = OFF,
    setup: Setup | None = None,
) -> ErrorCase:
    return ErrorCase(
        id=id,
        rpc=CREATE_DISK,
        error=error,
        request={"vm": vm, "spec": spec},
        messages=(message, POWER) if error == "NOT_ALLOWED_IN_CURRENT_STATE" else (message,),
        setup=setup,
    )


def bad_address(id: str, error: str, message: str, address: Json, setup: Setup | None = None) -> ErrorCase:  # noqa: A002 - likewise
    return create_error(id, error, f"{DEVICE}.{message}", {**address, "new_vmdk": {}}, setup=setup)


UPDATED = {"disk": "2001", "spec": {"backing": backing(SPARE)}}

CREATE_ERRORS = (
    *(
        bad_address(f"{name} out of bounds", "INVALID_ARGUMENT", "address_out_of_bounds", address)
        for name, address in (
            ("SCSI bus", on("SCSI", bus="4")),
            ("SCSI unit", on("SCSI", bus="0", unit="16")),
            ("SATA bus", on("SATA", bus="-1")),
            ("SATA unit", on("SATA", bus="0", unit="30")),
            ("NVMe bus", on("NVME", bus="4", unit="0")),
            ("NVMe unit", on("NVME", bus="0", unit="15")),
        )
    ),
    bad_address("the SCSI adapter itself", "INVALID_ARGUMENT", "address_reserved", on("SCSI", bus="0", unit="7")),
    create_error(
        "unknown policy",
        "INVALID_ARGUMENT",
        "com.vmware.api.vcenter.vm.storage.policy.invalid_policy",
        {"new_vmdk": {"storage_policy": {"policy": "no-such-policy"}}},
    ),
    create_error("neither file", "INVALID_ARGUMENT", f"{MESSAGES}.disk.backing_or_new_vmdk", on("SCSI")),
    create_error(
        "both files",
        "INVALID_ARGUMENT",
        f"{MESSAGES}.disk.backing_or_new_vmdk",
        {"new_vmdk": {}, "backing": backing(SPARE)},
    ),
    *(
        create_error(
            name,
            "INVALID_ARGUMENT",
            f"{MESSAGES}.disk.capacity_out_of_range",
            {"new_vmdk": {"capacity": str(capacity)}},
        )
        for name, capacity in (("no capacity", 0), ("negative capacity", -1), ("too much capacity", (62 << 40) + 1))
    ),
    *(
        create_error(f"name {what}", "INVALID_ARGUMENT", f"{MESSAGES}.disk.invalid_name", {"new_vmdk": {"name": name}})
        for what, name in (("empty", ""), ("with a folder", "../data"), ("too long", "x" * 81))
    ),
    bad_address("SCSI", "RESOURCE_IN_USE", "address_in_use", on("SCSI", bus="0", unit="1")),
    bad_address("IDE", "RESOURCE_IN_USE", "address_in_use", on("IDE", primary=True, master=True)),
    bad_address("SATA, by a CD-ROM", "RESOURCE_IN_USE", "address_in_use", on("SATA", bus="0", unit="0")),
    bad_address(
        "NVMe",
        "RESOURCE_IN_USE",
        "address_in_use",
        on("NVME", bus="0", unit="0"),
        all_of(with_(OFF, nvme_adapters={"31000": 0}), attached(OFF, (Address("NVME", 0, 0), SPARE))),
    ),
    create_error(
        "file of a running machine",
        "RESOURCE_IN_USE",
        "vmsg.FileLocked.summary",
        {"backing": backing("[datastore1] web-0001/web-0001.vmdk")},
    ),
    create_error("own file", "RESOURCE_IN_USE", "vmsg.FileLocked.summary", {"backing": backing(OFF_FILE)}),
    *(
        bad_address(f"no {adapter} adapter", "UNABLE_TO_ALLOCATE_RESOURCE", "adapter_not_found", on(adapter, bus="1"))
        for adapter in ("SCSI", "SATA", "NVME")
    ),
    bad_address("no NVMe adapter at all", "UNABLE_TO_ALLOCATE_RESOURCE", "no_free_address", on("NVME")),
    *(
        bad_address(
            f"no free {adapter} unit",
            "UNABLE_TO_ALLOCATE_RESOURCE",
            "no_free_address",
            on(adapter, **address),
            filled(OFF, adapter, 0, units),
        )
        for adapter, address, units in (
            ("SCSI", {"bus": "0"}, 16),
            ("SATA", {}, 30),
            ("IDE", {"primary": True}, 2),
        )
    ),
    bad_address(
        "no free address for the guest",
        "UNABLE_TO_ALLOCATE_RESOURCE",
        "no_free_address",
        {},
        filled(OFF, "SCSI", 0, 16),
    ),
    *(
        create_error(
            f"IDE {what}", "NOT_ALLOWED_IN_CURRENT_STATE", f"{DEVICE}.not_powered_off", spec, vm=ON, setup=setup
        )
        for what, spec, setup in (
            ("hot add", {**on("IDE"), "new_vmdk": {}}, None),
            ("hot add by default", {"new_vmdk": {}}, with_(ON, guest_os="WIN_XP_PRO")),
        )
    ),
    create_error("suspended", "NOT_ALLOWED_IN_CURRENT_STATE", f"{DEVICE}.suspended", {"new_vmdk": {}}, vm=SUSPENDED),
    *(
        create_error(
            f"guest for {what}",
            "UNSUPPORTED",
            "vmsg.UnsupportedGuest.summary",
            spec,
            setup=with_(OFF, guest_os="DARWIN_64"),
        )
        for what, spec in (
            ("the adapter", {"new_vmdk": {"capacity": "512"}}),
            ("the capacity", {**on("SCSI"), "new_vmdk": {}}),
        )
    ),
    *(
        create_error(
            f"{adapter} on old hardware",
            "UNSUPPORTED",
            "vmsg.DeviceUnsupportedForVmVersion.summary",
            {**on(adapter), "new_vmdk": {}},
            setup=with_(OFF, hardware_version=version),
        )
        for adapter, version in (("SATA", "VMX_09"), ("NVME", "VMX_12"))
    ),
    *(
        create_error(id, "ERROR", message, spec)
        for id, message, spec in (  # noqa: A001 - as in ErrorCase
            ("no such file", "vmsg.FileNotFound.summary", {"backing": backing("[datastore1] spare/none.vmdk")}),
            ("no datastore", "vmsg.InvalidDatastorePath.summary", {"backing": backing("/vmfs/spare-1.vmdk")}),
            ("name taken", "vmsg.FileAlreadyExists.summary", {"new_vmdk": {"name": "db-0002"}}),
        )
    ),
)

DISK_ERRORS = (
    *(
        ErrorCase(
            id="disk",
            rpc=rpc,
            error="NOT_FOUND",
            request={"vm": OFF, "disk": "2999", **more},
            messages=(f"{DEVICE}.not_found",),
        )
        for rpc, more in ((GET_DISK, {}), (UPDATE_DISK, {"spec": {}}), (DELETE_DISK, {}))
    ),
    *(
        ErrorCase(
            id=state,
            rpc=UPDATE_DISK,
            error="NOT_ALLOWED_IN_CURRENT_STATE",
            request={"vm": vm, **UPDATED, "disk": "2000"},
            messages=(f"{MESSAGES}.disk.backing_not_powered_off", POWER),
        )
        for vm, state in ((ON, "on"), (SUSPENDED, "suspended"))
    ),
    *(
        ErrorCase(
            id=id,
            rpc=UPDATE_DISK,
            error="ERROR",
            request={"vm": OFF, "disk": "2001", "spec": {"backing": backing(file)}},
            messages=(message,),
        )
        for id, file, message in (  # noqa: A001 - as in ErrorCase
            ("no such file", "[datastore1] spare/none.vmdk", "vmsg.FileNotFound.summary"),
            ("no datastore", "spare-1.vmdk", "vmsg.InvalidDatastorePath.summary"),
            ("file of a running machine", "[datastore1] web-0001/web-0001.vmdk", "vmsg.FileLocked.summary"),
            ("file of another disk", OFF_FILE, "vmsg.FileLocked.summary"),
        )
    ),
    ErrorCase(
        id="IDE while on",
        rpc=DELETE_DISK,
        error="NOT_ALLOWED_IN_CURRENT_STATE",
        request={"vm": IDE_DISK_ON, "disk": "3001"},
        messages=(f"{DEVICE}.not_powered_off", POWER),
    ),
    ErrorCase(
        id="suspended",
        rpc=DELETE_DISK,
        error="NOT_ALLOWED_IN_CURRENT_STATE",
        request={"vm": SUSPENDED, "disk": "2000"},
        messages=(f"{DEVICE}.suspended", POWER),
    ),
)

SUCCESSES: tuple[Success, ...] = (*CPU_SUCCESSES, *MEMORY_SUCCESSES, *BOOT_SUCCESSES, *DISK_SUCCESSES)
ERRORS: tuple[ErrorCase, ...] = (*CPU_ERRORS, *MEMORY_ERRORS, *BOOT_ERRORS, *CREATE_ERRORS, *DISK_ERRORS)
