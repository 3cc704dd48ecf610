"""Who a call is made for: identities in the metadata, the sessions kept for passwords, and what vCenter refuses."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest

from gateway.access import Admission, passthrough
from gateway.calls import Basic
from gateway.simulator import DEFAULT_USERS, SessionLimits, SimulatorOptions, User
from tests.integration.cases import ADMINISTRATOR
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
    running_system,
)

READONLY = "readonly@vsphere.local"
SECRET = "hunter2-hunter2"
LIST_PROCESSES = "vcenter.vm.guest.v1.ProcessesService/ListProcesses"
CREATE_PROCESS = "vcenter.vm.guest.v1.ProcessesService/CreateProcess"
WRONG_GUEST = {
    "vm": "vm-1001",
    "credentials": {
        "type": "CREDENTIALS_TYPE_USERNAME_PASSWORD",
        "interactive_session": False,
        "user_name": "root",
        "password": SECRET,
    },
}


def basic(text: str | bytes) -> str:
    data = text.encode() if isinstance(text, str) else text
    return f"Basic {base64.b64encode(data).decode()}"


async def refused(system: System, **how: Any) -> Failure:
    """The failure of a call that only reads."""
    with pytest.raises(Failure) as caught:
        await system.client.call(READ, READ_REQUEST, **how)
    return caught.value


async def test_no_identity(system: System) -> None:
    """A call without any identity is refused and vCenter is not called."""
    failure = await refused(system, user=None)
    assert (failure.code, failure.reason) == ("UNAUTHENTICATED", "CREDENTIALS_MISSING")
    assert failure.domain == "vcenter-gateway"
    assert len(system.simulator.record) == 0


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param(
            (("authorization", basic("user:one")), ("authorization", basic(f"user:{SECRET}"))), id="passwords"
        ),
        pytest.param((("vmware-api-session-id", "0" * 32), ("vmware-api-session-id", SECRET)), id="sessions"),
    ],
)
async def test_several_identities(system: System, pairs: tuple[tuple[str, str], ...]) -> None:
    """A call that brings two identities of a kind is refused: nobody can know which one counts."""
    failure = await refused(system, user=None, metadata=pairs)
    assert (failure.code, failure.reason) == ("UNAUTHENTICATED", "CREDENTIALS_MALFORMED")
    assert "more than once" in failure.message
    assert "hunter2" not in repr((failure, failure.trailing))
    assert len(system.simulator.record) == 0


@pytest.mark.parametrize(
    "pair",
    [
        pytest.param(("authorization", f"Bearer {SECRET}"), id="another-scheme"),
        pytest.param(("authorization", SECRET), id="no-scheme"),
        pytest.param(("authorization", "Basic"), id="nothing-after-the-scheme"),
        pytest.param(("authorization", f"Basic {SECRET}!"), id="not-base64"),
        pytest.param(("authorization", basic(SECRET)), id="no-colon"),
        pytest.param(("authorization", basic(f":{SECRET}")), id="no-user"),
        pytest.param(("authorization", basic(b"\xff\xfe:\xff")), id="not-utf-8"),
        pytest.param(("authorization", basic("user:" + SECRET * 300)), id="too-long"),
        pytest.param(("vmware-api-session-id", ""), id="empty-session-id"),
        pytest.param(("vmware-api-session-id", f"{SECRET} {SECRET}"), id="session-id-with-a-space"),
        pytest.param(("vmware-api-session-id", SECRET * 100), id="session-id-too-long"),
    ],
)
async def test_malformed_identity(system: System, pair: tuple[str, str]) -> None:
    """An identity that cannot be read is refused, repeated nowhere, and vCenter is not called."""
    failure = await refused(system, user=None, metadata=(pair,))
    assert (failure.code, failure.reason) == ("UNAUTHENTICATED", "CREDENTIALS_MALFORMED")
    assert "hunter2" not in repr((failure, failure.trailing))
    assert len(system.simulator.record) == 0


async def test_session_id_is_forwarded(system: System) -> None:
    """A caller's own session is used as it is: the gateway opens none, and closes none when it stops."""
    session = system.simulator.sessions.login(ADMINISTRATOR, PASSWORD).identifier
    # It wins over a password that is sent along.
    await system.client.call(READ, READ_REQUEST, metadata=(("vmware-api-session-id", session),))
    (call,) = system.simulator.record
    assert call.headers["vmware-api-session-id"] == session
    assert "authorization" not in call.headers
    await system.gateway.stop()
    counts = system.simulator.sessions.counts()
    assert (counts["logins"], counts["logouts"], counts["open"]) == (1, 0, 1)
    system.simulator.sessions.logout(session)


async def test_session_id_is_never_renewed(system: System) -> None:
    """When the caller's session has ended, vCenter's refusal is passed on, and nothing else is asked of vCenter."""
    failure = await refused(system, user=None, metadata=(("vmware-api-session-id", "0" * 32),))
    assert (failure.code, failure.reason) == ("UNAUTHENTICATED", "UNAUTHENTICATED")
    assert [call.operation for call in system.simulator.record] == [READ_ID]


async def test_one_login_for_many_first_calls() -> None:
    """Two hundred calls that come at once for one user make one login."""
    async with running_system(SimulatorOptions(latency=0.05)) as system:
        await asyncio.gather(*(system.client.call(READ, READ_REQUEST) for _ in range(200)))
        assert system.simulator.sessions.counts()["logins"] == 1
        assert len(system.simulator.record.of(READ_ID)) == 200


async def test_users_have_sessions_of_their_own(system: System) -> None:
    """Nobody acts with the rights of another."""
    await system.client.call(READ, READ_REQUEST)
    with pytest.raises(Failure, match="PERMISSION_DENIED"):
        await system.client.call(START, START_REQUEST, user=READONLY)
    await system.client.call(START, START_REQUEST)
    assert system.simulator.sessions.counts()["logins"] == 2


async def test_a_password_of_any_characters() -> None:
    """Colons and letters beyond ASCII in a password reach vCenter as they are."""
    user = User("jürgen@vsphere.local", "pä:ss wörd:€")
    async with running_system(SimulatorOptions(users=(*DEFAULT_USERS, user))) as system:
        assert await system.client.call(READ, READ_REQUEST, user=user.name, password=user.password)


@pytest.mark.parametrize(
    ("rpc", "operation", "request_json", "status"),
    [
        pytest.param(READ, READ_ID, READ_REQUEST, 200, id="read"),
        pytest.param(START, START_ID, START_REQUEST, 204, id="change"),
    ],
)
async def test_expired_session_is_renewed(
    system: System, rpc: str, operation: str, request_json: dict[str, str], status: int
) -> None:
    """When vCenter has ended the session, one login and one repetition answer the call, which is executed once."""
    await system.client.call(READ, {"vm": "vm-1003"})
    system.simulator.sessions.expire_all()
    system.simulator.record.clear()
    await system.client.call(rpc, request_json)
    calls = system.simulator.record.of(operation)
    assert [(call.status, call.executed) for call in calls] == [(401, False), (status, True)]
    assert system.simulator.sessions.counts()["logins"] == 2


async def test_one_login_for_many_calls_after_expiry() -> None:
    """Fifty calls that meet an ended session make one login, and each is answered."""
    async with running_system(SimulatorOptions(latency=0.05)) as system:
        await system.client.call(READ, READ_REQUEST)
        system.simulator.sessions.expire_all()
        await asyncio.gather(*(system.client.call(READ, READ_REQUEST) for _ in range(50)))
        assert system.simulator.sessions.counts()["logins"] == 2


async def test_wrong_password_is_tried_once(system: System) -> None:
    """vCenter sees one wrong password however many calls bring it, so that the account is not locked."""
    for _ in range(10):
        failure = await refused(system, password="wrong")
        assert (failure.code, failure.reason) == ("UNAUTHENTICATED", "CREDENTIALS_REJECTED")
        assert 290 < float(failure.details["google.rpc.RetryInfo"]["retry_delay"].rstrip("s")) <= 300
    assert system.simulator.sessions.counts()["rejected_logins"] == 1
    assert await system.client.call(READ, READ_REQUEST), "the right password works at once"


async def test_each_refused_call_has_its_own_request_id() -> None:
    """Calls that waited for the same refused login tell nothing of each other."""
    async with running_system(SimulatorOptions(latency=0.1)) as system:
        names = [f"call-{number}" for number in range(20)]
        failures = await asyncio.gather(
            *(refused(system, password="wrong", metadata=(("x-request-id", name),)) for name in names)
        )
        assert system.simulator.sessions.counts()["rejected_logins"] == 1
    assert [failure.request_id for failure in failures] == names
    for failure, name in zip(failures, names, strict=True):
        assert failure.trailing["x-request-id"] == name
        assert failure.trailing["grpc-status-details-bin"].count(b"call-") == 1


async def test_a_password_that_was_changed(system: System) -> None:
    """The old one is refused as soon as its session ends; the new one works at once."""
    await system.client.call(READ, READ_REQUEST)
    system.simulator.sessions.set_password(ADMINISTRATOR, "new")
    assert await system.client.call(READ, READ_REQUEST), "sessions outlive the password they were opened with"
    system.simulator.sessions.expire_all()
    for _ in range(3):
        assert (await refused(system)).reason == "CREDENTIALS_REJECTED"
    assert system.simulator.sessions.counts()["rejected_logins"] == 1
    assert await system.client.call(READ, READ_REQUEST, password="new")


async def test_no_room_for_a_session() -> None:
    """When vCenter has no session left, the caller learns that and when to try again, and then succeeds."""
    async with running_system(SimulatorOptions(limits=SessionLimits(per_user=1))) as system:
        other = system.simulator.sessions.login(ADMINISTRATOR, PASSWORD)
        failure = await refused(system)
        assert (failure.code, failure.reason) == ("RESOURCE_EXHAUSTED", "SERVICE_UNAVAILABLE")
        assert failure.message_ids == ("com.vmware.vapi.endpoint.failedToLoginMaxUserSessionCountReached",)
        assert 0 < float(failure.details["google.rpc.RetryInfo"]["retry_delay"].removesuffix("s")) <= 1
        assert (await refused(system)).reason == "SERVICE_UNAVAILABLE"
        assert system.simulator.sessions.counts()["refused_by_cap"] == 1
        system.simulator.sessions.logout(other.identifier)
        async with asyncio.timeout(10):
            while not await _is_served(system):
                pass


async def _is_served(system: System) -> bool:
    try:
        return bool(await system.client.call(READ, READ_REQUEST))
    except Failure:
        return False


@pytest.mark.parametrize(
    ("rpc", "more"),
    [
        pytest.param(LIST_PROCESSES, {}, id="read"),
        pytest.param(CREATE_PROCESS, {"spec": {"path": "/bin/true"}}, id="change"),
    ],
)
async def test_a_wrong_guest_password_costs_no_session(rpc: str, more: dict[str, Any]) -> None:
    """vCenter answers 401 to a wrong password of the guest, too: the session stays, and no call is sent twice."""
    # One that was sent after vCenter said that the session is there would ask again: all have to be under way by then.
    async with running_system(SimulatorOptions(latency=0.5)) as system:
        await system.client.call(READ, READ_REQUEST)
        system.simulator.record.clear()
        results = await asyncio.gather(
            *(system.client.call(rpc, {**WRONG_GUEST, **more}) for _ in range(20)), return_exceptions=True
        )
        failures = [result for result in results if isinstance(result, Failure)]
        assert [(failure.code, failure.reason) for failure in failures] == [("UNAUTHENTICATED", "UNAUTHENTICATED")] * 20
        assert not any("hunter2" in repr((failure, failure.trailing)) for failure in failures)
        asked = [call.operation or f"{call.method} {call.target}" for call in system.simulator.record]
        assert len(asked) == 21, "the calls, and one question whether the session is still there"
        assert asked.count("GET /api/session") == 1
        assert system.simulator.sessions.counts()["logins"] == 1


async def test_sessions_are_closed_at_the_stop(system: System) -> None:
    """Every session that the gateway opened is logged out when it stops."""
    for user in DEFAULT_USERS[:2]:
        await system.client.call(READ, READ_REQUEST, user=user.name)
    await system.gateway.stop()
    counts = system.simulator.sessions.counts()
    assert (counts["logins"], counts["logouts"], counts["open"]) == (2, 2, 0)


async def test_anonymous_callers_of_the_simulator() -> None:
    """Where the gateway stands in front of its own simulator, who brings no identity acts as its administrator; who
    brings one is who they say."""
    admission = Admission(passthrough(Basic(ADMINISTRATOR, PASSWORD)))
    async with running_system(admission=admission) as system:
        await system.client.call(START, START_REQUEST, user=None)
        with pytest.raises(Failure, match="PERMISSION_DENIED"):
            await system.client.call(START, {"vm": "vm-1001"}, user=READONLY)
        assert (await refused(system, password="wrong")).reason == "CREDENTIALS_REJECTED"
