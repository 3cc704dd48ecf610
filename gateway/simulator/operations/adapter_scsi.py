"""com.vmware.vcenter.vm.hardware.adapter.scsi: the virtual SCSI adapters."""

from dataclasses import replace

from gateway.simulator.adapters import SCSI, scsi_info
from gateway.simulator.guest_defaults import guest_defaults
from gateway.simulator.machine import ScsiAdapter, VirtualMachine
from gateway.simulator.registry import Call, Json, operation

__all__ = ["create", "update"]

SCSI.register(scsi_info)

# Guests without a driver for the paravirtual adapter.
_OLDER = {"BUSLOGIC": ("DOS", "NETWARE", "WIN_2000"), "LSILOGIC": ("WIN_", "OTHER", "FREEBSD", "SOLARIS", "VMKERNEL")}


@operation(SCSI.service, "create")
def create(call: Call) -> Json:
    """Adds an adapter, also to a running machine."""
    machine, spec = call.vm, call.spec
    kind = spec.get("type") or _default_type(machine)
    bus = SCSI.free_bus(machine, spec)
    key = str(SCSI.first_key + bus)
    slot = SCSI.free_slot(machine, spec)
    machine.scsi_adapters[key] = ScsiAdapter(bus, kind, slot, spec.get("sharing") or "NONE")
    machine.settle_if_running()
    return key


@operation(SCSI.service, "update")
def update(call: Call) -> None:
    """Changes the sharing of the bus, unless the machine is running."""
    machine, key, sharing = call.vm, SCSI.find(call), call.spec.get("sharing")
    adapter = machine.scsi_adapters[key]
    if sharing is None or sharing == adapter.sharing:
        return
    if machine.power_state == "POWERED_ON":
        raise machine.not_allowed_in_power_state(
            "com.vmware.api.vcenter.vm.hardware.adapter.scsi.sharing_not_powered_off",
            "The sharing of a SCSI bus can only be changed while the virtual machine is not powered on.",
        )
    machine.scsi_adapters[key] = replace(adapter, sharing=sharing)


def _default_type(machine: VirtualMachine) -> str:
    """The type for the guest; UNSUPPORTED if the hosts do not support that guest."""
    guest_defaults(machine)
    return next((kind for kind, guests in _OLDER.items() if machine.guest_os.startswith(guests)), "PVSCSI")
