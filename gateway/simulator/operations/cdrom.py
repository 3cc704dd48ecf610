"""com.vmware.vcenter.vm.hardware.cdrom: the virtual CD-ROM devices on IDE and SATA adapters."""

from collections.abc import Mapping
from typing import Any

from gateway.simulator.addresses import address_info, allocate_address
from gateway.simulator.devices import CDROM, backing_of, device_info
from gateway.simulator.guest_defaults import guest_defaults, require_hardware_version
from gateway.simulator.inventory import device_id
from gateway.simulator.machine import Cdrom, VirtualMachine
from gateway.simulator.registry import Call, Json, operation

__all__ = ["cdrom_info", "create", "delete", "update"]


def cdrom_info(cdrom: Cdrom) -> Json:
    """The CD-ROM device as `get` returns it."""
    return {**device_info(cdrom), **address_info(cdrom.address)}


CDROM.register(cdrom_info)


@operation(CDROM.service, "create")
def create(call: Call) -> Json:
    """Adds a CD-ROM device: at the address in the spec, otherwise at the first free one.

    A running machine only accepts SATA devices.
    """
    machine = call.vm
    adapter = call.spec.get("type") or guest_defaults(machine).cdrom
    require_hardware_version(machine, adapter)
    _require_changeable(machine, adapter)
    address = allocate_address(machine, adapter, call.spec.get(adapter.lower()))
    cdrom = Cdrom(CDROM.free_label(machine), _backing(call.spec.get("backing")), address=address)
    return CDROM.add(call, device_id(address), cdrom)


@operation(CDROM.service, "update")
def update(call: Call) -> None:
    """Changes the backing of a disconnected device, and the flags of any device."""
    spec = call.spec.get("backing")
    CDROM.update(call, spec and _backing(spec))


@operation(CDROM.service, "delete")
def delete(call: Call) -> None:
    """Removes a CD-ROM device; an IDE one only from a powered-off machine."""
    cdrom = CDROM.find(call)
    _require_changeable(call.vm, cdrom.address.adapter)
    del call.vm.cdroms[call.path["cdrom"]]


def _require_changeable(machine: VirtualMachine, adapter: str) -> None:
    """NOT_ALLOWED_IN_CURRENT_STATE if devices on that adapter cannot be added or removed in the power state."""
    if machine.power_state == "SUSPENDED":
        raise machine.not_allowed_in_power_state(
            "com.vmware.api.vcenter.vm.device.suspended",
            "A CD-ROM device cannot be added or removed because the virtual machine is suspended.",
        )
    if adapter == "IDE":
        machine.require_powered_off(
            "com.vmware.api.vcenter.vm.device.not_powered_off",
            "An IDE CD-ROM device cannot be added or removed because the virtual machine is not powered off.",
        )


def _backing(spec: Mapping[str, Any] | None) -> dict[str, Any]:
    if spec is not None and spec["type"] == "ISO_FILE":
        return backing_of(spec)
    return backing_of(spec, device_access_type="EMULATION")
