"""How long a call may take, and that its end is the end of the HTTP request too."""

from __future__ import annotations

import asyncio

import pytest
from google.rpc import code_pb2

from gateway.calls import Basic
from gateway.contract import load_contract
from gateway.errors import GatewayError, Reason
from gateway.events import CallEnded
from gateway.simulator import Fault, SimulatorOptions
from gateway.transcoding import compile_bindings
from gateway.vcenter import VCenterOptions
from gateway.vcenter.client import VCenter
from tests.calls import call_of
from tests.integration.harness import (
    PASSWORD,
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
    running_system,
)
from tests.integration.raw_vcenter import raw_vcenter, silence

SESSION = (("vmware-api-session-id", "of-the-caller"),)


@pytest.mark.parametrize(
    ("rpc", "operation", "request_json", "may_have_executed"),
    [
        pytest.param(READ, READ_ID, READ_REQUEST, False, id="read"),
        pytest.param(START, START_ID, START_REQUEST, True, id="change"),
    ],
)
async def test_the_deadline_ends_the_call(
    system: System, rpc: str, operation: str, request_json: dict[str, str], may_have_executed: bool
) -> None:
    """The status arrives within the caller's deadline, and says whether the operation may have run."""
    # A status with a reason is the gateway's, and came in time: after the deadline the caller's own library ends the
    # call, without one. A machine that is too busy for one second is given more of them.
    tries = 0
    for timeout in (1, 5, 20):
        tries += 1
        system.simulator.faults.add(Fault("hang"), operation=operation)
        with pytest.raises(Failure) as caught:
            await system.client.call(rpc, request_json, timeout=timeout)
        if caught.value.reason:
            break
    assert (caught.value.code, caught.value.reason) == ("DEADLINE_EXCEEDED", "VCENTER_TIMEOUT")
    assert caught.value.may_have_executed is may_have_executed
    assert len(system.simulator.record.of(operation)) == tries


async def test_the_deadline_closes_the_http_request() -> None:
    """vCenter sees the connection closed when the caller's time is over."""
    async with raw_vcenter(silence) as vcenter, running_gateway(VCenterOptions(vcenter.url)) as client:
        with pytest.raises(Failure, match="DEADLINE_EXCEEDED"):
            await client.call(READ, READ_REQUEST, user=None, metadata=SESSION, timeout=0.5)
        await eventually(lambda: vcenter.abandoned == 1, "the end of the HTTP request")
        assert len(vcenter.heads) == 1


async def test_cancelling_closes_the_http_request() -> None:
    """vCenter sees the connection closed when the caller gives up, and the call counts as cancelled."""
    calls: list[CallEnded] = []
    async with raw_vcenter(silence) as vcenter, running_gateway(VCenterOptions(vcenter.url), calls=calls) as client:
        call = asyncio.create_task(client.call(READ, READ_REQUEST, user=None, metadata=SESSION))
        await eventually(lambda: vcenter.heads, "the HTTP request")
        call.cancel()
        await eventually(lambda: vcenter.abandoned == 1, "the end of the HTTP request")
        record = (await eventually(lambda: calls, "the end of the call"))[0]
        assert (record.rpc, record.code, record.reason) == (READ, "CANCELLED", "")


async def test_cancelling_ends_the_operation_in_vcenter(system: System) -> None:
    """The simulator, too, gets no chance to answer a call that was given up; further calls work as before."""
    system.simulator.faults.add(Fault("hang"), operation=READ_ID)
    call = asyncio.create_task(system.client.call(READ, READ_REQUEST))
    await eventually(lambda: system.simulator.record.of(READ_ID), "the HTTP request")
    call.cancel()
    await eventually(lambda: system.calls, "the end of the call")
    assert await system.client.call(READ, READ_REQUEST)
    assert [record.status for record in system.simulator.record.of(READ_ID)] == [None, 200]


async def test_the_default_timeout_holds_without_a_deadline() -> None:
    """A caller who sets no deadline gets the configured timeout."""
    async with running_system(change_timeout=0.5) as system:
        system.simulator.faults.add(Fault("hang"), operation=START_ID)
        with pytest.raises(Failure) as caught:
            await system.client.call(START, START_REQUEST, timeout=None)
    assert (caught.value.code, caught.value.reason) == ("DEADLINE_EXCEEDED", "VCENTER_TIMEOUT")
    assert caught.value.may_have_executed


async def test_a_longer_deadline_beats_the_default_timeout() -> None:
    """The configured timeout is for callers without a deadline only."""
    async with running_system(SimulatorOptions(latency=0.3), read_timeout=0.2) as system:
        assert await system.client.call(READ, READ_REQUEST, timeout=10)


async def test_an_endless_deadline(system: System) -> None:
    """A deadline of decades is as good as any other."""
    assert await system.client.call(READ, READ_REQUEST, timeout=1e9)


@pytest.mark.parametrize("timeout", [0.0, -1.0])
async def test_a_deadline_that_is_over(system: System, timeout: float) -> None:
    """vCenter is not called when there is no time left, not even for the login."""
    contract = load_contract()
    binding = compile_bindings(contract)[START]
    vcenter = VCenter(VCenterOptions(system.simulator.url), contract)
    credential = Basic(system.simulator.user, PASSWORD)
    with pytest.raises(GatewayError) as caught:
        await vcenter.call(call_of(binding, {"vm": "vm-1002"}, credential=credential, timeout=timeout))
    await vcenter.close()
    assert (caught.value.failure.code, caught.value.failure.reason) == (
        code_pb2.DEADLINE_EXCEEDED,
        Reason.VCENTER_TIMEOUT,
    )
    assert "may_have_executed" not in caught.value.failure.metadata
    assert len(system.simulator.record) == 0


async def test_the_login_counts_towards_the_deadline(system: System) -> None:
    """A login that does not end in time ends the call, which was not sent; the login is there for the next one."""
    system.simulator.faults.add(Fault.latency(1), times=1)
    with pytest.raises(Failure) as caught:
        await system.client.call(START, START_REQUEST, timeout=0.5)
    assert (caught.value.code, caught.value.reason) == ("DEADLINE_EXCEEDED", "VCENTER_TIMEOUT")
    assert not caught.value.may_have_executed
    assert system.simulator.record.of(START_ID) == []
    await system.client.call(START, START_REQUEST)
    assert system.simulator.sessions.counts()["logins"] == 1


async def test_waiting_for_a_connection_counts_towards_the_deadline() -> None:
    """A call that gets no connection in time was not sent, and says so by saying nothing of an execution."""
    async with running_system(max_concurrent_calls=1) as system:
        await system.client.call(READ, READ_REQUEST)
        system.simulator.faults.add(Fault("hang"), operation=READ_ID)
        first = asyncio.create_task(system.client.call(READ, READ_REQUEST, timeout=2))
        await eventually(lambda: len(system.simulator.record.of(READ_ID)) == 2, "the first call")
        with pytest.raises(Failure) as caught:
            await system.client.call(START, START_REQUEST, timeout=0.5)
        assert (caught.value.code, caught.value.reason) == ("DEADLINE_EXCEEDED", "VCENTER_TIMEOUT")
        assert not caught.value.may_have_executed
        first.cancel()
        await system.client.call(START, START_REQUEST)
        assert [record.executed for record in system.simulator.record.of(START_ID)] == [True]


async def test_opening_a_connection_counts_towards_the_deadline() -> None:
    """A TLS handshake that does not end in time ends the call, which was not sent."""
    async with raw_vcenter(silence) as vcenter:
        url = vcenter.url.replace("http:", "https:")
        async with running_gateway(VCenterOptions(url)) as client:
            with pytest.raises(Failure) as caught:
                await client.call(START, START_REQUEST, user=None, metadata=SESSION, timeout=1)
    assert (caught.value.code, caught.value.reason) == ("DEADLINE_EXCEEDED", "VCENTER_TIMEOUT")
    assert not caught.value.may_have_executed
