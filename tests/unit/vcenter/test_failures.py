"""What calls end in that vCenter did not answer."""

from __future__ import annotations

import pytest

from gateway.contract import load_contract
from gateway.vcenter.failures import AnswerTimeoutError, NotSentError

METHODS = load_contract().methods
LATE = AnswerTimeoutError("no answer in time")


@pytest.mark.parametrize("name", ["CloneVm", "RelocateVm"])
def test_long_operations(name: str) -> None:
    """A long operation that outlives the deadline may go on: the failure says so, and how to find out."""
    failure = LATE.failure(METHODS[f"vcenter.v1.VmService/{name}"])
    assert failure.may_have_executed
    assert failure.message == (
        "no answer in time; vCenter may go on with it, which cis.v1.TaskService/ListTasks shows; "
        f"{name}Task returns a task to follow"
    )
    assert failure.metadata["task_form"] == f"vcenter.v1.VmService/{name}Task"


@pytest.mark.parametrize(
    ("error", "rpc"),
    [
        pytest.param(LATE, "vcenter.v1.VmService/DeleteVm", id="no-task-form"),
        pytest.param(LATE, "vcenter.v1.VmService/CloneVmTask", id="the-task-form-itself"),
        pytest.param(LATE, "vcenter.v1.VmService/ListVms", id="read"),
        pytest.param(NotSentError("no connection"), "vcenter.v1.VmService/CloneVm", id="not-sent"),
    ],
)
def test_other_failures(error: AnswerTimeoutError | NotSentError, rpc: str) -> None:
    """No other failure speaks of tasks."""
    failure = error.failure(METHODS[rpc])
    assert failure.message == str(error)
    assert "task_form" not in failure.metadata
