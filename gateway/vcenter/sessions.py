"""vCenter sessions for callers who give a user name and a password.

Rules that clients of vCenter learned the hard way: however many calls wait, there is one login; a password that vCenter
refused is not tried again for a while, since five refusals lock the account; a session is renewed before vCenter ends
it; and every session that was opened is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import orjson
from google.protobuf.message import Message
from google.rpc import code_pb2

from gateway.transcoding import GatewayError, Reason, RestRequest, RestResponse
from gateway.transcoding.error_response import ErrorReader
from gateway.vcenter.identity import SESSION_HEADER, Basic, is_session_id

__all__ = ["Session", "SessionCounts", "SessionPool", "SessionTimes", "read_session_id"]

LOGIN, PROBE, LOGOUT = (
    RestRequest(verb, "/api/session", None, f"{verb} /api/session") for verb in ("POST", "GET", "DELETE")
)
_TOO_MANY_SESSIONS = "failedToLoginMaxUserSessionCountReached"
_FIRST_WAIT_FOR_ROOM = 1.0
_LONGEST_WAIT_FOR_ROOM = 30.0

Send = Callable[[RestRequest, dict[str, str]], Awaitable[RestResponse]]
"""Sends one request with these headers. Raises TransportError."""


@dataclass(frozen=True, slots=True)
class SessionTimes:
    """How long sessions and refusals last, in seconds."""

    max_idle: float = 25 * 60
    """Unused for longer than this, a session is replaced: vCenter ends it after 30 minutes."""
    max_age: float = 23 * 3600
    """Older than this, a session is replaced: vCenter ends it after 24 hours."""
    cool_down: float = 300
    """A refused credential is not tried again for so long."""


@dataclass(slots=True, eq=False)
class Session:
    """An open session of one credential."""

    id: str = field(repr=False)
    opened: float
    used: float
    verified: float


@dataclass(slots=True, eq=False)
class _Entry:
    session: Session | None = None
    login: asyncio.Task[Session] | None = None
    refused_until: float = 0.0
    refusal: Callable[[float], GatewayError] | None = None
    """Makes the error of callers who come while no login is tried; its argument is the remaining time."""
    without_room: int = 0
    """How often in a row vCenter had no room for the session."""


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
    """At most one session a credential, and at most `limit` of them; the longest unused goes first."""

    def __init__(
        self,
        send: Send,
        errors: ErrorReader,
        *,
        limit: int = 512,
        times: SessionTimes | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send = send
        self._errors = errors
        self._limit = limit
        self._times = times or SessionTimes()
        self._clock = clock
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()
        self._logouts: set[asyncio.Task[None]] = set()
        self._closed = False
        self.counts = SessionCounts()

    @property
    def open_sessions(self) -> int:
        return sum(entry.session is not None for entry in self._entries.values())

    async def get(self, credential: Basic) -> Session:
        """The credential's session, opened if need be. Raises GatewayError, or TransportError from the login."""
        entry = self._entry(credential)
        session, now = entry.session, self._clock()
        if session is not None:
            if now - session.used < self._times.max_idle and now - session.opened < self._times.max_age:
                session.used = now
                return session
            self.counts.renewed += 1
            self._retire(entry)
        return await self._login(entry, credential)

    async def renew(self, credential: Basic, stale: Session, since: float) -> Session:
        """The session to use after vCenter answered 401 to a call that was sent with `stale` at the time `since`.

        The same session comes back when it is alive: the 401 was then about something else, for instance about the
        guest's password. However many calls fail at once, vCenter is asked once and sees one login.
        """
        entry = self._entry(credential)
        if entry.session is not stale:
            return await self.get(credential)
        if stale.verified > since:
            return stale
        return await self._single_flight(entry, lambda: self._check(entry, credential, stale))

    def now(self) -> float:
        """The pool's clock, for `renew`."""
        return self._clock()

    async def close(self) -> None:
        """Closes every session at vCenter. Failures are passed over: vCenter ends idle sessions by itself."""
        self._closed = True
        for entry in self._entries.values():
            if entry.login is not None:
                with contextlib.suppress(Exception):
                    await entry.login
            self._retire(entry)
        self._entries.clear()
        while self._logouts:
            await asyncio.wait(self._logouts)

    def _entry(self, credential: Basic) -> _Entry:
        key = credential.digest
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry()
            while len(self._entries) > self._limit:
                displaced = self._entries.popitem(last=False)[1]
                self.counts.displaced += displaced.session is not None
                self._retire(displaced)
        self._entries.move_to_end(key)
        return entry

    async def _login(self, entry: _Entry, credential: Basic) -> Session:
        if entry.refusal is not None:
            remaining = entry.refused_until - self._clock()
            if remaining > 0:
                raise entry.refusal(remaining)
            entry.refusal = None
        return await self._single_flight(entry, lambda: self._open(entry, credential))

    async def _single_flight(self, entry: _Entry, action: Callable[[], Any]) -> Session:
        """Runs one action an entry at a time; it goes on when the caller who started it gives up."""
        if entry.login is None:
            entry.login = asyncio.ensure_future(action())
            entry.login.add_done_callback(lambda task: _finished(entry, task))
        return await asyncio.shield(entry.login)

    async def _check(self, entry: _Entry, credential: Basic, stale: Session) -> Session:
        probe = await self._send(PROBE, {SESSION_HEADER: stale.id})
        if 200 <= probe.status < 300:
            stale.verified = self._clock()
            return stale
        if entry.session is stale:
            if probe.status == 401:
                self.counts.expired += 1
                entry.session = None
            else:
                self._retire(entry)  # Nobody knows whether it is alive, so it is not left open.
        return await self._open(entry, credential)

    async def _open(self, entry: _Entry, credential: Basic) -> Session:
        response = await self._send(LOGIN, {"authorization": credential.header})
        if not 200 <= response.status < 300:
            raise self._login_failure(entry, response)
        self.counts.logins += 1
        entry.without_room = 0
        now = self._clock()
        session = Session(read_session_id(response), opened=now, used=now, verified=now)
        entry.session = session
        if self._closed or entry not in self._entries.values():
            self._retire(entry)
        return session

    def _login_failure(self, entry: _Entry, response: RestResponse) -> GatewayError:
        error = self._errors.read("POST /api/session", response.status, response.headers, response.body)
        if response.status == 401:
            self.counts.rejected += 1
            return self._wait(entry, lambda remaining: _refused(error, remaining), self._times.cool_down)
        if _TOO_MANY_SESSIONS.encode() in response.body:
            wait = min(_LONGEST_WAIT_FOR_ROOM, _FIRST_WAIT_FOR_ROOM * 2 ** min(entry.without_room, 10))
            entry.without_room += 1
            return self._wait(entry, lambda remaining: _no_room(error, remaining), error.retry_delay or wait)
        return error

    def _wait(self, entry: _Entry, refusal: Callable[[float], GatewayError], seconds: float) -> GatewayError:
        """Tries no login for so long."""
        entry.refusal = refusal
        entry.refused_until = self._clock() + seconds
        return refusal(seconds)

    def _retire(self, entry: _Entry) -> None:
        """Takes the session out of use and closes it at vCenter in the background."""
        session, entry.session = entry.session, None
        if session is not None:
            task = asyncio.ensure_future(self._logout(session))
            self._logouts.add(task)
            task.add_done_callback(self._logouts.discard)

    async def _logout(self, session: Session) -> None:
        with contextlib.suppress(Exception):
            await self._send(LOGOUT, {SESSION_HEADER: session.id})


def read_session_id(response: RestResponse) -> str:
    """The session id in the answer to a login that succeeded. Raises GatewayError where there is none to work with."""
    try:
        session_id = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        session_id = None
    if not is_session_id(session_id):
        raise GatewayError(
            code_pb2.INTERNAL, Reason.VCENTER_RESPONSE_INVALID, "vCenter's answer to the login holds no session id"
        )
    return cast(str, session_id)


def _finished(entry: _Entry, task: asyncio.Task[Session]) -> None:
    entry.login = None
    if not task.cancelled():
        task.exception()  # Seen here, since every waiting caller may have given up.


def _no_room(error: GatewayError, remaining: float) -> GatewayError:
    """vCenter has as many sessions as it takes; others have to end first."""
    return GatewayError(
        code_pb2.RESOURCE_EXHAUSTED,
        error.reason,
        error.message,
        domain=error.domain,
        metadata=error.metadata,
        details=error.details,
        retry_delay=remaining,
    )


def _refused(error: GatewayError, remaining: float) -> GatewayError:
    """The refusal of a login, with the time after which the credential is tried again."""
    details: list[Message] = list(error.details)
    return GatewayError(
        code_pb2.UNAUTHENTICATED,
        Reason.CREDENTIALS_REJECTED,
        f"vCenter rejected the user name or the password; they are tried again in {max(1, round(remaining))} s, "
        "so that the account is not locked",
        metadata=error.metadata,
        details=details,
        retry_delay=remaining,
    )
