"""com.vmware.vcenter.vm.hardware.boot: the firmware, and its behavior when the machine starts."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from gateway.simulator import errors
from gateway.simulator.guest_defaults import hardware_version
from gateway.simulator.machine import Boot, VirtualMachine, invalid_power_state
from gateway.simulator.registry import Call, Json, operation

__all__ = ["boot_info", "get", "update"]

_SERVICE = "com.vmware.vcenter.vm.hardware.boot"
_MESSAGES = "com.vmware.api.vcenter.vm.hardware.boot"

_EFI_FIELDS = ("efi_legacy_boot", "network_protocol")
_EFI_SINCE = 8
# In milliseconds; the firmware counts with 32 bits.
_DELAYS = range(1 << 31)


def boot_info(machine: VirtualMachine) -> Json:
    """The boot settings as `get` returns them."""
    info = asdict(machine.boot)
    if machine.boot.type != "EFI":
        for name in _EFI_FIELDS:
            del info[name]
    return info


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """The boot settings."""
    return boot_info(call.vm)


@operation(_SERVICE, "update")
def update(call: Call) -> None:
    """Changes the fields in the spec: the firmware only of a powered-off machine, everything else in every power
    state."""
    machine = call.vm
    changes = {name: value for name, value in call.spec.items() if value is not None}
    wanted = replace(machine.boot, **changes)
    _require_valid_delays(changes)
    _require_supported(machine, wanted)
    if wanted.type != machine.boot.type and machine.power_state != "POWERED_OFF":
        # The operation has no separate type for this.
        text = "The firmware type can only be changed while the virtual machine is powered off."
        messages = [
            errors.Message(f"{_MESSAGES}.type_not_powered_off", text),
            invalid_power_state(machine.power_state),
        ]
        raise errors.VapiError("ERROR", messages)
    machine.boot = wanted


def _require_valid_delays(changes: Mapping[str, Any]) -> None:
    """INVALID_ARGUMENT for an invalid delay."""
    for name in ("delay", "retry_delay"):
        if name in changes and changes[name] not in _DELAYS:
            raise errors.invalid_argument(
                f"{_MESSAGES}.{name}_out_of_range",
                "The value {0} of " + name + " is not between 0 and {1} milliseconds.",
                str(changes[name]),
                str(_DELAYS[-1]),
            )


def _require_supported(machine: VirtualMachine, wanted: Boot) -> None:
    """INVALID_ARGUMENT for a change to EFI on hardware that does not support it."""
    if wanted.type == "EFI" and machine.boot.type != "EFI" and hardware_version(machine) < _EFI_SINCE:
        raise errors.invalid_argument(
            f"{_MESSAGES}.efi_not_supported",
            "The firmware type EFI is not supported by the hardware version '{0}'.",
            machine.hardware_version,
        )
