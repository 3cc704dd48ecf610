"""com.vmware.vcenter.vm.hardware.adapter.sata: the virtual SATA adapters."""

from gateway.simulator.adapters import SATA, sata_info
from gateway.simulator.guest_defaults import guest_defaults, require_hardware_version
from gateway.simulator.registry import Call, Json, operation

__all__ = ["create"]

SATA.register(sata_info)


@operation(SATA.service, "create")
def create(call: Call) -> Json:
    """Adds an adapter, also to a running machine; there is only one type."""
    machine, spec = call.vm, call.spec
    require_hardware_version(machine, SATA.type)
    if spec.get("type") is None:
        guest_defaults(machine)
    bus = SATA.free_bus(machine, spec)
    key = str(SATA.first_key + bus)
    slot = SATA.free_slot(machine, spec)
    machine.sata_adapters[key] = bus
    machine.pci_slots[key] = slot
    machine.settle_if_running()
    return key
