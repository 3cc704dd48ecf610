"""How the hardware of a machine differs from the template that it is deployed from.

The changes are validated against the template before anything is copied, and applied to the copy afterwards.
"""

from collections.abc import Mapping
from typing import Any

from gateway.simulator import errors
from gateway.simulator.inventory import Inventory, nic_backing
from gateway.simulator.machine import VirtualMachine
from gateway.simulator.placement import find

__all__ = ["change_hardware", "require_fitting"]

_MESSAGES = "com.vmware.vdcs.vmtx-main"
_MEMORY_STEP_MIB = 4


def require_fitting(inventory: Inventory, spec: Mapping[str, Any], template: VirtualMachine) -> None:
    """INVALID_ARGUMENT for changes that the template does not allow, NOT_FOUND for networks that do not exist."""
    for name, devices, kind in (
        ("nics", template.nics, "network adapter"),
        ("disks_to_remove", template.disks, "disk"),
        ("disks_to_update", template.disks, "disk"),
    ):
        for key in spec.get(name) or ():
            if key not in devices:
                raise _invalid("device_not_found", "The template has no {0} '{1}'.", kind, key)
    for nic in (spec.get("nics") or {}).values():
        if nic.get("subnet") is not None:
            raise errors.not_found("subnet", nic["subnet"])
        if nic.get("network") is not None:
            find(inventory.networks, "network", nic["network"])
    for key, update in (spec.get("disks_to_update") or {}).items():
        if update["capacity"] <= template.disks[key].capacity:
            raise _invalid("disk_too_small", "The disk '{0}' can only become larger.", key)
    cores, sockets = _cpu(spec, template)
    if not 0 < sockets <= cores or cores % sockets:
        raise _invalid("invalid_cpu", "{0} cores cannot be distributed to sockets of {1}.", str(cores), str(sockets))
    memory = _memory(spec, template)
    if memory <= 0 or memory % _MEMORY_STEP_MIB:
        raise _invalid("invalid_memory", "The memory cannot have {0} MiB.", str(memory))


def change_hardware(inventory: Inventory, spec: Mapping[str, Any], machine: VirtualMachine) -> None:
    """Applies the changes to a copy of the template; omitted disks have not been copied at all."""
    for key, nic in (spec.get("nics") or {}).items():
        if nic.get("network") is not None:
            machine.nics[key].backing = nic_backing(inventory, nic["network"], machine.vm.rpartition("-")[2])
    for key, update in (spec.get("disks_to_update") or {}).items():
        if key in machine.disks:
            disk = machine.disks[key]
            inventory.disk_files[disk.vmdk_file] = disk.capacity = update["capacity"]
    machine.cpu.count, machine.cpu.cores_per_socket = _cpu(spec, machine)
    machine.memory.size_mib = _memory(spec, machine)


def _cpu(spec: Mapping[str, Any], machine: VirtualMachine) -> tuple[int, int]:
    """Number of cores, and of cores per socket."""
    update = spec.get("cpu_update") or {}
    cores, per_socket = update.get("num_cpus"), update.get("num_cores_per_socket")
    return (
        machine.cpu.count if cores is None else cores,
        machine.cpu.cores_per_socket if per_socket is None else per_socket,
    )


def _memory(spec: Mapping[str, Any], machine: VirtualMachine) -> int:
    memory: int | None = (spec.get("memory_update") or {}).get("memory")
    return machine.memory.size_mib if memory is None else memory


def _invalid(reason: str, text: str, *args: str) -> errors.VapiError:
    return errors.invalid_argument(f"{_MESSAGES}.{reason}", text, *args)
