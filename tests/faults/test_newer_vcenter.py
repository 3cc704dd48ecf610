"""A vCenter that is newer than the contract: calls go on, and somebody learns of it."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from gateway.admin.metrics import Metrics
from gateway.events import combined
from gateway.events.log import EventLog
from gateway.simulator import Fault
from tests.faults.scenario import count, ends
from tests.integration.harness import READ, READ_ID, READ_REQUEST, System, running_system

ANSWERS = [
    pytest.param({"state": "HIBERNATED"}, ("vcenter.vm.v1.PowerState", "HIBERNATED"), id="enum-value"),
    pytest.param({"state": "POWERED_ON", "quantum": {"a": [1]}}, ("vcenter.vm.v1.PowerInfo", "quantum"), id="field"),
]


@pytest.mark.parametrize(("body", "drift"), ANSWERS)
async def test_what_the_contract_does_not_know(
    body: Any, drift: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """A value or a field of a newer vCenter fails no call; it is counted each time and logged once."""
    registry = CollectorRegistry()
    async with running_system(events=combined(Metrics(registry), EventLog())) as system:
        await _calls(system, body)
    labels = {"message": drift[0], "field": drift[1]}
    assert registry.get_sample_value("vcenter_gateway_schema_drift_total", labels) == 20
    assert [record.getMessage().count(drift[1]) for record in caplog.records] == [1]


async def _calls(system: System, body: Any) -> None:
    system.simulator.faults.add(Fault.answer(body), operation=READ_ID, times=None)
    found = await ends(system.client, [(READ, READ_REQUEST)] * 20, 5)
    assert count(found) == {("OK", ""): 20}


async def test_an_error_that_the_contract_does_not_know(system: System) -> None:
    """An error type of a newer vCenter arrives by its name, with the code of its HTTP status."""
    system.simulator.faults.add(Fault.answer({"error_type": "QUANTUM_DECAY", "messages": []}, 409), operation=READ_ID)
    [found] = await ends(system.client, [(READ, READ_REQUEST)], 1)
    assert count([found]) == {("ABORTED", "QUANTUM_DECAY"): 1}
