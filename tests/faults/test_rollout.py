"""Replicas that are replaced, killed and added under a steady load, with a client that goes by the shipped config."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from gateway.simulator import Fault
from tests.faults.fleet import fleet, service_config
from tests.integration.harness import eventually

SETTLE = ("--settle-seconds", "1.2", "--grace-seconds", "5")
AGE = 2.0
AGE_JITTER = 1.1
"""gRPC closes connections up to a tenth later, so that not all come back at once."""
MARGIN = 2.0
"""Seconds by which all may be late on a busy machine."""
# Calls that only reads and one that changes something, of which nothing else is made of here.
HELD_READ, HELD_READ_ID = "vcenter.vm.hardware.v1.CpuService/GetCpu", "com.vmware.vcenter.vm.hardware.cpu.get"
HELD_WRITE, HELD_WRITE_ID = (
    "vcenter.vm.console.v1.TicketsService/CreateTicket",
    "com.vmware.vcenter.vm.console.tickets.create",
)


@pytest.mark.parametrize("place", ["new addresses", "same addresses"])
async def test_a_rolling_restart(tmp_path: Path, place: str) -> None:
    """Three replicas are restarted one by one, where they were or as pods that get new addresses: no call fails, not
    even one, and each change is executed exactly once."""
    async with fleet(tmp_path, 3, *SETTLE) as replicas, replicas.client(service_config()) as client:
        async with replicas.load(client):
            for old in list(replicas.replicas):
                await replicas.is_spread(3)
                if place == "new addresses":
                    new = await replicas.start()
                    replicas.names.show({*replicas.names.addresses, new} - {old})
                    await replicas.stop(old)
                else:
                    await replicas.stop(old)
                    await replicas.start(old)
            await replicas.is_spread(3)
        assert replicas.failures() == []
        assert set(replicas.executions()) == {1}


async def test_a_rolling_restart_under_clients_that_watch_no_health(tmp_path: Path) -> None:
    """The same goes for clients without health checks where a stop settles for longer than connections live."""
    arguments = ("--max-connection-age-seconds", "1", "--settle-seconds", "2.5", "--grace-seconds", "5")
    async with fleet(tmp_path, 3, *arguments) as replicas, replicas.client(service_config(health=False)) as client:
        async with replicas.load(client):
            for old in list(replicas.replicas):
                await replicas.is_spread(3)
                new = await replicas.start()
                replicas.names.show({*replicas.names.addresses, new} - {old})
                await replicas.stop(old)
            await replicas.is_spread(3)
        assert replicas.failures() == []
        assert set(replicas.executions()) == {1}


async def test_a_replica_is_killed(tmp_path: Path) -> None:
    """Of a replica that is killed exactly the changes in flight fail, as UNAVAILABLE, and none was executed twice;
    reads are repeated elsewhere, and whatever is sent from then on succeeds."""
    async with fleet(tmp_path, 3) as replicas, replicas.client(service_config()) as client:
        async with replicas.load(client):
            await replicas.is_spread(3)
            for operation in (HELD_READ_ID, HELD_WRITE_ID):
                replicas.simulator.faults.add(Fault.latency(3), operation=operation, times=None)
            ticket = {"vm": "vm-1001", "spec": {"type": "TICKETS_TYPE_VMRC"}}
            reads = [
                asyncio.create_task(replicas.call(client, HELD_READ, {"vm": "vm-1001"}, changes=False))
                for _ in range(6)
            ]
            writes = [
                asyncio.create_task(replicas.call(client, HELD_WRITE, ticket, changes=True)) for _ in range(30)
            ]
            record = replicas.simulator.record
            await eventually(
                lambda: (len(record.of(HELD_READ_ID)), len(record.of(HELD_WRITE_ID))) == (6, 30), "the held calls"
            )
            victim = next(iter(replicas.replicas))
            its_session = replicas.session_of(victim)
            await replicas.kill(victim)
            assert {sent.code for sent in await asyncio.gather(*reads)} == {"OK"}
            held = await asyncio.gather(*writes)
            await replicas.is_spread(2)
        failed = replicas.failures()
        assert {sent.request_id for sent in held if sent.code != "OK"} == {
            call.request_id for call in record.of(HELD_WRITE_ID) if call.headers["vmware-api-session-id"] == its_session
        }
        assert {(sent.code, sent.changes) for sent in failed} == {("UNAVAILABLE", True)}
        noticed = min(sent.ended for sent in failed)
        assert all(sent.started < noticed for sent in failed)
        for sent in failed:
            assert {call.headers["vmware-api-session-id"] for call in replicas.recorded(sent)} <= {its_session}
        assert replicas.executions()[1] >= len(replicas.sent) / 3
        assert set(replicas.executions()) <= {0, 1}


async def test_more_replicas(tmp_path: Path) -> None:
    """One replica becomes three: within the age of connections new calls come to all of them evenly, and none
    fails."""
    async with (
        fleet(tmp_path, 1, "--max-connection-age-seconds", f"{AGE:g}") as replicas,
        replicas.client(service_config()) as client,
    ):
        async with replicas.load(client):
            await replicas.is_spread(1)
            added = [await replicas.start() for _ in range(2)]
            replicas.names.show([*replicas.names.addresses, *added])
            await replicas.is_spread(3, AGE * AGE_JITTER + MARGIN)
            shown = time.monotonic()
            await eventually(lambda: sum(sent.started > shown for sent in replicas.sent) > 300, "calls")
        assert min(replicas.shares(300).values()) > 300 / 4
        assert replicas.failures() == []
        assert set(replicas.executions()) == {1}
