"""More calls than vCenter can serve: each is answered or rejected in time, none starves, and health stays
responsive."""

from __future__ import annotations

import asyncio
import time

from gateway.server import ServerOptions
from gateway.simulator import Fault, SimulatorOptions
from tests.faults.scenario import count, end, ends, is_healthy, is_idle, vcenter_of
from tests.integration.harness import READ, READ_ID, READ_REQUEST, Failure, System, eventually, running_system

OVERLOADED = ("RESOURCE_EXHAUSTED", "OVERLOADED")
READONLY = "readonly@vsphere.local"
MANY = ServerOptions("127.0.0.1:0", max_concurrent_streams=2000)
"""All callers of a test share one connection, on which no call may wait for a stream."""
MARGIN = 20.0
"""Seconds by which client, gateway and vCenter, all in one process here, may be late on a busy machine."""


async def test_deadlines_hold_while_vcenter_is_slow() -> None:
    """A thousand calls with a deadline of one second each, for a vCenter that takes minutes: all end by their
    deadlines, health responds all the time, and no slot leaks."""
    async with running_system(server=MANY) as system:
        await system.client.call(READ, READ_REQUEST)
        system.simulator.faults.add(Fault.latency(300), operation=READ_ID, times=None)
        took: list[float] = []

        async def timed() -> object:
            started = time.monotonic()
            found = await end(system.client, READ, READ_REQUEST, timeout=1)
            took.append(time.monotonic() - started)
            return found

        calls = asyncio.gather(*(timed() for _ in range(1000)))
        checks: list[float] = []
        while not calls.done():
            started = time.monotonic()
            assert await is_healthy(system)
            checks.append(time.monotonic() - started)
            await asyncio.sleep(0.05)
        found = [item for item in await calls if isinstance(item, Failure)]
        assert len(found) == 1000
        assert {item.code for item in found} == {"DEADLINE_EXCEEDED"}
        assert max(took) < 1 + MARGIN
        assert checks
        assert max(checks) < MARGIN
        await is_idle(system)
        assert {record.code for record in system.calls[1:]} <= {"DEADLINE_EXCEEDED", "CANCELLED"}
        assert max(record.seconds for record in system.calls) < 1 + MARGIN
        system.simulator.faults.clear()
        assert await system.client.call(READ, READ_REQUEST)


async def test_a_burst_is_answered_or_refused() -> None:
    """Five thousand concurrent calls, of which five hundred may wait: each is answered, or rejected with a retry delay;
    none is dropped silently."""
    async with running_system(SimulatorOptions(latency=0.1), max_concurrent_calls=32, max_waiting_calls=500) as system:
        found = await ends(system.client, [(READ, READ_REQUEST)] * 5000, 5000, timeout=60)
        kinds = count(found)
        assert set(kinds) == {("OK", ""), OVERLOADED}
        refused = [item for item in found if isinstance(item, Failure)]
        assert all(item.details["google.rpc.RetryInfo"] == {"retry_delay": "1s"} for item in refused)
        assert len(system.simulator.record.of(READ_ID)) == kinds["OK", ""] >= 500
        await is_idle(system)


async def test_nobody_waits_behind_a_thousand_calls_of_another() -> None:
    """While one user's thousand calls wait, another user's single call is at most the second to be served."""
    async with running_system(server=MANY, max_concurrent_calls=4) as system:
        await system.client.call(READ, READ_REQUEST, user=READONLY)
        await system.client.call(READ, READ_REQUEST)
        system.simulator.faults.add(Fault("hang"), operation=READ_ID, times=4)
        limiter = vcenter_of(system).limiter
        first = [asyncio.create_task(end(system.client, READ, READ_REQUEST)) for _ in range(4)]
        await eventually(lambda: len(system.simulator.record.of(READ_ID)) == 2 + 4, "calls that take every place")
        many = asyncio.gather(*(end(system.client, READ, READ_REQUEST, timeout=60) for _ in range(1000)))
        await eventually(lambda: limiter.waiting == 1000, "the queue", 30)
        single = asyncio.create_task(system.client.call(READ, {"vm": "vm-1003"}, user=READONLY))
        await eventually(lambda: limiter.waiting == 1001, "the single call in the queue")
        for call in first:
            call.cancel()
        await single
        assert set(count(await many)) == {("OK", "")}
        order = [call.target for call in system.simulator.record.of(READ_ID)][2 + 4 :]
        assert len(order) == 1001
        turn = order.index("/api/vcenter/vm/vm-1003/power")
        # Calls that got their slots at the same moment may reach vCenter in another order.
        assert turn < 2 * limiter.limit


async def test_calls_that_give_up_while_they_wait(system: System) -> None:
    """Callers that cancel, whether their call is with vCenter or in the queue, do not leak slots."""
    await system.client.call(READ, READ_REQUEST)
    system.simulator.faults.add(Fault("hang"), operation=READ_ID, times=None)
    limiter = vcenter_of(system).limiter
    calls = [asyncio.create_task(end(system.client, READ, READ_REQUEST)) for _ in range(300)]
    await eventually(lambda: (limiter.active, limiter.waiting) == (64, 236), "the queue")
    for call in calls:
        call.cancel()
    await is_idle(system)
    system.simulator.faults.clear()
    assert await system.client.call(READ, READ_REQUEST)
