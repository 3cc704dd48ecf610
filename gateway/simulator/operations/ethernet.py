"""com.vmware.vcenter.vm.hardware.ethernet: the virtual Ethernet adapters, and their networks."""

import re
from collections import Counter
from collections.abc import Mapping
from itertools import count
from typing import Any

from gateway.simulator import errors
from gateway.simulator.devices import NIC, device_info, update_flags
from gateway.simulator.guest_defaults import guest_defaults, hardware_version, require_hardware_version
from gateway.simulator.inventory import Inventory, nic_backing
from gateway.simulator.machine import Nic, VirtualMachine, invalid_power_state
from gateway.simulator.registry import Call, Json, operation

__all__ = ["create", "delete", "nic_info", "update"]

# Maximum number of nics of a machine, and that of hardware before version 7.
_LIMIT, _OLD_LIMIT, _LIMIT_SINCE = 10, 4, 7
# Slot, bridge and function number take 13 bits.
_PCI_SLOTS = range(1 << 13)
# Initial number of ports of a distributed port group, which grows when they are used up.
_PORTS = 128

_MAC = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){5}", re.IGNORECASE)
_UPT = ("upt_compatibility_enabled", "upt_v2_compatibility_enabled")


def nic_info(nic: Nic) -> Json:
    """The Ethernet adapter as `get` returns it."""
    info: dict[str, Any] = {
        **device_info(nic),
        "type": nic.type,
        "mac_type": nic.mac_type,
        "mac_address": nic.mac_address,
        "pci_slot_number": nic.pci_slot_number,
        "wake_on_lan_enabled": nic.wake_on_lan_enabled,
    }
    if nic.type == "VMXNET3":
        info |= {name: getattr(nic, name) for name in _UPT}
    return {name: value for name, value in info.items() if value is not None}


NIC.register(nic_info)


@operation(NIC.service, "create")
def create(call: Call) -> Json:
    """Adds an Ethernet adapter in any power state but suspended; it is not connected before the next power-on."""
    machine, spec = call.vm, call.spec
    _require_not_suspended(machine)
    key = NIC.free_key(machine, _LIMIT if hardware_version(machine) >= _LIMIT_SINCE else _OLD_LIMIT)
    kind = _emulation_type(machine, spec)
    mac_type = spec.get("mac_type") or "ASSIGNED"
    slot = spec.get("pci_slot_number")
    if slot is not None and slot not in _PCI_SLOTS:
        raise _invalid("pci_slot_number", str(slot), "it is no address on the PCI bus")
    nic = Nic(
        NIC.free_label(machine),
        _backing(call.inventory, spec.get("backing")),
        type=kind,
        mac_type=mac_type,
        mac_address=_manual_mac(mac_type, spec.get("mac_address")),
        pci_slot_number=slot,
        wake_on_lan_enabled=bool(spec.get("wake_on_lan_enabled")),
        upt_compatibility_enabled=bool(spec.get("upt_compatibility_enabled")),
        upt_v2_compatibility_enabled=spec.get("upt_v2_compatibility_enabled"),
    )
    if mac_type == "ASSIGNED":
        nic.mac_address = call.inventory.next_mac()
    NIC.add(call, key, nic)
    if machine.power_state == "POWERED_ON":
        machine.settle_nics()
    return key


@operation(NIC.service, "update")
def update(call: Call) -> None:
    """Changes the configuration of an Ethernet adapter, in any power state."""
    nic, spec = NIC.find(call), call.spec
    _require_upt_fits(nic.type, spec)
    mac_type = spec.get("mac_type") or nic.mac_type
    mac_address = nic.mac_address
    if spec.get("mac_type") is not None or spec.get("mac_address") is not None:
        mac_address = _manual_mac(mac_type, spec.get("mac_address")) or _automatic_mac(call, nic, mac_type)
    backing = spec.get("backing")
    if backing is not None:
        nic.backing = _backing(call.inventory, backing, nic)
    nic.mac_type, nic.mac_address = mac_type, mac_address
    for name in (*_UPT, "wake_on_lan_enabled"):
        if spec.get(name) is not None:
            setattr(nic, name, spec[name])
    update_flags(nic, spec)


@operation(NIC.service, "delete")
def delete(call: Call) -> None:
    """Removes an Ethernet adapter, also from a running machine; also removes it from the boot devices."""
    NIC.find(call)
    machine, key = call.vm, call.path["nic"]
    _require_not_suspended(machine)
    del machine.nics[key]
    machine.boot_devices = [device for device in machine.boot_devices if device.get("nic") != key]


def _require_not_suspended(machine: VirtualMachine) -> None:
    """The hardware of a suspended machine is fixed. For nics, vCenter's only type for this is ERROR."""
    if machine.power_state == "SUSPENDED":
        raise errors.VapiError("ERROR", [invalid_power_state(machine.power_state)])


def _emulation_type(machine: VirtualMachine, spec: Mapping[str, Any]) -> str:
    kind: str = spec.get("type") or guest_defaults(machine).nic
    require_hardware_version(machine, kind)
    return kind


def _require_upt_fits(kind: str, spec: Mapping[str, Any]) -> None:
    for name in _UPT:
        if kind != "VMXNET3" and spec.get(name) is not None:
            raise _invalid(name, str(spec[name]).lower(), f"it is not relevant for the type {kind}")


def _manual_mac(mac_type: str, address: str | None) -> str | None:
    """The address in the spec, which requires the type MANUAL and is invalid with any other."""
    if mac_type != "MANUAL":
        if address is not None:
            raise _invalid("mac_address", address, f"it is not relevant when mac_type is {mac_type}")
        return None
    if address is None:
        raise _invalid("mac_address", "", "it is required when mac_type is MANUAL")
    if not _MAC.fullmatch(address):
        raise _invalid("mac_address", address, "it is not of the form 00:50:56:00:00:00")
    if int(address[:2], 16) & 1:
        raise _invalid("mac_address", address, "it is a multicast address")
    if not int(address.replace(":", ""), 16):
        raise _invalid("mac_address", address, "it is reserved")
    return address.lower()


def _automatic_mac(call: Call, nic: Nic, mac_type: str) -> str | None:
    if mac_type == nic.mac_type:
        return nic.mac_address
    return call.inventory.next_mac() if mac_type == "ASSIGNED" else call.vm.generated_mac()


def _backing(inventory: Inventory, spec: Mapping[str, Any] | None, nic: Nic | None = None) -> dict[str, Any]:
    """The backing for a backing spec; without a spec, the first standard port group."""
    if spec is None:
        return nic_backing(inventory, _default_network(inventory), "")
    kind = spec["type"]
    if kind == "HOST_DEVICE":
        raise _invalid("backing_type", kind, "it cannot be used for new backings")
    network = inventory.networks.get(spec["network"])
    if network is None:
        raise errors.not_found("network", spec["network"])
    if network.type != kind:
        raise _invalid("backing_network", spec["network"], f"it is not a network of type {kind}")
    port = ""
    if kind == "DISTRIBUTED_PORTGROUP":
        port = _port(inventory, spec["network"], spec.get("distributed_port"), nic)
    return nic_backing(inventory, spec["network"], port)


def _default_network(inventory: Inventory) -> str:
    for network in inventory.networks.values():
        if network.type == "STANDARD_PORTGROUP":
            return network.network
    raise errors.invalid_argument(
        "com.vmware.api.vcenter.vm.hardware.ethernet.no_backing",
        "No network was found that could back the Ethernet adapter.",
    )


def _port(inventory: Inventory, network: str, wanted: str | None, nic: Nic | None) -> str:
    """A port of a distributed port group with static binding: the requested one, otherwise the first unused one."""
    own: dict[str, Any] = nic.backing if nic is not None and nic.backing.get("network") == network else {}
    taken = +(inventory.usage.ports(network) - Counter([own["distributed_port"]] if "distributed_port" in own else ()))
    if wanted is None:
        return own.get("distributed_port") or next(port for port in map(str, count()) if port not in taken)
    if wanted in taken:
        raise errors.error("vmsg.ResourceInUse.summary", "The resource '{0}' is in use.", wanted)
    if wanted not in map(str, range(_PORTS)):
        raise _invalid("distributed_port", wanted, f"the port group {network} has no such port")
    return wanted


def _invalid(field: str, value: str, reason: str) -> errors.VapiError:
    return errors.invalid_argument(
        f"com.vmware.api.vcenter.vm.hardware.ethernet.invalid_{field}",
        "The value '{1}' of {0} is invalid: {2}.",
        field,
        value,
        reason,
    )
