"""An outage of vCenter: callers learn about it soon, vCenter gets few requests, and everything recovers afterwards."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.simulator import Fault
from gateway.vcenter import VCenterOptions
from gateway.vcenter.breaker import BreakerState
from tests.faults.scenario import count, end, ends, is_healthy, is_idle, proxied_system, until, vcenter_of
from tests.integration.harness import (
    READ,
    READ_ID,
    READ_REQUEST,
    START,
    START_ID,
    START_REQUEST,
    Failure,
    System,
    eventually,
    running_gateway,
)
from tests.integration.raw_vcenter import http, raw_vcenter

HANG = Fault("hang")
RESERVE = 10
AT_ONCE = 20


async def test_an_outage_is_not_multiplied(system: System) -> None:
    """However many reads fail with a transient error, vCenter gets at most a tenth more requests than there are calls,
    plus a small reserve."""
    await system.client.call(READ, READ_REQUEST)
    system.simulator.faults.add(Fault.error("SERVICE_UNAVAILABLE"), operation=READ_ID, times=None)
    found = await ends(system.client, [(READ, READ_REQUEST)] * 500, AT_ONCE)
    assert count(found) == {("UNAVAILABLE", "SERVICE_UNAVAILABLE"): 500}
    assert 500 < len(system.simulator.record.of(READ_ID)) - 1 <= 500 * 1.1 + RESERVE


async def calls_until_open(system: System) -> list[object]:
    found: list[object] = []
    breaker = vcenter_of(system).breaker
    while breaker.state is BreakerState.CLOSED:
        found += await ends(system.client, [(READ, READ_REQUEST)] * AT_ONCE, AT_ONCE)
        assert len(found) < 1000, "the breaker does not open"
    return found


async def test_vcenter_restarts(system: System) -> None:
    """While a proxy responds with its own page instead of vCenter, the breaker opens and health reports it. Callers get
    a retry delay and none of their calls reaches vCenter. The first response closes the breaker, and one login serves
    all callers."""
    await system.client.call(READ, READ_REQUEST)
    assert await is_healthy(system)
    system.simulator.faults.add(Fault.unavailable(), times=None)
    system.simulator.sessions.expire_all()
    found = await calls_until_open(system)
    assert {item.code for item in found if isinstance(item, Failure)} == {"UNAVAILABLE"}
    assert not await is_healthy(system)
    assert await is_healthy(system, ""), "the gateway itself is well, and says why it cannot serve"

    sent = len(system.simulator.record)
    assert sent <= len(found) * 1.1 + RESERVE + 1
    refused = await ends(system.client, [(READ, READ_REQUEST), (START, START_REQUEST)] * 200, AT_ONCE)
    probes = len(system.simulator.record) - sent
    assert probes <= 2, "while it is open, one call every two seconds may look how vCenter is"
    assert {reason for _, reason in count(refused)} <= {"VCENTER_CIRCUIT_OPEN", "HTTP_503"}
    told = [item for item in refused if isinstance(item, Failure) and item.reason == "VCENTER_CIRCUIT_OPEN"]
    assert len(told) >= 400 - 2
    assert all(0 < float(item.details["google.rpc.RetryInfo"]["retry_delay"].rstrip("s")) <= 30 for item in told)
    assert not any(item.may_have_executed for item in told)

    system.simulator.faults.clear()
    await until(system.client, answered=True)
    async with asyncio.timeout(10):
        while not await is_healthy(system):
            pass
    assert count(await ends(system.client, [(READ, READ_REQUEST)] * 50, 50)) == {("OK", ""): 50}
    assert system.simulator.sessions.counts()["logins"] == 2


async def test_the_network_is_down() -> None:
    """While vCenter's host refuses connections, every call ends in UNAVAILABLE within its deadline and none may have
    been executed. After that, calls succeed again without a restart."""
    async with proxied_system() as (system, proxy):
        await system.client.call(READ, READ_REQUEST)
        await proxy.down()
        found = await ends(system.client, [(READ, READ_REQUEST), (START, START_REQUEST)] * 100, AT_ONCE, timeout=10)
        assert set(count(found)) <= {("UNAVAILABLE", "VCENTER_UNREACHABLE"), ("UNAVAILABLE", "VCENTER_CIRCUIT_OPEN")}
        assert not any(isinstance(item, Failure) and item.may_have_executed for item in found)
        assert not await is_healthy(system)
        await proxy.up()
        await until(system.client, answered=True, rpc=START, request=START_REQUEST)
        assert vcenter_of(system).breaker.state is BreakerState.CLOSED
        executed = [call.executed for call in system.simulator.record if call.target.endswith("action=start")]
        assert executed == [True]


async def test_a_short_outage_stays_unseen() -> None:
    """Reads with a deadline of a few seconds survive a short time in which every connection is reset."""
    async with proxied_system() as (system, proxy):
        await system.client.call(READ, READ_REQUEST)
        await proxy.down()
        reading = asyncio.create_task(ends(system.client, [(READ, READ_REQUEST)] * 3, 3))
        await eventually(lambda: vcenter_of(system).limiter.active == 0, "the first failure")
        await proxy.up()
        assert count(await reading) == {("OK", ""): 3}


async def test_sessions_are_closed_although_the_breaker_is_open() -> None:
    """A gateway that stops while its breaker is open still ends its session at vCenter."""
    async with proxied_system() as (system, proxy):
        await system.client.call(READ, READ_REQUEST)
        await proxy.down()
        await calls_until_open(system)
        await proxy.up()
        await system.gateway.stop()
        assert system.simulator.sessions.counts()["open"] == 0


async def test_vcenter_takes_calls_and_never_answers(system: System) -> None:
    """If reads have waited for a long time and none got a response, the breaker opens and health reports it. Callers
    with short deadlines and slow changes do not cause that."""
    await system.client.call(READ, READ_REQUEST)
    breaker = vcenter_of(system).breaker
    system.simulator.faults.add(HANG, times=None)

    async def late(rpc: str, request: dict[str, str]) -> None:
        found = await ends(system.client, [(rpc, request)] * AT_ONCE, AT_ONCE, timeout=1)
        assert [item.code for item in found if isinstance(item, Failure)] == ["DEADLINE_EXCEEDED"] * AT_ONCE
        await is_idle(system)

    breaker.silence = 60
    await late(READ, READ_REQUEST)
    breaker.silence = 0.1
    await late(START, START_REQUEST)
    assert breaker.state is BreakerState.CLOSED

    await late(READ, READ_REQUEST)
    await eventually(lambda: breaker.state is BreakerState.OPEN, "the breaker, which asks vCenter once more")
    assert not await is_healthy(system)
    sent = len(system.simulator.record)
    refused = await ends(system.client, [(READ, READ_REQUEST), (START, START_REQUEST)] * 10, AT_ONCE)
    assert count(refused) == {("UNAVAILABLE", "VCENTER_CIRCUIT_OPEN"): 20}
    assert len(system.simulator.record) == sent

    system.simulator.faults.clear()
    await until(system.client, answered=True)
    assert breaker.state is BreakerState.CLOSED


async def test_changes_that_take_longer_than_a_proxy_waits() -> None:
    """Such changes do not open the breaker either, but reads that a proxy gave up waiting for do."""
    async with (
        raw_vcenter(http("504 Gateway Timeout", b"upstream request timeout", "text/plain")) as vcenter,
        running_gateway(VCenterOptions(vcenter.url)) as client,
    ):
        how: dict[str, Any] = {"user": None, "metadata": (("vmware-api-session-id", "of-the-caller"),)}
        breaker = client.gateway.vcenter.breaker  # type: ignore[union-attr]
        found = count(await ends(client, [(START, START_REQUEST)] * AT_ONCE, AT_ONCE, **how))
        assert found == {("DEADLINE_EXCEEDED", "HTTP_504"): AT_ONCE}
        assert breaker.state is BreakerState.CLOSED
        found = count(await ends(client, [(READ, READ_REQUEST)] * 10, 1, **how))
        assert found == {("DEADLINE_EXCEEDED", "HTTP_504"): 10}
        await eventually(lambda: breaker.state is BreakerState.OPEN, "the breaker, which asks vCenter once more")


async def test_slow_reads_beside_others(system: System) -> None:
    """An operation without a response does not delay other operations."""
    await system.client.call(READ, READ_REQUEST)
    vcenter_of(system).breaker.silence = 0.1
    system.simulator.faults.add(HANG, operation=READ_ID, times=None)
    slow = asyncio.create_task(ends(system.client, [(READ, READ_REQUEST)] * AT_ONCE, AT_ONCE, timeout=3))
    await eventually(lambda: len(system.simulator.record.of(READ_ID)) == 1 + AT_ONCE, "the calls that get no answer")
    await system.client.call("vcenter.v1.VmService/ListVms", {})
    assert [item.code for item in await slow if isinstance(item, Failure)] == ["DEADLINE_EXCEEDED"] * AT_ONCE
    await system.client.call("vcenter.v1.VmService/ListVms", {})


async def test_a_probe_that_gets_no_answer(system: System) -> None:
    """The breaker's probe has a long deadline and gets no response: other calls are let through in the meantime."""
    await system.client.call(READ, READ_REQUEST)
    system.simulator.faults.add(Fault.unavailable(), times=None)
    await calls_until_open(system)
    system.simulator.faults.clear()
    system.simulator.faults.add(HANG, operation=START_ID)
    breaker = vcenter_of(system).breaker
    probes = set()
    while breaker.state is BreakerState.OPEN:
        probes.add(asyncio.create_task(end(system.client, START, START_REQUEST, timeout=60)))
        await asyncio.wait(probes, timeout=0.1)
    await until(system.client, answered=True, timeout=5)
    assert breaker.state is BreakerState.CLOSED
    waiting = [probe for probe in probes if not probe.done()]
    assert len(waiting) == len(system.simulator.record.of(START_ID)) == 1
    waiting[0].cancel()


@pytest.mark.parametrize("kind", ["hang", "reset_before"])
async def test_a_probe_that_fails_in_another_way(system: System, kind: str) -> None:
    """Whatever the outcome of the breaker's probe, the breaker allows another one later."""
    await system.client.call(READ, READ_REQUEST)
    system.simulator.faults.add(Fault.unavailable(), times=None)
    await calls_until_open(system)
    system.simulator.faults.clear()
    system.simulator.faults.add(Fault(kind), operation=READ_ID)
    await until(system.client, answered=True, timeout=1)
    assert vcenter_of(system).breaker.state is BreakerState.CLOSED
