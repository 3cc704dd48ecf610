"""Tasks: operations that go on after their answer, with a progress that anybody can look at.

A task runs over simulated time. Its work is done in one go when its time is over, so that nobody sees it half done;
what the work raises is the error that the task ends in.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from gateway.simulator import errors

__all__ = ["Task", "Tasks"]


@dataclass(slots=True)
class Task:
    """One task, with what it is about."""

    task: str
    service: str
    operation: str
    user: str
    started: datetime
    due: datetime
    target: tuple[str, str] | None = None
    """Type and identifier of the thing that it works on, for instance ("VirtualMachine", "vm-1001")."""
    cancelable: bool = True
    status: str = "RUNNING"
    ended: datetime | None = None
    result: Any = None
    error: errors.VapiError | None = None
    work: Callable[[], Any] | None = field(default=None, repr=False)

    def progress(self, now: datetime) -> int:
        """How much of the time has passed, in percent; 100 only at the end."""
        if self.status == "SUCCEEDED":
            return 100
        whole = (self.due - self.started).total_seconds()
        passed = ((self.ended or now) - self.started).total_seconds()
        return min(99, int(100 * passed / whole)) if whole > 0 else 99


class Tasks:
    """All tasks by identifier. `schedule` has something carried out when the clock has reached a time."""

    def __init__(self, schedule: Callable[[datetime, Callable[[], None]], None]) -> None:
        self._schedule = schedule
        self._numbers = count(1)
        self.tasks: dict[str, Task] = {}

    def start(
        self,
        operation_id: str,
        user: str,
        now: datetime,
        duration: timedelta,
        work: Callable[[], Any],
        *,
        target: tuple[str, str] | None = None,
        cancelable: bool = True,
    ) -> Task:
        """Starts a task for an operation such as `com.vmware.vcenter.VM.clone_task`; `work` returns its result."""
        service, _, operation = operation_id.rpartition(".")
        task = Task(
            f"task-{next(self._numbers)}", service, operation, user, now, now + duration, target, cancelable, work=work
        )
        self.tasks[task.task] = task
        self._schedule(task.due, lambda: self._finish(task))
        return task

    def cancel(self, task: Task, now: datetime) -> None:
        """Ends a running task; what it would have done is not done."""
        task.status, task.ended, task.work = "FAILED", now, None
        task.error = errors.of_type("CANCELED", "vmsg.RequestCanceled.summary", "The task was canceled by a user.")

    def _finish(self, task: Task) -> None:
        work, task.work = task.work, None
        if work is None:
            return
        task.ended = task.due
        try:
            task.result = work()
        except errors.VapiError as failure:
            task.status, task.error = "FAILED", failure
        else:
            task.status = "SUCCEEDED"
