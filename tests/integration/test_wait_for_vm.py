"""WaitForVm: answers when a machine is in a condition, and says what is missing when time is over."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.live import HubLimits
from gateway.simulator import SimulatorOptions
from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import PASSWORD, Failure, System, eventually, running_system
from tests.integration.watching import annotate

WAIT = "vcenter.gateway.v1.WatchService/WaitForVm"
START, STOP = "vcenter.vm.v1.PowerService/StartVm", "vcenter.vm.v1.PowerService/StopVm"
DELETE = "vcenter.v1.VmService/DeleteVm"
ON, OFF = "vm-1001", "vm-1002"
IS_ON = {"power_state": "POWER_STATE_POWERED_ON"}


async def refused(system: System, request: dict[str, Any], **how: Any) -> Failure:
    """What a wait ends in that fails."""
    with pytest.raises(Failure) as caught:
        await system.client.call(WAIT, request, **how)
    return caught.value


@pytest.mark.parametrize("condition", [IS_ON, {"tools_running": True}, {"guest_ready": True}, {"address": {}}], ids=str)
async def test_conditions_that_are_met(system: System, condition: dict[str, Any]) -> None:
    """A condition that is met already is answered without a wait."""
    answer = await system.client.call(WAIT, {"vm": ON, "condition": condition, "timeout": "10s"})
    assert answer["vm"]["vm"] == ON
    assert answer["vm"]["power_state"] == "POWER_STATE_POWERED_ON"
    assert ("address" in answer) is ("address" in condition)


async def test_a_condition_that_comes(system: System) -> None:
    """The call returns as soon as the machine is there."""
    waiting = asyncio.ensure_future(system.client.call(WAIT, {"vm": OFF, "condition": IS_ON}))
    await eventually(lambda: len(system.gateway.watching.hubs), "the hub")  # type: ignore[union-attr]
    annotate(system.simulator, OFF, "a change that does not matter")
    await system.client.call(START, {"vm": OFF})
    assert (await waiting)["vm"]["power_state"] == "POWER_STATE_POWERED_ON"


async def test_a_guest_that_starts(system: System) -> None:
    """A machine that boots is ready when its tools run, some time after it was powered on."""
    await system.client.call(STOP, {"vm": ON})
    ready = {"vm": ON, "condition": {"guest_ready": True}, "timeout": "0.5s"}
    assert "VMware Tools is not running" in (await refused(system, ready)).message
    await system.client.call(START, {"vm": ON})
    waiting = asyncio.ensure_future(system.client.call(WAIT, {**ready, "timeout": "20s"}))
    while not waiting.done():
        system.clock.advance(10)
        system.simulator.inventory.settle(system.clock())
        await asyncio.sleep(0.01)
    assert (await waiting)["vm"]["guest_state"] == "GUEST_STATE_RUNNING"


async def test_time_is_over(system: System) -> None:
    """At its timeout the call says what is missing; a deadline of the caller's does the same."""
    request = {"vm": OFF, "condition": IS_ON, "timeout": "0.3s"}
    failure = await refused(system, request)
    assert (failure.code, failure.reason) == ("DEADLINE_EXCEEDED", "CONDITION_NOT_MET")
    assert "it is POWERED_OFF, not POWERED_ON" in failure.message
    failure = await refused(system, {"vm": OFF, "condition": IS_ON}, timeout=1.0)
    assert failure.reason == "CONDITION_NOT_MET"


async def test_removed(system: System) -> None:
    """A machine that is removed meets that condition, and ends a wait for any other one."""
    waits = [
        asyncio.ensure_future(system.client.call(WAIT, {"vm": OFF, "condition": condition}))
        for condition in ({"removed": True}, IS_ON)
    ]
    await eventually(lambda: len(system.gateway.watching.hubs), "the hub")  # type: ignore[union-attr]
    await asyncio.sleep(0)
    await system.client.call(DELETE, {"vm": OFF})
    assert await waits[0] == {"vm": {"vm": OFF}}
    with pytest.raises(Failure) as caught:
        await waits[1]
    assert caught.value.code == "NOT_FOUND"
    assert (await system.client.call(WAIT, {"vm": "vm-9999", "condition": {"removed": True}}))["vm"] == {
        "vm": "vm-9999"
    }
    assert (await refused(system, {"vm": "vm-9999", "condition": IS_ON})).code == "NOT_FOUND"


async def test_a_thousand_waiters(system: System) -> None:
    """Any number of waits cost vCenter one."""
    channel_waits = [system.client.call(WAIT, {"vm": OFF, "condition": IS_ON}, timeout=60) for _ in range(200)]
    waiting = [asyncio.ensure_future(each) for each in channel_waits]
    await eventually(lambda: system.gateway.active_calls == 200, "all waits")
    await system.client.call(START, {"vm": OFF})
    assert len(await asyncio.gather(*waiting)) == 200
    assert len(system.simulator.record.of("vim.PropertyCollector.CreateFilter")) == 1


async def test_without_vim() -> None:
    """Where machines are polled, only what a list of machines tells can be waited for."""
    async with running_system(SimulatorOptions(release="7.0.3"), hubs=HubLimits(poll_seconds=0.1)) as system:
        session = system.simulator.sessions.login(ADMINISTRATOR, PASSWORD)
        how: dict[str, Any] = {"user": None, "metadata": (("vmware-api-session-id", session.identifier),)}
        failure = await refused(system, {"vm": ON, "condition": {"tools_running": True}}, **how)
        assert (failure.code, failure.reason) == ("UNIMPLEMENTED", "VCENTER_TOO_OLD")
        assert (await system.client.call(WAIT, {"vm": ON, "condition": IS_ON}, **how))["vm"]["name"]
        await system.gateway.watching.close()  # type: ignore[union-attr]
        system.simulator.sessions.logout(session.identifier)


async def test_the_stop_ends_waits(system: System) -> None:
    """When the gateway stops, waiting calls are told to call again, and do not hold it up."""
    waiting = asyncio.ensure_future(system.client.call(WAIT, {"vm": OFF, "condition": IS_ON}))
    await eventually(lambda: len(system.gateway.watching.hubs), "the hub")  # type: ignore[union-attr]
    async with asyncio.timeout(4):
        await system.gateway.stop()
    with pytest.raises(Failure) as caught:
        await waiting
    assert (caught.value.code, caught.value.reason) == ("UNAVAILABLE", "GATEWAY_STOPPING")
