"""vCenter sessions for callers who give a user name and a password.

Rules that clients of vCenter learned the hard way: however many calls wait, there is one login; a password that vCenter
refused is not tried again for a while, since five refusals lock the account; a login that failed for another reason is
not tried again immediately either; a session is renewed before vCenter ends it; and every session that was opened is
closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import cast

from google.rpc import code_pb2

from gateway.calls import Call, Kind
from gateway.calls.credential import SESSION_HEADER, Basic, is_session_id
from gateway.errors import BY_REASON, Failure, GatewayError, Reason
from gateway.events import Events, LoginEnded, SessionEnded
from gateway.transcoding import RestRequest, RestResponse
from gateway.transcoding.answer_json import NotJsonError, TooManyElementsError, parse
from gateway.transcoding.error_response import ErrorReader, leaves_open
from gateway.vcenter.exchange import Exchange, Send
from gateway.vcenter.failures import TransportError
from gateway.vcenter.lockout import LockoutGuard
from gateway.vcenter.retry import RetryPolicy

__all__ = [
    "LOGIN",
    "LOGOUT",
    "PROBE",
    "Session",
    "SessionCounts",
    "SessionPool",
    "SessionTimes",
    "login_refused",
    "read_session_id",
]

LOGIN, PROBE, LOGOUT = (
    RestRequest(verb, "/api/session", None, f"{verb} /api/session") for verb in ("POST", "GET", "DELETE")
)
_TOO_MANY_SESSIONS = (b"failedToLoginMaxUserSessionCountReached", b"failedToLoginMaxSessionCountReached")
"""vCenter has as many sessions as it takes, of one user or in all."""
_DOUBTS = 3
"""So many refusals in a row that can be about a user of the guest are taken to be about the session."""


@dataclass(frozen=True, slots=True)
class SessionTimes:
    """How long sessions and refusals last, in seconds."""

    max_idle: float = 25 * 60
    """Unused for longer than this, a session is replaced: vCenter ends it after 30 minutes."""
    max_age: float = 23 * 3600
    """Older than this, a session is replaced: vCenter ends it after 24 hours."""
    max_call: float = 30
    """How long a login, or the question whether a session is alive, may take."""
    max_logout: float = 5
    """How long the end of a session may take."""
    between_replacements: float = 60
    """How often at most a session is replaced that vCenter says is alive."""


@dataclass(slots=True, eq=False)
class Session:
    """An open session of one credential."""

    id: str = field(repr=False)
    opened: float
    used: float
    verified: float
    """When vCenter last said that it is alive."""
    doubts: int = 0
    """How often in a row vCenter refused calls with it, and then said that it is alive."""


@dataclass(slots=True, eq=False)
class _Entry:
    session: Session | None = None
    login: asyncio.Task[Session] | None = None
    is_proven: bool = False
    """Whether the password has opened a session."""
    failures: int = 0
    """How many logins in a row failed for another reason than the password."""
    failure: Failure | None = None
    """What the last of them ended in."""
    not_before: float = 0.0
    """When the next one may be tried."""
    replaced: float = -math.inf
    """When a session was last replaced that was said to be alive."""


@dataclass(slots=True)
class SessionCounts:
    """What happened to sessions so far."""

    logins: int = 0
    rejected: int = 0
    """Logins that vCenter refused because of the user name or the password."""
    expired: int = 0
    """Sessions that vCenter had ended."""
    renewed: int = 0
    """Sessions that were replaced before vCenter would end them."""
    displaced: int = 0
    """Sessions that were closed to make room for another credential's."""


class SessionPool:
    """At most one session a credential, and at most `limit` of them; the longest unused goes first.

    Nor are more than `limit` credentials remembered that have opened none: they push out each other and never a
    session, else anybody could end everybody's sessions with passwords that are made up.
    """

    def __init__(
        self,
        send: Send,
        log_out: Send,
        errors: ErrorReader,
        *,
        limit: int = 512,
        times: SessionTimes | None = None,
        policy: RetryPolicy | None = None,
        events: Events | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send = send
        self._log_out = log_out
        self._errors = errors
        self._limit = limit
        self._times = times or SessionTimes()
        self._policy = policy or RetryPolicy()
        self._events = events or Events()
        self._clock = clock
        self._guard = LockoutGuard(clock=clock)
        self._proven: OrderedDict[bytes, _Entry] = OrderedDict()
        """Credentials that have opened a session, the longest unused first."""
        self._unproven: OrderedDict[bytes, _Entry] = OrderedDict()
        """Those whose login is under way, or failed."""
        self._logins: set[asyncio.Task[Session]] = set()
        self._logouts: set[asyncio.Task[None]] = set()
        self._closed = False
        self.counts = SessionCounts()

    @property
    def open_sessions(self) -> int:
        return sum(entry.session is not None for entry in self._proven.values())

    async def get(self, credential: Basic, call: Call | None = None) -> Session:
        """The credential's session, opened if need be, on behalf of `call`. Raises GatewayError, or TransportError from
        the login."""
        entry = self._entry(credential)
        session, now = entry.session, self._clock()
        if session is not None:
            if now - session.used < self._times.max_idle and now - session.opened < self._times.max_age:
                session.used = now
                return session
            self._retire(entry, "renewed")
        return await self._single_flight(entry, lambda: self._open(entry, credential, call), call)

    def was_refused(self, response: RestResponse) -> bool:
        """Whether an answer says that the session is not accepted. vCenter's error type decides; the HTTP status only
        where there is none."""
        # Most errors are read only once, where they are translated.
        if response.status < 400 or (response.status != 401 and b"unauthenticated" not in response.body.lower()):
            return False
        read = self._errors.read("", response.status, response.headers, response.body)
        return bool(read.code == code_pb2.UNAUTHENTICATED)

    async def renew(self, credential: Basic, stale: Session, since: float, call: Call) -> Session:
        """The session to use after vCenter refused `call`, which was sent with `stale` at the time `since`.

        The same session comes back when it is alive and the refusal can be about something else, such as the password
        of a user of the guest. However many calls fail at once, vCenter is asked once and sees one login.
        """
        entry = self._entry(credential)
        if entry.session is stale and stale.verified <= since:
            await self._single_flight(entry, lambda: self._check(entry, credential, stale, call), call)
        if entry.session is not stale:
            return await self.get(credential, call)
        # Alive as vCenter says, and yet refused. Where the call brought no other password, the session is half dead.
        now = self._clock()
        if call.binding.carries_secrets and stale.doubts < _DOUBTS:
            return stale
        if now - entry.replaced < self._times.between_replacements:
            return stale
        entry.replaced = now
        self._retire(entry, "expired")
        return await self._single_flight(entry, lambda: self._open(entry, credential, call), call)

    def now(self) -> float:
        """The pool's clock, for `renew`."""
        return self._clock()

    async def close(self) -> None:
        """Closes every session at vCenter. Failures are passed over: vCenter ends idle sessions by itself."""
        self._closed = True
        if self._logins:
            _, late = await asyncio.wait(self._logins, timeout=self._times.max_logout)
            for login in late:
                login.cancel()
        for entry in self._proven.values():
            self._retire(entry)
        self._proven.clear()
        self._unproven.clear()
        while self._logouts:
            await asyncio.wait(self._logouts)

    def _entry(self, credential: Basic) -> _Entry:
        key = credential.digest
        for entries in (self._proven, self._unproven):
            if key in entries:
                entries.move_to_end(key)
                return entries[key]
        entry = self._unproven[key] = _Entry()
        if len(self._unproven) > self._limit:
            self._unproven.popitem(last=False)
        return entry

    def _keep(self, entry: _Entry, key: bytes) -> None:
        """Keeps a session that was opened, for which the longest unused one may have to go."""
        if self._unproven.get(key) is entry:
            del self._unproven[key]
        if self._closed or self._proven.setdefault(key, entry) is not entry:
            self._retire(entry)  # Forgotten while it was opened, and the credential has another one by now.
            return
        if len(self._proven) > self._limit:
            self._retire(self._proven.popitem(last=False)[1], "displaced")

    async def _single_flight(
        self, entry: _Entry, action: Callable[[], Awaitable[Session]], call: Call | None
    ) -> Session:
        """Runs one action an entry at a time, for `call` and all that come meanwhile; it goes on when the caller who
        started it gives up."""
        if entry.login is None:
            entry.login = asyncio.ensure_future(action())
            self._logins.add(entry.login)
            entry.login.add_done_callback(self._logins.discard)
            entry.login.add_done_callback(lambda task: _finished(entry, task))
        try:
            return await asyncio.shield(entry.login)
        except GatewayError as error:
            raise GatewayError(_as_told(error.failure, call)) from None

    async def _check(self, entry: _Entry, credential: Basic, stale: Session, call: Call) -> Session:
        try:
            probe = await self._session_call(PROBE, {SESSION_HEADER: stale.id}, call)
        except TransportError as error:
            raise error.before_call() from None  # vCenter refused the call that needs the session.
        if 200 <= probe.status < 300:
            stale.verified = self._clock()
            stale.doubts += 1
            return stale
        if entry.session is stale:
            if self.was_refused(probe):
                self._retire(entry, "expired", log_out=False)
            else:
                self._retire(entry)  # Nobody knows whether it is alive, so it is not left open.
        return await self._open(entry, credential, call)

    def _require_leave(self, entry: _Entry, credential: Basic) -> None:
        """Raises GatewayError where no login may be tried now."""
        remaining = entry.not_before - self._clock()
        if entry.failure is not None and remaining > 0:
            raise GatewayError(entry.failure.with_(retry_delay=remaining))
        if refused := self._guard.seconds_refused(credential):
            raise GatewayError(_rejected(refused))
        if wait := self._guard.seconds_to_wait(credential, is_proven=entry.is_proven):
            raise GatewayError(_not_tried(wait))

    async def _open(self, entry: _Entry, credential: Basic, call: Call | None) -> Session:
        self._require_leave(entry, credential)
        try:
            session_id = await self._log_in(entry, credential, call)
        except (GatewayError, TransportError) as error:
            told = error.failure if isinstance(error, GatewayError) else Failure.of(error.reason, str(error))
            self._events.login_ended(LoginEnded(call, told))
            raise
        self.counts.logins += 1
        entry.failures, entry.failure, entry.is_proven = 0, None, True
        now = self._clock()
        session = entry.session = Session(session_id, opened=now, used=now, verified=now)
        self._keep(entry, credential.digest)
        self._events.login_ended(LoginEnded(call))
        return session

    async def _log_in(self, entry: _Entry, credential: Basic, call: Call | None) -> str:
        """One login, which gives the session id. The guard learns of its beginning before anything else runs: however
        many passwords of a user come at once, each counts for the next one."""
        attempt = self._guard.begins(credential, is_proven=entry.is_proven)
        try:
            response = await self._session_call(LOGIN, {"authorization": credential.header}, call)
        except TransportError as error:
            if not error.was_sent:
                attempt.ended()
                raise
            attempt.unanswered()
            failure = Failure.of(error.reason, str(error), metadata={"operation": LOGIN.operation})
            raise GatewayError(self._put_off(entry, failure, was_answered=False)) from None
        except GatewayError:
            attempt.ended()  # The gateway itself refused to send it.
            raise
        except BaseException:
            attempt.unanswered()
            raise
        if 200 <= response.status < 300:
            attempt.accepted()
            try:
                return read_session_id(response)
            except GatewayError as error:
                raise GatewayError(self._put_off(entry, error.failure)) from None
        failure = login_refused(self._errors, response)
        if failure.reason == Reason.CREDENTIALS_REJECTED:
            self.counts.rejected += 1
            rejected = _rejected(attempt.refused())
            raise GatewayError(rejected.with_(metadata=failure.metadata, details=failure.details))
        if response.is_json or not leaves_open(response.status, response.body):
            attempt.ended()
        else:
            attempt.unanswered()
        raise GatewayError(self._put_off(entry, failure))

    def _put_off(self, entry: _Entry, failure: Failure, *, was_answered: bool = True) -> Failure:
        """The login failed for another reason than the password: no further one is tried for a moment."""
        entry.failures += 1
        wait = self._policy.next_login(entry.failures, failure.retry_delay, was_answered=was_answered)
        entry.not_before = self._clock() + wait
        entry.failure = failure.with_(retry_delay=wait, is_lasting=False)  # Another login is the only way to know.
        return entry.failure

    async def _session_call(self, request: RestRequest, headers: dict[str, str], call: Call | None) -> RestResponse:
        deadline = asyncio.get_running_loop().time() + self._times.max_call
        return await self._send(Exchange(request, headers, deadline, call))

    def _retire(self, entry: _Entry, cause: str = "", *, log_out: bool = True) -> None:
        """Takes the session out of use, where there is one, and closes it at vCenter in the background."""
        session, entry.session = entry.session, None
        if session is None:
            return
        if cause:
            setattr(self.counts, cause, getattr(self.counts, cause) + 1)
        self._events.session_ended(SessionEnded(cause))
        if log_out:
            task = asyncio.ensure_future(self._logout(session))
            self._logouts.add(task)
            task.add_done_callback(self._logouts.discard)

    async def _logout(self, session: Session) -> None:
        deadline = asyncio.get_running_loop().time() + self._times.max_logout
        with contextlib.suppress(Exception):
            await self._log_out(Exchange(LOGOUT, {SESSION_HEADER: session.id}, deadline))


def login_refused(errors: ErrorReader, response: RestResponse) -> Failure:
    """Why vCenter refused a login."""
    failure = errors.read(LOGIN.operation, response.status, response.headers, response.body)
    if failure.code == code_pb2.UNAUTHENTICATED:
        text = "vCenter rejected the user name or the password"
        return Failure.of(Reason.CREDENTIALS_REJECTED, text, metadata=failure.metadata, details=failure.details)
    if any(message_id in response.body for message_id in _TOO_MANY_SESSIONS):
        return failure.with_(code=code_pb2.RESOURCE_EXHAUSTED)
    return failure


def read_session_id(response: RestResponse) -> str:
    """The session id in the answer to a login that succeeded. Raises GatewayError where there is none to work with."""
    try:
        session_id, _ = parse(response.body)
    except (NotJsonError, TooManyElementsError):
        session_id = None
    if not is_session_id(session_id):
        text = "vCenter's answer to the login holds no session id"
        raise GatewayError(Failure.of(Reason.VCENTER_RESPONSE_INVALID, text))
    return cast(str, session_id)


def _finished(entry: _Entry, task: asyncio.Task[Session]) -> None:
    entry.login = None
    if not task.cancelled():
        task.exception()  # Seen here, since every waiting caller may have given up.


def _as_told(failure: Failure, call: Call | None) -> Failure:
    """The failure of a login as the caller of `call` reads it, who has to know whose password was refused."""
    if failure.reason != Reason.CREDENTIALS_REJECTED or call is None or call.caller.identity.kind is Kind.VCENTER:
        return failure
    text = "not your fault: the gateway's own account cannot log in, which its operator has to mend; " + failure.message
    code = BY_REASON[Reason.SERVICE_ACCOUNT_REJECTED]
    return failure.with_(code=code, reason=Reason.SERVICE_ACCOUNT_REJECTED, message=text, is_lasting=True)


def _rejected(seconds: float) -> Failure:
    """The password was refused, and is tried again after this time."""
    text = (
        f"vCenter rejected the user name or the password; they are tried again in {max(1, round(seconds))} s, "
        "so that the account is not locked"
    )
    return Failure.of(Reason.CREDENTIALS_REJECTED, text, retry_delay=seconds)


def _not_tried(seconds: float) -> Failure:
    """Other passwords of the user were refused, so that one more refusal might lock the account."""
    text = (
        "vCenter rejected other passwords of this user within the last minutes; the gateway tries this one in "
        f"{max(1, round(seconds))} s, so that the account is not locked"
    )
    return Failure.of(Reason.CREDENTIALS_REJECTED, text, retry_delay=seconds)
