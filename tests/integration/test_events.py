"""What is told of calls, and what an operator finds in the log: who could not be served, and why."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import pytest

from gateway.event_log import EventLog
from gateway.simulator import Fault
from gateway.vcenter import VCenterOptions
from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import (
    PASSWORD,
    READ,
    READ_ID,
    READ_REQUEST,
    START,
    START_ID,
    START_REQUEST,
    Client,
    Failure,
    System,
    eventually,
    log_lines,
    running_gateway,
    running_system,
)

NOWHERE = VCenterOptions("http://127.0.0.1:1")
IDENTITY = f"vcenter:{ADMINISTRATOR}"
SESSION = (("vmware-api-session-id", "0" * 32),)
BREAKER = "the circuit breaker of vCenter is "


async def failed(client: Client, rpc: str, request: Any, **how: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        await client.call(rpc, request, **how)
    return caught.value


async def test_a_call_that_is_refused(system: System) -> None:
    """A call without credentials has neither an identity nor a request: nothing of it was read."""
    failure = await failed(system.client, READ, READ_REQUEST, user=None)
    [ended] = system.calls
    assert (ended.rpc, ended.code, ended.reason) == (READ, "UNAUTHENTICATED", "CREDENTIALS_MISSING")
    assert (ended.identity, ended.message, ended.call) == ("", None, None)
    assert ended.peer.startswith("ipv4:127.0.0.1:")
    assert ended.request_id == failure.request_id


async def test_a_request_that_cannot_be_read(system: System) -> None:
    """Of bytes that are no request there is no message, but who sent them is known."""
    method = system.client.channel.unary_unary(f"/{READ}")
    authorization = Client._prepared(system.client, READ, {}, ADMINISTRATOR, PASSWORD, ())[2]
    with pytest.raises(Exception, match="not a valid"):
        await method(b"\xff", metadata=authorization)
    [ended] = system.calls
    assert (ended.code, ended.reason, ended.identity) == ("INVALID_ARGUMENT", "REQUEST_INVALID", IDENTITY)
    assert (ended.message, ended.call) == (None, None)


@pytest.mark.parametrize(
    ("rpc", "operation", "request_json"), [(READ, READ_ID, READ_REQUEST), (START, START_ID, START_REQUEST)]
)
async def test_a_call_that_fails(system: System, rpc: str, operation: str, request_json: Any) -> None:
    """A call that vCenter refuses has all that is known of it."""
    system.simulator.faults.add(Fault.error("NOT_FOUND"), operation=operation)
    await failed(system.client, rpc, request_json)
    [ended] = system.calls
    assert (ended.code, ended.reason, ended.identity) == ("NOT_FOUND", "NOT_FOUND", IDENTITY)
    assert ended.call is not None
    assert ended.message is ended.call.message
    assert ended.call.caller.peer == ended.peer
    assert ended.seconds > 0


async def test_a_call_whose_caller_leaves(system: System) -> None:
    """A cancelled call is told once, as cancelled."""
    system.simulator.faults.add(Fault("hang"), operation=START_ID)
    call = asyncio.ensure_future(system.client.call(START, START_REQUEST))
    await eventually(lambda: system.simulator.record.of(START_ID), "the call")
    call.cancel()
    [ended] = await eventually(lambda: system.calls, "the event")
    assert (ended.code, ended.reason, ended.identity) == ("CANCELLED", "", IDENTITY)
    assert ended.call is not None


@pytest.mark.parametrize("rpc", [READ, START])
async def test_vcenter_cannot_be_reached(log: io.StringIO, rpc: str) -> None:
    """Who got UNAVAILABLE stands in the log at WARNING, reads included, with what the operating system said; one line
    for the call."""
    async with running_gateway(NOWHERE, events=EventLog()) as client:
        failure = await failed(client, rpc, READ_REQUEST, user=None, metadata=SESSION)
    [line] = log_lines(log)
    assert (line["level"], line["rpc"], line["code"]) == ("warning", rpc, "UNAVAILABLE")
    assert line["reason"] == "VCENTER_UNREACHABLE"
    assert "Connection refused" in line["message"]
    assert line["identity"] == "gateway:vcenter-session"
    assert line["peer"].startswith("ipv4:127.0.0.1:")
    assert line["request_id"] == failure.request_id


async def test_a_login_that_gets_no_answer(log: io.StringIO) -> None:
    """Where the login failed because vCenter is away, that is said with its caller as well."""
    async with running_gateway(NOWHERE, events=EventLog()) as client:
        failure = await failed(client, READ, READ_REQUEST)
    [call] = log_lines(log)
    logins = log_lines(log, "login to vCenter failed")
    assert logins
    for line in (call, *logins):
        assert (line["level"], line["reason"]) == ("warning", "VCENTER_UNREACHABLE")
        assert "Connection refused" in line["message"]
        assert (line["identity"], line["peer"]) == (IDENTITY, call["peer"])
        assert line["request_id"] == failure.request_id


async def test_a_login_that_is_refused(log: io.StringIO) -> None:
    """Whose password vCenter refused stands in the log at WARNING once; the call itself is the caller's fault."""
    async with running_system(events=EventLog()) as system:
        for _ in range(2):
            assert (await failed(system.client, READ, READ_REQUEST, password="wrong")).reason == "CREDENTIALS_REJECTED"
    [login] = log_lines(log, "login to vCenter failed")
    calls = log_lines(log)
    assert (login["level"], login["reason"]) == ("warning", "CREDENTIALS_REJECTED")
    assert (login["identity"], login["peer"]) == (IDENTITY, calls[0]["peer"])
    assert login["request_id"] == calls[0]["request_id"]
    assert [(line["level"], line["code"], line["reason"]) for line in calls] == [
        ("info", "UNAUTHENTICATED", "CREDENTIALS_REJECTED")
    ] * 2
    assert "wrong" not in log.getvalue()


async def test_an_open_breaker(log: io.StringIO) -> None:
    """Calls that the breaker refuses say why it is open, and its own changes are lines of their own."""
    async with running_system(events=EventLog()) as system:
        vcenter = system.gateway.vcenter
        assert vcenter is not None
        await system.client.call(READ, READ_REQUEST)
        system.simulator.faults.add(Fault.unavailable(), times=None)
        while vcenter.breaker.state == "closed":
            await failed(system.client, READ, READ_REQUEST)
        # Where this machine is so slow that the call is a probe, the next one is refused.
        while (await failed(system.client, READ, READ_REQUEST)).reason != "VCENTER_CIRCUIT_OPEN":
            pass
        system.simulator.faults.clear()
    cause = "the proxy in front of vCenter answered HTTP 503"
    refused = [line for line in log_lines(log) if line.get("reason") == "VCENTER_CIRCUIT_OPEN"]
    assert refused
    for line in refused:
        assert (line["level"], line["code"], line["cause"]) == ("warning", "UNAVAILABLE", cause)
        assert line["identity"] == IDENTITY
        assert line["peer"]
    [opened, *_] = log_lines(log, f"{BREAKER}open: {cause}")
    assert opened["level"] == "warning"


async def test_one_line_a_call(log: io.StringIO) -> None:
    """However a call ends, it is one line."""
    async with running_system(events=EventLog()) as system:
        await system.client.call(READ, READ_REQUEST)
        await failed(system.client, READ, {"vm": "vm-9999"})
        await failed(system.client, READ, {})
        await failed(system.client, READ, READ_REQUEST, user=None)
        system.simulator.faults.add(Fault("reset_before"), operation=READ_ID)
        await system.client.call(READ, READ_REQUEST)
    assert [line["code"] for line in log_lines(log)] == [
        "OK",
        "NOT_FOUND",
        "INVALID_ARGUMENT",
        "UNAUTHENTICATED",
        "OK",
    ]
    [repeated] = log_lines(log, "call is sent again")
    assert repeated["request_id"] == log_lines(log)[-1]["request_id"]
