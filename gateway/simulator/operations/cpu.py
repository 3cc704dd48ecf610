"""com.vmware.vcenter.vm.hardware.cpu: the number of virtual CPUs, and whether it can change on a running machine."""

from dataclasses import asdict, replace

from gateway.simulator import errors
from gateway.simulator.guest_defaults import hardware_version
from gateway.simulator.limits import HOT_PLUG_SINCE, max_cpus
from gateway.simulator.machine import Cpu, VirtualMachine
from gateway.simulator.registry import Call, Json, operation

__all__ = ["cpu_info", "get", "update"]

_SERVICE = "com.vmware.vcenter.vm.hardware.cpu"
_MESSAGES = "com.vmware.api.vcenter.vm.hardware.cpu"
_HOT_PLUG_FLAGS = ("hot_add_enabled", "hot_remove_enabled")


def cpu_info(machine: VirtualMachine) -> Json:
    """The CPU settings as `get` returns them."""
    return asdict(machine.cpu)


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """The CPU settings."""
    return cpu_info(call.vm)


@operation(_SERVICE, "update")
def update(call: Call) -> None:
    """Changes the fields in the spec; the number of cores also of a running machine that allows it."""
    machine = call.vm
    changes = {name: value for name, value in call.spec.items() if value is not None}
    wanted = replace(machine.cpu, **changes)
    _require_valid(machine, wanted)
    if machine.power_state != "POWERED_OFF":
        if any(name in changes for name in _HOT_PLUG_FLAGS):
            raise machine.not_allowed_in_power_state(
                f"{_MESSAGES}.hot_plug_not_powered_off",
                "CPU hot add and hot remove can only be enabled or disabled while the virtual machine is powered off.",
            )
        _require_hot_pluggable(machine, wanted)
    machine.cpu = wanted


def _require_valid(machine: VirtualMachine, wanted: Cpu) -> None:
    """INVALID_ARGUMENT for values that are invalid for this machine in every power state."""
    limit = max_cpus(machine)
    if not 1 <= wanted.count <= limit:
        raise errors.invalid_argument(
            f"{_MESSAGES}.count_out_of_range",
            "The number of CPU cores must be between 1 and {1}, not {0}.",
            str(wanted.count),
            str(limit),
        )
    if wanted.cores_per_socket < 1 or wanted.count % wanted.cores_per_socket:
        raise errors.invalid_argument(
            f"{_MESSAGES}.count_not_multiple",
            "The number of CPU cores ({0}) must be a multiple of the number of cores per socket ({1}).",
            str(wanted.count),
            str(wanted.cores_per_socket),
        )
    if (wanted.hot_add_enabled or wanted.hot_remove_enabled) and hardware_version(machine) < HOT_PLUG_SINCE:
        raise errors.invalid_argument(
            "vmsg.CpuHotPlugNotSupported.summary", "CPU hot plug is not supported for this virtual machine."
        )


def _require_hot_pluggable(machine: VirtualMachine, wanted: Cpu) -> None:
    """NOT_ALLOWED_IN_CURRENT_STATE unless a machine that is not powered off supports the change."""
    current = machine.cpu
    if wanted.cores_per_socket != current.cores_per_socket:
        raise machine.not_allowed_in_power_state(
            f"{_MESSAGES}.cores_per_socket_not_powered_off",
            "The number of cores per socket can only be changed while the virtual machine is powered off.",
        )
    if wanted.count > current.count and not current.hot_add_enabled:
        raise machine.not_allowed_in_power_state(
            f"{_MESSAGES}.hot_add_disabled",
            "CPUs cannot be added because CPU hot add is disabled and the virtual machine is not powered off.",
        )
    if wanted.count < current.count and not current.hot_remove_enabled:
        raise machine.not_allowed_in_power_state(
            f"{_MESSAGES}.hot_remove_disabled",
            "CPUs cannot be removed because CPU hot remove is disabled and the virtual machine is not powered off.",
        )
    if wanted.count != current.count and machine.power_state == "SUSPENDED":
        raise machine.not_allowed_in_power_state(
            f"{_MESSAGES}.suspended", "The number of CPUs cannot be changed while the virtual machine is suspended."
        )
