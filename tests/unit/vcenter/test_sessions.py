"""How many sessions are kept, which one goes when there are too many, when logins are tried; what ends a session."""

from __future__ import annotations

import asyncio
import gc
from base64 import b64decode
from itertools import count

import pytest

from gateway.calls import Basic
from gateway.contract import load_contract
from gateway.errors import Failure, GatewayError
from gateway.events import Events, SessionEnded
from gateway.transcoding import RestRequest, RestResponse, compile_bindings
from gateway.transcoding.error_response import error_reader
from gateway.vcenter.exchange import Exchange
from gateway.vcenter.failures import AnswerTimeoutError, ConnectionLostError, NotSentError
from gateway.vcenter.retry import RetryPolicy
from gateway.vcenter.session_api import LOGIN, LOGOUT, PROBE, RestSessions
from gateway.vcenter.sessions import SessionPool
from gateway.vcenter.with_session import with_session
from tests.calls import call_of
from tests.held_vcenter import Clock, idle

LIMIT = 3
REST = RestSessions(error_reader(load_contract()))
BINDINGS = compile_bindings(load_contract())


class VCenter:
    """Opens a session for everybody whose password is `good`, and knows those that are open."""

    def __init__(self) -> None:
        self.open: dict[str, str] = {}
        """Users by their sessions."""
        self.logins: list[str] = []
        self.answering = asyncio.Event()
        self.answering.set()
        self._numbers = count(1)

    async def send(self, exchange: Exchange) -> RestResponse:
        request, headers = exchange.request, exchange.headers
        if request is LOGOUT:
            del self.open[headers["vmware-api-session-id"]]
            return RestResponse(204, {}, b"")
        assert request is LOGIN
        name, _, password = b64decode(headers["authorization"].removeprefix("Basic ")).decode().partition(":")
        self.logins.append(name)
        await self.answering.wait()
        if password != "good":
            return RestResponse(401, {}, b"")
        session = f"session-{next(self._numbers)}"
        self.open[session] = name
        return RestResponse(201, {}, f'"{session}"'.encode())


USERS = [Basic(f"user-{number}", "good") for number in range(10)]


def wrong(user: Basic) -> Basic:
    return Basic(user.user, "wrong")


def names(*numbers: int) -> list[str]:
    return [USERS[number].user for number in numbers]


async def get(pool: SessionPool, *credentials: Basic) -> None:
    for credential in credentials:
        await pool.get(credential)


async def test_how_many_are_kept() -> None:
    """Up to the limit all sessions stay open; beyond it, the longest unused one is closed."""
    vcenter = VCenter()
    pool = SessionPool(vcenter.send, vcenter.send, REST, limit=LIMIT)
    await get(pool, *USERS[:LIMIT], USERS[0])
    await idle()
    assert sorted(vcenter.open.values()) == names(0, 1, 2)
    await get(pool, USERS[3])
    await idle()
    assert sorted(vcenter.open.values()) == names(0, 2, 3)
    assert (pool.open_sessions, pool.counts.displaced) == (LIMIT, 1)
    await pool.close()
    assert not vcenter.open


class Ends(Events):
    """Keeps why sessions ended, with how many were open then."""

    def __init__(self) -> None:
        self.pool: SessionPool | None = None
        self.told: list[tuple[str, int]] = []

    def session_ended(self, ended: SessionEnded) -> None:
        assert self.pool is not None
        self.told.append((ended.cause, self.pool.open_sessions))


async def test_ends_are_told() -> None:
    """Whoever watches the gateway learns of each session that is no longer used, and why, when it is no longer one of
    the open ones."""
    vcenter, clock, ends = VCenter(), Clock(), Ends()
    pool = ends.pool = SessionPool(vcenter.send, vcenter.send, REST, limit=2, clock=clock, events=ends)
    await get(pool, *USERS[:3])
    clock.now += 26 * 60
    await get(pool, USERS[2])
    await pool.close()
    assert ends.told == [("displaced", 2), ("renewed", 1), ("", 1), ("", 0)]
    assert not vcenter.open


async def test_passwords_that_are_refused_end_no_session() -> None:
    """However many wrong passwords come, at once or one after the other, those who are logged in stay so."""
    vcenter = VCenter()
    pool = SessionPool(vcenter.send, vcenter.send, REST, limit=LIMIT)
    await get(pool, *USERS[:LIMIT])
    refused = await asyncio.gather(*(pool.get(wrong(user)) for user in USERS), return_exceptions=True)
    assert [type(error) for error in refused] == [GatewayError] * len(USERS)
    await get(pool, *USERS[:LIMIT])
    assert vcenter.logins.count(USERS[0].user) == 2
    assert sorted(vcenter.open.values()) == names(0, 1, 2)
    assert pool.counts.displaced == 0
    await pool.close()


async def test_refusals_outlive_those_of_others() -> None:
    """A refused password is not tried again, however many others were refused since; nor under another spelling of the
    user's name."""
    vcenter = VCenter()
    pool = SessionPool(vcenter.send, vcenter.send, REST, limit=LIMIT)
    for user in (*USERS, *USERS, Basic(USERS[0].user.upper(), "good")):
        with pytest.raises(GatewayError):
            await pool.get(wrong(user))
    assert vcenter.logins == names(*range(len(USERS)))


async def test_a_login_that_is_pushed_out() -> None:
    """A login during which many others begin is of use all the same, and no session is left open."""
    vcenter = VCenter()
    pool = SessionPool(vcenter.send, vcenter.send, REST, limit=LIMIT)
    vcenter.answering.clear()
    first = asyncio.ensure_future(pool.get(USERS[0]))
    others = [asyncio.ensure_future(pool.get(wrong(user))) for user in USERS[1:]]
    await idle()
    again = asyncio.ensure_future(pool.get(USERS[0]))
    await idle()
    vcenter.answering.set()
    await asyncio.gather(first, again, *others, return_exceptions=True)
    await idle()
    assert list(vcenter.open.values()) == names(0)
    assert (await pool.get(USERS[0])).id in vcenter.open
    await pool.close()
    assert not vcenter.open


async def test_a_login_under_way_at_the_stop() -> None:
    """The session of a login that ends after the stop began is closed, also when the login was pushed out."""
    vcenter = VCenter()
    pool = SessionPool(vcenter.send, vcenter.send, REST, limit=LIMIT)
    vcenter.answering.clear()
    logins = [asyncio.ensure_future(pool.get(user)) for user in USERS[: LIMIT + 1]]
    await idle()
    closing = asyncio.ensure_future(pool.close())
    await idle()
    assert not closing.done()
    vcenter.answering.set()
    await asyncio.gather(closing, *logins)
    assert len(vcenter.logins) == LIMIT + 1
    assert not vcenter.open


async def test_a_login_after_the_stop() -> None:
    """A call that comes late leaves no session open either."""
    vcenter = VCenter()
    pool = SessionPool(vcenter.send, vcenter.send, REST, limit=LIMIT)
    await pool.close()
    await pool.get(USERS[0])
    await idle()
    assert len(vcenter.logins) == 1
    assert not vcenter.open
    assert pool.open_sessions == 0


async def test_passwords_that_come_at_once() -> None:
    """However many passwords of a user come in the same moment, under whatever spelling, vCenter gets three."""
    vcenter = VCenter()
    pool = SessionPool(vcenter.send, vcenter.send, REST)
    guesses = [Basic(USERS[0].user.upper() if number % 2 else USERS[0].user, f"guess {number}") for number in range(20)]
    failures = await asyncio.gather(*map(pool.get, guesses), return_exceptions=True)
    assert {error.failure.reason for error in failures if isinstance(error, GatewayError)} == {"CREDENTIALS_REJECTED"}
    assert len(failures) == 20
    assert len(vcenter.logins) == 3


async def test_one_session_whatever_the_spelling() -> None:
    """Spellings of one user name share a session."""
    vcenter = VCenter()
    pool = SessionPool(vcenter.send, vcenter.send, REST)
    sessions = await asyncio.gather(*(pool.get(Basic(name, "good")) for name in ("user-0", "User-0", "USER-0")))
    assert len({session.id for session in sessions}) == len(vcenter.logins) == 1
    await pool.close()


def refusal(error_type: str, message_id: str = "any", **headers: str) -> RestResponse:
    body = f'{{"error_type":"{error_type}","messages":[{{"id":"{message_id}","args":[],"default_message":"No."}}]}}'
    return RestResponse(503, {"content-type": "application/json", **headers}, body.encode())


FULL = "com.vmware.vapi.endpoint."


class Logins:
    """A pool in front of a vCenter that answers logins in one way. The clock stands still; waits are the longest."""

    def __init__(self, ends_in: RestResponse | Exception) -> None:
        self.ends_in = ends_in
        self.tried = 0
        self.clock = Clock()
        policy = RetryPolicy(backoff=0.25, jitter=lambda shortest, longest: longest)
        self.pool = SessionPool(self.send, self.send, REST, policy=policy, clock=self.clock)

    async def send(self, exchange: Exchange) -> RestResponse:
        self.tried += exchange.request is LOGIN
        if isinstance(self.ends_in, Exception):
            raise self.ends_in
        return self.ends_in

    async def failure(self, credential: Basic = USERS[0]) -> Failure:
        with pytest.raises(GatewayError) as caught:
            await self.pool.get(credential)
        return caught.value.failure


@pytest.mark.parametrize(
    ("ends_in", "code"),
    [
        pytest.param(
            refusal("SERVICE_UNAVAILABLE", f"{FULL}failedToLoginMaxUserSessionCountReached"),
            "RESOURCE_EXHAUSTED",
            id="sessions-of-a-user",
        ),
        pytest.param(
            refusal("SERVICE_UNAVAILABLE", f"{FULL}failedToLoginMaxSessionCountReached"),
            "RESOURCE_EXHAUSTED",
            id="sessions-in-all",
        ),
        pytest.param(refusal("SERVICE_UNAVAILABLE", f"{FULL}cis.ServerUnavailable"), "UNAVAILABLE", id="other-words"),
        pytest.param(refusal("SERVICE_UNAVAILABLE", "com.vmware.other"), "UNAVAILABLE", id="of-a-service"),
        pytest.param(refusal("INTERNAL_SERVER_ERROR"), "INTERNAL", id="another-error"),
        pytest.param(RestResponse(503, {}, b"<html>"), "UNAVAILABLE", id="a-page"),
        pytest.param(RestResponse(200, {}, b"{}"), "INTERNAL", id="no-session-id"),
        pytest.param(ConnectionLostError("reset"), "UNAVAILABLE", id="lost"),
        pytest.param(AnswerTimeoutError("too late"), "DEADLINE_EXCEEDED", id="no-answer"),
    ],
)
async def test_a_login_that_fails_is_put_off(ends_in: RestResponse | Exception, code: str) -> None:
    """Whatever a login ended in, the next one waits: 1 s, then twice as long each time, up to 30 s; after one that was
    not answered as long as a call that is sent again. Callers learn how long."""
    logins = Logins(ends_in)
    for tried, wait in enumerate((0.25, 0.5) if isinstance(ends_in, Exception) else (1, 2), start=1):
        for _ in range(2):
            failure = await logins.failure()
            assert (failure.code_name, failure.retry_delay, logins.tried) == (code, wait, tried)
            assert not failure.is_lasting, "else clients would not come back"
        logins.clock.now += wait - 0.125
        assert (await logins.failure()).retry_delay == 0.125
        logins.clock.now += 0.125


@pytest.mark.parametrize(
    ("message_id", "is_tried"),
    [
        pytest.param("failedToLoginMaxUserSessionCountReached", True, id="of-one-user"),
        pytest.param("failedToLoginMaxSessionCountReached", False, id="of-all"),
        pytest.param("cis.ServerUnavailable", True, id="other-words"),
    ],
)
async def test_a_vcenter_that_is_full_is_so_for_all_users(message_id: str, is_tried: bool) -> None:
    """Nobody's login is tried during the wait where vCenter has no room for anybody's session; the wait grows with
    whoever tries next, and ends with the first login that works."""
    logins = Logins(refusal("SERVICE_UNAVAILABLE", f"{FULL}{message_id}"))
    await logins.failure(USERS[0])
    assert (await logins.failure(USERS[1])).retry_delay == 1
    assert logins.tried == (2 if is_tried else 1)
    logins.clock.now += 1
    assert (await logins.failure(USERS[2])).retry_delay == (1 if is_tried else 2)
    logins.clock.now += 2
    logins.ends_in = RestResponse(201, {}, b'"session"')
    await get(logins.pool, *USERS[3:6])


async def test_a_login_that_fails_for_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """Where all who waited for a login have given up, its failure leaves nothing in the log."""
    vcenter = VCenter()
    pool = SessionPool(vcenter.send, vcenter.send, REST)
    vcenter.answering.clear()
    waiting = asyncio.ensure_future(pool.get(wrong(USERS[0])))
    await idle()
    waiting.cancel()
    await idle()
    vcenter.answering.set()
    await idle()
    gc.collect()
    assert pool.counts.rejected == 1
    assert not caplog.records


async def test_the_wait_is_bounded_and_begins_anew() -> None:
    """It grows up to 30 s, and a login that works brings it back to the first."""
    logins = Logins(refusal("SERVICE_UNAVAILABLE"))
    waits = []
    for _ in range(7):
        wait = (await logins.failure()).retry_delay or 0
        waits.append(wait)
        logins.clock.now += wait
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    logins.ends_in = RestResponse(201, {}, b'"session"')
    await logins.pool.get(USERS[0])
    logins.clock.now += 86400
    logins.ends_in = refusal("SERVICE_UNAVAILABLE")
    assert (await logins.failure()).retry_delay == 1


@pytest.mark.parametrize(("asked", "told"), [("3", 3), ("30", 30), ("31", 30), ("3597", 30)])
async def test_a_wait_that_vcenter_asks_for(asked: str, told: float) -> None:
    """It is obeyed up to 30 s: a vCenter that is full for an hour has room for a session before."""
    answer = refusal("SERVICE_UNAVAILABLE", f"{FULL}failedToLoginMaxSessionCountReached", **{"retry-after": asked})
    logins = Logins(answer)
    assert (await logins.failure()).retry_delay == told
    logins.clock.now += told
    await logins.failure()
    assert logins.tried == 2


@pytest.mark.parametrize(
    "ends_in",
    [NotSentError("refused"), GatewayError(Failure(14, "OVERLOADED", "no room"))],
    ids=["no-connection", "gate"],
)
async def test_a_login_that_was_not_sent(ends_in: Exception) -> None:
    """vCenter got nothing, so nothing keeps the next login from being tried; the breaker looks after that."""
    logins = Logins(ends_in)
    for _ in range(2):
        with pytest.raises(type(ends_in)):
            await logins.pool.get(USERS[0])
    assert logins.tried == 2


@pytest.mark.parametrize(
    ("ends_in", "counts"),
    [
        pytest.param(ConnectionLostError("reset"), True, id="lost"),
        pytest.param(AnswerTimeoutError("late"), True, id="no-answer"),
        pytest.param(RestResponse(504, {}, b"<html>"), True, id="a-proxy-gave-up-waiting"),
        pytest.param(RestResponse(503, {}, b"no healthy upstream"), False, id="a-proxy-did-not-pass-it-on"),
        pytest.param(refusal("SERVICE_UNAVAILABLE"), False, id="vcenter-says-something-else"),
    ],
)
async def test_logins_whose_end_nobody_knows(ends_in: RestResponse | Exception, counts: bool) -> None:
    """Where vCenter may have refused an unknown password, the login counts for the account."""
    logins = Logins(ends_in)
    for number in range(3):
        await logins.failure(Basic("alice", str(number)))
    found = await logins.failure(Basic("alice", "another one"))
    assert (found.reason == "CREDENTIALS_REJECTED", logins.tried) == (counts, 3 if counts else 4)


async def test_a_proven_password() -> None:
    """A password that has worked is tried 5 s after vCenter refused it, then 30 s after that."""
    logins = Logins(RestResponse(201, {}, b'"session"'))
    await logins.pool.get(USERS[0])
    logins.clock.now += 86400
    logins.ends_in = RestResponse(401, {}, b"")
    for wait in (5, 30, 300):
        failure = await logins.failure()
        assert (failure.reason, failure.retry_delay) == ("CREDENTIALS_REJECTED", wait)
        logins.clock.now += wait
    logins.ends_in = RestResponse(201, {}, b'"session"')
    assert await logins.pool.get(USERS[0])
    assert logins.tried == 5


async def test_an_ended_session_whose_account_is_near_its_lock() -> None:
    """Also the login that follows the end of a session counts, and is not tried where one more refusal locks the
    account."""
    vcenter = Operations()
    await vcenter.call(READ)
    guesses = [Basic("alice", str(number)) for number in range(5)]
    await asyncio.gather(*map(vcenter.pool.get, guesses), return_exceptions=True)
    assert vcenter.sent(LOGIN) == 1 + 3
    vcenter.password = "changed"
    vcenter.open.clear()
    for _ in range(3):
        with pytest.raises(GatewayError):
            await vcenter.call(READ)
        vcenter.clock.now += 40
    assert vcenter.sent(LOGIN) == 1 + 3 + 1


READ = "vcenter.vm.v1.PowerService/GetPower"
GUEST = "vcenter.vm.guest.v1.ProcessesService/ListProcesses"
UNAUTHENTICATED = b'{"error_type":"UNAUTHENTICATED","messages":[]}'


class Operations:
    """A vCenter with one user, whose operations answer what the test says, and the layer that gives calls a session."""

    def __init__(self) -> None:
        self.password = "secret-of-alice"
        self.open: set[str] = set()
        self.half_dead: set[str] = set()
        """Sessions that are open, and with which operations are refused."""
        self.refusal = RestResponse(401, {}, UNAUTHENTICATED)
        self.wrong_guest_password = False
        self.loses_probes = False
        self.requests: list[RestRequest] = []
        self.clock = Clock()
        self._numbers = count(1)
        self.pool = SessionPool(self.send, self.send, REST, clock=self.clock)
        self._send = with_session(self.pool)(self.send)

    def sent(self, request: RestRequest) -> int:
        return sum(each is request for each in self.requests)

    async def send(self, exchange: Exchange) -> RestResponse:
        request, headers = exchange.request, exchange.headers
        self.requests.append(request)
        session = headers.get("vmware-api-session-id", "")
        if request is LOGIN:
            if headers["authorization"] != Basic("alice", self.password).header:
                return RestResponse(401, {}, UNAUTHENTICATED)
            session = f"session-{next(self._numbers)}"
            self.open.add(session)
            return RestResponse(201, {}, f'"{session}"'.encode())
        if request is PROBE and self.loses_probes:
            raise ConnectionLostError("reset")
        if session not in self.open:
            return self.refusal
        if request is LOGOUT:
            self.open.remove(session)
        if request in (LOGOUT, PROBE):
            return RestResponse(200, {}, b"{}")
        refused = session in self.half_dead or (
            self.wrong_guest_password and exchange.call is not None and exchange.call.binding.carries_secrets
        )
        return self.refusal if refused else RestResponse(200, {}, b"{}")

    async def call(self, rpc: str) -> int:
        """Makes a call and gives the HTTP status of its end."""
        call = call_of(BINDINGS[rpc])
        response = await self._send(Exchange(RestRequest("GET", "/api/x", None), {}, call.deadline, call))
        await idle()
        return response.status


@pytest.fixture
async def operations() -> Operations:
    vcenter = Operations()
    assert await vcenter.call(READ) == 200
    return vcenter


@pytest.mark.parametrize(
    ("status", "body", "renews"),
    [
        pytest.param(401, UNAUTHENTICATED, True, id="401"),
        pytest.param(400, UNAUTHENTICATED, True, id="400"),
        pytest.param(403, UNAUTHENTICATED, True, id="403"),
        pytest.param(500, UNAUTHENTICATED, True, id="500"),
        pytest.param(401, b"<html>", True, id="page"),
        pytest.param(401, b"", True, id="nothing"),
        pytest.param(
            500, b'{"type":"com.vmware.vapi.std.errors.unauthenticated","value":{"messages":[]}}', True, id="older"
        ),
        pytest.param(401, b'{"error_type":"UNAUTHORIZED","messages":[]}', False, id="401-of-another-type"),
        pytest.param(403, b'{"error_type":"UNAUTHORIZED","messages":[]}', False, id="403"),
        pytest.param(403, b"<html>UNAUTHENTICATED", False, id="403-page"),
        pytest.param(
            400,
            b'{"error_type":"INVALID_ARGUMENT","messages":[{"id":"x","default_message":"UNAUTHENTICATED","args":[]}]}',
            False,
            id="the-word-in-a-message",
        ),
        pytest.param(200, UNAUTHENTICATED, False, id="no-error"),
    ],
)
async def test_what_ends_a_session(operations: Operations, status: int, body: bytes, renews: bool) -> None:
    """vCenter's error type says that the session has ended, whatever the HTTP status; the status counts where there is
    no type. The call is sent again with a new session, once."""
    operations.open.clear()
    operations.refusal = RestResponse(status, {}, body)
    assert await operations.call(READ) == (200 if renews else status)
    assert operations.sent(LOGIN) == (2 if renews else 1)


async def test_a_half_dead_session(operations: Operations) -> None:
    """vCenter says that the session is alive and yet refuses operations with it: the call gets a new session, and is
    sent again once. The old one is closed."""
    operations.half_dead |= operations.open
    assert await operations.call(READ) == 200
    assert (operations.sent(LOGIN), operations.sent(PROBE), operations.sent(LOGOUT)) == (2, 1, 1)
    assert not operations.open & operations.half_dead


async def test_sessions_that_are_all_half_dead(operations: Operations) -> None:
    """At most one session a minute is replaced for that, and a call is sent twice at most."""
    for minute in range(3):
        statuses = []
        for _ in range(5):
            operations.half_dead |= operations.open
            operations.requests.clear()
            statuses.append(await operations.call(READ))
            assert len(operations.requests) <= 5
            operations.clock.now += 11.75
        assert statuses == [200, 401, 401, 401, 401]
        assert operations.pool.counts.logins == 2 + minute
        operations.clock.now += 1.25


async def test_wrong_passwords_of_guests(operations: Operations) -> None:
    """Three refusals in a row that can be about a user of the guest get a new session, two do not; an answer to such a
    call in between says that the session works."""
    operations.wrong_guest_password = True
    for _ in range(2):
        assert await operations.call(GUEST) == 401
    operations.wrong_guest_password = False
    assert await operations.call(GUEST) == 200
    operations.wrong_guest_password = True
    for logins in (1, 1, 2):
        sent = len(operations.requests)
        assert await operations.call(GUEST) == 401
        assert operations.sent(LOGIN) == logins
        if logins == 1:
            assert len(operations.requests) == sent + 2, "the call and the question, and no call again"
            assert await operations.call(READ) == 200, "which says nothing about the service for guests"


async def test_a_probe_that_is_lost(operations: Operations) -> None:
    """vCenter has refused the call, so that its caller learns that it did not run."""
    operations.open.clear()
    operations.loses_probes = True
    with pytest.raises(ConnectionLostError) as caught:
        await operations.call(READ)
    assert not caught.value.was_sent


async def test_a_half_dead_session_for_guests(operations: Operations) -> None:
    """Calls with credentials of guests get rid of it, too."""
    operations.half_dead |= operations.open
    assert [await operations.call(GUEST) for _ in range(4)] == [401, 401, 200, 200]
    assert operations.sent(LOGIN) == 2
