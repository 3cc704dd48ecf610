"""A vCenter that is newer than the contract: calls continue to work, and metrics and logs report it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from gateway.admin.metrics import Metrics
from gateway.event_log import EventLog
from gateway.events import combined
from gateway.simulator import Fault
from tests.faults.scenario import count, ends
from tests.integration.harness import READ, READ_ID, READ_REQUEST, System, running_system

ANSWERS = [
    pytest.param({"state": "HIBERNATED"}, ("vcenter.vm.v1.PowerState", "HIBERNATED"), id="enum-value"),
    pytest.param({"state": "POWERED_ON", "quantum": {"a": [1]}}, ("vcenter.vm.v1.PowerInfo", "quantum"), id="field"),
    pytest.param({"state": 5}, ("vcenter.vm.v1.PowerInfo", "state"), id="value-of-another-type"),
]


@asynccontextmanager
async def counted_system(message: str, field: str, times: int) -> AsyncIterator[System]:
    """A system whose metrics count this drift this many times."""
    registry = CollectorRegistry()
    async with running_system(events=combined(Metrics(registry), EventLog())) as system:
        yield system
    labels = {"message": message, "field": field}
    assert registry.get_sample_value("vcenter_gateway_schema_drift_total", labels) == times


@pytest.mark.parametrize(("body", "drift"), ANSWERS)
async def test_what_the_contract_does_not_know(
    body: Any, drift: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """A value or a field that cannot be read does not fail a call; it is counted each time and logged once."""
    async with counted_system(*drift, 20) as system:
        system.simulator.faults.add(Fault.answer(body), operation=READ_ID, times=None)
        found = await ends(system.client, [(READ, READ_REQUEST)] * 20, 5)
    assert count(found) == {("OK", ""): 20}
    assert [drift[1] in record.getMessage() for record in caplog.records] == [True]


async def test_an_error_that_the_contract_does_not_know(system: System) -> None:
    """An error type of a newer vCenter arrives by its name, with the code of its HTTP status."""
    system.simulator.faults.add(Fault.answer({"error_type": "QUANTUM_DECAY", "messages": []}, 409), operation=READ_ID)
    [found] = await ends(system.client, [(READ, READ_REQUEST)], 1)
    assert count([found]) == {("ABORTED", "QUANTUM_DECAY"): 1}


async def test_a_name_that_is_not_clean_text(caplog: pytest.LogCaptureFixture) -> None:
    """An invalid character in a name is replaced; it is counted each time and logged once."""
    answer = [{"vm": "vm-1", "name": "web-\ud83d", "power_state": "POWERED_ON"}]
    async with counted_system("vcenter.v1.ListVmsResponse", "U+FFFD", 2) as system:
        system.simulator.faults.add(Fault.answer(answer), operation="com.vmware.vcenter.VM.list", times=None)
        for _ in range(2):
            response = await system.client.call("vcenter.v1.VmService/ListVms", {})
            assert response["vms"][0]["name"] == "web-\ufffd"
    assert [record.getMessage().count("not valid Unicode") for record in caplog.records] == [1]
