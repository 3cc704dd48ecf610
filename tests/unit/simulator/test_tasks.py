"""Tasks over simulated time: progress, ends, and what becomes of them afterwards."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from gateway.simulator import ManualClock, errors
from gateway.simulator.clock import wait_until
from gateway.simulator.exchange import Request
from tests.unit.simulator.harness import NOACCESS, Api


def start(api: Api, work: Any = lambda: None, **more: Any) -> Any:
    tasks = api.inventory.tasks
    return tasks.start("com.vmware.vcenter.VM.clone_task", "me", api.clock(), timedelta(seconds=100), work, **more)


def shown(api: Api, task: str) -> Any:
    return api("GET", f"/api/cis/tasks/{task}").json


def test_progress_follows_the_time(api: Api) -> None:
    """It grows with every look, and is complete only at the end."""
    task = start(api).task
    seen = []
    for _ in range(4):
        seen.append(shown(api, task)["progress"]["completed"])
        api.clock.advance(33)
    assert seen == [0, 33, 66, 99]
    assert shown(api, task)["progress"]["completed"] == 100


def test_it_ends_when_its_time_is_over_and_not_when_somebody_looks(api: Api) -> None:
    """The end is the due time, however late the next request comes."""
    task = start(api).task
    api.clock.advance(1000)
    assert shown(api, task)["end_time"] == "2026-01-15T12:01:40.000Z"


def test_it_cannot_be_canceled_when_it_is_nearly_done(api: Api) -> None:
    """The flag says so before anybody tries."""
    task = start(api).task
    api.clock.advance(89)
    assert shown(api, task)["cancelable"] is True
    api.clock.advance(1)
    assert shown(api, task)["cancelable"] is False


def test_a_canceled_task_does_nothing_later(api: Api) -> None:
    """Its work is not done, and what it held is given free at once, and once only."""
    done, free = [], []
    task = start(api, lambda: done.append(1), release=lambda: free.append(1)).task
    assert api("POST", f"/api/cis/tasks/{task}?action=cancel").status == 204
    api.clock.advance(1000)
    assert api("POST", f"/api/cis/tasks/{task}?action=cancel").error_type == "NOT_ALLOWED_IN_CURRENT_STATE"
    assert (done, free) == ([], [1])


@pytest.mark.parametrize("failure", [errors.error("vmsg.x.summary", "No."), ZeroDivisionError()])
def test_a_task_that_fails_is_no_failure_of_who_asks(api: Api, failure: Exception) -> None:
    """What the work raises is in the task; the request that comes next has nothing to do with it."""

    def work() -> None:
        raise failure

    free: list[int] = []
    task = start(api, work, release=lambda: free.append(1)).task
    api.clock.advance(100)
    assert shown(api, task)["status"] == "FAILED"
    expected = "ERROR" if isinstance(failure, errors.VapiError) else "INTERNAL_SERVER_ERROR"
    assert shown(api, task)["error"]["error_type"] == expected
    assert free == [1]


def test_a_task_is_forgotten_an_hour_after_its_end(api: Api) -> None:
    """Until then anybody can look at it."""
    task = start(api).task
    api.clock.advance(100 + 3599)
    api.login()
    assert shown(api, task)["status"] == "SUCCEEDED"
    api.clock.advance(1)
    assert api("GET", f"/api/cis/tasks/{task}").error_type == "NOT_FOUND"
    assert api.inventory.tasks.tasks == {}


def test_only_task_forms_are_listed(api: Api) -> None:
    """The plain form of a long operation waits for a task that nobody sees."""
    plain = api.inventory.tasks.start(
        "com.vmware.vcenter.VM.clone", "me", api.clock(), timedelta(seconds=1), lambda: "vm-1"
    )
    assert api("GET", f"/api/cis/tasks/{plain.task}").error_type == "NOT_FOUND"
    with pytest.raises(LookupError, match="has not ended"):
        plain.outcome()
    api.inventory.settle(plain.due)
    assert plain.outcome() == "vm-1"


def test_a_list_takes_a_task_and_its_service_together(api: Api) -> None:
    """All filters have to match."""
    task = start(api).task
    for service, expected in (("com.vmware.vcenter.VM", [task]), ("com.vmware.vcenter.evc_modes", [])):
        body = {"filter_spec": {"tasks": [task], "services": [service]}, "result_spec": {"exclude_result": True}}
        assert list(api("POST", "/api/cis/tasks?action=list", body).json) == expected


def test_listing_only_reads(api: Api) -> None:
    """A POST that changes nothing is for readers as well, but not for those without any right."""
    api.login("readonly@vsphere.local")
    body = {"filter_spec": {"services": ["com.vmware.vcenter.VM"]}}
    assert api("POST", "/api/cis/tasks?action=list", body).json == {}
    api.login(NOACCESS)
    assert api("POST", "/api/cis/tasks?action=list", body).error_type == "UNAUTHORIZED"


def test_a_plain_operation_fails_as_its_task_would(api: Api) -> None:
    """What happens while it works is its answer."""
    source = api.inventory.machines["vm-1001"]
    response = api.endpoint.handle(
        _clone_request(api, {"source": "vm-1001", "name": "copy"}),
    )
    assert response.later is not None
    place = api.inventory.places.datastores["datastore-11"]
    place.capacity = place.used
    api.clock.advance(60)
    assert b"UNABLE_TO_ALLOCATE_RESOURCE" in response.later.response().body
    assert source.copies == 0


def _clone_request(api: Api, spec: Any) -> Any:
    headers = {"vmware-api-session-id": api.session, "content-type": "application/json"}
    return Request("POST", "/api/vcenter/vm?action=clone", headers, json.dumps(spec).encode())


async def test_who_waits_for_a_manual_clock_moves_it() -> None:
    """Nobody else would; a time that is over is not waited for."""
    clock = ManualClock()
    start = clock()
    await wait_until(clock, start + timedelta(seconds=30))
    await wait_until(clock, start + timedelta(seconds=10))
    assert clock() == start + timedelta(seconds=30)
