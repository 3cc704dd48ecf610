"""Creates a machine from a specification: with the hardware that it lists, and the guest's defaults otherwise.

Devices are added by the same operations that add them to an existing machine, so the same rules apply.
"""

from collections.abc import Mapping, Sequence
from math import ceil
from typing import Any

from gateway.simulator import errors, provisioning
from gateway.simulator.guest_defaults import GuestDefaults, guest_defaults, require_hardware_version
from gateway.simulator.hardware import unsupported_version
from gateway.simulator.machine import Boot, Cpu, Memory, ScsiAdapter, VirtualMachine
from gateway.simulator.placement import Site
from gateway.simulator.registry import Call, perform

__all__ = ["create"]

_HARDWARE = "com.vmware.vcenter.vm.hardware"

# The lists of a specification, with the operation that adds their items. Adapters are first, because disks need them.
_DEVICES = (
    ("scsi_adapters", f"{_HARDWARE}.adapter.scsi.create"),
    ("sata_adapters", f"{_HARDWARE}.adapter.sata.create"),
    ("nvme_adapters", f"{_HARDWARE}.adapter.nvme.create"),
    ("cdroms", f"{_HARDWARE}.cdrom.create"),
    ("disks", f"{_HARDWARE}.disk.create"),
    ("nics", f"{_HARDWARE}.ethernet.create"),
    ("floppies", f"{_HARDWARE}.floppy.create"),
    ("parallel_ports", f"{_HARDWARE}.parallel.create"),
    ("serial_ports", f"{_HARDWARE}.serial.create"),
)
_ADAPTERS = {"SCSI": "scsi_adapters", "SATA": "sata_adapters", "NVME": "nvme_adapters"}
# How many devices one adapter can have.
_UNITS = {"SCSI": 15, "SATA": 30, "NVME": 15}
# The identifier of the adapter on bus 0; those on other buses follow.
_FIRST_KEY = {"SCSI": 1000, "SATA": 15000, "NVME": 31000}


def create(call: Call, spec: Mapping[str, Any], site: Site) -> VirtualMachine:
    """Creates the machine of a VM.CreateSpec at the site. Raises what VM.create documents, and then leaves nothing
    behind."""
    given = {name: value for name, value in spec.items() if value is not None}
    version = given.get("hardware_version", call.inventory.newest_hardware)
    if version > call.inventory.newest_hardware:
        raise unsupported_version(version)
    machine = provisioning.make(call.inventory, _name(call, given, site), given["guest_OS"], site, version)
    try:
        _add_hardware(call, machine, given)
    except errors.VapiError:
        _undo(call, machine, given)
        raise
    # A new machine has no installed guest.
    machine.guest.tools_installed = False
    return machine


def _undo(call: Call, machine: VirtualMachine, given: Mapping[str, Any]) -> None:
    """Removes the machine again, but no file that existed before it."""
    older = {disk["backing"]["vmdk_file"] for disk in given.get("disks", ()) if disk.get("backing")}
    machine.disks = {key: disk for key, disk in machine.disks.items() if disk.vmdk_file not in older}
    provisioning.delete(call.inventory, machine)


def _name(call: Call, given: Mapping[str, Any], site: Site) -> str:
    if "name" in given:
        return str(given["name"])
    name, number = "New Virtual Machine", 0
    while call.inventory.machines.named(name, site.placement.folder):
        number += 1
        name = f"New Virtual Machine ({number})"
    return name


def _add_hardware(call: Call, machine: VirtualMachine, given: Mapping[str, Any]) -> None:
    defaults = _defaults(machine, given)
    if defaults is not None:
        machine.cpu = Cpu(defaults.cpus, 1)
        machine.memory = Memory(defaults.memory_mib, False, defaults.memory_mib)
        machine.boot = Boot(type=defaults.firmware)
    for part in ("boot", "cpu", "memory"):
        if part in given:
            perform(call, f"{_HARDWARE}.{part}.update", given[part], vm=machine.vm)
    lists = {"disks": [{"new_vmdk": {}}], **given}
    _add_adapters(machine, lists, defaults)
    for name, operation in _DEVICES:
        for item in lists.get(name, ()):
            perform(call, operation, item, vm=machine.vm)
    machine.boot_devices = [
        entry for item in given.get("boot_devices", ()) for entry in _boot_entries(machine, item["type"])
    ]
    policy = given.get("storage_policy")
    if policy is not None:
        if policy["policy"] not in call.inventory.storage_policies:
            raise errors.not_found("storage_policy", policy["policy"])
        machine.home_storage_policy = policy["policy"]


def _defaults(machine: VirtualMachine, given: Mapping[str, Any]) -> GuestDefaults | None:
    """The defaults for the guest; None if they are unknown, but not needed either."""
    try:
        return guest_defaults(machine)
    except errors.VapiError:
        if {"boot", "cpu", "memory", "disks"} <= given.keys():
            return None
        raise


def _add_adapters(machine: VirtualMachine, lists: Mapping[str, Any], defaults: GuestDefaults | None) -> None:
    """Adds the adapters that disks and CD-ROM devices need, of each kind that the specification does not list
    itself."""
    for kind, name in _ADAPTERS.items():
        if name in lists:
            continue
        buses = _buses(
            [
                item.get(kind.lower()) or {}
                for devices, default in (("disks", "disk"), ("cdroms", "cdrom"))
                for item in lists.get(devices, ())
                if (item.get("type") or (getattr(defaults, default) if defaults else None)) == kind
            ],
            _UNITS[kind],
        )
        if buses:
            require_hardware_version(machine, kind)
        for bus in buses:
            key = str(_FIRST_KEY[kind] + bus)
            match kind:
                case "SCSI":
                    adapter = defaults.scsi if defaults else "PVSCSI"
                    machine.scsi_adapters[key] = ScsiAdapter(bus, adapter, None)
                case "SATA":
                    machine.sata_adapters[key] = bus
                case _:
                    machine.nvme_adapters[key] = bus


def _buses(addresses: Sequence[Mapping[str, Any]], units: int) -> list[int]:
    """The numbers of the adapters that devices with these addresses need. A machine can have four."""
    named = {address["bus"] for address in addresses if address.get("bus") is not None}
    others = ceil(sum(address.get("bus") is None for address in addresses) / units)
    return [bus for bus in range(4) if bus in named or bus < others]


def _boot_entries(machine: VirtualMachine, kind: str) -> list[dict[str, Any]]:
    """The entries of the boot order for one kind of device. INVALID_ARGUMENT if the machine has no such device."""
    match kind:
        case "DISK":
            entries: list[dict[str, Any]] = [{"type": kind, "disks": list(machine.disks)}] if machine.disks else []
        case "ETHERNET":
            entries = [{"type": kind, "nic": key} for key in machine.nics]
        case "CDROM":
            entries = [{"type": kind}] if machine.cdroms else []
        case _:
            entries = [{"type": kind}] if machine.floppies else []
    if not entries:
        raise errors.invalid_argument(
            "com.vmware.api.vcenter.vm.hardware.boot.device.no_device",
            "The virtual machine has no device of type {0} to boot from.",
            kind,
        )
    return entries
