"""The gateway's client of vCenter and its blocking twin say the same of whatever goes wrong: code, reason, domain, text
and metadata."""

from __future__ import annotations

import asyncio
import re
import socket
from typing import Any

import pytest

from gateway.calls import Basic, Credential, SessionId
from gateway.contract import load_contract
from gateway.errors import Failure, GatewayError, Reason
from gateway.simulator import Fault, SessionLimits, Simulator, SimulatorOptions
from gateway.transcoding import compile_bindings
from gateway.vcenter import VCenterOptions
from gateway.vcenter.blocking import BlockingVCenter
from gateway.vcenter.client import VCenter
from gateway.vcenter.retry import RetryPolicy
from tests.calls import call_of
from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import PASSWORD, READ, READ_ID, START, START_ID
from tests.integration.raw_vcenter import Answer, after, http, raw_vcenter, saying, silence

CONTRACT = load_contract()
BINDINGS = compile_bindings(CONTRACT)
GOOD, WRONG = Basic(ADMINISTRATOR, PASSWORD), Basic(ADMINISTRATOR, "wrong")
MINE = SessionId("of-the-caller")
# The pool of sessions goes on with what a single call does not: it says when it tries a password again.
COOL_DOWN = re.compile(r"; the gateway tries them again in \d+ s, so that the account is not locked")


async def told(options: VCenterOptions, rpc: str, vm: str, credential: Credential, timeout: float) -> Failure:
    """What the gateway's client says."""
    vcenter = VCenter(options, CONTRACT, policy=RetryPolicy(tries=1))
    try:
        with pytest.raises(GatewayError) as caught:
            await vcenter.call(call_of(BINDINGS[rpc], {"vm": vm}, credential=credential, timeout=timeout))
    finally:
        await vcenter.close()
    return caught.value.failure


async def told_by_twin(options: VCenterOptions, rpc: str, vm: str, credential: Credential, timeout: float) -> Failure:
    """What the blocking one says."""

    def run() -> Failure:
        with BlockingVCenter(options, credential, CONTRACT, policy=RetryPolicy(tries=1)) as vcenter:
            binding = BINDINGS[rpc]
            with pytest.raises(GatewayError) as caught:
                vcenter.call(binding, binding.request_class(vm=vm), timeout)
        return caught.value.failure

    return await asyncio.to_thread(run)


async def assert_same(
    options: VCenterOptions, rpc: str, vm: str = "vm-1001", credential: Credential = GOOD, timeout: float = 10.0
) -> Failure:
    """Asserts that both say the same, and returns it."""
    one = await told(options, rpc, vm, credential, timeout)
    other = await told_by_twin(options, rpc, vm, credential, timeout)
    assert said(one) == said(other)
    return one


def said(failure: Failure) -> tuple[Any, ...]:
    text = COOL_DOWN.sub("", failure.message)
    return failure.code_name, failure.reason, failure.domain, text, failure.metadata, failure.details


@pytest.mark.parametrize("rpc", [READ, START], ids=["read", "change"])
@pytest.mark.parametrize(
    ("fault", "timeout"),
    [
        pytest.param(Fault.unavailable(), 10, id="unavailable"),
        pytest.param(Fault.error("RESOURCE_BUSY"), 10, id="busy"),
        pytest.param(Fault("reset_before"), 10, id="reset-before"),
        pytest.param(Fault("reset_after"), 10, id="reset-after"),
        pytest.param(Fault("cut_body"), 10, id="cut-body"),
        pytest.param(Fault.answer("x", 400), 10, id="no-error"),
        pytest.param(Fault("hang"), 0.5, id="hang"),
    ],
)
async def test_calls(rpc: str, fault: Fault, timeout: float) -> None:
    """Calls that go wrong in each way that the simulator knows."""
    async with Simulator() as simulator:
        operation = READ_ID if rpc == READ else START_ID
        simulator.faults.add(fault, operation=operation, times=2)
        await assert_same(VCenterOptions(simulator.url), rpc, timeout=timeout)


@pytest.mark.parametrize(
    ("rpc", "vm", "credential", "reason"),
    [
        pytest.param(READ, "vm-1001", WRONG, Reason.CREDENTIALS_REJECTED, id="wrong-password"),
        pytest.param(START, "vm-1001", MINE, "UNAUTHENTICATED", id="ended-session"),
        pytest.param(READ, "vm-0", GOOD, "NOT_FOUND", id="no-such-machine"),
        pytest.param(START, "vm-1001", Basic("noaccess@vsphere.local", PASSWORD), "UNAUTHORIZED", id="no-permission"),
        pytest.param(START, "..", GOOD, Reason.REQUEST_INVALID, id="wrong-request"),
    ],
)
async def test_errors(rpc: str, vm: str, credential: Credential, reason: str) -> None:
    """Errors of vCenter's, and of the request."""
    async with Simulator() as simulator:
        found = await assert_same(VCenterOptions(simulator.url), rpc, vm, credential)
    assert found.reason == reason


@pytest.mark.parametrize(
    ("fault", "timeout"),
    [
        pytest.param(Fault.unavailable(), 10, id="unavailable"),
        pytest.param(Fault.answer("busy", 503), 10, id="busy-word"),
    ],
)
async def test_logins(fault: Fault, timeout: float) -> None:
    """Logins that fail for another reason than the password."""
    async with Simulator() as simulator:
        simulator.faults.add(fault, times=2)
        await assert_same(VCenterOptions(simulator.url), START, timeout=timeout)


async def test_no_room_for_sessions() -> None:
    """vCenter has as many sessions as it takes."""
    async with Simulator(SimulatorOptions(limits=SessionLimits(total=0))) as simulator:
        found = await assert_same(VCenterOptions(simulator.url), READ)
    assert found.code_name == "RESOURCE_EXHAUSTED"


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"


@pytest.mark.parametrize("rpc", [READ, START], ids=["read", "change"])
@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(saying(b""), id="nothing"),
        pytest.param(saying(b"220 mail.example.com ESMTP\r\n"), id="no-http"),
        pytest.param(saying(HEAD + b"{"), id="cut-body"),
        pytest.param(silence, id="silence"),
        pytest.param(after(HEAD, b" ", 0.05), id="a-body-that-drips"),
        pytest.param(http("200 OK", b" " * 5000), id="too-large"),
        pytest.param(http("500 E", b'{"error_type": "ERROR", "messages": []}'), id="error"),
        pytest.param(http("404 Not Found", b"<html>", "text/html"), id="page"),
        pytest.param(http("302 Found\r\nLocation: http://elsewhere/", b""), id="redirect"),
        pytest.param(http("429 Too Many\r\nRetry-After: 3600", b""), id="an-hour"),
    ],
)
async def test_answers(rpc: str, answer: Answer) -> None:
    """Whatever answers in vCenter's place."""
    async with raw_vcenter(answer) as vcenter:
        options = VCenterOptions(vcenter.url, max_response_bytes=4096)
        await assert_same(options, rpc, credential=MINE, timeout=0.5 if answer is silence else 1.0)


async def test_an_answer_that_cannot_be_read() -> None:
    """It is no JSON."""
    async with raw_vcenter(http("200 OK", b'{"state": "ON')) as vcenter:
        found = await assert_same(VCenterOptions(vcenter.url), READ, credential=MINE)
    assert found.reason == Reason.VCENTER_RESPONSE_INVALID


@pytest.mark.parametrize("body", [b"", b'{"value": "x"}', b'"a\\r\\nb"'], ids=["nothing", "an-object", "no-word"])
async def test_logins_without_a_session(body: bytes) -> None:
    """A login whose answer holds none."""
    async with raw_vcenter(http("201 Created", body)) as vcenter:
        await assert_same(VCenterOptions(vcenter.url), START)


async def test_nobody_listens() -> None:
    """There is no connection."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        await assert_same(VCenterOptions(f"http://127.0.0.1:{free.getsockname()[1]}"), START, credential=MINE)


async def test_tls_without_end() -> None:
    """The handshake does not end, in the time of the call or in that of connections."""
    async with raw_vcenter(silence) as vcenter:
        url = vcenter.url.replace("http:", "https:")
        await assert_same(VCenterOptions(url), START, credential=MINE, timeout=0.5)
        await assert_same(VCenterOptions(url, connect_timeout=0.3), START, credential=MINE)
        await assert_same(VCenterOptions(url, connect_timeout=0.3), START, credential=GOOD)


async def test_no_tls() -> None:
    """What answers does not speak it."""
    async with raw_vcenter(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n")) as vcenter:
        await assert_same(VCenterOptions(vcenter.url.replace("http:", "https:")), START, credential=MINE)
