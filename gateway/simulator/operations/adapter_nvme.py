"""com.vmware.vcenter.vm.hardware.adapter.nvme: the virtual NVMe adapters."""

from gateway.simulator.adapters import NVME, nvme_info
from gateway.simulator.guest_defaults import require_hardware_version
from gateway.simulator.registry import Call, Json, operation

__all__ = ["create"]

NVME.register(nvme_info)


@operation(NVME.service, "create")
def create(call: Call) -> Json:
    """Adds an adapter, also to a running machine."""
    machine, spec = call.vm, call.spec
    require_hardware_version(machine, NVME.type)
    bus = NVME.free_bus(machine, spec)
    key = str(NVME.first_key + bus)
    slot = NVME.free_slot(machine, spec)
    machine.nvme_adapters[key] = bus
    machine.pci_slots[key] = slot
    machine.settle_if_running()
    return key
