"""Sessions with vCenter under load: one login for all callers, renewal in time, no locked accounts, no leftover
sessions."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from gateway.access import Admission
from gateway.calls import Basic
from gateway.contract import load_contract
from gateway.errors import GatewayError
from gateway.server.guards import make_guards
from gateway.settings import Settings
from gateway.simulator import Fault, ManualClock, SessionLimits, Simulator, SimulatorOptions
from gateway.transcoding import compile_bindings
from gateway.vcenter import VCenterOptions
from gateway.vcenter.client import VCenter
from gateway.vcenter.retry import RetryPolicy
from tests.calls import call_of
from tests.faults.scenario import count, end, ends
from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import (
    PASSWORD,
    READ,
    READ_ID,
    READ_REQUEST,
    START,
    START_REQUEST,
    Failure,
    System,
    eventually,
    running_gateway,
    running_system,
)
from tests.integration.raw_vcenter import http, raw_vcenter

MINUTES, HOURS = 60, 3600
LIST_PROCESSES_ID = "com.vmware.vcenter.vm.guest.processes.list"
LIST_PROCESSES = "vcenter.vm.guest.v1.ProcessesService/ListProcesses"
GUEST = {
    "vm": "vm-1001",
    "credentials": {
        "type": "CREDENTIALS_TYPE_USERNAME_PASSWORD",
        "interactive_session": False,
        "user_name": "root",
        "password": PASSWORD,
    },
}


async def test_a_thousand_first_calls_make_one_login(system: System) -> None:
    """A thousand concurrent first calls of one user succeed, and vCenter gets one login."""
    found = await ends(system.client, [(READ, READ_REQUEST)] * 1000, 1000)
    assert count(found) == {("OK", ""): 1000}
    assert system.simulator.sessions.counts()["logins"] == 1


def logins(simulator: Simulator) -> int:
    return simulator.sessions.counts()["logins"]


async def let_pass(system: System, seconds: float, used_every: float | None) -> None:
    """Lets time pass at vCenter, with or without regular use of the session."""
    step = used_every or seconds
    for _ in range(int(seconds // step)):
        system.clock.advance(step)
        if used_every:
            await system.client.call(READ, READ_REQUEST)


async def test_callers_who_give_up_during_a_login(system: System) -> None:
    """The caller that caused the login and others cancel: the login continues for those that remain and, if none
    remains, for the next one."""
    login = "the login"
    system.simulator.faults.add(Fault.latency(1))
    calls = [asyncio.create_task(end(system.client, READ, READ_REQUEST)) for _ in range(20)]
    await eventually(lambda: len(system.simulator.record) == 1, login)
    for call in calls[:10]:
        call.cancel()
    assert count(await asyncio.gather(*calls[10:])) == {("OK", ""): 10}

    system.simulator.sessions.expire_all()
    system.simulator.record.clear()
    system.simulator.faults.add(
        Fault.latency(1), times=3
    )  # The call, the check whether its session is alive, the login.
    call = asyncio.create_task(end(system.client, READ, READ_REQUEST))
    await eventually(lambda: system.simulator.sessions.counts()["logins"] == 2, login)
    call.cancel()
    assert await system.client.call(READ, READ_REQUEST)
    assert system.simulator.sessions.counts()["logins"] == 2


@pytest.mark.parametrize(
    ("seconds", "used_every"),
    [pytest.param(30 * MINUTES, None, id="idle"), pytest.param(24 * HOURS - 1, 29 * MINUTES, id="absolute")],
)
async def test_one_login_for_a_herd_after_expiry(system: System, seconds: float, used_every: float | None) -> None:
    """If vCenter has ended the session, idle or old, five hundred calls cause one login, and none fails."""
    await system.client.call(READ, READ_REQUEST)
    await let_pass(system, seconds, used_every)
    assert logins(system.simulator) == 1
    system.clock.advance(29 * MINUTES if used_every else 0)
    found = await ends(system.client, [(READ, READ_REQUEST)] * 500, 500)
    assert count(found) == {("OK", ""): 500}
    assert logins(system.simulator) == 2


class Pool:
    """A client of vCenter whose session pool uses the simulator's time."""

    def __init__(self, simulator: Simulator, vcenter: VCenter, clock: ManualClock) -> None:
        self.simulator, self.clock, self._vcenter = simulator, clock, vcenter
        self._binding = compile_bindings(load_contract())[READ]

    async def call(self) -> None:
        """Makes a call that only reads."""
        credential = Basic(ADMINISTRATOR, PASSWORD)
        await self._vcenter.call(call_of(self._binding, READ_REQUEST, credential=credential))


@pytest.fixture
async def pool() -> AsyncIterator[Pool]:
    clock = ManualClock()
    async with Simulator(SimulatorOptions(clock=clock)) as simulator:
        options = VCenterOptions(simulator.url)
        vcenter = VCenter(options, load_contract(), clock=lambda: clock().timestamp())
        try:
            yield Pool(simulator, vcenter, clock)
        finally:
            await vcenter.close()
        assert simulator.sessions.counts()["open"] == 0


@pytest.mark.parametrize(
    ("minutes", "times"),
    [pytest.param(26, 3, id="idle"), pytest.param(20, 24 * 3, id="absolute")],
)
async def test_sessions_are_renewed_before_vcenter_ends_them(pool: Pool, minutes: int, times: int) -> None:
    """Before 30 minutes without a call, and before 24 hours in any case, a new session replaces the old one, which is
    closed: no call ever uses an ended session."""
    await pool.call()
    for _ in range(times):
        pool.clock.advance(minutes * MINUTES)
        await pool.call()
    assert logins(pool.simulator) == 1 + (times if minutes > 25 else 1)
    assert {call.status for call in pool.simulator.record} <= {200, 201, 204}
    await eventually(lambda: pool.simulator.sessions.counts()["open"] == 1, "the end of the old session")


class Callers:
    """Callers that call continuously; each has at most one call in flight."""

    def __init__(self, system: System, number: int, **how: Any) -> None:
        self.ends: list[Any] = []
        self._tasks = [asyncio.create_task(self._go_on(system, how)) for _ in range(number)]

    async def _go_on(self, system: System, how: Any) -> None:
        while True:
            self.ends.append(await end(system.client, READ, READ_REQUEST, **how))
            await asyncio.sleep(0.01)

    async def are_answered(self) -> None:
        """Waits until each of them can have got a response, after everything that was in flight."""
        done = len(self.ends)
        await eventually(lambda: len(self.ends) > done + 2 * len(self._tasks), "answers")

    async def see(self, *expected: tuple[str, str]) -> None:
        """Waits until calls end in this way, and only in this way."""

        def seen() -> bool:
            return len(self.ends) > 20 and set(count(self.ends[-20:])) == set(expected)

        await eventually(seen, f"calls that end in {expected}", 20)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def callers(system: System, number: int, **how: Any) -> AsyncIterator[Callers]:
    calling = Callers(system, number, **how)
    try:
        yield calling
    finally:
        await calling.stop()


OK, REJECTED = ("OK", ""), ("UNAUTHENTICATED", "CREDENTIALS_REJECTED")
REFUSED = ("UNAVAILABLE", "SERVICE_ACCOUNT_REJECTED")


async def test_the_service_account_survives_a_new_password(tmp_path: Path) -> None:
    """While the password is changed first at vCenter and then in the file, twenty callers cause one rejected login: the
    account is not locked, and all callers are served again as soon as the file has the new password."""
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    auth = {"mode": "service-account", "user": ADMINISTRATOR, "password_file": str(password)}
    settings = Settings.model_validate({"simulator": {"enabled": True}, "auth": auth})
    admission: Admission = make_guards(settings).admission
    async with running_system(admission=admission) as system, callers(system, 20, user=None) as calling:
        await calling.see(OK)
        system.simulator.sessions.set_password(ADMINISTRATOR, "changed")
        await calling.are_answered()
        assert set(count(calling.ends)) == {OK}, "sessions outlive the password"
        system.simulator.sessions.expire_all()
        await calling.see(REFUSED)
        password.write_text("changed")
        await calling.see(OK)
        assert set(count(calling.ends)) == {OK, REFUSED}
        counts = system.simulator.sessions.counts()
        assert (counts["rejected_logins"], counts["logins"]) == (1, 2)


async def test_callers_with_an_old_password_lock_no_account(system: System) -> None:
    """Twenty callers that continue with the old password cause one rejected login; those with the new one are
    served."""
    sessions = system.simulator.sessions
    async with callers(system, 20) as old:
        await old.see(OK)
        sessions.set_password(ADMINISTRATOR, "changed")
        sessions.expire_all()
        await old.see(REJECTED)
        async with callers(system, 5, password="changed") as new:
            await new.see(OK)
            await old.are_answered()
            assert set(count(new.ends)) == {OK}
        assert sessions.counts()["rejected_logins"] == 1
    assert sessions.login(ADMINISTRATOR, "changed"), "the account is not locked"
    sessions.expire_all()


async def test_no_room_for_sessions() -> None:
    """While vCenter has no free session, every call fails with that reason and a retry delay. vCenter gets one login at
    a time, and the first free session serves all callers."""
    async with running_system(SimulatorOptions(latency=0.1, limits=SessionLimits(total=3))) as system:
        others = [system.simulator.sessions.login("readonly@vsphere.local", PASSWORD) for _ in range(3)]
        found = await ends(system.client, [(READ, READ_REQUEST)] * 200, 200)
        assert count(found) == {("RESOURCE_EXHAUSTED", "SERVICE_UNAVAILABLE"): 200}
        assert all(isinstance(item, Failure) and item.details["google.rpc.RetryInfo"] for item in found)
        assert len(system.simulator.record) < 20
        for other in others:
            system.simulator.sessions.logout(other.identifier)
        async with asyncio.timeout(10):
            while count(await ends(system.client, [(READ, READ_REQUEST)], 1)) != {OK: 1}:
                pass
        found = await ends(system.client, [(READ, READ_REQUEST)] * 200, 200)
        assert count(found) == {OK: 200}
        assert logins(system.simulator) == 4


@pytest.mark.parametrize("status", [400, 401, 403, 500])
async def test_an_ended_session_whatever_the_status(system: System, status: int) -> None:
    """An ended session is recognized by vCenter's error type, whatever the HTTP status, and is replaced."""
    await system.client.call(READ, READ_REQUEST)
    system.simulator.sessions.expire_all()
    ended = Fault.answer({"error_type": "UNAUTHENTICATED", "messages": []}, status)
    system.simulator.faults.add(ended, operation=READ_ID)
    assert await system.client.call(READ, READ_REQUEST)
    assert logins(system.simulator) == 2
    assert len(system.simulator.record.of(READ_ID)) == 3


async def test_a_half_dead_session_is_replaced(system: System) -> None:
    """vCenter reports that a session is alive, but rejects all operations with it: callers transparently get a new
    session. If that does not help either, calls fail, and no other session is opened for a minute."""
    await system.client.call(READ, READ_REQUEST)
    refused = Fault.answer({"error_type": "UNAUTHENTICATED", "messages": []}, 401)
    system.simulator.faults.add(refused, operation=READ_ID)
    assert await system.client.call(READ, READ_REQUEST)
    assert logins(system.simulator) == 2
    await eventually(lambda: system.simulator.sessions.counts()["open"] == 1, "the end of the old session")
    system.simulator.faults.add(refused, operation=READ_ID, times=None)
    found = await ends(system.client, [(READ, READ_REQUEST)] * 50, 5)
    assert count(found) == {("UNAUTHENTICATED", "UNAUTHENTICATED"): 50}
    assert logins(system.simulator) == 2


async def test_spellings_of_a_user(system: System) -> None:
    """Callers that spell one user's name in many ways share one session."""
    names = [ADMINISTRATOR[:number].upper() + ADMINISTRATOR[number:] for number in range(len(ADMINISTRATOR))]
    await asyncio.gather(*(system.client.call(READ, READ_REQUEST, user=name) for name in names))
    assert logins(system.simulator) == 1


async def test_passwords_that_are_made_up_lock_no_account(system: System) -> None:
    """However many passwords are tried for a user, concurrently and in many spellings, the account is not locked: the
    caller with the right password, who has used it before, continues."""
    await system.client.call(READ, READ_REQUEST)
    names = (ADMINISTRATOR, ADMINISTRATOR.upper(), ADMINISTRATOR.title())
    guesses = [end(system.client, READ, READ_REQUEST, user=names[n % 3], password=f"guess {n}") for n in range(60)]
    assert count(await asyncio.gather(*guesses)) == {REJECTED: 60}
    assert system.simulator.sessions.counts()["rejected_logins"] == 3
    system.simulator.sessions.expire_all()
    assert await system.client.call(READ, READ_REQUEST)


async def test_a_proven_password_that_is_refused_once() -> None:
    """After a restart of vCenter, its identity source may briefly reject a right password: a password that has worked
    before is retried after 5 seconds."""
    clock = ManualClock()
    async with Simulator(SimulatorOptions(clock=clock)) as simulator:
        vcenter = VCenter(VCenterOptions(simulator.url), load_contract(), clock=lambda: clock().timestamp())
        call = call_of(
            compile_bindings(load_contract())[READ], READ_REQUEST, credential=Basic(simulator.user, simulator.password)
        )
        await vcenter.call(call)
        simulator.sessions.expire_all()
        simulator.sessions.set_password(simulator.user, "not here yet")
        with pytest.raises(GatewayError, match="rejected"):
            await vcenter.call(call)
        simulator.sessions.set_password(simulator.user, simulator.password)
        clock.advance(4.9)
        with pytest.raises(GatewayError, match="rejected"):
            await vcenter.call(call)
        clock.advance(0.1)
        await vcenter.call(call)
        assert simulator.sessions.counts()["rejected_logins"] == 1
        await vcenter.close()


@pytest.mark.parametrize("message_id", ["failedToLoginMaxSessionCountReached", "cis.ServerUnavailable"])
async def test_logins_that_vcenter_refuses_for_now(message_id: str) -> None:
    """Whatever vCenter's error for it, fifty callers that keep calling cause only a few logins."""
    body = json.dumps({"error_type": "SERVICE_UNAVAILABLE", "messages": [{"id": f"com.vmware.{message_id}"}]})
    async with (
        raw_vcenter(http("503 Service Unavailable", body.encode())) as vcenter,
        running_gateway(VCenterOptions(vcenter.url)) as client,
    ):
        until = asyncio.get_running_loop().time() + 2

        async def caller() -> int:
            calls = 0
            while asyncio.get_running_loop().time() < until:
                found = await end(client, START, START_REQUEST)
                assert isinstance(found, Failure)
                assert found.reason == "SERVICE_UNAVAILABLE"
                assert "google.rpc.RetryInfo" in found.details
                calls += 1
            return calls

        assert sum(await asyncio.gather(*(caller() for _ in range(50)))) >= 50
        assert len(vcenter.heads) <= 4, "the first, after 0.5 to 1 s, after 1 to 2 s more"


async def test_a_session_in_doubt_is_not_left_open(system: System) -> None:
    """If vCenter cannot tell whether a session is alive, the gateway opens another one and still closes the old one."""
    await system.client.call(READ, READ_REQUEST)
    system.simulator.faults.add(Fault.answer({"error_type": "UNAUTHENTICATED"}, 401), operation=LIST_PROCESSES_ID)
    system.simulator.faults.add(Fault.unavailable())  # For the check whether the session is alive.
    await system.client.call(LIST_PROCESSES, GUEST)
    assert logins(system.simulator) == 2
    await eventually(lambda: system.simulator.sessions.counts()["open"] == 1, "the end of the old session")
    assert len(system.simulator.record.of(READ_ID)) == 1


async def test_the_wait_for_room_grows() -> None:
    """While vCenter has no capacity for another session, it is asked again after 1, 2, 4 ... seconds, and not
    earlier."""
    clock, policy = ManualClock(), RetryPolicy(jitter=lambda shortest, longest: longest)
    options = SimulatorOptions(clock=clock, limits=SessionLimits(total=1))
    async with Simulator(options) as simulator:
        other = simulator.sessions.login("readonly@vsphere.local", PASSWORD)
        vcenter = VCenter(
            VCenterOptions(simulator.url), load_contract(), clock=lambda: clock().timestamp(), policy=policy
        )
        credential = Basic(simulator.user, simulator.password)
        for asked, seconds in enumerate((1, 2, 4, 8, 16, 30, 30), start=1):
            for _ in range(3):
                with pytest.raises(GatewayError) as caught:
                    await vcenter.sessions.get(credential)
                assert caught.value.failure.retry_delay == seconds
            assert simulator.sessions.counts()["refused_by_cap"] == asked
            clock.advance(seconds)
            simulator.sessions.find(other.identifier)
        simulator.sessions.logout(other.identifier)
        assert await vcenter.sessions.get(credential)
        await vcenter.close()
