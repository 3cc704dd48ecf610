"""com.vmware.vcenter.VM: lists virtual machines, and returns all details of one."""

from collections.abc import Callable, Iterable
from typing import Any

from gateway.simulator import errors
from gateway.simulator.adapters import nvme_info, sata_info, scsi_info
from gateway.simulator.catalogue import load
from gateway.simulator.machine import VirtualMachine
from gateway.simulator.operations import boot, cdrom, cpu, disk, ethernet, floppy, memory, parallel, serial
from gateway.simulator.registry import Call, Json, operation

__all__ = ["MOST_LISTED", "get", "list_machines", "vm_info"]

_SERVICE = "com.vmware.vcenter.VM"

MOST_LISTED = 4000
"""Maximum number of listed machines; more are an error, because there are no pages."""

# The attribute that each filter of the list looks at. A filter that is not set matches every machine.
_FILTERS: dict[str, Callable[[VirtualMachine], str | None]] = {
    "vms": lambda machine: machine.vm,
    "names": lambda machine: machine.name,
    "folders": lambda machine: machine.placement.folder,
    "datacenters": lambda machine: machine.placement.datacenter,
    "hosts": lambda machine: machine.placement.host,
    "clusters": lambda machine: machine.placement.cluster,
    "resource_pools": lambda machine: machine.placement.resource_pool,
    "power_states": lambda machine: machine.power_state,
}


@operation(_SERVICE, "list")
def list_machines(call: Call) -> Json:
    """The machines that pass every filter; templates are left out, as in vCenter."""
    states = load().enumerations["VcenterVmPowerState"]
    for state in call.query.get("power_states", ()):
        if state not in states.values:
            raise errors.invalid_argument(
                "vapi.bindings.typeconverter.enum.unknown.value",
                "Value {0} is not one of the values of the enumeration {1}.",
                state,
                states.name,
            )
    wanted = [(_FILTERS[name], frozenset(values)) for name, values in call.query.items()]
    found = [
        machine
        for machine in _candidates(call)
        if not machine.template and all(of(machine) in values for of, values in wanted)
    ]
    if len(found) > MOST_LISTED:
        raise errors.unable_to_allocate(
            "com.vmware.api.vcenter.vm.too_many_matches",
            "Too many virtual machines. Add more filter criteria to reduce the number.",
        )
    return [_summary(machine) for machine in found]


def _candidates(call: Call) -> Iterable[VirtualMachine]:
    """The machines that can pass the filters: all, or those with the given names or identifiers, in order."""
    machines = call.inventory.machines
    if "vms" in call.query:
        found = [machines[vm] for vm in set(call.query["vms"]) if vm in machines]
    elif "names" in call.query:
        found = [machine for name in set(call.query["names"]) for machine in machines.named(name)]
    else:
        return machines.values()
    return sorted(found, key=lambda machine: (len(machine.vm), machine.vm))


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """All details of one machine."""
    return vm_info(call.vm)


def _summary(machine: VirtualMachine) -> dict[str, Any]:
    summary: dict[str, Any] = {"vm": machine.vm, "name": machine.name, "power_state": machine.power_state}
    # These two come from the configuration, which vCenter may be unable to access.
    if not machine.inaccessible:
        summary["cpu_count"] = machine.cpu.count
        summary["memory_size_MiB"] = machine.memory.size_mib
    return summary


def vm_info(machine: VirtualMachine) -> dict[str, Any]:
    """VM.Info of a machine: devices and adapters as maps by identifier."""
    return {
        "guest_OS": machine.guest_os,
        "name": machine.name,
        "identity": {
            "name": machine.name,
            "bios_uuid": machine.bios_uuid,
            "instance_uuid": machine.instance_uuid,
        },
        "power_state": machine.power_state,
        "instant_clone_frozen": False,
        "hardware": machine.hardware_upgrade.to_json(machine.hardware_version),
        "boot": boot.boot_info(machine),
        "boot_devices": machine.boot_devices,
        "cpu": cpu.cpu_info(machine),
        "memory": memory.memory_info(machine),
        "disks": {key: disk.disk_info(item) for key, item in machine.disks.items()},
        "nics": {key: ethernet.nic_info(item) for key, item in machine.nics.items()},
        "cdroms": {key: cdrom.cdrom_info(item) for key, item in machine.cdroms.items()},
        "floppies": {key: floppy.floppy_info(item) for key, item in machine.floppies.items()},
        "parallel_ports": {key: parallel.parallel_info(item) for key, item in machine.parallel_ports.items()},
        "serial_ports": {key: serial.serial_info(item) for key, item in machine.serial_ports.items()},
        "sata_adapters": {key: sata_info(machine, key) for key in machine.sata_adapters},
        "scsi_adapters": {key: scsi_info(machine, key) for key in machine.scsi_adapters},
        "nvme_adapters": {key: nvme_info(machine, key) for key in machine.nvme_adapters},
    }
