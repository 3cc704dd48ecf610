"""The state of a task as one message, for both of vCenter's APIs.

Identifiers tell the two kinds apart: those of the REST API name the part of vCenter that keeps the task, after a colon.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from google.rpc import code_pb2

from gateway.errors import VCENTER_DOMAIN, Failure, status_of
from gateway.live.messages import Messages
from gateway.transcoding.error_response import ErrorReader
from gateway.vim.values import Data, Fault, Ref

__all__ = ["TaskStates", "TaskView", "is_vim_task", "no_such_task"]

_REST_ERROR_STATUS = 500
"""An error of a task has no HTTP status; its type says everything."""
_VIM_STATUS = {"queued": "PENDING", "running": "RUNNING", "success": "SUCCEEDED", "error": "FAILED"}
_OVER = frozenset({"SUCCEEDED", "FAILED"})
_WHOLE = 100


@dataclass(frozen=True, slots=True)
class TaskView:
    """A task at one moment."""

    state: bytes
    """A serialized TaskState."""
    is_over: bool
    target: tuple[str, str] | None
    """Type and identifier of what it works on."""
    progress: int | None
    failure: Failure | None = None
    """Its failure, or the reason why it cannot be read."""
    is_there: bool = True
    """Whether vCenter has returned it."""


def is_vim_task(task: str) -> bool:
    """Whether an identifier is one of the VIM API."""
    return ":" not in task


def no_such_task(task: str) -> Failure:
    """The failure for a task that does not exist, or that the caller may not see."""
    text = f"there is no task {task[:200]!r}; vCenter forgets tasks some time after they end"
    return Failure(code_pb2.NOT_FOUND, "NOT_FOUND", text, domain=VCENTER_DOMAIN)


class TaskStates:
    """Creates states from the responses of vCenter's APIs."""

    def __init__(self, messages: Messages, errors: ErrorReader) -> None:
        self._messages = messages
        self._errors = errors

    def of_rest(self, task: str, info: Any) -> TaskView:
        """The state that a `cis.v1.TaskInfo` tells."""
        status = info.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_number.get(info.status)
        name = status.name.removeprefix("TASK_STATUS_") if status else "UNSPECIFIED"
        operation = f"{info.service}.{info.operation}"
        state = self._messages("TaskState", task=task, operation=operation, status=f"TASK_STATUS_{name}")
        progress = None
        if info.progress.total > 0:
            progress = state.progress = min(_WHOLE, _WHOLE * info.progress.completed // info.progress.total)
        text = info.progress.message.default_message or info.description.default_message
        target = (info.target.type, info.target.id) if info.HasField("target") else None
        _fill(state, {"description": text, "user": info.user, "target": target})
        if info.HasField("cancelable"):
            state.cancelable = info.cancelable
        for field, value in (("started", "start_time"), ("ended", "end_time"), ("result", "result")):
            if info.HasField(value):
                getattr(state, field).CopyFrom(getattr(info, value))
        failure = None
        if name == "FAILED":
            failure = self._errors.read(operation, _REST_ERROR_STATUS, {}, info.error.encode())
        return self._view(state, name, target, progress, failure)

    def of_vim(self, task: str, info: Data, failure: Callable[[str, Fault], Failure]) -> TaskView:
        """The state that a VIM `TaskInfo` tells. `failure` gives what a fault means."""
        name = _VIM_STATUS.get(info.get("state", ""), "UNSPECIFIED")
        operation = info.get("descriptionId", "")
        state = self._messages("TaskState", task=task, operation=operation, status=f"TASK_STATUS_{name}")
        progress = _WHOLE if name == "SUCCEEDED" else info.get("progress")
        if progress is not None:
            state.progress = progress
        entity: Ref | None = info.get("entity")
        target = None if entity is None else (entity.type, entity.value)
        described = (info.get("description") or {}).get("message", "")
        _fill(state, {"description": described, "user": (info.get("reason") or {}).get("userName"), "target": target})
        state.cancelable = bool(info.get("cancelable"))
        started: datetime | None = info.get("startTime") or info.get("queueTime")
        for field, time in (("started", started), ("ended", info.get("completeTime"))):
            if time is not None:
                getattr(state, field).FromDatetime(time)
        if (result := _plain(info.get("result"))) is not None:
            state.result.string_value = result
        fault = info.get("error")
        return self._view(state, name, target, progress, failure(operation, fault) if fault is not None else None)

    def _view(
        self, state: Any, status: str, target: tuple[str, str] | None, progress: int | None, failure: Failure | None
    ) -> TaskView:
        if failure is not None:
            state.error.ParseFromString(status_of(failure).SerializeToString())
        content = state.SerializeToString(deterministic=True)
        return TaskView(content, status in _OVER, target, progress, failure)


def _fill(state: Any, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if not value:
            continue
        if name == "target":
            state.target_type, state.target = value
        else:
            setattr(state, name, value)


def _plain(result: Any) -> str | None:
    """The result of a VIM task as text, for example the identifier of the created object."""
    if isinstance(result, Ref):
        return result.value
    return result if isinstance(result, str) else None
