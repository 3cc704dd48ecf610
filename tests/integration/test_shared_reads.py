"""Reads that many callers share: what vCenter is asked, and what the callers get and learn."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.access import Admission, Callers, parse_policy, service_account
from gateway.access.tokens import StaticTokens
from gateway.calls import Basic
from gateway.simulator import DEFAULT_USERS, Fault, SimulatorOptions, User
from gateway.vcenter import VCenterOptions
from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import (
    PASSWORD,
    READ,
    READ_ID,
    READ_REQUEST,
    START,
    START_REQUEST,
    Client,
    Failure,
    System,
    eventually,
    running_gateway,
    running_system,
)
from tests.integration.raw_vcenter import raw_vcenter, silence

LIST = "vcenter.v1.VmService/ListVms"
OTHER = "operator@vsphere.local"
STOPPED = {"vm": START_REQUEST["vm"]}


def max_age(seconds: int | str) -> tuple[tuple[str, str], ...]:
    return (("cache-control", f"max-age={seconds}"),)


async def age(client: Client, metadata: tuple[tuple[str, str], ...]) -> str | None:
    """What a read says about its age, None where it says nothing."""
    binding = client.gateway.bindings[READ]
    authorization = ("authorization", Basic(ADMINISTRATOR, PASSWORD).header)
    call = client.stub(binding)(binding.request_class(**READ_REQUEST), metadata=(*metadata, authorization), timeout=30)
    await call
    return dict(await call.initial_metadata()).get("age")


async def power(system: System, **how: Any) -> str:
    """Whether the machine that START starts is on."""
    answer = await system.client.call(READ, STOPPED, **how)
    return str(answer["power"]["state"])


async def test_a_thousand_reads(system: System) -> None:
    """A thousand callers who accept an age make one call to vCenter."""
    await system.client.call(READ, STOPPED)  # For the session.
    calls = [system.client.call(READ, READ_REQUEST, metadata=max_age(30)) for _ in range(1000)]
    answers = await asyncio.gather(*calls)
    assert all(answer == answers[0] for answer in answers)
    assert len(system.simulator.record.of(READ_ID)) == 2


async def test_callers_who_poll(system: System) -> None:
    """However many poll, and as fast as they can: vCenter gets one call for each second of the accepted age."""
    started = time.monotonic()

    async def poll() -> int:
        polls = 0
        while time.monotonic() < started + 2.1:
            await system.client.call(READ, READ_REQUEST, metadata=max_age(1))
            polls += 1
        return polls

    polls = sum(await asyncio.gather(*(poll() for _ in range(10))))
    asked = len(system.simulator.record.of(READ_ID))
    assert 2 <= asked <= time.monotonic() - started + 1
    assert polls > 5 * asked


async def test_without_the_header(system: System) -> None:
    """Callers who accept no age share nothing, neither with each other nor with those who do, and learn of none."""
    await system.client.call(READ, READ_REQUEST, metadata=max_age(30))
    ages = await asyncio.gather(*(age(system.client, ()) for _ in range(20)))
    assert set(ages) == {None}
    assert len(system.simulator.record.of(READ_ID)) == 21


async def test_the_age(system: System) -> None:
    """An answer says its age in the initial metadata, as the line in the log does: 0 when vCenter was asked for it."""
    ages = [await age(system.client, max_age(seconds)) for seconds in (30, 30, 0)]
    assert ages[0] == ages[2] == "0"
    assert 1 <= int(ages[1] or 0) <= 30
    assert len(system.simulator.record.of(READ_ID)) == 2
    assert await age(system.client, (("cache-control", "no-store"),)) is None
    await eventually(lambda: len(system.calls) == 4, "the end of the calls")
    assert [record.age for record in system.calls] == [0, int(ages[1] or 0), 0, None]


async def test_a_field_that_comes_twice(system: System) -> None:
    """The strictest of several values counts."""
    await age(system.client, max_age(30))
    assert await age(system.client, (*max_age(30), *max_age(0))) == "0"


async def test_a_malformed_age(system: System) -> None:
    """A read whose age cannot be read is refused in words, and vCenter is not called; a change does not look at it."""
    with pytest.raises(Failure) as caught:
        await system.client.call(READ, READ_REQUEST, metadata=max_age("soon"))
    assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")
    assert "max-age in cache-control must be a whole number of seconds" in caught.value.message
    assert len(system.simulator.record) == 0
    await system.client.call(START, START_REQUEST, metadata=max_age("soon"))


async def test_a_change() -> None:
    """After a change through the gateway nobody gets the state before it, whoever made the change."""
    users = (*DEFAULT_USERS, User(OTHER, PASSWORD))
    async with running_system(SimulatorOptions(users=users)) as system:
        assert await power(system, metadata=max_age(30)) == "POWER_STATE_POWERED_OFF"
        await system.client.call(LIST, metadata=max_age(30))
        await system.client.call(START, START_REQUEST, user=OTHER)
        assert await power(system, metadata=max_age(30)) == "POWER_STATE_POWERED_ON"
        machines = (await system.client.call(LIST, metadata=max_age(30)))["vms"]
        assert {vm["vm"]: vm["power_state"] for vm in machines}[STOPPED["vm"]] == "POWER_STATE_POWERED_ON"


async def test_a_change_whose_answer_is_lost(system: System) -> None:
    """Nor after a change of which nobody knows whether it ran."""
    assert await power(system, metadata=max_age(30)) == "POWER_STATE_POWERED_OFF"
    system.simulator.faults.add(Fault("reset_after"), operation="com.vmware.vcenter.vm.power.start")
    with pytest.raises(Failure) as caught:
        await system.client.call(START, START_REQUEST)
    assert caught.value.may_have_executed
    assert await power(system, metadata=max_age(30)) == "POWER_STATE_POWERED_ON"


async def test_identities(system: System) -> None:
    """What is kept for one credential is given to no other: not to another user, and not to a wrong password."""
    await system.client.call(READ, READ_REQUEST, metadata=max_age(30))
    await system.client.call(READ, READ_REQUEST, user="readonly@vsphere.local", metadata=max_age(30))
    assert len(system.simulator.record.of(READ_ID)) == 2
    with pytest.raises(Failure, match="UNAUTHENTICATED"):
        await system.client.call(READ, READ_REQUEST, password="wrong", metadata=max_age(30))


async def test_callers_of_one_account(tmp_path: Path) -> None:
    """Callers of a service account share reads; who may not make a call gets no answer of others."""
    hashes = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("alice", "bob", "eve")}
    file = tmp_path / "tokens.yaml"
    file.write_text(json.dumps({"tokens": [{"identity": name, "sha256": text} for name, text in hashes.items()]}))
    callers, account = Callers(tokens=StaticTokens(str(file))), Basic(ADMINISTRATOR, PASSWORD)
    policy = parse_policy(b"rules: [{identities: [alice, bob], rpcs: ['*']}]")
    admission = Admission(service_account(lambda: account, callers), lambda: policy)
    async with running_system(admission=admission) as system:

        async def read(name: str) -> None:
            metadata = (*max_age(30), ("authorization", f"Bearer {name}"))
            await system.client.call(READ, READ_REQUEST, user=None, metadata=metadata)

        await read("alice")
        await read("bob")
        assert len(system.simulator.record.of(READ_ID)) == 1
        with pytest.raises(Failure, match="POLICY_DENIED"):
            await read("eve")


async def test_cancelling() -> None:
    """A shared read goes on while one of its callers waits, and its HTTP request is closed when the last one leaves."""
    session = (("vmware-api-session-id", "of-the-caller"), *max_age(30))
    async with raw_vcenter(silence) as vcenter, running_gateway(VCenterOptions(vcenter.url)) as client:
        reads = client.gateway.vcenter.reads
        assert reads is not None
        calls = []
        for number in range(3):
            calls.append(asyncio.create_task(client.call(READ, READ_REQUEST, user=None, metadata=session)))
            await eventually(lambda: reads.counts.miss + reads.counts.joined == number + 1, "the call")  # noqa: B023
        await eventually(lambda: vcenter.heads, "the HTTP request")
        for call in calls:
            assert vcenter.abandoned == 0
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        await eventually(lambda: vcenter.abandoned == 1, "the end of the HTTP request")
        assert len(vcenter.heads) == 1


async def test_deadlines(system: System) -> None:
    """A caller's deadline ends its own call with the usual status; the others get their answer."""
    system.simulator.faults.add(Fault.latency(1), operation=READ_ID)
    short = asyncio.create_task(system.client.call(READ, READ_REQUEST, metadata=max_age(30), timeout=0.6))
    await eventually(lambda: system.simulator.record.of(READ_ID), "the call to vCenter")
    long = asyncio.create_task(system.client.call(READ, READ_REQUEST, metadata=max_age(30)))
    with pytest.raises(Failure) as caught:
        await short
    assert (caught.value.code, caught.value.reason) == ("DEADLINE_EXCEEDED", "VCENTER_TIMEOUT")
    assert await long
    assert len(system.simulator.record.of(READ_ID)) == 1
