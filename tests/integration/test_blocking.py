"""The blocking client that the command line uses: the same promises as the gateway's, without a gateway."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from google.rpc import code_pb2

from gateway.calls import Basic, Credential, SessionId
from gateway.contract import load_contract
from gateway.errors import Failure, GatewayError, Reason
from gateway.simulator import Fault, Simulator
from gateway.transcoding import compile_bindings
from gateway.vcenter import VCenterOptions
from gateway.vcenter.blocking import BlockingVCenter
from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import PASSWORD, READ, READ_ID, START, START_ID
from tests.integration.raw_vcenter import Answer, after, http, raw_vcenter, saying, silence

T = TypeVar("T")
CONTRACT = load_contract()
BINDINGS = compile_bindings(CONTRACT)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n"
UNAVAILABLE, LOST = code_pb2.UNAVAILABLE, Reason.VCENTER_CONNECTION_LOST


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator() as running:
        yield running


async def with_client(
    url: str, use: Callable[[BlockingVCenter], T], credential: Credential | None = None, **options: Any
) -> T:
    """What `use` returns for a client, in a thread of its own."""

    def run() -> T:
        chosen = credential or Basic(ADMINISTRATOR, PASSWORD)
        with BlockingVCenter(VCenterOptions(url, **options), chosen, CONTRACT) as vcenter:
            return use(vcenter)

    return await asyncio.to_thread(run)


def read(vcenter: BlockingVCenter, vm: str = "vm-1001", timeout: float | None = None) -> Any:
    return vcenter.call(BINDINGS[READ], BINDINGS[READ].request_class(vm=vm), timeout)


def start(vcenter: BlockingVCenter, vm: str = "vm-1002", timeout: float | None = None) -> Any:
    return vcenter.call(BINDINGS[START], BINDINGS[START].request_class(vm=vm), timeout)


async def refused(url: str, use: Callable[[BlockingVCenter], Any], **how: Any) -> Failure:
    """The error that `use` ends in."""
    with pytest.raises(GatewayError) as caught:
        await with_client(url, use, **how)
    return caught.value.failure


async def raw_refusal(answer: Answer, timeout: float = 10.0, **options: Any) -> Failure:
    """The error of a read that is answered with raw bytes."""
    async with raw_vcenter(answer) as vcenter:
        identity = SessionId("of-the-caller")
        error = await refused(vcenter.url, lambda client: read(client, timeout=timeout), credential=identity, **options)
        repeats = error.reason == Reason.VCENTER_CONNECTION_LOST
        assert len(vcenter.heads) == (3 if repeats else 1), "only what a second try can mend is tried again"
    return error


async def test_one_session_for_all_calls(simulator: Simulator) -> None:
    """The first call logs in, the next ones use the session, and leaving the client logs out."""
    state = await with_client(simulator.url, lambda vcenter: (start(vcenter), read(vcenter, "vm-1002"))[1])
    assert "POWERED_ON" in str(state)
    asked = [call.operation or f"{call.method} {call.target}" for call in simulator.record]
    assert asked == ["POST /api/session", START_ID, READ_ID, "DELETE /api/session"]
    assert simulator.sessions.counts()["open"] == 0


async def test_the_environment_changes_nothing(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither a proxy that the environment names nor the password of a .netrc file is used."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password hunter2\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert "POWERED_ON" in str(await with_client(simulator.url, read))


async def test_a_session_of_the_callers_own(simulator: Simulator) -> None:
    """A session that was given is used and left open."""
    session = simulator.sessions.login(ADMINISTRATOR, PASSWORD).identifier
    await with_client(simulator.url, read, credential=SessionId(session))
    assert [call.operation for call in simulator.record] == [READ_ID]
    assert simulator.sessions.counts()["open"] == 1


async def test_wrong_password(simulator: Simulator) -> None:
    """A refused login ends the call before it is sent."""
    error = await refused(simulator.url, start, credential=Basic(ADMINISTRATOR, "wrong"))
    assert (error.code, error.reason) == (code_pb2.UNAUTHENTICATED, Reason.CREDENTIALS_REJECTED)
    assert simulator.record.of(START_ID) == []


async def test_errors_of_vcenter(simulator: Simulator) -> None:
    """They are what the gateway would make of them, and the session is closed all the same."""
    error = await refused(simulator.url, lambda vcenter: read(vcenter, "vm-0"))
    assert (error.code, error.reason, error.domain) == (code_pb2.NOT_FOUND, "NOT_FOUND", "vcenter.vmware.com")
    vapi_error: Any = error.details[0]
    assert [message.id for message in vapi_error.messages] == ["com.vmware.api.vcenter.vm.not_found"]
    assert simulator.sessions.counts()["open"] == 0


async def test_a_wrong_request(simulator: Simulator) -> None:
    """A request that breaks the contract is refused before anything is sent."""
    error = await refused(simulator.url, lambda vcenter: start(vcenter, ".."))
    assert (error.code, error.reason) == (code_pb2.INVALID_ARGUMENT, Reason.REQUEST_INVALID)
    assert len(simulator.record) == 0


@pytest.mark.parametrize(
    ("fault", "code", "reason", "may_have_executed"),
    [
        pytest.param(Fault("reset_before"), UNAVAILABLE, LOST, True, id="reset_before"),
        pytest.param(Fault("reset_after"), UNAVAILABLE, LOST, True, id="reset_after"),
        pytest.param(Fault.unavailable(), UNAVAILABLE, "HTTP_503", False, id="unavailable"),
        pytest.param(Fault.error("RESOURCE_BUSY"), code_pb2.ABORTED, "RESOURCE_BUSY", False, id="busy"),
        pytest.param(Fault("hang"), code_pb2.DEADLINE_EXCEEDED, Reason.VCENTER_TIMEOUT, True, id="hang"),
    ],
)
async def test_a_change_is_sent_once(
    simulator: Simulator, fault: Fault, code: int, reason: str, may_have_executed: bool
) -> None:
    """Whatever goes wrong, vCenter gets the call once, and where nobody knows whether it ran, the error says so."""
    simulator.faults.add(fault, operation=START_ID)
    error = await refused(simulator.url, lambda vcenter: start(vcenter, timeout=0.5))
    assert (error.code, error.reason) == (code, reason)
    assert ("may_have_executed" in error.metadata) is may_have_executed
    assert len(simulator.record.of(START_ID)) == 1


@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "cut_body"])
async def test_a_read_executes_nothing(simulator: Simulator, kind: str) -> None:
    """A read whose answer did not come is sent again, as the gateway would do; it says nothing of an execution."""
    simulator.faults.add(Fault(kind), operation=READ_ID)
    await with_client(simulator.url, read)
    simulator.faults.add(Fault(kind), operation=READ_ID, times=3)
    error = await refused(simulator.url, read)
    assert (error.code, error.reason) == (UNAVAILABLE, LOST)
    assert "may_have_executed" not in error.metadata


async def test_a_lost_login_executes_nothing(simulator: Simulator) -> None:
    """When the connection broke at the login, the call itself had not been sent: it is tried again, three times."""
    simulator.faults.add(Fault("reset_before"), times=3)
    error = await refused(simulator.url, start)
    assert (error.code, error.reason) == (UNAVAILABLE, LOST)
    assert "may_have_executed" not in error.metadata
    assert simulator.record.of(START_ID) == []


async def test_nobody_listens(simulator: Simulator) -> None:
    """Without a connection nothing was executed, and the message is the operating system's."""
    await simulator.stop()
    error = await refused(simulator.url, start)
    assert (error.code, error.reason) == (UNAVAILABLE, Reason.VCENTER_UNREACHABLE)
    assert error.message == "vCenter cannot be reached: Connection refused"
    assert "may_have_executed" not in error.metadata


async def test_an_unknown_host() -> None:
    """A name that no DNS server knows ends the call likewise."""
    error = await refused("http://vcenter.invalid", start)
    assert (error.code, error.reason) == (UNAVAILABLE, Reason.VCENTER_UNREACHABLE)
    assert "may_have_executed" not in error.metadata


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(silence, id="no-answer"),
        pytest.param(after(HEAD + b'{"', b"", 0.05), id="the-middle-of-the-body"),
        pytest.param(after(HEAD, b" ", 0.05), id="a-body-that-drips"),
    ],
)
async def test_the_timeout_is_for_the_whole_answer(answer: Answer) -> None:
    """An answer that does not end within the timeout is given up, however it trickles in."""
    started = time.monotonic()
    error = await raw_refusal(answer, timeout=0.5)
    assert (error.code, error.reason) == (code_pb2.DEADLINE_EXCEEDED, Reason.VCENTER_TIMEOUT)
    assert time.monotonic() - started < 1.5


async def test_the_timeout_covers_the_connection() -> None:
    """A handshake that does not end within the timeout ends the call, which was not sent."""
    async with raw_vcenter(silence) as vcenter:
        url, identity = vcenter.url.replace("http:", "https:"), SessionId("of-the-caller")
        error = await refused(url, lambda client: start(client, timeout=0.5), credential=identity)
    assert (error.code, error.reason) == (code_pb2.DEADLINE_EXCEEDED, Reason.VCENTER_TIMEOUT)
    assert "may_have_executed" not in error.metadata


async def test_the_timeout_covers_the_login(simulator: Simulator) -> None:
    """Login and call share one timeout."""
    simulator.faults.add(Fault.latency(0.4), times=2)
    error = await refused(simulator.url, lambda vcenter: start(vcenter, timeout=0.6))
    assert (error.code, error.reason) == (code_pb2.DEADLINE_EXCEEDED, Reason.VCENTER_TIMEOUT)
    assert len(simulator.record.of(START_ID)) == 1


async def test_an_answer_that_is_too_large() -> None:
    """More than the limit is not read."""
    error = await raw_refusal(http("200 OK", b" " * 1001), max_response_bytes=1000)
    assert (error.code, error.reason) == (code_pb2.RESOURCE_EXHAUSTED, Reason.VCENTER_RESPONSE_TOO_LARGE)
    assert "1000 bytes" in error.message


@pytest.mark.parametrize(
    ("answer", "code", "reason"),
    [
        pytest.param(saying(b"220 mail.example.com ESMTP\r\n"), UNAVAILABLE, LOST, id="no-http"),
        pytest.param(saying(b""), UNAVAILABLE, LOST, id="nothing"),
        pytest.param(saying(HEAD + b"{"), UNAVAILABLE, LOST, id="cut-body"),
        pytest.param(http("200 OK", b"{"), code_pb2.INTERNAL, Reason.VCENTER_RESPONSE_INVALID, id="cut-json"),
        pytest.param(
            saying(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"),
            code_pb2.UNKNOWN,
            "HTTP_302",
            id="redirect",
        ),
    ],
)
async def test_answers_that_are_none(answer: Answer, code: int, reason: str) -> None:
    """Whatever answers in vCenter's place ends in a clear status, and a redirect is not followed."""
    error = await raw_refusal(answer)
    assert (error.code, error.reason) == (code, reason)
