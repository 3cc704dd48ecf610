"""com.vmware.vcenter.vm.hardware.memory: the size of the memory, and whether it can grow on a running machine."""

from typing import Any

from gateway.simulator import errors
from gateway.simulator.guest_defaults import hardware_version
from gateway.simulator.limits import HOT_PLUG_SINCE, max_memory_mib
from gateway.simulator.machine import VirtualMachine
from gateway.simulator.registry import Call, Json, operation

__all__ = ["get", "memory_info", "update"]

_SERVICE = "com.vmware.vcenter.vm.hardware.memory"
_MESSAGES = "com.vmware.api.vcenter.vm.hardware.memory"

# In MiB: the unit of every size, and the unit of changes to a running machine.
_GRANULARITY = 4
_HOT_ADD_INCREMENT = 128
_HOT_ADD_FACTOR = 16


def memory_info(machine: VirtualMachine) -> Json:
    """The memory settings as `get` returns them; while the machine runs, with the limits for adding memory."""
    memory = machine.memory
    info: dict[str, Any] = {"size_MiB": memory.size_mib, "hot_add_enabled": memory.hot_add_enabled}
    if machine.power_state == "POWERED_ON":
        info["hot_add_increment_size_MiB"] = _HOT_ADD_INCREMENT if memory.hot_add_enabled else 0
        info["hot_add_limit_MiB"] = _hot_add_limit(machine) if memory.hot_add_enabled else memory.size_mib
    return info


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """The memory settings."""
    return memory_info(call.vm)


@operation(_SERVICE, "update")
def update(call: Call) -> None:
    """Changes the fields in the spec; a running machine that allows it can get more memory."""
    machine, memory = call.vm, call.vm.memory
    size, hot_add = call.spec.get("size_MiB"), call.spec.get("hot_add_enabled")
    if size is not None:
        _require_valid_size(machine, size)
    if hot_add and hardware_version(machine) < HOT_PLUG_SINCE:
        raise errors.invalid_argument(
            "vmsg.MemoryHotPlugNotSupported.summary", "Memory hot plug is not supported for this virtual machine."
        )
    if machine.power_state != "POWERED_OFF":
        if hot_add is not None:
            raise machine.not_allowed_in_power_state(
                f"{_MESSAGES}.hot_add_not_powered_off",
                "Memory hot add can only be enabled or disabled while the virtual machine is powered off.",
            )
        if size is not None:
            _require_hot_addable(machine, size)
    memory.size_mib = memory.size_mib if size is None else size
    memory.hot_add_enabled = memory.hot_add_enabled if hot_add is None else hot_add


def _hot_add_limit(machine: VirtualMachine) -> int:
    return min(_HOT_ADD_FACTOR * machine.memory.power_on_size_mib, max_memory_mib(machine))


def _require_valid_size(machine: VirtualMachine, size: int) -> None:
    """INVALID_ARGUMENT for a size that is invalid for this machine in every power state."""
    limit = max_memory_mib(machine)
    if not _GRANULARITY <= size <= limit:
        raise errors.invalid_argument(
            f"{_MESSAGES}.size_out_of_range",
            "The memory size must be between {1} and {2} MiB, not {0} MiB.",
            str(size),
            str(_GRANULARITY),
            str(limit),
        )
    if size % _GRANULARITY:
        raise _not_multiple(size, _GRANULARITY)


def _require_hot_addable(machine: VirtualMachine, size: int) -> None:
    """Rejects a size that is impossible for a machine that is not powered off."""
    memory = machine.memory
    if not memory.hot_add_enabled:
        raise machine.not_allowed_in_power_state(
            f"{_MESSAGES}.hot_add_disabled",
            "The memory size cannot be changed because memory hot add is disabled and the virtual machine is not "
            "powered off.",
        )
    if size == memory.size_mib:
        return
    if machine.power_state == "SUSPENDED":
        raise machine.not_allowed_in_power_state(
            f"{_MESSAGES}.suspended", "The memory size cannot be changed while the virtual machine is suspended."
        )
    if size < memory.size_mib:
        raise machine.not_allowed_in_power_state(
            f"{_MESSAGES}.hot_remove", "Memory can only be removed while the virtual machine is powered off."
        )
    limit = _hot_add_limit(machine)
    if size > limit:
        raise errors.invalid_argument(
            f"{_MESSAGES}.hot_add_limit_exceeded",
            "The memory of the running virtual machine cannot grow to {0} MiB, only to {1} MiB.",
            str(size),
            str(limit),
        )
    if size % _HOT_ADD_INCREMENT:
        raise _not_multiple(size, _HOT_ADD_INCREMENT)


def _not_multiple(size: int, increment: int) -> errors.VapiError:
    return errors.invalid_argument(
        f"{_MESSAGES}.size_not_multiple",
        "The memory size ({0} MiB) must be a multiple of {1} MiB.",
        str(size),
        str(increment),
    )
