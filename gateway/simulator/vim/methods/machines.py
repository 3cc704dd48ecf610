"""VirtualMachine: power, configuration, names and templates."""

from dataclasses import replace
from typing import Any

from gateway.simulator.machine import VirtualMachine
from gateway.simulator.placement import site_for, site_of
from gateway.simulator.sessions import WRITE
from gateway.simulator.vim.arguments import Arguments
from gateway.simulator.vim.faults import VimError, invalid_argument, invalid_power_state
from gateway.simulator.vim.machine_config import change_version
from gateway.simulator.vim.machine_properties import POWER_STATES
from gateway.simulator.vim.registry import VimCall, method
from gateway.simulator.vim.running import require_free, start_on
from gateway.simulator.vim.values import Ref, unescape_name

__all__ = ["require_name"]

_POWER = "com.vmware.vcenter.vm.power"
_HARDWARE = "com.vmware.vcenter.vm.hardware"
_MAX_NAME = 80
# The operation of the REST API for each method, and the state in which it does nothing.
_POWER_METHODS = {
    "PowerOnVM_Task": ("start", "POWERED_ON", "poweredOn"),
    "PowerOffVM_Task": ("stop", "POWERED_OFF", "poweredOff"),
    "SuspendVM_Task": ("suspend", "SUSPENDED", "suspended"),
    "ResetVM_Task": ("reset", None, "poweredOn"),
}


def _power(name: str) -> None:
    """Registers a method that changes the power state."""
    operation, idle, requested = _POWER_METHODS[name]

    @method("VirtualMachine", name, privilege=WRITE)
    def change(call: VimCall) -> Ref:
        machine = call.machine

        def work() -> None:
            state = machine.power_state
            if machine.question is not None:
                raise VimError("QuestionPending", text=machine.question.text)
            if state == idle or (operation in ("suspend", "reset") and state != "POWERED_ON"):
                raise invalid_power_state(requested, POWER_STATES[state])
            call.rest(f"{_POWER}.{operation}", vm=machine.vm)

        return start_on(call, machine, name, work)


for _name in _POWER_METHODS:
    _power(_name)


def _guest(name: str, operation: str) -> None:
    """Registers a method that sends the guest a request, without a task."""

    @method("VirtualMachine", name, privilege=WRITE)
    def ask(call: VimCall) -> None:
        machine = call.machine
        require_free(call, machine)
        if machine.power_state != "POWERED_ON":
            raise invalid_power_state("poweredOn", POWER_STATES[machine.power_state])
        if not machine.guest.tools_running(call.now):
            raise VimError("ToolsUnavailable", "VMware Tools is not running in the guest.")
        call.rest(f"com.vmware.vcenter.vm.guest.power.{operation}", vm=machine.vm)


for _name, _operation in (("ShutdownGuest", "shutdown"), ("RebootGuest", "reboot"), ("StandbyGuest", "standby")):
    _guest(_name, _operation)


@method("VirtualMachine", "ReconfigVM_Task", privilege=WRITE)
def _reconfigure(call: VimCall) -> Ref:
    spec, machine = call.arguments.need("spec"), call.machine
    if spec.has("deviceChange"):
        raise VimError("NotSupported", "The simulator changes devices by the REST API only.")
    return start_on(call, machine, "ReconfigVM_Task", lambda: _apply(call, machine, spec))


def _apply(call: VimCall, machine: VirtualMachine, spec: Arguments) -> None:
    version = spec.optional_text("changeVersion")
    if version is not None and version != change_version(machine):
        raise VimError("ConcurrentAccess", "The configuration was changed by somebody else meanwhile.")
    name = spec.optional_text("name")
    if name is not None:
        require_name(call, machine, unescape_name(name))
    before = replace(machine.cpu), replace(machine.memory)
    try:
        _change(call, machine, "cpu", count=spec.number("numCPUs"), cores_per_socket=spec.number("numCoresPerSocket"),
                hot_add_enabled=spec.optional_flag("cpuHotAddEnabled"),
                hot_remove_enabled=spec.optional_flag("cpuHotRemoveEnabled"))  # fmt: skip
        _change(call, machine, "memory", size_MiB=spec.number("memoryMB"),
                hot_add_enabled=spec.optional_flag("memoryHotAddEnabled"))  # fmt: skip
    except Exception:
        machine.cpu, machine.memory = before
        raise
    options = spec.find("bootOptions")
    if options is not None:
        _change(call, machine, "boot", delay=options.number("bootDelay"), retry=options.optional_flag(
            "bootRetryEnabled"), enter_setup_mode=options.optional_flag("enterBIOSSetup"))  # fmt: skip
        _secure_boot(machine, options.optional_flag("efiSecureBootEnabled"))
    if name is not None:
        call.world.inventory.machines.rename(machine, unescape_name(name))
    annotation = spec.optional_text("annotation")
    machine.annotation = machine.annotation if annotation is None else annotation
    for option in spec.all("extraConfig"):
        key, value = option.text("key"), option.optional_text("value") or ""
        if value:
            machine.extra_config[key] = value
        else:
            machine.extra_config.pop(key, None)
    _changed(call, machine)


def _secure_boot(machine: VirtualMachine, wanted: bool | None) -> None:
    if wanted is None or wanted is machine.secure_boot:
        return
    if machine.power_state != "POWERED_OFF":
        raise invalid_power_state("poweredOff", POWER_STATES[machine.power_state])
    if machine.boot.type != "EFI":
        raise VimError("InvalidVmConfig", "Secure boot needs EFI firmware.", property="configSpec.bootOptions")
    machine.secure_boot = wanted


def _change(call: VimCall, machine: VirtualMachine, part: str, **spec: Any) -> None:
    given = {name: value for name, value in spec.items() if value is not None}
    if given:
        call.rest(f"{_HARDWARE}.{part}.update", given, vm=machine.vm)


@method("VirtualMachine", "Rename_Task", privilege=WRITE)
def _rename(call: VimCall) -> Ref:
    machine, name = call.machine, unescape_name(call.arguments.text("newName"))

    def work() -> None:
        require_name(call, machine, name)
        call.world.inventory.machines.rename(machine, name)
        _changed(call, machine)

    return start_on(call, machine, "Rename_Task", work)


def require_name(call: VimCall, machine: VirtualMachine, name: str) -> None:
    """InvalidName for an invalid name, DuplicateName for that of another machine in the folder."""
    if not 0 < len(name) <= _MAX_NAME:
        raise VimError("InvalidName", f"The name '{name}' is invalid.", name=name)
    others = call.world.inventory.machines.named(name, machine.placement.folder)
    taken = next((other for other in others if other is not machine), None)
    if taken is not None:
        raise VimError(
            "DuplicateName",
            f"The name '{name}' already exists.",
            name=name,
            object=Ref("VirtualMachine", taken.vm),
        )


@method("VirtualMachine", "MarkAsTemplate", privilege=WRITE)
def _mark_as_template(call: VimCall) -> None:
    machine = call.machine
    require_free(call, machine)
    if machine.template:
        raise VimError("NotSupported", "The virtual machine is a template already.")
    if machine.power_state != "POWERED_OFF":
        raise invalid_power_state("poweredOff", POWER_STATES[machine.power_state])
    machine.template = True
    _changed(call, machine)


@method("VirtualMachine", "MarkAsVirtualMachine", privilege=WRITE)
def _mark_as_machine(call: VimCall) -> None:
    machine = call.machine
    require_free(call, machine)
    if not machine.template:
        raise VimError("NotSupported", "The virtual machine is no template.")
    call.find("pool")
    host = call.arguments.optional_ref("host")
    placement = {"resource_pool": call.arguments.ref("pool").id, "host": None if host is None else host.id}
    inventory = call.world.inventory
    machine.placement = site_for(inventory, placement, site_of(inventory, machine)).placement
    machine.template = False
    _changed(call, machine)


@method("VirtualMachine", "AnswerVM", privilege=WRITE)
def _answer(call: VimCall) -> None:
    machine = call.machine
    question = machine.question
    if question is None or question.id != call.arguments.text("questionId"):
        raise VimError("ConcurrentAccess", "The question has been answered, or was never asked.")
    if call.arguments.text("answerChoice") not in question.choices:
        raise invalid_argument("answerChoice")
    machine.question = None
    call.world.inventory.changes.touched("VirtualMachine", machine.vm, user=call.own.user.name)


def _changed(call: VimCall, machine: VirtualMachine) -> None:
    call.world.inventory.changes.touched("VirtualMachine", machine.vm, user=call.own.user.name, reconfigured=True)
