"""Folders: creating, renaming and deleting them, and moving machines and folders; and deleting machines."""

from collections.abc import Callable
from dataclasses import replace

from gateway.simulator.machine import VirtualMachine
from gateway.simulator.places import Folder
from gateway.simulator.sessions import WRITE
from gateway.simulator.vim.faults import VimError, invalid_argument, invalid_power_state, not_found
from gateway.simulator.vim.machine_properties import POWER_STATES
from gateway.simulator.vim.registry import VimCall, method
from gateway.simulator.vim.running import require_free, start, start_on
from gateway.simulator.vim.values import Ref, unescape_name
from gateway.simulator.vim.views import is_below

__all__: list[str] = []

_MAX_NAME = 80
_LETTERS = {"VIRTUAL_MACHINE": "v", "HOST": "h", "DATASTORE": "s", "NETWORK": "n", "DATACENTER": "d"}


@method("Folder", "CreateFolder", privilege=WRITE)
def _create(call: VimCall) -> Ref:
    folder: Folder = call.subject
    name = _free_name(call, folder, call.arguments.text("name"))
    places = call.world.inventory.places
    identifier = places.new_id(f"group-{_LETTERS[folder.type]}")
    places.folders[identifier] = Folder(identifier, name, folder.type, folder.folder, folder.datacenter)
    _restructured(call, folder.folder, identifier)
    return Ref("Folder", identifier)


@method("Folder", "Rename_Task", privilege=WRITE)
def _rename(call: VimCall) -> Ref:
    folder: Folder = call.subject
    name = call.arguments.text("newName")

    def work() -> None:
        above = call.world.inventory.places.folders.get(_require_own(call, folder))
        folder.name = folder.name if above is None else _free_name(call, above, name)
        _restructured(call, folder.folder)

    return start(call, "Rename_Task", call.this, work)


@method("Folder", "MoveIntoFolder_Task", privilege=WRITE)
def _move(call: VimCall) -> Ref:
    target: Folder = call.subject
    moved = [(ref, call.world.find(ref)) for ref in call.arguments.refs("list")]
    for ref, item in moved:
        if item is None:
            raise not_found(ref)
        is_fitting = isinstance(item, VirtualMachine) and target.type == "VIRTUAL_MACHINE"
        is_fitting = is_fitting or (isinstance(item, Folder) and item.type == target.type)
        if not is_fitting or _datacenter_of(item) != target.datacenter:
            raise VimError("NotSupported", "The object cannot be in this folder.")

    def work() -> None:
        for ref, item in moved:
            if isinstance(item, VirtualMachine):
                _move_machine(call, item, target)
            else:
                _move_folder(call, ref, item, target)

    return start(call, "MoveIntoFolder_Task", call.this, work)


def _move_machine(call: VimCall, machine: VirtualMachine, target: Folder) -> None:
    require_free(call, machine)
    if machine.placement.folder != target.folder:
        _free_name(call, target, machine.name)
    machine.placement = replace(machine.placement, folder=target.folder)
    call.world.inventory.changes.touched("VirtualMachine", machine.vm, user=call.own.user.name)


def _move_folder(call: VimCall, ref: Ref, folder: Folder, target: Folder) -> None:
    if folder is target or is_below(call.this, ref, call.world):
        raise invalid_argument("list")
    before = _require_own(call, folder)
    if before != target.folder:
        _free_name(call, target, folder.name)
    folder.parent = target.folder
    _restructured(call, before, target.folder, folder.folder)
    below = call.world.inventory.places.below(folder.folder)
    for machine in list(call.world.inventory.machines.values()):
        if machine.placement.folder in below:
            call.world.inventory.changes.touched("VirtualMachine", machine.vm)


@method("Folder", "Destroy_Task", privilege=WRITE)
def _destroy(call: VimCall) -> Ref:
    folder: Folder = call.subject

    def work() -> None:
        above = _require_own(call, folder)
        inventory = call.world.inventory
        below = inventory.places.below(folder.folder)
        machines = [machine for machine in inventory.machines.values() if machine.placement.folder in below]
        for machine in machines:
            if machine.power_state != "POWERED_OFF":
                raise invalid_power_state("poweredOff", POWER_STATES[machine.power_state])
        for machine in machines:
            call.rest("com.vmware.vcenter.VM.delete", vm=machine.vm)
        for identifier in below:
            del inventory.places.folders[identifier]
        _restructured(call, above, *below)

    return start(call, "Destroy_Task", call.this, work)


@method("VirtualMachine", "Destroy_Task", privilege=WRITE)
def _destroy_machine(call: VimCall) -> Ref:
    machine = call.machine
    return start_on(call, machine, "Destroy_Task", _when_off(call, machine, "delete"))


@method("VirtualMachine", "UnregisterVM", privilege=WRITE)
def _unregister(call: VimCall) -> None:
    require_free(call, call.machine)
    _when_off(call, call.machine, "unregister")()


def _when_off(call: VimCall, machine: VirtualMachine, operation: str) -> Callable[[], None]:
    def work() -> None:
        if machine.power_state == "POWERED_ON" or (operation == "delete" and machine.power_state != "POWERED_OFF"):
            raise invalid_power_state("poweredOff", POWER_STATES[machine.power_state])
        call.rest(f"com.vmware.vcenter.VM.{operation}", vm=machine.vm)

    return work


def _free_name(call: VimCall, folder: Folder, escaped: str) -> str:
    """A name for a child of a folder; InvalidName for an invalid name, DuplicateName for one that is taken."""
    name = unescape_name(escaped)
    if not 0 < len(name) <= _MAX_NAME:
        raise VimError("InvalidName", f"The name '{name}' is invalid.", name=name)
    for ref in call.world.children(folder.folder):
        if call.world.find(ref).name == name:
            raise VimError("DuplicateName", f"The name '{name}' already exists.", name=name, object=ref)
    return name


def _require_own(call: VimCall, folder: Folder) -> str:
    """The parent folder; NotSupported for the root folder and those that vCenter creates in each datacenter."""
    if folder.parent is None or folder.parent not in call.world.inventory.places.folders:
        raise VimError("NotSupported", "The folder is one of vCenter's own.")
    return folder.parent


def _datacenter_of(item: VirtualMachine | Folder) -> str | None:
    return item.placement.datacenter if isinstance(item, VirtualMachine) else item.datacenter


def _restructured(call: VimCall, *folders: str) -> None:
    for folder in folders:
        call.world.inventory.changes.touched("Folder", folder)
    call.world.inventory.changes.restructured()
