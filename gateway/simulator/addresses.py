"""Where storage devices are attached: the adapters of a machine, their units, and the choice of a free one."""

from collections.abc import Mapping
from typing import Any

from gateway.simulator import errors
from gateway.simulator.machine import Address, VirtualMachine

__all__ = ["address_info", "allocate_address"]

# The maximum number of adapters of each type, and the number of units of each adapter.
_BUSES = {"IDE": 2, "SCSI": 4, "SATA": 4, "NVME": 4}
_UNITS = {"IDE": 2, "SCSI": 16, "SATA": 30, "NVME": 15}
_SCSI_ADAPTER_UNIT = 7


def address_info(address: Address) -> dict[str, Any]:
    """The type of the adapter and the address on it, as in the `info` structures of storage devices."""
    if address.adapter == "IDE":
        return {"type": "IDE", "ide": {"primary": address.bus == 0, "master": address.unit == 0}}
    return {"type": address.adapter, address.adapter.lower(): {"bus": address.bus, "unit": address.unit}}


def allocate_address(machine: VirtualMachine, adapter: str, spec: Mapping[str, Any] | None) -> Address:
    """The address that a spec requests, if it is free; what the spec omits is the first free value.

    INVALID_ARGUMENT for an address that no adapter has, UNABLE_TO_ALLOCATE_RESOURCE if the adapter is missing or full,
    RESOURCE_IN_USE for a specific address that is taken.
    """
    bus, unit = _requested(adapter, spec or {})
    _require_within_bounds(adapter, bus, unit)
    present = _buses(machine, adapter)
    if bus is not None and bus not in present:
        raise errors.unable_to_allocate(
            "com.vmware.api.vcenter.vm.device.adapter_not_found",
            "The virtual machine {0} has no {1} adapter with bus number {2}.",
            machine.vm,
            adapter,
            str(bus),
        )
    occupied = machine.occupied_addresses()
    if bus is not None and unit is not None:
        if Address(adapter, bus, unit) in occupied:
            raise errors.resource_in_use(
                "com.vmware.api.vcenter.vm.device.address_in_use",
                "The address {0}:{1} of the {2} adapters is in use.",
                str(bus),
                str(unit),
                adapter,
            )
        return Address(adapter, bus, unit)
    for address in (Address(adapter, number, position) for number in present for position in _units(adapter)):
        if address not in occupied and bus in (None, address.bus) and unit in (None, address.unit):
            return address
    raise errors.unable_to_allocate(
        "com.vmware.api.vcenter.vm.device.no_free_address",
        "The virtual machine {0} has no free address on its {1} adapters.",
        machine.vm,
        adapter,
    )


def _requested(adapter: str, spec: Mapping[str, Any]) -> tuple[int | None, int | None]:
    """Bus and unit, None for what the spec omits."""
    if adapter != "IDE":
        return spec.get("bus"), spec.get("unit")
    primary, master = spec.get("primary"), spec.get("master")
    return None if primary is None else int(not primary), None if master is None else int(not master)


def _require_within_bounds(adapter: str, bus: int | None, unit: int | None) -> None:
    shown = ["-" if number is None else str(number) for number in (bus, unit)]
    if (bus is not None and bus not in range(_BUSES[adapter])) or (
        unit is not None and unit not in range(_UNITS[adapter])
    ):
        raise errors.invalid_argument(
            "com.vmware.api.vcenter.vm.device.address_out_of_bounds",
            "The address {0}:{1} is out of bounds for {2} adapters.",
            *shown,
            adapter,
        )
    if adapter == "SCSI" and unit == _SCSI_ADAPTER_UNIT:
        raise errors.invalid_argument(
            "com.vmware.api.vcenter.vm.device.address_reserved",
            "The address {0}:{1} is reserved for the SCSI adapter itself.",
            *shown,
        )


def _buses(machine: VirtualMachine, adapter: str) -> list[int]:
    """The buses of the machine's adapters of a type. The two IDE adapters are part of the mainboard."""
    match adapter:
        case "IDE":
            return [0, 1]
        case "SCSI":
            return sorted(item.bus for item in machine.scsi_adapters.values())
        case "SATA":
            return sorted(machine.sata_adapters.values())
        case _:
            return sorted(machine.nvme_adapters.values())


def _units(adapter: str) -> list[int]:
    return [unit for unit in range(_UNITS[adapter]) if adapter != "SCSI" or unit != _SCSI_ADAPTER_UNIT]
