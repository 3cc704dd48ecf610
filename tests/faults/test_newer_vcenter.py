"""A vCenter that is newer than the contract: calls go on, and somebody learns of it."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.simulator import Fault
from tests.faults.scenario import count, ends
from tests.integration.harness import READ, READ_ID, READ_REQUEST, System

ANSWERS = [
    pytest.param({"state": "HIBERNATED"}, ("vcenter.vm.v1.PowerState", "HIBERNATED"), id="enum-value"),
    pytest.param({"state": "POWERED_ON", "quantum": {"a": [1]}}, ("vcenter.vm.v1.PowerInfo", "quantum"), id="field"),
]


@pytest.mark.parametrize(("body", "drift"), ANSWERS)
async def test_what_the_contract_does_not_know(
    system: System, body: Any, drift: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """A value or a field of a newer vCenter fails no call; it is counted each time and logged once."""
    system.simulator.faults.add(Fault.answer(body), operation=READ_ID, times=None)
    found = await ends(system.client, [(READ, READ_REQUEST)] * 20, 5)
    assert count(found) == {("OK", ""): 20}
    assert system.gateway.drift.counts == {drift: 20}
    assert [record.getMessage().count(drift[1]) for record in caplog.records] == [1]


async def test_an_error_that_the_contract_does_not_know(system: System) -> None:
    """An error type of a newer vCenter arrives by its name, with the code of its HTTP status."""
    system.simulator.faults.add(Fault.answer({"error_type": "QUANTUM_DECAY", "messages": []}, 409), operation=READ_ID)
    [found] = await ends(system.client, [(READ, READ_REQUEST)], 1)
    assert count([found]) == {("ABORTED", "QUANTUM_DECAY"): 1}
