"""Copying and moving machines: the operations of the REST API under the names of this API."""

from typing import Any

from gateway.simulator.sessions import WRITE
from gateway.simulator.vim.arguments import Arguments
from gateway.simulator.vim.faults import VimError
from gateway.simulator.vim.registry import VimCall, method
from gateway.simulator.vim.running import require_free
from gateway.simulator.vim.values import Ref, unescape_name

__all__: list[str] = []

_VM = "com.vmware.vcenter.VM"
# Where a RelocateSpec names places, and the REST API's names for them.
_PLACES = {"datastore": "datastore", "host": "host", "pool": "resource_pool", "folder": "folder"}


@method("VirtualMachine", "CloneVM_Task", privilege=WRITE)
def _clone(call: VimCall) -> Ref:
    require_free(call, call.machine)
    folder, spec = call.find("folder"), call.arguments.need("spec")
    _refuse(spec, "snapshot", "customization", "config")
    body = {
        "source": call.machine.vm,
        "name": unescape_name(call.arguments.text("name")),
        "placement": {**_placement(spec.need("location")), "folder": folder.folder},
        "power_on": spec.flag("powerOn"),
    }
    inventory = call.world.inventory
    task = inventory.tasks.tasks[call.rest(f"{_VM}.clone_task", body)]
    if spec.flag("template") and (copy := task.work) is not None:

        def work() -> Any:
            vm = copy()
            inventory.machines[vm].template = True
            return vm

        task.work = work
    return Ref("Task", task.task)


@method("VirtualMachine", "RelocateVM_Task", privilege=WRITE)
def _relocate(call: VimCall) -> Ref:
    require_free(call, call.machine)
    spec = call.arguments.need("spec")
    return Ref("Task", call.rest(f"{_VM}.relocate_task", {"placement": _placement(spec)}, vm=call.machine.vm))


def _placement(spec: Arguments) -> dict[str, str]:
    _refuse(spec, "disk", "deviceChange", "service")
    named = {ours: spec.optional_ref(theirs) for theirs, ours in _PLACES.items()}
    return {name: ref.id for name, ref in named.items() if ref is not None}


def _refuse(spec: Arguments, *names: str) -> None:
    for name in names:
        if spec.has(name):
            raise VimError("NotSupported", f"The simulator does not copy or move machines with '{name}'.")
