"""What is sent to vCenter how often: changes at most once, reads a few times, and what the caller learns of it."""

from __future__ import annotations

import json
import time

import grpc.aio
import pytest

from gateway.simulator import Fault, Simulator, SimulatorOptions, errors, pages
from gateway.simulator.exchange import Response, failure_response
from gateway.simulator.older_rest import older_failure
from gateway.vcenter import VCenterOptions
from tests.integration.harness import (
    READ,
    READ_ID,
    READ_REQUEST,
    START,
    START_ID,
    START_REQUEST,
    Failure,
    System,
    running_gateway,
)
from tests.integration.raw_vcenter import http, raw_vcenter

RESET_BEFORE, RESET_AFTER, CUT, HANG = map(Fault, ("reset_before", "reset_after", "cut_body", "hang"))
DOWN = Fault.unavailable()
BUSY = Fault.error("RESOURCE_BUSY")
LOST = ("UNAVAILABLE", "VCENTER_CONNECTION_LOST")


async def refused(system: System, rpc: str, request: dict[str, str], timeout: float = 30.0) -> Failure:
    with pytest.raises(Failure) as caught:
        await system.client.call(rpc, request, timeout=timeout)
    return caught.value


@pytest.mark.parametrize(
    ("fault", "expected", "executed", "may_have_executed"),
    [
        pytest.param(RESET_BEFORE, LOST, False, True, id="reset_before"),
        pytest.param(RESET_AFTER, LOST, True, True, id="reset_after"),
        pytest.param(CUT, LOST, True, True, id="cut_body"),
        pytest.param(DOWN, ("UNAVAILABLE", "HTTP_503"), False, False, id="unavailable"),
        pytest.param(BUSY, ("ABORTED", "RESOURCE_BUSY"), False, False, id="busy"),
        pytest.param(
            Fault.error("SERVICE_UNAVAILABLE"),
            ("UNAVAILABLE", "SERVICE_UNAVAILABLE"),
            False,
            False,
            id="service_unavailable",
        ),
        pytest.param(HANG, ("DEADLINE_EXCEEDED", "VCENTER_TIMEOUT"), False, True, id="hang"),
    ],
)
async def test_a_change_is_sent_once(
    system: System, fault: Fault, expected: tuple[str, str], executed: bool, may_have_executed: bool
) -> None:
    """Whatever goes wrong, vCenter gets the call once, and where nobody knows whether it ran, the status says so."""
    system.simulator.faults.add(fault, operation=START_ID)
    found = await refused(system, START, START_REQUEST, timeout=1)
    assert [call.executed for call in system.simulator.record.of(START_ID)] == [executed]
    assert (found.code, found.reason) == expected
    assert found.may_have_executed is may_have_executed
    # gRPC's own retry, wherever a client has configured it, must not do what the gateway does not.
    assert found.trailing.get("grpc-retry-pushback-ms") == ("-1" if may_have_executed else None)


@pytest.mark.parametrize(
    ("fault", "expected"),
    [
        pytest.param(RESET_BEFORE, LOST, id="reset_before"),
        pytest.param(RESET_AFTER, LOST, id="reset_after"),
        pytest.param(CUT, LOST, id="cut_body"),
        pytest.param(DOWN, ("UNAVAILABLE", "HTTP_503"), id="unavailable"),
    ],
)
async def test_a_read_is_repeated_twice(system: System, fault: Fault, expected: tuple[str, str]) -> None:
    """Two failures in a row stay unseen; with the third the caller gets the error, which speaks of no execution."""
    system.simulator.faults.add(fault, operation=READ_ID, times=2)
    assert await system.client.call(READ, READ_REQUEST)
    system.simulator.faults.add(fault, operation=READ_ID, times=3)
    found = await refused(system, READ, READ_REQUEST)
    assert (found.code, found.reason) == expected
    assert not found.may_have_executed
    assert "grpc-retry-pushback-ms" not in found.trailing
    assert len(system.simulator.record.of(READ_ID)) == 6


async def test_a_read_of_a_busy_machine_is_repeated(system: System) -> None:
    """RESOURCE_BUSY passes: the read waits the second that the error asks for, and succeeds."""
    system.simulator.faults.add(BUSY, operation=READ_ID)
    started = time.monotonic()
    assert await system.client.call(READ, READ_REQUEST)
    assert time.monotonic() - started >= 1
    assert [call.status for call in system.simulator.record.of(READ_ID)] == [500, 200]


async def test_a_read_is_not_repeated_beyond_the_deadline(system: System) -> None:
    """Where the wait would outlast the deadline, the error comes at once in place of the deadline's."""
    system.simulator.faults.add(BUSY, operation=READ_ID, times=None)
    started = time.monotonic()
    found = await refused(system, READ, READ_REQUEST, timeout=0.8)
    assert time.monotonic() - started < 0.5
    assert (found.code, found.reason) == ("ABORTED", "RESOURCE_BUSY")
    assert len(system.simulator.record.of(READ_ID)) == 1


@pytest.mark.parametrize("error", ["NOT_FOUND", "UNAUTHORIZED", "INTERNAL_SERVER_ERROR", "TIMED_OUT", "ERROR"])
async def test_a_read_is_not_repeated_in_vain(system: System, error: str) -> None:
    """An error that would come again is passed on at once."""
    system.simulator.faults.add(Fault.error(error), operation=READ_ID)
    assert (await refused(system, READ, READ_REQUEST)).reason == error
    assert len(system.simulator.record.of(READ_ID)) == 1


IDENTITY, IDENTITY_ID = "vcenter.vm.guest.v1.IdentityService/GetIdentity", "com.vmware.vcenter.vm.guest.identity.get"
OFF = {"vm": "vm-1002"}


async def test_a_lasting_state_is_not_repeated(system: System) -> None:
    """That the tools of a guest do not run lasts: vCenter is asked once for each read, clients are told not to repeat
    it, and reads that can succeed a moment later are repeated as ever."""
    options = [("grpc.service_config", json.dumps(RETRYING))]
    async with grpc.aio.insecure_channel(system.address, options=options) as channel:
        for _ in range(15):
            with pytest.raises(Failure) as caught:
                await system.client.on(channel).call(IDENTITY, OFF)
            assert (caught.value.code, caught.value.reason) == ("UNAVAILABLE", "SERVICE_UNAVAILABLE")
            assert caught.value.trailing.get("grpc-retry-pushback-ms") == "-1"
    assert len(system.simulator.record.of(IDENTITY_ID)) == 15
    system.simulator.faults.add(RESET_BEFORE, operation=IDENTITY_ID, times=2)
    assert await system.client.call(IDENTITY, READ_REQUEST)
    assert len(system.simulator.record.of(IDENTITY_ID)) == 15 + 3


async def test_a_change_after_a_lost_login(system: System) -> None:
    """A login whose connection broke is repeated: the call itself had not been sent yet."""
    system.simulator.faults.add(RESET_BEFORE, times=1)
    await system.client.call(START, START_REQUEST)
    assert [call.executed for call in system.simulator.record.of(START_ID)] == [True]


async def test_a_change_without_a_login(system: System) -> None:
    """When no login succeeds, the call was not sent, and the status does not say that it may have run."""
    system.simulator.faults.add(RESET_BEFORE, times=None)
    found = await refused(system, START, START_REQUEST)
    assert (found.code, found.reason) == LOST
    assert not found.may_have_executed
    assert [call.target for call in system.simulator.record] == ["/api/session"] * 3


@pytest.mark.parametrize(
    ("rpc", "request_json"),
    [pytest.param(READ, READ_REQUEST, id="read"), pytest.param(START, START_REQUEST, id="change")],
)
async def test_nobody_listens(rpc: str, request_json: dict[str, str]) -> None:
    """Without a connection nothing was executed, and the status does not say that it may have been."""
    async with Simulator() as simulator:
        address = simulator.url
    async with running_gateway(VCenterOptions(address)) as client:
        with pytest.raises(Failure) as caught:
            await client.call(rpc, request_json)
    assert (caught.value.code, caught.value.reason) == ("UNAVAILABLE", "VCENTER_UNREACHABLE")
    assert "refused" in caught.value.message
    assert not caught.value.may_have_executed
    assert "grpc-retry-pushback-ms" not in caught.value.trailing


RETRYING = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.01s",
                "maxBackoff": "0.01s",
                "backoffMultiplier": 1,
                "retryableStatusCodes": ["UNAVAILABLE"],
            },
        }
    ]
}


@pytest.mark.parametrize(
    ("rpc", "request_json", "fault", "tries"),
    [
        pytest.param(READ, READ_REQUEST, Fault.error("SERVICE_UNAVAILABLE"), 3, id="read"),
        pytest.param(START, START_REQUEST, Fault.error("SERVICE_UNAVAILABLE"), 3, id="change-that-did-not-run"),
        pytest.param(START, START_REQUEST, RESET_AFTER, 1, id="change-that-may-have-run"),
    ],
)
async def test_callers_who_have_grpc_retry(
    system: System, rpc: str, request_json: dict[str, str], fault: Fault, tries: int
) -> None:
    """gRPC's own retries, as a service config asks for them, repeat what fails with UNAVAILABLE, but not what the
    gateway has answered may have been executed."""
    system.simulator.faults.add(fault, operation=START_ID if rpc == START else READ_ID, times=None)
    options = [("grpc.service_config", json.dumps(RETRYING))]
    async with grpc.aio.insecure_channel(system.address, options=options) as channel:
        with pytest.raises(Failure) as caught:
            await system.client.on(channel).call(rpc, request_json)
    assert caught.value.code == "UNAVAILABLE"
    assert caught.value.reason
    assert [call.code for call in system.calls] == ["UNAVAILABLE"] * tries


async def test_vcenter_is_back() -> None:
    """After a restart of vCenter, which knows no session and no connection any more, the next call works."""
    async with Simulator() as simulator:
        options = VCenterOptions(simulator.url)
        async with running_gateway(options) as client:
            await client.call(READ, READ_REQUEST)
            await simulator.stop()
            with pytest.raises(Failure, match="VCENTER_UNREACHABLE"):
                await client.call(START, START_REQUEST)
            async with Simulator(SimulatorOptions(port=simulator.port)) as restarted:
                await client.call(START, START_REQUEST)
                assert [call.executed for call in restarted.record.of(START_ID)] == [False, True]
                assert [call.status for call in restarted.record.of(START_ID)] == [401, 204]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(failure_response(errors.unknown_url()), "OPERATION_NOT_FOUND", id="json"),
        pytest.param(older_failure(failure_response(errors.unknown_url())), "OPERATION_NOT_FOUND", id="older-json"),
        pytest.param(pages.not_found("/api/vcenter/vm/vm-1001/power"), "HTTP_404", id="page"),
    ],
)
async def test_an_operation_that_vcenter_lacks(answer: Response, reason: str) -> None:
    """An older vCenter answers in JSON or with a page: the operation is missing, not the machine. No HTML passes."""
    async with (
        raw_vcenter(http("404 Not Found", answer.body, answer.content_type)) as vcenter,
        running_gateway(VCenterOptions(vcenter.url)) as client,
    ):
        with pytest.raises(Failure) as caught:
            await client.call(READ, READ_REQUEST, user=None, metadata=(("vmware-api-session-id", "any"),))
    assert (caught.value.code, caught.value.reason) == ("UNIMPLEMENTED", reason)
    assert "older than the API" in caught.value.message
    assert "<" not in repr((caught.value.message, caught.value.details))


ENVOY = "upstream connect error or disconnect/reset before headers. reset reason: "


@pytest.mark.parametrize(
    ("status", "text", "code", "in_doubt"),
    [
        pytest.param(500, "<h1>Server Error</h1>", "INTERNAL", True, id="500"),
        pytest.param(501, "<h1>Not Implemented</h1>", "UNIMPLEMENTED", False, id="501"),
        pytest.param(502, "<h1>Bad Gateway</h1>", "UNAVAILABLE", True, id="502"),
        pytest.param(503, "no healthy upstream", "UNAVAILABLE", False, id="503"),
        pytest.param(503, f"{ENVOY}connection termination", "UNAVAILABLE", True, id="503-lost"),
        pytest.param(503, f"{ENVOY}remote reset", "UNAVAILABLE", True, id="503-reset"),
        pytest.param(503, f"{ENVOY}connection failure", "UNAVAILABLE", False, id="503-not-connected"),
        pytest.param(503, f"{ENVOY}remote connection failure, x", "UNAVAILABLE", False, id="503-refused"),
        pytest.param(503, f"{ENVOY}connection timeout", "UNAVAILABLE", False, id="503-no-connection-in-time"),
        pytest.param(503, f"{ENVOY}overflow", "UNAVAILABLE", False, id="503-overflow"),
        pytest.param(504, "upstream request timeout", "DEADLINE_EXCEEDED", True, id="504"),
        pytest.param(408, "<h1>Request Timeout</h1>", "DEADLINE_EXCEEDED", False, id="408"),
        pytest.param(429, "<h1>Too Many Requests</h1>", "RESOURCE_EXHAUSTED", False, id="429"),
    ],
)
async def test_a_proxy_that_lost_a_change(status: int, text: str, code: str, in_doubt: bool) -> None:
    """Where a proxy says that the service behind it broke down, was lost or took too long, the change may have been
    executed, and the status says so; it is sent once in any case."""
    async with (
        raw_vcenter(http(f"{status} E", text.encode(), "text/html")) as vcenter,
        running_gateway(VCenterOptions(vcenter.url)) as client,
    ):
        with pytest.raises(Failure) as caught:
            await client.call(START, START_REQUEST, user=None, metadata=(("vmware-api-session-id", "any"),))
        assert len(vcenter.heads) == 1
    assert (caught.value.code, caught.value.reason) == (code, f"HTTP_{status}")
    assert caught.value.may_have_executed is in_doubt
    assert caught.value.trailing.get("grpc-retry-pushback-ms") == ("-1" if in_doubt else None)


@pytest.mark.parametrize(("status", "tries"), [(502, 3), (503, 3), (504, 1), (500, 1)])
async def test_a_proxy_that_lost_a_read(status: int, tries: int) -> None:
    """A read is made again where the service behind a proxy was lost, and not where that took too long already."""
    async with (
        raw_vcenter(http(f"{status} E", b"<h1>E</h1>", "text/html")) as vcenter,
        running_gateway(VCenterOptions(vcenter.url)) as client,
    ):
        with pytest.raises(Failure) as caught:
            await client.call(READ, READ_REQUEST, user=None, metadata=(("vmware-api-session-id", "any"),))
        assert len(vcenter.heads) == tries
    assert caught.value.reason == f"HTTP_{status}"
    assert not caught.value.may_have_executed


async def test_the_page_of_a_proxy(system: System) -> None:
    """A 503 page becomes a clear status without any of its HTML."""
    system.simulator.faults.add(DOWN, operation=START_ID)
    found = await refused(system, START, START_REQUEST)
    assert (found.code, found.domain) == ("UNAVAILABLE", "vcenter.vmware.com")
    assert found.metadata["http_status"] == "503"
    assert "text/html" in found.message
    assert "<" not in repr((found.message, found.details))
    assert "no healthy upstream" not in repr(found)
