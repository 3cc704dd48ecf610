"""Tasks of the VIM API: started by methods whose names end in `_Task`, kept with those of the REST API.

The work of a task is done in one step when it is due. By default that is immediately after the response; a setting of
the simulator delays it.
"""

from collections.abc import Callable
from typing import Any

from gateway.simulator.machine import VirtualMachine
from gateway.simulator.tasks import Task
from gateway.simulator.vim.faults import VimError
from gateway.simulator.vim.registry import VimCall
from gateway.simulator.vim.service_properties import task_info
from gateway.simulator.vim.values import Ref

__all__ = ["require_free", "start", "start_on"]

_SERVICE = "com.vmware.vim"


def start(
    call: VimCall, name: str, target: Ref, work: Callable[[], Any], release: Callable[[], None] | None = None
) -> Ref:
    """Starts a task of a method on an object; `work` returns its result, or raises its error."""
    world = call.world
    task: Task | None = None

    def run() -> str | None:
        value = work()
        if task is not None:
            task.value = value
        return None if value is None else str(value.id if isinstance(value, Ref) else value)

    task = world.inventory.tasks.start(
        f"{_SERVICE}.{target.type}.{name}",
        call.own.user.name,
        world.now,
        world.task_duration,
        run,
        target=(target.type, target.id),
        release=release,
        identifier=f"task-{next(world.task_numbers)}",
    )
    task.method = name
    state = world.inventory.changes.state_of(target.id) if target.type == "VirtualMachine" else None
    vm = target.id if state is not None else None
    world.events.add("TaskEvent", call.own.user.name, vm, state, task=name, info=task_info(task, world))
    return Ref("Task", task.task)


def start_on(call: VimCall, machine: VirtualMachine, name: str, work: Callable[[], Any]) -> Ref:
    """Starts a task on a machine, which is busy while it runs; TaskInProgress if it is already busy."""
    require_free(call, machine)

    def release() -> None:
        machine.busy = False

    machine.busy = True
    return start(call, name, Ref("VirtualMachine", machine.vm), work, release)


def require_free(call: VimCall, machine: VirtualMachine) -> None:
    """InvalidState for an inaccessible machine, TaskInProgress with the task for a busy one."""
    if machine.inaccessible:
        raise VimError("InvalidState", "The operation is not allowed in the current state.")
    if machine.busy:
        tasks = call.world.inventory.tasks.tasks.values()
        mine = (task for task in tasks if task.ended is None and task.target == ("VirtualMachine", machine.vm))
        running = next(mine, None)
        raise VimError(
            "TaskInProgress",
            "The operation is not allowed while another task is in progress.",
            task=Ref("Task", "task-0" if running is None else running.task),
        )
