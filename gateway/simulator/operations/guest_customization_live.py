"""com.vmware.vcenter.vm.guest.customization_live: changes to a running guest."""

from typing import Any

from gateway.simulator import errors
from gateway.simulator.clock import timestamp
from gateway.simulator.customization import Spec, plan, stored
from gateway.simulator.guest import Customization
from gateway.simulator.guest_access import account_of, guest_of
from gateway.simulator.registry import Call, Json, operation

__all__ = ["get", "run_task"]

_SERVICE = "com.vmware.vcenter.vm.guest.customization_live"
_MESSAGES = "com.vmware.api.vcenter.vm.guest.customization_live"


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """The state of the customization, or the outcome of the last one."""
    run = guest_of(call).live_customization
    if run is None:
        return {"status": "NOT_AVAILABLE"}
    info: dict[str, Any] = {"status": "RUNNING", "start_time": timestamp(run.start)}
    if run.error is not None:
        error = {"id": f"{_MESSAGES}.failed", "default_message": run.error, "args": []}
        return {**info, "status": "FAILED", "error": error, "end_time": timestamp(run.end)}
    if run.applied:
        return {**info, "status": "SUCCEEDED", "end_time": timestamp(run.end)}
    return info


@operation(_SERVICE, "run_task")
def run_task(call: Call) -> Json:
    """Starts to customize the guest of a running machine; the task reports whether the guest accepts the account."""
    machine, guest, auth = call.vm, guest_of(call), call.spec["auth"]
    machine.require_powered_on(f"{_MESSAGES}.not_powered_on", "Virtual machine is not powered on.")
    if not guest.tools_running(call.now()):
        raise errors.not_allowed(
            f"{_MESSAGES}.engine_not_running",
            "The Guest Customization Engine does not run in the virtual machine '{0}'.",
            machine.vm,
        )
    wanted = plan(_spec(call), machine)
    run = Customization(wanted, call.now(), call.now() + guest.transition)
    guest.live_customization, guest.pending_customization = run, None

    def work() -> None:
        if run.error is None:
            try:
                account_of(guest, {"type": "USERNAME_PASSWORD", **auth})
            except errors.VapiError as failure:
                run.error = failure.messages[0].default_message
                raise
            run.applied = True
            guest.apply(wanted)
            return
        raise errors.error(f"{_MESSAGES}.failed", run.error)

    def release() -> None:
        if not run.applied and run.error is None:
            run.error, run.end = "The customization was canceled.", call.now()

    return call.inventory.tasks.start(
        call.operation,
        call.user.name,
        call.now(),
        guest.transition,
        work,
        target=("VirtualMachine", machine.vm),
        release=release,
    ).task


def _spec(call: Call) -> Spec:
    """The stored or the given specification; only Linux is supported, without scripts."""
    name, spec = call.spec.get("name"), call.spec.get("spec")
    if name is not None:
        spec = stored(call.inventory.customization_specs, name, "INVALID_ARGUMENT")
    if spec is None:
        raise _invalid("name_or_spec", "The name of a customization specification or the specification must be given.")
    linux = spec["configuration_spec"].get("linux_config")
    if linux is None or linux.get("script_text") is not None:
        raise _invalid("not_supported", "Live customization supports linux_config without script_text only.")
    return spec  # type: ignore[no-any-return]


def _invalid(reason: str, text: str) -> errors.VapiError:
    return errors.invalid_argument(f"{_MESSAGES}.{reason}", text)
