"""Tasks: operations that continue after their response, with a visible progress.

A task runs in simulated time. Its work is done in one step when its time has passed, so that partial effects are never
visible; what the work raises is the error of the task. A finished task stays known for an hour.

The plain form of a long operation is also a task, but an unlisted one: its handler returns the task, and the endpoint
responds when the task has ended.
"""

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any

from gateway.simulator import errors

__all__ = ["Task", "Tasks", "provider_of"]

_KEPT = timedelta(hours=1)
# From this progress on, in percent, a task can no longer be canceled.
_POINT_OF_NO_RETURN = 90
_LABELS_OF_PROVIDER = 3
# The parts of its duration after which a task's watchers are notified of its progress.
_TOLD = (0.25, 0.5, 0.75)

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Task:
    """A task, with the object that it works on."""

    task: str
    service: str
    operation: str
    user: str
    started: datetime
    due: datetime
    target: tuple[str, str] | None = None
    """Type and identifier of its object, for example ("VirtualMachine", "vm-1001")."""
    can_be_canceled: bool = True
    """Whether this kind of task can be canceled at all."""
    status: str = "RUNNING"
    ended: datetime | None = None
    result: Any = None
    error: errors.VapiError | None = None
    method: str = ""
    """The method of the VIM API that started it, empty for an operation of the REST API."""
    value: Any = field(default=None, repr=False)
    """The VIM API's form of the result, if it cannot be derived from the result."""
    inaccessible: bool = False
    """Whether vCenter has lost its state; for tests."""
    work: Callable[[], Any] | None = field(default=None, repr=False)
    release: Callable[[], None] | None = field(default=None, repr=False)
    """Releases what the task held while it ran; called once, however it ends."""

    @property
    def provider(self) -> str:
        """The part of vCenter that keeps the task: that of its service."""
        return provider_of(self.service)

    def progress(self, now: datetime) -> int:
        """The elapsed part of its duration, in percent; 100 only at the end."""
        if self.status == "SUCCEEDED":
            return 100
        whole = (self.due - self.started).total_seconds()
        passed = ((self.ended or now) - self.started).total_seconds()
        return min(99, int(100 * passed / whole)) if whole > 0 else 99

    def cancelable(self, now: datetime) -> bool:
        """Whether it can be canceled now."""
        return self.can_be_canceled and self.ended is None and self.progress(now) < _POINT_OF_NO_RETURN

    def outcome(self) -> Any:
        """Its outcome: returns the result, or raises the error. Only for a task that has ended."""
        if self.ended is None:
            raise LookupError(f"the task {self.task} has not ended")
        if self.error is not None:
            raise self.error
        return self.result


class Tasks:
    """All tasks by identifier. `schedule` executes an action when the clock has reached a time; `touched` is called
    with type and identifier of what may have changed: the task itself, and its object."""

    def __init__(
        self, schedule: Callable[[datetime, Callable[[], None]], None], touched: Callable[[str, str], None]
    ) -> None:
        self._schedule = schedule
        self._touched = touched
        self._rng = Random("tasks")  # noqa: S311 - not a secret
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
        release: Callable[[], None] | None = None,
        identifier: str | None = None,
    ) -> Task:
        """Starts a task for an operation such as `com.vmware.vcenter.VM.clone_task`; `work` returns its result.

        The task of an operation that is not a task form is unlisted: a handler returns it, and the endpoint responds
        when it has ended. A task with a given identifier is always listed.
        """
        service, _, name = operation_id.rpartition(".")
        operation = name.replace("_task", "$task")
        is_listed = identifier is not None or operation != name
        if identifier is None:
            identifier = f"{uuid.UUID(int=self._rng.getrandbits(128), version=4)}:{provider_of(service)}"
        task = Task(
            identifier, service, operation, user, now, now + duration, target, cancelable, work=work, release=release
        )
        if is_listed:
            self.tasks[task.task] = task
            self._touched("Task", task.task)
            for part in _TOLD:
                self._schedule(now + duration * part, lambda: self._tell(task))
        self._schedule(task.due, lambda: self._finish(task))
        return task

    def cancel(self, task: Task, now: datetime) -> None:
        """Cancels a running task; its work is not done."""
        task.status, task.work = "FAILED", None
        task.error = errors.of_type("CANCELED", "vmsg.RequestCanceled.summary", "The task was canceled by a user.")
        self._ended(task, now)

    def _tell(self, task: Task) -> None:
        """Reports that its progress may have changed."""
        if task.ended is None:
            self._touched("Task", task.task)

    def _finish(self, task: Task) -> None:
        work, task.work = task.work, None
        if work is None:
            return
        try:
            task.result = work()
        except errors.VapiError as failure:
            task.status, task.error = "FAILED", failure
        except Exception:
            # The next request, which triggers this, is unrelated to it.
            _log.exception("the simulator failed at the task %s of %s", task.operation, task.service)
            text = "The simulated vCenter failed; see its log."
            task.status, task.error = "FAILED", errors.internal_server_error("vapi.internal.error", text)
        else:
            task.status = "SUCCEEDED"
        self._ended(task, task.due)

    def _ended(self, task: Task, moment: datetime) -> None:
        task.ended = moment
        release, task.release = task.release, None
        if release is not None:
            release()
        if task.target is not None:
            self._touched(*task.target)
        if task.task in self.tasks:
            self._touched("Task", task.task)
        self._schedule(moment + _KEPT, lambda: self._forget(task))

    def _forget(self, task: Task) -> None:
        self.tasks.pop(task.task, None)


def provider_of(service: str) -> str:
    """The part of vCenter that keeps the tasks of a service: `com.vmware.vcenter` for `com.vmware.vcenter.VM`."""
    return ".".join(service.split(".")[:_LABELS_OF_PROVIDER])
