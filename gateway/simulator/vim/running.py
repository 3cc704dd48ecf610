"""Tasks of the VIM API: begun by methods whose names end in `_Task`, kept with those of the REST API.

A task is done at its due time in one go. By default that is at once, but after the answer; it takes longer where the
simulator is told so.
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
    """Begins a task of a method on an object; `work` gives its result, or raises what it ends in."""
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
    """Begins a task on a machine, which is busy while it runs; TaskInProgress if it is busy already."""
    require_free(call, machine)

    def release() -> None:
        machine.busy = False

    machine.busy = True
    return start(call, name, Ref("VirtualMachine", machine.vm), work, release)


def require_free(call: VimCall, machine: VirtualMachine) -> None:
    """InvalidState for a machine that is out of sight, TaskInProgress with the task for one that is busy."""
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
