"""com.vmware.vcenter.vm.evc_mode: the EVC mode of a single machine."""

from gateway.simulator import errors
from gateway.simulator.evc import require_valid
from gateway.simulator.registry import Call, Json, operation

__all__ = ["get", "set_task"]

_SERVICE = "com.vmware.vcenter.vm.evc_mode"


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """The mode, if the machine has its own."""
    return {} if call.vm.evc_mode is None else {"evc_mode": call.vm.evc_mode}


@operation(_SERVICE, "set_task")
def set_task(call: Call) -> Json:
    """Starts to set or remove the mode; the task fails if the machine is not powered off."""
    machine, mode = call.vm, call.spec.get("evc_mode")
    if mode is not None:
        require_valid(mode)

    def work() -> None:
        if machine.power_state != "POWERED_OFF":
            raise errors.error(
                "vmsg.InvalidPowerState.summary",
                "The EVC mode can only be changed while the virtual machine is powered off.",
            )
        machine.evc_mode = mode

    return call.inventory.tasks.start(
        call.operation,
        call.user.name,
        call.now(),
        call.inventory.transition,
        work,
        target=("VirtualMachine", machine.vm),
    ).task
