"""What the adapters of disks and drives have in common: how they are found, listed, added on a free bus, and removed.

SCSI, SATA and NVMe adapters differ in their identifiers, in their requirements, and in what they report. Each kind is
an `AdapterKind`. The service for a kind registers the three common operations with it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.simulator import errors
from gateway.simulator.machine import VirtualMachine
from gateway.simulator.registry import Call, Json, operation

__all__ = ["NVME", "SATA", "SCSI", "AdapterKind", "nvme_info", "sata_info", "scsi_info"]

_BUSES = range(4)
# Slot, bridge and function number take 13 bits.
_PCI_SLOTS = range(1 << 13)
_MESSAGES = "com.vmware.api.vcenter.vm.hardware.adapter"
_SCSI_ADAPTER_UNIT = 7


@dataclass(frozen=True, slots=True)
class AdapterKind:
    """One kind of adapter."""

    type: str
    """As in the addresses of disks: `SCSI`, `SATA` or `NVME`."""
    first_key: int
    """The identifier of the adapter on bus 0; those on other buses follow."""
    adapters: Callable[[VirtualMachine], dict[str, Any]]

    @property
    def service(self) -> str:
        """The service that manages these adapters."""
        return f"com.vmware.vcenter.vm.hardware.adapter.{self.type.lower()}"

    def register(self, info: Callable[[VirtualMachine, str], Json]) -> None:
        """Registers `list`, `get` and `delete`, the operations that are the same for all kinds."""
        operation(self.service, "list")(self._list)
        operation(self.service, "get")(lambda call: info(call.vm, self.find(call)))
        operation(self.service, "delete")(self._delete)

    def find(self, call: Call) -> str:
        """The adapter in the path. NOT_FOUND if the machine has no adapter with that identifier."""
        key = call.path["adapter"]
        if key not in self.adapters(call.vm):
            raise errors.device_not_found(key, call.vm.vm)
        return key

    def free_bus(self, machine: VirtualMachine, spec: Mapping[str, Any]) -> int:
        """The bus for a new adapter: the one in the spec, otherwise the first free one."""
        self.require_not_suspended(machine)
        wanted: int | None = spec.get("bus")
        taken = {int(key) - self.first_key for key in self.adapters(machine)}
        if wanted is not None:
            if wanted not in _BUSES:
                raise self._invalid("bus", wanted, _BUSES)
            if wanted in taken:
                raise errors.resource_in_use(
                    f"{_MESSAGES}.bus_in_use",
                    "The bus number {0} of the {1} adapters is in use.",
                    str(wanted),
                    self.type,
                )
            return wanted
        for bus in _BUSES:
            if bus not in taken:
                return bus
        raise errors.unable_to_allocate(
            f"{_MESSAGES}.no_free_bus",
            "The virtual machine {0} has no free bus for {1} adapters.",
            machine.vm,
            self.type,
        )

    def free_slot(self, machine: VirtualMachine, spec: Mapping[str, Any]) -> int | None:
        """The PCI slot in the spec; None lets the next power-on choose one."""
        slot: int | None = spec.get("pci_slot_number")
        if slot is None:
            return None
        if slot not in _PCI_SLOTS:
            raise self._invalid("pci_slot_number", slot, _PCI_SLOTS)
        if slot in machine.pci_slots_in_use():
            raise errors.resource_in_use(f"{_MESSAGES}.pci_slot_in_use", "The PCI slot {0} is in use.", str(slot))
        return slot

    def require_not_suspended(self, machine: VirtualMachine) -> None:
        """NOT_ALLOWED_IN_CURRENT_STATE for a suspended machine, whose hardware is fixed."""
        if machine.power_state == "SUSPENDED":
            raise machine.not_allowed_in_power_state(
                "com.vmware.api.vcenter.vm.device.suspended",
                f"A {self.type} adapter cannot be added or removed because the virtual machine is suspended.",
            )

    def _list(self, call: Call) -> Json:
        return [{"adapter": key} for key in sorted(self.adapters(call.vm), key=int)]

    def _delete(self, call: Call) -> None:
        """Removes an adapter without attached devices."""
        machine, key = call.vm, self.find(call)
        self.require_not_suspended(machine)
        bus = int(key) - self.first_key
        if any(address.adapter == self.type and address.bus == bus for address in machine.occupied_addresses()):
            raise errors.error(
                f"{_MESSAGES}.devices_attached",
                "The adapter {0} of the virtual machine {1} cannot be removed while devices are attached to it.",
                key,
                machine.vm,
            )
        del self.adapters(machine)[key]
        machine.pci_slots.pop(key, None)

    def _invalid(self, name: str, value: int, allowed: range) -> errors.VapiError:
        return errors.invalid_argument(
            f"{_MESSAGES}.{name}_out_of_range",
            "The value {0} of " + name + " is not between 0 and {1}.",
            str(value),
            str(allowed[-1]),
        )


SCSI = AdapterKind("SCSI", 1000, lambda machine: machine.scsi_adapters)
SATA = AdapterKind("SATA", 15000, lambda machine: machine.sata_adapters)
NVME = AdapterKind("NVME", 31000, lambda machine: machine.nvme_adapters)


def scsi_info(machine: VirtualMachine, key: str) -> dict[str, Any]:
    """The SCSI adapter as `get` returns it."""
    adapter = machine.scsi_adapters[key]
    info = {
        "label": f"SCSI controller {adapter.bus}",
        "type": adapter.type,
        "scsi": {"bus": adapter.bus, "unit": _SCSI_ADAPTER_UNIT},
        "sharing": adapter.sharing,
    }
    return info if adapter.pci_slot_number is None else {**info, "pci_slot_number": adapter.pci_slot_number}


def sata_info(machine: VirtualMachine, key: str) -> dict[str, Any]:
    """The SATA adapter as `get` returns it."""
    bus = machine.sata_adapters[key]
    return {"label": f"SATA controller {bus}", "type": "AHCI", "bus": bus, **_slot(machine, key, 33 + bus)}


def nvme_info(machine: VirtualMachine, key: str) -> dict[str, Any]:
    """The NVMe adapter as `get` returns it."""
    bus = machine.nvme_adapters[key]
    return {"label": f"NVME controller {bus}", "bus": bus, **_slot(machine, key, 40 + bus)}


def _slot(machine: VirtualMachine, key: str, usual: int) -> dict[str, int]:
    slot = machine.pci_slots.get(key, usual)
    return {} if slot is None else {"pci_slot_number": slot}
