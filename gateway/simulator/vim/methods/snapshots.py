"""Snapshots of machines: taking, reverting to, removing and renaming them."""

from collections.abc import Callable

from gateway.simulator import snapshots
from gateway.simulator.machine import Snapshot, VirtualMachine
from gateway.simulator.sessions import WRITE
from gateway.simulator.vim.faults import VimError, invalid_argument
from gateway.simulator.vim.registry import VimCall, method
from gateway.simulator.vim.running import require_free, start_on
from gateway.simulator.vim.values import Ref, unescape_name

__all__: list[str] = []

_MAX_NAME = 80


@method("VirtualMachine", "CreateSnapshot_Task", privilege=WRITE)
def _create(call: VimCall) -> Ref:
    return _take(call, "CreateSnapshot_Task", quiesce=call.arguments.flag("quiesce"))


@method("VirtualMachine", "CreateSnapshotEx_Task", privilege=WRITE)
def _create_ex(call: VimCall) -> Ref:
    spec = call.arguments.find("quiesceSpec")
    timeout = None if spec is None else spec.number("timeout")
    if timeout is not None and not 5 <= timeout <= 240:
        raise invalid_argument("quiesceSpec.timeout")
    return _take(call, "CreateSnapshotEx_Task", quiesce=spec is not None)


def _take(call: VimCall, name: str, *, quiesce: bool) -> Ref:
    machine, arguments = call.machine, call.arguments
    title = unescape_name(arguments.text("name"))
    description = arguments.optional_text("description") or ""
    memory = arguments.flag("memory")
    if not 0 < len(title) <= _MAX_NAME:
        raise VimError("InvalidName", f"The name '{title}' is invalid.", name=title)
    if machine.template:
        raise VimError("NotSupported", "A template has no snapshots.")

    def work() -> Ref:
        now = call.world.now
        if quiesce and machine.power_state == "POWERED_ON" and not machine.guest.tools_running(now):
            raise VimError("FilesystemQuiesceFault", "The file systems of the guest could not be quiesced.")
        identifier = f"snapshot-{next(call.world.snapshot_numbers)}"
        snapshots.take(machine, identifier, title, description, now, memory=memory, quiesced=quiesce)
        call.world.snapshot_owners[identifier] = machine
        _touch(call, machine)
        return Ref("VirtualMachineSnapshot", identifier)

    return start_on(call, machine, name, work)


@method("VirtualMachine", "RevertToCurrentSnapshot_Task", privilege=WRITE)
def _revert_to_current(call: VimCall) -> Ref:
    current = call.machine.snapshots.current
    if current is None:
        raise VimError("NotFound", "The virtual machine has no snapshot.")
    snapshot = call.machine.snapshots.by_id[current]
    return _revert(call, call.machine, "RevertToCurrentSnapshot_Task", snapshot)


@method("VirtualMachineSnapshot", "RevertToSnapshot_Task", privilege=WRITE)
def _revert_to(call: VimCall) -> Ref:
    return _revert(call, _owner(call), "RevertToSnapshot_Task", call.subject)


def _revert(call: VimCall, machine: VirtualMachine, name: str, snapshot: Snapshot) -> Ref:
    suppress = call.arguments.flag("suppressPowerOn")

    def work() -> None:
        _require_there(machine, snapshot)
        snapshots.revert(call.world.inventory, machine, snapshot, call.world.now, suppress_power_on=suppress)
        _touch(call, machine, reconfigured=True)

    return start_on(call, machine, name, work)


@method("VirtualMachineSnapshot", "RemoveSnapshot_Task", privilege=WRITE)
def _remove(call: VimCall) -> Ref:
    machine, snapshot, children = _owner(call), call.subject, call.arguments.flag("removeChildren")

    def work() -> None:
        _require_there(machine, snapshot)
        snapshots.remove(machine, snapshot, children=children)

    return start_on(call, machine, "RemoveSnapshot_Task", _touching(call, machine, work))


@method("VirtualMachine", "RemoveAllSnapshots_Task", privilege=WRITE)
def _remove_all(call: VimCall) -> Ref:
    machine = call.machine

    def work() -> None:
        for snapshot in machine.snapshots.children(None):
            snapshots.remove(machine, snapshot, children=True)

    return start_on(call, machine, "RemoveAllSnapshots_Task", _touching(call, machine, work))


@method("VirtualMachineSnapshot", "RenameSnapshot", privilege=WRITE)
def _rename(call: VimCall) -> None:
    machine, snapshot = _owner(call), call.subject
    require_free(call, machine)
    name, description = call.arguments.optional_text("name"), call.arguments.optional_text("description")
    if name is None and description is None:
        raise invalid_argument("name")
    if name is not None and not 0 < len(name) <= _MAX_NAME:
        raise VimError("InvalidName", f"The name '{name}' is invalid.", name=name)
    snapshot.name = snapshot.name if name is None else unescape_name(name)
    snapshot.description = snapshot.description if description is None else description
    _touch(call, machine)


def _owner(call: VimCall) -> VirtualMachine:
    return call.world.snapshot_owners[call.this.id]


def _require_there(machine: VirtualMachine, snapshot: Snapshot) -> None:
    """NotFound for a snapshot that was removed since the task started."""
    if snapshot.snapshot not in machine.snapshots.by_id:
        raise VimError("NotFound", "The snapshot was removed meanwhile.")


def _touching(call: VimCall, machine: VirtualMachine, work: Callable[[], None]) -> Callable[[], None]:
    def touch() -> None:
        work()
        _touch(call, machine)

    return touch


def _touch(call: VimCall, machine: VirtualMachine, *, reconfigured: bool = False) -> None:
    call.world.inventory.changes.touched(
        "VirtualMachine", machine.vm, user=call.own.user.name, reconfigured=reconfigured
    )
