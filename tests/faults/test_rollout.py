"""Replicas are replaced, killed and added under a steady load, with a client that uses the shipped service config."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.simulator import Fault
from tests.faults.fleet import Fleet, fleet, service_config, session
from tests.integration.harness import eventually

SETTLE = 1.0
# A client that watches health must have left at least this many seconds before the listener closes.
LEFT = 0.1
AGE = 2.0
# gRPC closes connections up to a tenth later than configured, and a busy machine may add the rest.
AGE_AT_MOST = AGE * 1.1 + 2.0
# A call that only reads and one that changes something, neither of which the load makes.
READ, READ_ID, READ_REQUEST = (
    "vcenter.vm.hardware.v1.CpuService/GetCpu",
    "com.vmware.vcenter.vm.hardware.cpu.get",
    {"vm": "vm-1001"},
)
WRITE, WRITE_ID, WRITE_REQUEST = (
    "vcenter.vm.console.v1.TicketsService/CreateTicket",
    "com.vmware.vcenter.vm.console.tickets.create",
    {"vm": "vm-1001", "spec": {"type": "TICKETS_TYPE_VMRC"}},
)


def assert_quiet(replicas: Fleet) -> None:
    """No call failed, although writes are sent once, and each write was executed exactly once."""
    assert replicas.failures() == []
    assert replicas.executions(replicas.sent) == {1}


@pytest.mark.parametrize("step", [Fleet.replace, Fleet.restart], ids=["new addresses", "same addresses"])
async def test_a_rolling_restart(tmp_path: Path, step: Callable[[Fleet, str], Awaitable[float]]) -> None:
    """Three replicas are restarted one by one, with new addresses like pods, or with the same ones: the client leaves
    each before it closes, no call fails, and each change is executed exactly once."""
    arguments = ("--settle-seconds", f"{SETTLE:g}")
    async with fleet(tmp_path, 3, *arguments) as replicas, replicas.client(service_config()) as client:
        async with replicas.load(client):
            for address in list(replicas.replicas):
                await replicas.is_spread(3)
                assert await step(replicas, address) < SETTLE - LEFT
            await replicas.is_spread(3)
        assert_quiet(replicas)


async def test_a_rolling_restart_unwatched(tmp_path: Path) -> None:
    """Clients that do not watch health lose no calls either, if a stop settles for longer than the age of
    connections."""
    arguments = ("--max-connection-age-seconds", "1", "--settle-seconds", "2")
    async with fleet(tmp_path, 3, *arguments) as replicas, replicas.client(service_config(health=False)) as client:
        async with replicas.load(client):
            for address in list(replicas.replicas):
                await replicas.is_spread(3)
                await replicas.replace(address)
            await replicas.is_spread(3)
        assert_quiet(replicas)


async def test_a_replica_is_killed(tmp_path: Path) -> None:
    """If a replica is killed, exactly the changes in flight on it fail, with UNAVAILABLE, and none is sent again. Reads
    are retried elsewhere, and all later calls succeed."""
    async with fleet(tmp_path, 3) as replicas, replicas.client(service_config()) as client:
        record = replicas.simulator.record
        async with replicas.load(client):
            await replicas.is_spread(3)
            for operation in (READ_ID, WRITE_ID):
                replicas.simulator.faults.add(Fault.latency(3), operation=operation, times=None)
            # Fewer reads than the service config's retryThrottling allows a client to retry.
            reads = [asyncio.create_task(replicas.call(client, READ, READ_REQUEST, changes=False)) for _ in range(6)]
            writes = [asyncio.create_task(replicas.call(client, WRITE, WRITE_REQUEST, changes=True)) for _ in range(30)]
            await eventually(lambda: len(record.of(READ_ID)) + len(record.of(WRITE_ID)) == 36, "the held calls")
            victim = next(iter(replicas.replicas))
            its_session = await replicas.session_of(victim)
            await replicas.kill(victim)
            assert {sent.code for sent in await asyncio.gather(*reads)} == {"OK"}
            held = await asyncio.gather(*writes)
            await replicas.is_spread(2)
        lost = {call.request_id for call in record.of(WRITE_ID) if session(call) == its_session}
        assert {sent.request_id for sent in held if sent.code != "OK"} == lost
        assert lost
        # The load's writes that were in flight through the killed replica.
        failed = replicas.failures()
        assert {(sent.code, sent.changes) for sent in failed} == {("UNAVAILABLE", True)}
        assert {session(call) for sent in failed for call in replicas.recorded(sent)} == {its_session}
        noticed = min(sent.ended for sent in failed)
        assert all(sent.started < noticed for sent in failed)
        assert sum(sent.started > noticed for sent in replicas.sent) > 100
        assert all(len(replicas.recorded(sent)) <= 1 for sent in failed)
        assert replicas.executions(failed) <= {0, 1}
        assert replicas.executions(sent for sent in replicas.sent if sent.code == "OK") == {1}


async def test_more_replicas(tmp_path: Path) -> None:
    """One replica becomes three: within the age of connections, new calls are evenly distributed to all of them, and
    none fails."""
    arguments = ("--max-connection-age-seconds", f"{AGE:g}")
    async with fleet(tmp_path, 1, *arguments) as replicas, replicas.client(service_config()) as client:
        async with replicas.load(client):
            await replicas.is_spread(1)
            added = await asyncio.gather(replicas.start(), replicas.start())
            replicas.names.show([*replicas.names.addresses, *added])
            await replicas.is_spread(3, AGE_AT_MOST)
            spread_at = len(replicas.sent)
            await eventually(lambda: len(replicas.sent) > spread_at + 300, "more calls")
        assert min(replicas.shares(300).values()) > 300 / 4
        assert_quiet(replicas)
