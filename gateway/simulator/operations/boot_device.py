"""com.vmware.vcenter.vm.hardware.boot.device: the devices from which the machine tries to boot, in order."""

from collections.abc import Mapping
from itertools import chain
from typing import Any

from gateway.simulator import errors
from gateway.simulator.machine import VirtualMachine
from gateway.simulator.registry import Call, Json, operation

__all__ = ["get", "set_"]

_SERVICE = "com.vmware.vcenter.vm.hardware.boot.device"
_MESSAGES = "com.vmware.api.vcenter.vm.hardware.boot.device"


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """The entries in order; an empty list is the firmware's default order."""
    return call.vm.boot_devices


@operation(_SERVICE, "set")
def set_(call: Call) -> None:
    """Replaces all entries: one for each kind of device, and for the network as many as there are nics."""
    machine, entries = call.vm, call.spec["devices"]
    kinds = [entry["type"] for entry in entries]
    for kind in kinds:
        if kind != "ETHERNET" and kinds.count(kind) > 1:
            raise errors.invalid_argument(
                f"{_MESSAGES}.duplicate_type", "The device type {0} appears in more than one entry.", kind
            )
    named = list(chain.from_iterable(map(_devices, entries)))
    for device in named:
        if named.count(device) > 1:
            raise errors.invalid_argument(
                f"{_MESSAGES}.duplicate_device", "The device {0} appears more than once.", device
            )
        _require_present(machine, device)
    machine.boot_devices = [{name: value for name, value in entry.items() if value is not None} for entry in entries]


def _devices(entry: Mapping[str, Any]) -> list[str]:
    """The devices of an entry."""
    match entry["type"]:
        case "DISK":
            return list(entry["disks"])
        case "ETHERNET":
            return [entry["nic"]]
        case _:
            return []


def _require_present(machine: VirtualMachine, device: str) -> None:
    if device not in machine.disks and device not in machine.nics:
        raise errors.device_not_found(device, machine.vm)
