"""com.vmware.vcenter.vm.hardware.disk: virtual disks, and the VMDK files that back them.

A file outlives the disk: deleting a disk, or giving it another file, only detaches the file.
"""

import re
from collections.abc import Callable, Mapping
from itertools import count
from typing import Any

from gateway.simulator import errors
from gateway.simulator.addresses import address_info, allocate_address
from gateway.simulator.guest_defaults import guest_defaults, require_hardware_version
from gateway.simulator.inventory import Inventory, device_id
from gateway.simulator.machine import Disk, VirtualMachine
from gateway.simulator.placement import require_space
from gateway.simulator.registry import Call, Json, operation

__all__ = ["create", "delete", "disk_info", "get", "list_", "update"]

_SERVICE = "com.vmware.vcenter.vm.hardware.disk"
_MESSAGES = "com.vmware.api.vcenter.vm.hardware.disk"

# Maximum file size on VMFS, in bytes.
_MAX_CAPACITY = 62 << 40
_DATASTORE_PATH = re.compile(r"\[[^\[\]]+\] ?\S.*")
_MAX_NAME = 80


def disk_info(disk: Disk) -> Json:
    """The disk as `get` returns it."""
    info: dict[str, Any] = {
        "label": disk.label,
        **address_info(disk.address),
        "backing": {"type": "VMDK_FILE", "vmdk_file": disk.vmdk_file},
    }
    if disk.capacity:
        info["capacity"] = disk.capacity
    return info


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """The identifiers of the disks."""
    return [{"disk": key} for key in sorted(call.vm.disks, key=int)]


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """One disk."""
    return disk_info(_find(call))


@operation(_SERVICE, "create")
def create(call: Call) -> Json:
    """Adds a disk, with a new or an existing file; an IDE disk only to a powered-off machine."""
    machine, spec = call.vm, call.spec
    backing, new_vmdk = spec.get("backing"), spec.get("new_vmdk")
    if (backing is None) == (new_vmdk is None):
        raise errors.invalid_argument(
            f"{_MESSAGES}.backing_or_new_vmdk", "Exactly one of backing and new_vmdk must be specified."
        )
    adapter = _adapter(machine, spec)
    _require_changeable(machine, adapter)
    address = allocate_address(machine, adapter, spec.get(adapter.lower()))
    policy = None
    if backing is not None:
        file = _existing_file(call.inventory, machine, backing["vmdk_file"], errors.resource_in_use)
    else:
        policy = _policy(call.inventory, new_vmdk or {})
        file = _new_file(call.inventory, machine, new_vmdk or {})
    key = device_id(address)
    machine.disks[key] = Disk(_free_label(machine), address, file, call.inventory.disk_files[file], policy)
    return key


@operation(_SERVICE, "update")
def update(call: Call) -> None:
    """Detaches the file and attaches another one, unless the machine is running or about to resume."""
    machine, disk, backing = call.vm, _find(call), call.spec.get("backing")
    if backing is None:
        return
    machine.require_powered_off(
        f"{_MESSAGES}.backing_not_powered_off",
        "The backing of a virtual disk can only be modified while the virtual machine is powered off.",
    )
    if backing["vmdk_file"] == disk.vmdk_file:
        return
    disk.vmdk_file = _existing_file(call.inventory, machine, backing["vmdk_file"], errors.error)
    disk.capacity, disk.storage_policy = call.inventory.disk_files[disk.vmdk_file], None


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Removes a disk, an IDE disk only from a powered-off machine; also removes it from the boot devices."""
    machine, disk, key = call.vm, _find(call), call.path["disk"]
    _require_changeable(machine, disk.address.adapter)
    del machine.disks[key]
    machine.forget_disk(key)


def _find(call: Call) -> Disk:
    disk = call.vm.disks.get(call.path["disk"])
    if disk is None:
        raise errors.device_not_found(call.path["disk"], call.vm.vm)
    return disk


def _adapter(machine: VirtualMachine, spec: Mapping[str, Any]) -> str:
    """The adapter type in the spec, otherwise the default for the guest."""
    adapter: str = spec.get("type") or guest_defaults(machine).disk
    require_hardware_version(machine, adapter)
    return adapter


def _require_changeable(machine: VirtualMachine, adapter: str) -> None:
    """NOT_ALLOWED_IN_CURRENT_STATE if disks on that adapter cannot be added or removed in the power state."""
    if machine.power_state == "SUSPENDED":
        raise machine.not_allowed_in_power_state(
            "com.vmware.api.vcenter.vm.device.suspended",
            "A virtual disk cannot be added or removed because the virtual machine is suspended.",
        )
    if adapter == "IDE":
        machine.require_powered_off(
            "com.vmware.api.vcenter.vm.device.not_powered_off",
            "An IDE disk cannot be added or removed because the virtual machine is not powered off.",
        )


def _existing_file(
    inventory: Inventory, machine: VirtualMachine, file: str, in_use: Callable[..., errors.VapiError]
) -> str:
    """The path of a file that can be attached; `in_use` creates the error for a locked file.

    Machines may share a file, but a running machine locks it, and no machine can attach the same file twice.
    """
    if not _DATASTORE_PATH.fullmatch(file):
        raise errors.error("vmsg.InvalidDatastorePath.summary", "Invalid datastore path '{0}'.", file)
    if file not in inventory.disk_files:
        raise errors.error("vmsg.FileNotFound.summary", "File {0} was not found", file)
    if any(owner is machine or owner.power_state == "POWERED_ON" for owner in inventory.usage.owners(file)):
        raise in_use("vmsg.FileLocked.summary", "Unable to access file {0} since it is locked", file)
    return file


def _policy(inventory: Inventory, spec: Mapping[str, Any]) -> str | None:
    """The storage policy of a new file; the datastore is not an object store, so there is none by default."""
    if spec.get("storage_policy") is None:
        return None
    policy: str = spec["storage_policy"]["policy"]
    if policy not in inventory.storage_policies:
        raise errors.invalid_argument(
            "com.vmware.api.vcenter.vm.storage.policy.invalid_policy",
            "Storage policy with identifier '{0}' does not exist.",
            policy,
        )
    return policy


def _new_file(inventory: Inventory, machine: VirtualMachine, spec: Mapping[str, Any]) -> str:
    """Creates the file in the machine's directory and returns its path."""
    capacity: int | None = spec.get("capacity")
    if capacity is None:
        capacity = guest_defaults(machine).disk_capacity
    if not 0 < capacity <= _MAX_CAPACITY:
        raise errors.invalid_argument(
            f"{_MESSAGES}.capacity_out_of_range",
            "The capacity of a virtual disk must be between 1 and {1} bytes, not {0}.",
            str(capacity),
            str(_MAX_CAPACITY),
        )
    datastore = inventory.places.datastore_of(machine.directory)
    if datastore is not None:
        require_space(datastore, capacity)
    file = _new_path(inventory, machine, spec.get("name"))
    inventory.disk_files[file] = capacity
    return file


def _new_path(inventory: Inventory, machine: VirtualMachine, name: str | None) -> str:
    """The path for the name, or the first free path derived from the machine's name."""
    if name is None:
        names = (f"{machine.name}_{number}" if number else machine.name for number in count())
        paths = (f"{machine.directory}/{name}.vmdk" for name in names)
        return next(path for path in paths if path not in inventory.disk_files)
    if not 0 < len(name) <= _MAX_NAME or "/" in name:
        raise errors.invalid_argument(f"{_MESSAGES}.invalid_name", "The name '{0}' is no base name of a file.", name)
    path = f"{machine.directory}/{name}.vmdk"
    if path in inventory.disk_files:
        raise errors.error(
            "vmsg.FileAlreadyExists.summary", "Cannot complete the operation because the file {0} already exists", path
        )
    return path


def _free_label(machine: VirtualMachine) -> str:
    taken = {disk.label for disk in machine.disks.values()}
    return next(label for label in (f"Hard disk {number}" for number in count(1)) if label not in taken)
