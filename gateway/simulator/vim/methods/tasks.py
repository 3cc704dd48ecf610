"""Task and TaskManager."""

from gateway.simulator.sessions import WRITE
from gateway.simulator.tasks import Task
from gateway.simulator.vim.faults import VimError
from gateway.simulator.vim.registry import VimCall, method

__all__: list[str] = []


@method("Task", "CancelTask", privilege=WRITE)
def _cancel(call: VimCall) -> None:
    task: Task = call.subject
    if task.ended is not None:
        raise VimError("InvalidState", "The task has ended already.")
    if not task.cancelable(call.now):
        raise VimError("NotSupported", "The task cannot be canceled.")
    call.world.inventory.tasks.cancel(task, call.now)
