"""Cases of the services for SCSI, SATA and NVMe adapters, and of the boot order."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

from gateway.simulator import Simulator
from gateway.simulator.machine import ScsiAdapter, VirtualMachine
from tests.integration.cases import ErrorCase, Json, Setup, Success

__all__ = ["ERRORS", "SUCCESSES"]

ON, OFF, SUSPENDED, NVME_DISK = "vm-1001", "vm-1002", "vm-1018", "vm-1007"
POWER = "vmsg.InvalidPowerState.summary"
NOT_FOUND = "com.vmware.api.vcenter.vm.device.not_found"
MESSAGES = "com.vmware.api.vcenter.vm.hardware.adapter"
BOOT = "com.vmware.api.vcenter.vm.hardware.boot.device"


def machine(simulator: Simulator, vm: str) -> VirtualMachine:
    return simulator.inventory.machines[vm]


def with_(vm: str, **attributes: Any) -> Setup:
    """A setup that gives a machine other values."""

    def setup(simulator: Simulator) -> None:
        for name, value in attributes.items():
            setattr(machine(simulator, vm), name, deepcopy(value))

    return setup


def leaves(vm: str, **attributes: Any) -> Callable[[Any, Simulator], None]:
    """A check of what the machine is after the call."""

    def check(response: Any, simulator: Simulator) -> None:
        assert {name: getattr(machine(simulator, vm), name) for name in attributes} == attributes

    return check


def rpc(noun: str, verb: str) -> str:
    plural = "s" if verb == "List" else ""
    return f"vcenter.vm.hardware.adapter.v1.{noun}Service/{verb}{noun}Adapter{plural}"


# --- What the kinds have in common ------------------------------------------------------------------------------------

# Noun, identifier of the first adapter, the attribute of the machine, all four buses taken, an old version, its guest.
KINDS = (
    ("Scsi", 1000, "scsi_adapters", {f"100{bus}": ScsiAdapter(bus) for bus in range(4)}, {"guest_os": "WIN_98"}),
    ("Sata", 15000, "sata_adapters", {f"1500{bus}": bus for bus in range(4)}, {"hardware_version": "VMX_09"}),
    ("Nvme", 31000, "nvme_adapters", {f"3100{bus}": bus for bus in range(4)}, {"hardware_version": "VMX_11"}),
)


def common_successes(noun: str, first: int, attribute: str, full: dict[str, Any]) -> tuple[Success, ...]:
    """Adding on the first free bus and on a particular one, listing, and removing."""
    one = {key: value for key, value in full.items() if key == str(first)}
    fourth = str(first + 3)
    return (
        Success(
            id="first-free-bus",
            rpc=rpc(noun, "Create"),
            request={"vm": OFF, "spec": {}},
            setup=with_(OFF, **{attribute: one}),
            response={"adapter": str(first + 1)},
            check=lambda _, simulator: _has(simulator, OFF, attribute, [str(first), str(first + 1)]),
        ),
        Success(
            id="particular-bus-of-a-running-machine",
            rpc=rpc(noun, "Create"),
            request={"vm": ON, "spec": {"bus": "3", "pci_slot_number": "1216"}},
            setup=with_(ON, **{attribute: one}),
            response={"adapter": fourth},
            check=lambda _, simulator: _has(simulator, ON, attribute, [str(first), fourth]),
        ),
        Success(
            id="all",
            rpc=rpc(noun, "List"),
            request={"vm": OFF},
            setup=with_(OFF, **{attribute: full}),
            response={"adapters": [{"adapter": key} for key in full]},
        ),
        Success(
            id="none",
            rpc=rpc(noun, "List"),
            request={"vm": OFF},
            setup=with_(OFF, **{attribute: {}}),
            response={},
        ),
        Success(
            id="without-devices",
            rpc=rpc(noun, "Delete"),
            request={"vm": ON, "adapter": fourth},
            setup=with_(ON, **{attribute: full}),
            check=lambda _, simulator: _has(simulator, ON, attribute, [key for key in full if key != fourth]),
        ),
    )


def _has(simulator: Simulator, vm: str, attribute: str, keys: list[str]) -> None:
    assert list(getattr(machine(simulator, vm), attribute)) == keys


def common_errors(
    noun: str, first: int, attribute: str, full: dict[str, Any], unsupported: dict[str, str]
) -> tuple[ErrorCase, ...]:
    """What adding, reading and removing an adapter of any kind can end in."""
    one = {key: value for key, value in full.items() if key == str(first)}
    present = with_(OFF, **{attribute: one})

    def created(error: str, case: str, message: str, spec: Json, setup: Setup = present) -> ErrorCase:
        return ErrorCase(
            rpc=rpc(noun, "Create"),
            error=error,
            id=case,
            request={"vm": OFF, "spec": spec},
            messages=(message,),
            setup=setup,
        )

    suspended = ("com.vmware.api.vcenter.vm.device.suspended", POWER)
    unknown = "vmsg.UnsupportedGuest.summary" if noun == "Scsi" else "vmsg.DeviceUnsupportedForVmVersion.summary"
    return (
        created("INVALID_ARGUMENT", "bus", f"{MESSAGES}.bus_out_of_range", {"bus": "4"}),
        created("INVALID_ARGUMENT", "slot", f"{MESSAGES}.pci_slot_number_out_of_range", {"pci_slot_number": "8192"}),
        created("RESOURCE_IN_USE", "bus", f"{MESSAGES}.bus_in_use", {"bus": "0"}),
        created("RESOURCE_IN_USE", "slot", f"{MESSAGES}.pci_slot_in_use", {"pci_slot_number": "192"}),
        created("UNABLE_TO_ALLOCATE_RESOURCE", "", f"{MESSAGES}.no_free_bus", {}, with_(OFF, **{attribute: full})),
        created("UNSUPPORTED", "", unknown, {}, with_(OFF, **unsupported)),
        ErrorCase(
            rpc=rpc(noun, "Create"),
            error="NOT_ALLOWED_IN_CURRENT_STATE",
            request={"vm": SUSPENDED, "spec": {}},
            messages=suspended,
        ),
        ErrorCase(
            rpc=rpc(noun, "Delete"),
            error="NOT_ALLOWED_IN_CURRENT_STATE",
            request={"vm": SUSPENDED, "adapter": str(first)},
            messages=suspended,
            setup=with_(SUSPENDED, **{attribute: one}),
        ),
        *(
            ErrorCase(
                rpc=rpc(noun, verb),
                error="NOT_FOUND",
                id="adapter",
                request={"vm": OFF, "adapter": str(first + 3)},
                messages=(NOT_FOUND,),
                setup=present,
            )
            for verb in ("Get", "Delete")
        ),
    )


def attached(noun: str, vm: str, adapter: str) -> ErrorCase:
    return ErrorCase(
        rpc=rpc(noun, "Delete"),
        error="ERROR",
        id="devices-attached",
        request={"vm": vm, "adapter": adapter},
        messages=(f"{MESSAGES}.devices_attached",),
    )


# --- What they have of their own --------------------------------------------------------------------------------------


def read(id: str, noun: str, vm: str, adapter: str, expected: Json, setup: Setup | None = None) -> Success:  # noqa: A002 - as in Success
    return Success(
        id=id, rpc=rpc(noun, "Get"), request={"vm": vm, "adapter": adapter}, setup=setup, response={"adapter": expected}
    )


def scsi_type(guest_os: str, expected: str, spec: Json | None = None) -> Success:
    return Success(
        id=f"for-{guest_os.lower()}" if not spec else f"particular-type-for-{guest_os.lower()}",
        rpc=rpc("Scsi", "Create"),
        request={"vm": OFF, "spec": spec or {}},
        setup=with_(OFF, guest_os=guest_os),
        check=lambda _, simulator: _is(machine(simulator, OFF).scsi_adapters["1001"].type, expected),
    )


def _is(actual: Any, expected: Any) -> None:
    assert actual == expected


OWN_SUCCESSES = (
    read(
        "scsi",
        "Scsi",
        ON,
        "1000",
        {
            "label": "SCSI controller 0",
            "type": "SCSI_TYPE_PVSCSI",
            "scsi": {"bus": "0", "unit": "7"},
            "pci_slot_number": "160",
            "sharing": "SCSI_SHARING_NONE",
        },
    ),
    read(
        "never-powered-on",
        "Scsi",
        OFF,
        "1001",
        {
            "label": "SCSI controller 1",
            "type": "SCSI_TYPE_LSILOGICSAS",
            "scsi": {"bus": "1", "unit": "7"},
            "sharing": "SCSI_SHARING_VIRTUAL",
        },
        with_(OFF, scsi_adapters={"1001": ScsiAdapter(1, "LSILOGICSAS", None, "VIRTUAL")}),
    ),
    read(
        "sata",
        "Sata",
        ON,
        "15000",
        {"label": "SATA controller 0", "type": "SATA_TYPE_AHCI", "bus": "0", "pci_slot_number": "33"},
    ),
    read("nvme", "Nvme", NVME_DISK, "31000", {"label": "NVME controller 0", "bus": "0", "pci_slot_number": "40"}),
    scsi_type("UBUNTU_64", "PVSCSI"),
    scsi_type("FREEBSD_64", "LSILOGIC"),
    scsi_type("DOS", "BUSLOGIC"),
    scsi_type("DOS", "LSILOGICSAS", {"type": "SCSI_TYPE_LSILOGICSAS"}),
    Success(
        id="type-and-sharing",
        rpc=rpc("Scsi", "Create"),
        request={"vm": OFF, "spec": {"type": "SCSI_TYPE_LSILOGIC", "sharing": "SCSI_SHARING_PHYSICAL"}},
        check=lambda _, simulator: _is(
            machine(simulator, OFF).scsi_adapters["1001"], ScsiAdapter(1, "LSILOGIC", None, "PHYSICAL")
        ),
    ),
    Success(
        id="sharing",
        rpc=rpc("Scsi", "Update"),
        request={"vm": OFF, "adapter": "1000", "spec": {"sharing": "SCSI_SHARING_VIRTUAL"}},
        check=lambda _, simulator: _is(machine(simulator, OFF).scsi_adapters["1000"].sharing, "VIRTUAL"),
    ),
    Success(
        id="nothing",
        rpc=rpc("Scsi", "Update"),
        request={"vm": ON, "adapter": "1000", "spec": {}},
        check=lambda _, simulator: _is(machine(simulator, ON).scsi_adapters["1000"], ScsiAdapter(0)),
    ),
)

OWN_ERRORS = (
    ErrorCase(
        rpc=rpc("Scsi", "Update"),
        error="NOT_ALLOWED_IN_CURRENT_STATE",
        request={"vm": ON, "adapter": "1000", "spec": {"sharing": "SCSI_SHARING_VIRTUAL"}},
        messages=(f"{MESSAGES}.scsi.sharing_not_powered_off", POWER),
    ),
    ErrorCase(
        rpc=rpc("Scsi", "Update"),
        error="NOT_FOUND",
        id="adapter",
        request={"vm": OFF, "adapter": "1003", "spec": {}},
        messages=(NOT_FOUND,),
    ),
    attached("Scsi", ON, "1000"),
    attached("Sata", ON, "15000"),
    attached("Nvme", NVME_DISK, "31000"),
)

# --- Boot order -------------------------------------------------------------------------------------------------------

GET_BOOT, SET_BOOT = (f"vcenter.vm.hardware.boot.v1.DeviceService/{verb}BootDevices" for verb in ("Get", "Set"))
DISK, NIC, CDROM, FLOPPY = (f"DEVICE_TYPE_{kind}" for kind in ("DISK", "ETHERNET", "CDROM", "FLOPPY"))


def boot_error(error: str, case: str, message: str, devices: list[Json]) -> ErrorCase:
    return ErrorCase(rpc=SET_BOOT, error=error, id=case, request={"vm": OFF, "devices": devices}, messages=(message,))


BOOT_SUCCESSES = (
    Success(
        id="order",
        rpc=GET_BOOT,
        request={"vm": ON},
        response={"devices": [{"type": DISK, "disks": ["2000"]}, {"type": NIC, "nic": "4000"}]},
    ),
    Success(id="default", rpc=GET_BOOT, request={"vm": OFF}, setup=with_(OFF, boot_devices=[]), response={}),
    Success(
        id="everything",
        rpc=SET_BOOT,
        request={
            "vm": ON,
            "devices": [
                {"type": CDROM},
                {"type": NIC, "nic": "4001"},
                {"type": DISK, "disks": ["2001", "2000"]},
                {"type": NIC, "nic": "4000"},
                {"type": FLOPPY},
            ],
        },
        check=leaves(
            ON,
            boot_devices=[
                {"type": "CDROM"},
                {"type": "ETHERNET", "nic": "4001"},
                {"type": "DISK", "disks": ["2001", "2000"]},
                {"type": "ETHERNET", "nic": "4000"},
                {"type": "FLOPPY"},
            ],
        ),
    ),
    Success(id="default", rpc=SET_BOOT, request={"vm": OFF, "devices": []}, check=leaves(OFF, boot_devices=[])),
)

BOOT_ERRORS = (
    boot_error("INVALID_ARGUMENT", "kind-twice", f"{BOOT}.duplicate_type", [{"type": CDROM}, {"type": CDROM}]),
    boot_error(
        "INVALID_ARGUMENT", "disk-twice", f"{BOOT}.duplicate_device", [{"type": DISK, "disks": ["2000", "2000"]}]
    ),
    boot_error("NOT_FOUND", "disk", NOT_FOUND, [{"type": DISK, "disks": ["2000", "2009"]}]),
    boot_error("NOT_FOUND", "nic", NOT_FOUND, [{"type": NIC, "nic": "4009"}]),
)

SUCCESSES = (
    *(case for noun, first, attribute, full, _ in KINDS for case in common_successes(noun, first, attribute, full)),
    *OWN_SUCCESSES,
    *BOOT_SUCCESSES,
)
ERRORS = (*(case for kind in KINDS for case in common_errors(*kind)), *OWN_ERRORS, *BOOT_ERRORS)
