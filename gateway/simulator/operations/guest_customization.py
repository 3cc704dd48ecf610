"""com.vmware.vcenter.vm.guest.customization: changes to the guest at its machine's next power-on."""

from gateway.simulator import errors
from gateway.simulator.clock import timestamp
from gateway.simulator.customization import plan, stored, supports
from gateway.simulator.guest import Customization
from gateway.simulator.guest_access import guest_of
from gateway.simulator.registry import Call, Json, operation

__all__ = ["check", "get", "set_"]

_SERVICE = "com.vmware.vcenter.vm.guest.customization"


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """The state of the customization, or the outcome of the last one."""
    guest = guest_of(call)
    started = guest.customization
    if guest.pending_customization is not None:
        return {"status": "PENDING"}
    if started is None:
        return {"status": "IDLE"}
    if started.error is None and (guest.suspended or call.now()) < started.start:
        return {"status": "PENDING"}
    return _progress(started)


@operation(_SERVICE, "set")
def set_(call: Call) -> None:
    """Plans a customization, which replaces a pending one. An empty specification cancels the plan."""
    machine, spec = call.vm, call.spec
    machine.require_powered_off(
        "com.vmware.api.vcenter.vm.guest.customization.not_powered_off", "Virtual machine is not powered off."
    )
    name, inline = spec.get("name"), spec.get("spec")
    if name is not None and inline is not None:
        raise errors.invalid_argument(
            "com.vmware.api.vcenter.vm.guest.customization.name_and_spec",
            "Either the name of a customization specification or the specification itself may be given, not both.",
        )
    if name is not None:
        inline = stored(call.inventory.customization_specs, name)
    guest_of(call).pending_customization = None if inline is None else plan(inline, machine)


@operation(_SERVICE, "check")
def check(call: Call) -> Json:
    """Whether a customization can be planned now, and if not, which of its two conditions is not met."""
    conditions = {
        "supported_guest_os": supports(call.vm),
        "supported_power_state": call.vm.power_state == "POWERED_OFF",
    }
    return {"check_status": "SUPPORTED" if all(conditions.values()) else "NOT_SUPPORTED", **conditions}


def _progress(started: Customization) -> Json:
    times = {"start_time": timestamp(started.start)}
    if started.error is None and not started.applied:
        return {"status": "RUNNING", **times}
    times["end_time"] = timestamp(started.end)
    if started.error is None:
        return {"status": "SUCCEEDED", **times}
    return {"status": "FAILED", "error": started.error, **times}
