"""com.vmware.cis.tasks: the progress of tasks, their results, and their cancellation."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from gateway.simulator import errors
from gateway.simulator.clock import timestamp
from gateway.simulator.registry import Call, Json, operation
from gateway.simulator.tasks import Task, provider_of

__all__ = ["MOST_LISTED", "cancel", "get", "list_tasks"]

_SERVICE = "com.vmware.cis.tasks"
_MESSAGES = "com.vmware.api.cis.tasks"

MOST_LISTED = 1000
"""Maximum number of listed tasks; more are an error, because there are no pages."""


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """One task."""
    return _info(_find(call), call.now(), exclude_result=_true(call.query.get("exclude_result")))


@operation(_SERVICE, "list")
def list_tasks(call: Call) -> Json:
    """The tasks that pass every filter, by identifier."""
    wanted = {name: value for name, value in (call.spec.get("filter_spec") or {}).items() if value}
    if not wanted.get("tasks") and not wanted.get("services"):
        raise errors.invalid_argument(
            f"{_MESSAGES}.filter_too_wide", "At least one of the fields tasks and services must be specified."
        )
    _require_one_provider(wanted)
    tasks = call.inventory.tasks.tasks
    candidates = [tasks[key] for key in wanted["tasks"] if key in tasks] if "tasks" in wanted else tasks.values()
    found = [task for task in candidates if _matches(task, wanted)]
    if len(found) > MOST_LISTED:
        raise errors.resource_inaccessible(
            f"{_MESSAGES}.too_many_matches", "More than {0} tasks match the filter.", str(MOST_LISTED)
        )
    for task in found:
        _require_accessible(task)
    exclude = bool((call.spec.get("result_spec") or {}).get("exclude_result"))
    return {task.task: _info(task, call.now(), exclude_result=exclude) for task in found}


@operation(_SERVICE, "cancel")
def cancel(call: Call) -> None:
    """Cancels a running task, unless it is nearly done."""
    task = _find(call)
    if task.ended is not None:
        raise errors.not_allowed(
            f"{_MESSAGES}.not_running", "The task with identifier '{0}' is already canceled or completed.", task.task
        )
    if not task.cancelable(call.now()):
        raise errors.unsupported(
            f"{_MESSAGES}.not_cancelable", "The task with identifier '{0}' cannot be canceled.", task.task
        )
    call.inventory.tasks.cancel(task, call.now())


def _find(call: Call) -> Task:
    task = call.inventory.tasks.tasks.get(call.path["task"])
    if task is None:
        raise errors.of_type(
            "NOT_FOUND",
            f"{_MESSAGES}.not_found",
            "The task with identifier '{0}' does not exist.",
            call.path["task"],
        )
    _require_accessible(task)
    return task


def _require_accessible(task: Task) -> None:
    if task.inaccessible:
        raise errors.resource_inaccessible(
            f"{_MESSAGES}.not_accessible", "The state of the task with identifier '{0}' cannot be accessed.", task.task
        )


def _require_one_provider(wanted: Mapping[str, Any]) -> None:
    """INVALID_ARGUMENT if tasks or services in the filter are kept by different parts of vCenter."""
    providers = {key.partition(":")[2] for key in wanted.get("tasks", ())}
    providers |= {provider_of(service) for service in wanted.get("services", ())}
    if len(providers) > 1:
        raise errors.invalid_argument(
            f"{_MESSAGES}.several_providers", "All tasks and services of the filter must be of one provider."
        )


def _matches(task: Task, wanted: Mapping[str, Any]) -> bool:
    values = {
        "tasks": task.task,
        "services": task.service,
        "operations": task.operation,
        "status": task.status,
        "users": task.user,
        "targets": _target(task),
    }
    return all(values[name] in allowed for name, allowed in wanted.items())


def _target(task: Task) -> dict[str, str] | None:
    return None if task.target is None else {"type": task.target[0], "id": task.target[1]}


def _info(task: Task, now: datetime, *, exclude_result: bool) -> Json:
    info: dict[str, Any] = {
        "description": _message(f"{task.service}.{task.operation}", f"{task.service} {task.operation}"),
        "service": task.service,
        "operation": task.operation,
        "status": task.status,
        "cancelable": task.cancelable(now),
        "user": task.user,
    }
    target = _target(task)
    if target is not None:
        info["target"] = target
    if task.status == "PENDING":
        return info
    info["start_time"] = timestamp(task.started)
    percent = task.progress(now)
    info["progress"] = {
        "total": 100,
        "completed": percent,
        "message": _message(f"{_MESSAGES}.progress", "{0} percent are done.", str(percent)),
    }
    if task.ended is not None:
        info["end_time"] = timestamp(task.ended)
    if task.error is not None:
        info["error"] = task.error.to_json()
    elif task.result is not None and not exclude_result:
        info["result"] = task.result
    return info


def _message(message_id: str, text: str, *args: str) -> Json:
    for position, value in enumerate(args):
        text = text.replace(f"{{{position}}}", value)
    return errors.Message(message_id, text, args).to_json()


def _true(values: list[str] | None) -> bool:
    return bool(values) and values is not None and values[0].lower() == "true"
