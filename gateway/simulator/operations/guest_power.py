"""com.vmware.vcenter.vm.guest.power: requests to the guest operating system to shut down, reboot or sleep.

The response to a request is immediate, the effect comes some time later; until then, its tools no longer respond.
"""

from gateway.simulator import errors
from gateway.simulator.guest import Guest, PowerRequest, PowerState
from gateway.simulator.guest_access import guest_of, require_tools
from gateway.simulator.machine import VirtualMachine, invalid_power_state
from gateway.simulator.registry import Call, Json, operation

__all__ = ["get", "reboot", "shutdown", "standby"]

_SERVICE = "com.vmware.vcenter.vm.guest.power"


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """The guest's state, and whether it accepts another request."""
    guest = guest_of(call)
    ready = guest.tools_running(call.now())
    return {"state": _state(call.vm, guest, ready), "operations_ready": ready}


@operation(_SERVICE, "reboot")
def reboot(call: Call) -> None:
    """Requests a reboot of the guest."""
    machine = call.vm
    _require_no_template(machine)
    _require_powered_on(machine)
    guest = _guest_with_tools(call)
    guest.ask("REBOOT", call.now())


@operation(_SERVICE, "shutdown")
def shutdown(call: Call) -> None:
    """Requests a shutdown of the guest, which powers off the machine."""
    machine = call.vm
    _require_no_template(machine)
    if machine.power_state == "POWERED_OFF":
        raise _already(machine, "com.vmware.api.vcenter.vm.guest.power.already_powered_off", "powered off")
    _require_powered_on(machine)
    _ask(call, _guest_with_tools(call), "SHUTDOWN", "POWERED_OFF")


@operation(_SERVICE, "standby")
def standby(call: Call) -> None:
    """Requests standby of the guest, which suspends the machine."""
    machine = call.vm
    _require_no_template(machine)
    if machine.power_state == "SUSPENDED":
        raise _already(machine, "com.vmware.api.vcenter.vm.guest.power.already_suspended", "suspended")
    _require_powered_on(machine)
    _ask(call, _guest_with_tools(call), "STANDBY", "SUSPENDED")


def _state(machine: VirtualMachine, guest: Guest, ready: bool) -> str:
    if machine.inaccessible:
        return "UNAVAILABLE"
    if machine.power_state == "SUSPENDED" and guest.request == "STANDBY":
        return "STANDBY"
    if machine.power_state != "POWERED_ON":
        return "NOT_RUNNING"
    match guest.request:
        case "SHUTDOWN":
            return "SHUTTING_DOWN"
        case "REBOOT":
            return "RESETTING"
        case "STANDBY":
            return "RUNNING"
    return "RUNNING" if ready else "UNAVAILABLE"


def _ask(call: Call, guest: Guest, request: PowerRequest, result: PowerState) -> None:
    """Changes the machine's power state when the guest is done, unless another power change happens before."""
    machine = call.vm
    number = guest.ask(request, call.now())
    due = call.now() + guest.transition

    def finish() -> None:
        if guest.changes == number:
            machine.set_power_state(result, due, clean=result == "POWERED_OFF")
            call.inventory.changes.touched("VirtualMachine", machine.vm, user=call.user.name)

    call.inventory.schedule(due, finish)


def _guest_with_tools(call: Call) -> Guest:
    guest = guest_of(call)
    require_tools(call, guest)
    return guest


def _require_no_template(machine: VirtualMachine) -> None:
    if machine.template:
        raise errors.unsupported("vmsg.NotSupported.summary", "The operation is not supported on the object.")


def _require_powered_on(machine: VirtualMachine) -> None:
    machine.require_powered_on(
        "com.vmware.api.vcenter.vm.guest.power.not_powered_on", "Virtual machine is not powered on."
    )


def _already(machine: VirtualMachine, message_id: str, state: str) -> errors.VapiError:
    messages = [
        errors.Message(message_id, f"Virtual machine is already {state}."),
        invalid_power_state(machine.power_state),
    ]
    return errors.VapiError("ALREADY_IN_DESIRED_STATE", messages)
