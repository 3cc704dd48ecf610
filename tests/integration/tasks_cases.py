"""Tasks: how far they are, what came of them, and their cancellation."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import timedelta
from random import Random
from typing import Any

from gateway.simulator import Simulator, errors
from gateway.simulator.tasks import Task
from tests.integration.cases import ErrorCase, Json, Setup, Success
from tests.integration.machines_cases import ON

__all__ = ["ERRORS", "SUCCESSES"]

GET, LIST, CANCEL = (f"cis.v1.TaskService/{name}" for name in ("GetTask", "ListTasks", "CancelTask"))
_RNG = Random("tasks")  # noqa: S311 - not a secret
FIRST, SECOND = (f"{uuid.UUID(int=_RNG.getrandbits(128), version=4)}:com.vmware.vcenter" for _ in range(2))
VM_SERVICE = "com.vmware.vcenter.VM"
_MESSAGES = "com.vmware.api.cis.tasks"
NOT_FOUND, NOT_ACCESSIBLE = f"{_MESSAGES}.not_found", f"{_MESSAGES}.not_accessible"


def tasks(*operations: str, seconds: float = 100, passed: float = 0, **attributes: Any) -> Setup:
    """Tasks that were begun a while ago; they copy a machine."""

    def setup(simulator: Simulator) -> None:
        now = simulator.options.clock()
        for operation in operations:
            task = simulator.inventory.tasks.start(
                f"{VM_SERVICE}.{operation}",
                simulator.user,
                now - timedelta(seconds=passed),
                timedelta(seconds=seconds),
                _work(simulator, attributes.get("fails", False)),
                target=("VirtualMachine", ON),
                cancelable=attributes.get("cancelable", True),
            )
            for name in ("inaccessible", "status"):
                setattr(task, name, attributes.get(name, getattr(task, name)))

    return setup


def _work(simulator: Simulator, fails: bool) -> Callable[[], str]:
    def work() -> str:
        if fails:
            raise errors.unable_to_allocate("vmsg.NoDiskSpace.summary", "Insufficient disk space.")
        return "vm-1022"

    return work


def many(simulator: Simulator) -> None:
    tasks(*["clone_task"] * 1001)(simulator)


def task(response: Json) -> Any:
    return response["task"]


def listed(*expected: str) -> Callable[[Any, Simulator], None]:
    """The answer has these tasks and no others."""

    def check(response: Json, simulator: Simulator) -> None:
        assert sorted(response.get("tasks", {})) == sorted(expected)

    return check


def lacks(name: str) -> Callable[[Any, Simulator], None]:
    """The task is shown without that field."""

    def check(response: Json, simulator: Simulator) -> None:
        assert name not in task(response)

    return check


def running(response: Json, simulator: Simulator) -> None:
    """A quarter of the work is done."""
    shown = task(response)
    assert shown["status"] == "TASK_STATUS_RUNNING"
    assert (shown["progress"]["total"], shown["progress"]["completed"], shown["cancelable"]) == ("100", "25", True)
    assert (shown["service"], shown["operation"]) == (VM_SERVICE, "clone$task")
    assert shown["target"] == {"type": "VirtualMachine", "id": ON}
    assert shown.keys() & {"result", "end_time"} == set()


def succeeded(response: Json, simulator: Simulator) -> None:
    """The result is what the plain form would have returned."""
    shown = task(response)
    assert (shown["status"], shown["result"], shown["cancelable"]) == ("TASK_STATUS_SUCCEEDED", "vm-1022", False)
    assert shown["progress"]["completed"] == "100"


def failed(response: Json, simulator: Simulator) -> None:
    """The error is vCenter's, as JSON text."""
    shown = task(response)
    assert shown["status"] == "TASK_STATUS_FAILED"
    assert '"error_type":"UNABLE_TO_ALLOCATE_RESOURCE"' in shown["error"].replace(" ", "")


def canceled(response: Json, simulator: Simulator) -> None:
    """The task has ended, and nothing is done."""
    assert response == {}
    found: Task = simulator.inventory.tasks.tasks[FIRST]
    assert found.status == "FAILED"
    assert found.error is not None
    assert found.error.error_type == "CANCELED"


def filtered(name: str, values: Any, *expected: str, **also: Any) -> Success:
    """A list by one more field than the service."""
    return Success(
        id=f"by {name}",
        rpc=LIST,
        request={"filter_spec": {"services": [VM_SERVICE], name: values, **also}},
        setup=tasks("clone_task", "relocate_task"),
        check=listed(*expected),
    )


SUCCESSES: tuple[Success, ...] = (
    Success(id="running", rpc=GET, request={"task": FIRST}, setup=tasks("clone_task", passed=25), check=running),
    Success(
        id="succeeded",
        rpc=GET,
        request={"task": FIRST, "return_all": True},
        setup=tasks("clone_task", passed=100),
        check=succeeded,
    ),
    Success(
        id="without the result",
        rpc=GET,
        request={"task": FIRST, "exclude_result": True},
        setup=tasks("clone_task", passed=100),
        check=lacks("result"),
    ),
    Success(
        id="failed", rpc=GET, request={"task": FIRST}, setup=tasks("clone_task", passed=100, fails=True), check=failed
    ),
    Success(
        id="pending",
        rpc=GET,
        request={"task": FIRST},
        setup=tasks("clone_task", status="PENDING"),
        check=lacks("progress"),
    ),
    Success(
        id="by identifiers",
        rpc=LIST,
        request={"filter_spec": {"tasks": [FIRST, f"{uuid.UUID(int=0)}:com.vmware.vcenter"]}},
        setup=tasks("clone_task", "relocate_task"),
        check=listed(FIRST),
    ),
    filtered("services", [VM_SERVICE], FIRST, SECOND),
    filtered("operations", ["relocate$task"], SECOND),
    filtered("status", ["TASK_STATUS_SUCCEEDED"]),
    filtered("targets", [{"type": "VirtualMachine", "id": ON}], FIRST, SECOND),
    filtered("users", ["nobody@vsphere.local"]),
    Success(id="cancels", rpc=CANCEL, request={"task": FIRST}, setup=tasks("clone_task", passed=50), check=canceled),
)

ERRORS: tuple[ErrorCase, ...] = (
    *(ErrorCase(rpc=rpc, error="NOT_FOUND", messages=(NOT_FOUND,), request={"task": FIRST}) for rpc in (GET, CANCEL)),
    ErrorCase(
        rpc=GET,
        error="NOT_FOUND",
        messages=(NOT_FOUND,),
        request={"task": FIRST},
        setup=tasks("clone_task", passed=3701),
        id="forgotten",
    ),
    *(
        ErrorCase(
            rpc=rpc,
            error="RESOURCE_INACCESSIBLE",
            messages=(NOT_ACCESSIBLE,),
            request={"task": FIRST},
            setup=tasks("clone_task", inaccessible=True),
        )
        for rpc in (GET, CANCEL)
    ),
    ErrorCase(
        rpc=LIST,
        error="RESOURCE_INACCESSIBLE",
        messages=(NOT_ACCESSIBLE,),
        request={"filter_spec": {"tasks": [FIRST]}},
        setup=tasks("clone_task", inaccessible=True),
    ),
    ErrorCase(
        rpc=LIST,
        error="RESOURCE_INACCESSIBLE",
        messages=(f"{_MESSAGES}.too_many_matches",),
        request={"filter_spec": {"services": [VM_SERVICE]}},
        setup=many,
        id="too many",
    ),
    ErrorCase(rpc=LIST, error="INVALID_ARGUMENT", messages=(f"{_MESSAGES}.filter_too_wide",), request={}),
    ErrorCase(
        rpc=LIST,
        error="INVALID_ARGUMENT",
        messages=(f"{_MESSAGES}.several_providers",),
        request={"filter_spec": {"services": [VM_SERVICE, "com.vmware.content.library"]}},
        id="several providers",
    ),
    ErrorCase(
        rpc=CANCEL,
        error="NOT_ALLOWED_IN_CURRENT_STATE",
        messages=(f"{_MESSAGES}.not_running",),
        request={"task": FIRST},
        setup=tasks("clone_task", passed=100),
    ),
    ErrorCase(
        rpc=CANCEL,
        error="UNSUPPORTED",
        messages=(f"{_MESSAGES}.not_cancelable",),
        request={"task": FIRST},
        setup=tasks("clone_task", cancelable=False),
    ),
    ErrorCase(
        rpc=CANCEL,
        error="UNSUPPORTED",
        messages=(f"{_MESSAGES}.not_cancelable",),
        request={"task": FIRST},
        setup=tasks("clone_task", passed=95),
        id="nearly done",
    ),
)
