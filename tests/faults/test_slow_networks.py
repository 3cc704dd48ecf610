"""Networks that are slow or fail midway: a clear status or success, and never a call that does not end."""

from __future__ import annotations

import asyncio
import time

import pytest

from gateway.simulator import SimulatorOptions
from tests.faults.proxy import Weather
from tests.faults.scenario import count, end, ends, is_idle, proxied_system
from tests.integration.harness import READ, READ_REQUEST, START, START_REQUEST, Failure

LIST = "vcenter.v1.VmService/ListVms"
UPDATE_BOOT = ("vcenter.vm.hardware.v1.BootService/UpdateBoot", {"vm": "vm-1002", "spec": {"delay": "1"}})
MARGIN = 2.0
"""Seconds within which even a busy machine delivers a status."""


async def test_half_an_answer() -> None:
    """A read whose response is truncated is retried; a change ends in UNAVAILABLE and may have been executed."""
    async with proxied_system() as (system, proxy):
        await system.client.call(READ, READ_REQUEST)
        proxy.weather = Weather(half=0.3)
        reads = count(await ends(system.client, [(READ, READ_REQUEST)] * 30, 5))
        assert set(reads) <= {("OK", ""), ("UNAVAILABLE", "VCENTER_CONNECTION_LOST")}
        assert reads["OK", ""] > 15
        proxy.weather = Weather(half=1)
        found = await end(system.client, START, START_REQUEST)
        assert isinstance(found, Failure)
        assert (found.code, found.reason, found.may_have_executed) == ("UNAVAILABLE", "VCENTER_CONNECTION_LOST", True)


async def test_an_answer_that_stops_in_the_middle() -> None:
    """If the rest of a response never arrives, the call ends at its deadline, and its slot is free for the next one."""
    async with proxied_system() as (system, proxy):
        await system.client.call(READ, READ_REQUEST)
        proxy.weather = Weather(stall=1)
        started = time.monotonic()
        found = await ends(system.client, [(READ, READ_REQUEST), UPDATE_BOOT] * 10, 20, timeout=1)
        assert time.monotonic() - started < 1 + MARGIN
        assert count(found) == {("DEADLINE_EXCEEDED", "VCENTER_TIMEOUT"): 20}
        assert [isinstance(item, Failure) and item.may_have_executed for item in found] == [False, True] * 10
        await is_idle(system)
        proxy.weather = Weather()
        assert await system.client.call(READ, READ_REQUEST)


async def test_connections_that_close_slowly() -> None:
    """If a connection dies some time after its response, reads are not affected, and changes at most end with a status
    that says that the outcome is unknown."""
    async with proxied_system(Weather(close_after=0.5, close_delay=0.1), max_concurrent_calls=4) as (system, _):
        found = await ends(system.client, [(READ, READ_REQUEST), UPDATE_BOOT] * 50, 4, timeout=5)
        failures = [item for item in found if isinstance(item, Failure)]
        assert {item.reason for item in failures} <= {"VCENTER_CONNECTION_LOST", "VCENTER_CIRCUIT_OPEN"}
        assert len(failures) < 80
        await is_idle(system)


@pytest.mark.parametrize(
    ("bytes_per_second", "expected"),
    [
        pytest.param(100_000, ("OK", ""), id="enough"),
        pytest.param(2_000, ("DEADLINE_EXCEEDED", "VCENTER_TIMEOUT"), id="too-little"),
    ],
)
async def test_little_bandwidth(bytes_per_second: float, expected: tuple[str, str]) -> None:
    """A large response takes time; one that takes longer than the deadline ends there."""
    async with proxied_system(simulator_options=SimulatorOptions(vms=200)) as (system, proxy):
        await system.client.call(READ, READ_REQUEST)
        proxy.weather = Weather(bytes_per_second=bytes_per_second)
        started = time.monotonic()
        found = await end(system.client, LIST, {}, timeout=10 if expected == ("OK", "") else 1)
        assert count([found]) == {expected: 1}
        assert time.monotonic() - started < (10 if expected == ("OK", "") else 1 + MARGIN)


async def test_latency_with_jitter() -> None:
    """Late responses in a different order reach the right callers."""
    async with proxied_system(Weather(latency=0.01, jitter=0.1)) as (system, _):
        machines = [f"vm-{1001 + number % 16}" for number in range(200)]
        calls = (system.client.call("vcenter.v1.VmService/GetVm", {"vm": vm}) for vm in machines)
        names = [found["vm"]["name"] for found in await asyncio.gather(*calls)]
        assert names == [system.simulator.inventory.machines[vm].name for vm in machines]
