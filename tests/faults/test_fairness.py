"""No caller starves others, whether with made-up passwords, sessions or users, or with calls that break."""

from __future__ import annotations

import asyncio
import contextlib
from base64 import b64decode
from collections.abc import AsyncIterator
from typing import Any

import grpc.aio
import pytest

from gateway.simulator import Fault
from gateway.vcenter import VCenterOptions
from gateway.vcenter.breaker import BreakerState
from tests.faults.scenario import count, end, ends, vcenter_of
from tests.integration.harness import (
    READ,
    READ_ID,
    READ_REQUEST,
    START,
    START_ID,
    START_REQUEST,
    Client,
    System,
    eventually,
    running_gateway,
)
from tests.integration.raw_vcenter import RawVCenter, http, raw_vcenter

GOOD = "good@vsphere.local"
MAX_AGE = (("cache-control", "max-age=60"),)


class HeldVCenter:
    """A vCenter that knows one user. Requests that the test holds are answered when the test releases them."""

    def __init__(self) -> None:
        self.vcenter: RawVCenter
        self.logins: list[str] = []
        """Users, in the order of their logins."""
        self.reads: list[str] = []
        """Paths, in the order of their requests."""
        self.holds_logins = self.holds_reads = False
        self.breaks_logins = False
        self._held: list[asyncio.Future[None]] = []

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, *fields = self.vcenter.heads[-1].decode().split("\r\n")
        verb, path, _ = line.split(" ")
        headers = dict(field.partition(": ")[::2] for field in fields)
        answer = http("200 OK", b'{"state":"POWERED_ON"}')
        if (verb, path) == ("POST", "/api/session"):
            user = b64decode(headers["authorization"].removeprefix("Basic ")).decode().partition(":")[0]
            self.logins.append(user)
            if user != GOOD:
                answer = http("401 Unauthorized", b'{"error_type":"UNAUTHENTICATED","messages":[]}')
                if self.breaks_logins:
                    raise ConnectionResetError
            else:
                answer = http("201 Created", b'"session-of-good"')
            await self._turn(self.holds_logins)
        elif path.startswith("/api/vcenter/"):
            self.reads.append(path)
            await self._turn(self.holds_reads)
        await answer(reader, writer)

    async def _turn(self, is_held: bool) -> None:
        if is_held:
            turn = asyncio.get_running_loop().create_future()
            self._held.append(turn)
            await turn

    def let_one_go(self) -> None:
        """Answers the request that has been held longest."""
        self._held.pop(0).set_result(None)

    def let_all_go(self) -> None:
        """Answers everything, including later requests."""
        self.holds_logins = self.holds_reads = False
        while self._held:
            self.let_one_go()


@contextlib.asynccontextmanager
async def held_vcenter(places: int = 64, **more: Any) -> AsyncIterator[tuple[HeldVCenter, Client, Client]]:
    """A held vCenter, a gateway in front of it, and two clients, each on a connection of its own."""
    held = HeldVCenter()
    async with raw_vcenter(held.answer) as held.vcenter:
        options = VCenterOptions(held.vcenter.url, max_concurrent_calls=places, **more)
        async with (
            running_gateway(options) as crowd,
            # By default, gRPC shares connections between channels.
            grpc.aio.insecure_channel(crowd.address, [("grpc.use_local_subchannel_pool", 1)]) as channel,
        ):
            await crowd.call(READ, READ_REQUEST, user=GOOD)
            held.logins.clear()
            held.reads.clear()
            try:
                yield held, crowd, crowd.on(channel)
            finally:
                held.let_all_go()


async def test_made_up_passwords_hold_up_nobody() -> None:
    """While vCenter slowly rejects a thousand made-up users, it gets eight logins at a time. Callers with a session are
    served, and one on another connection that needs a session waits for only one of those logins."""
    async with held_vcenter() as (vcenter, crowd, other):
        vcenter.holds_logins = True
        made_up = [asyncio.create_task(end(crowd, READ, READ_REQUEST, user=f"made-up-{n}")) for n in range(1000)]
        await eventually(lambda: sum(task.done() for task in made_up) == 1000 - 8 - 512, "those who may not wait", 30)
        assert len(vcenter.logins) == 8
        for client in (crowd, other):
            found = await ends(client, [(READ, READ_REQUEST)] * 100, 100, user=GOOD, timeout=20)
            assert count(found) == {("OK", ""): 100}
        assert len(vcenter.logins) == 8

        late = asyncio.create_task(end(other, READ, READ_REQUEST, user="late"))
        await eventually(lambda: sum(task.done() for task in made_up) == 1000 - 8 - 511, "the one that makes room")
        for _ in range(2):
            vcenter.let_one_go()
        await eventually(lambda: len(vcenter.logins) == 8 + 2, "the next logins")
        assert "late" in vcenter.logins[8:]
        vcenter.let_all_go()
        found = await asyncio.gather(late, *made_up)
        assert count(found) == {
            ("UNAUTHENTICATED", "CREDENTIALS_REJECTED"): 8 + 511 + 1,
            ("RESOURCE_EXHAUSTED", "OVERLOADED"): 1000 - 8 - 511,
        }


async def test_how_many_logins_there_may_be() -> None:
    """The settings limit how many logins are in flight to vCenter and how many wait."""
    async with held_vcenter(max_concurrent_logins=2, max_waiting_logins=3) as (vcenter, crowd, _):
        vcenter.holds_logins = True
        calls = [asyncio.create_task(end(crowd, READ, READ_REQUEST, user=f"user-{n}")) for n in range(10)]
        await eventually(lambda: sum(call.done() for call in calls) == 10 - 2 - 3, "those who may not wait")
        assert len(vcenter.logins) == 2
        vcenter.let_all_go()
        assert count(await asyncio.gather(*calls))[("RESOURCE_EXHAUSTED", "OVERLOADED")] == 5


async def test_made_up_sessions_hold_up_nobody() -> None:
    """While nine hundred calls with as many session ids wait on one connection, a call on another one waits for only
    one slot."""
    async with held_vcenter(places=4) as (vcenter, crowd, other):
        limiter = crowd.gateway.vcenter.limiter  # type: ignore[union-attr]
        vcenter.holds_reads = True
        made_up = [
            asyncio.create_task(
                end(crowd, READ, READ_REQUEST, user=None, metadata=(("vmware-api-session-id", f"{n}"),))
            )
            for n in range(900)
        ]
        await eventually(lambda: limiter.waiting == 900 - 4, "the queue", 30)
        good = asyncio.create_task(other.call(READ, {"vm": "vm-good"}, user=GOOD))
        await eventually(lambda: limiter.waiting == 900 - 3, "the call in the queue")
        for _ in range(2):
            vcenter.let_one_go()
        await eventually(lambda: len(vcenter.reads) == 4 + 2, "the next calls")
        assert "/api/vcenter/vm/vm-good/power" in vcenter.reads[4:]
        vcenter.let_all_go()
        await good
        assert count(await asyncio.gather(*made_up)) == {("OK", ""): 900}


async def test_a_joiner_lends_its_turn() -> None:
    """A read that joins another one, which waits behind two hundred calls of another connection, waits for only one
    slot, as if it had not joined."""
    async with held_vcenter(places=1) as (vcenter, crowd, other):
        limiter = crowd.gateway.vcenter.limiter  # type: ignore[union-attr]
        vcenter.holds_reads = True
        shared = {"vm": "vm-shared"}
        many = [asyncio.create_task(end(crowd, READ, READ_REQUEST, user=GOOD)) for _ in range(200)]
        await eventually(lambda: limiter.waiting == 200 - 1, "the queue")
        first = asyncio.create_task(crowd.call(READ, shared, user=GOOD, metadata=MAX_AGE))
        await eventually(lambda: limiter.waiting == 200, "the read")
        joiner = asyncio.create_task(other.call(READ, shared, user=GOOD, metadata=MAX_AGE))
        reads = crowd.gateway.vcenter.reads
        assert reads is not None
        await eventually(lambda: reads.counts.joined == 1, "the joiner")
        for _ in range(3):
            vcenter.let_one_go()
            seen = len(vcenter.reads)
            await eventually(lambda seen=seen: len(vcenter.reads) > seen, "the next call")  # type: ignore[misc]
            if "/api/vcenter/vm/vm-shared/power" in vcenter.reads:
                break
        assert "/api/vcenter/vm/vm-shared/power" in vcenter.reads[:3]
        vcenter.let_all_go()
        assert await first == await joiner
        assert count(await asyncio.gather(*many)) == {("OK", ""): 200}
        assert vcenter.reads.count("/api/vcenter/vm/vm-shared/power") == 1


@pytest.mark.parametrize("fault", [Fault("reset_before"), Fault("reset_after"), Fault.unavailable()])
async def test_one_operation_that_breaks(system: System, fault: Fault) -> None:
    """Thirty consecutive changes whose connections break, or whose service is down, without other calls: the breaker
    probes vCenter and stays closed, so that all other calls are served."""
    await system.client.call(READ, READ_REQUEST)
    system.simulator.faults.add(fault, operation=START_ID, times=None)
    found = await ends(system.client, [(START, START_REQUEST)] * 30, 1)
    assert {code for code, _ in count(found)} == {"UNAVAILABLE"}
    assert len(system.simulator.record.of(START_ID)) == 30
    await eventually(lambda: vcenter_of(system).breaker.state is BreakerState.CLOSED, "the answer")
    assert await system.client.call(READ, READ_REQUEST)
    assert len(system.simulator.record.of(READ_ID)) == 2


async def test_logins_that_break() -> None:
    """The same with the logins of one caller."""
    async with held_vcenter() as (vcenter, crowd, other):
        vcenter.breaks_logins = True
        for number in range(30):
            await end(crowd, START, START_REQUEST, user=f"made-up-{number}", timeout=0.3)
        assert len(vcenter.logins) >= 30
        assert crowd.gateway.vcenter.breaker.state is BreakerState.CLOSED  # type: ignore[union-attr]
        assert await other.call(READ, READ_REQUEST, user=GOOD)
