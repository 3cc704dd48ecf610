"""vCenter sessions for callers with a user name and a password.

The rules: no matter how many calls wait, there is one login; a session is renewed before vCenter ends it; and every
opened session is closed. `login` has the rules about passwords.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from gateway.calls import Call
from gateway.calls.credential import Basic
from gateway.errors import Failure, GatewayError, Reason
from gateway.events import Events, LoginEnded, SessionEnded
from gateway.outliving import outlived
from gateway.vcenter.exchange import Exchange, Send
from gateway.vcenter.failures import TransportError
from gateway.vcenter.lockout import LockoutGuard
from gateway.vcenter.login import Logins, LoginState, as_told
from gateway.vcenter.retry import RetryPolicy
from gateway.vcenter.session_api import SessionApi

__all__ = ["Session", "SessionCounts", "SessionPool", "SessionTimes"]

_DOUBTS = 3
"""After this many rejections in a row that may be about a guest user, the session counts as invalid."""


@dataclass(frozen=True, slots=True)
class SessionTimes:
    """Lifetimes of sessions and rejections, in seconds."""

    max_idle: float = 25 * 60
    """Unused for longer than this, a session is replaced: vCenter ends it after 30 minutes."""
    max_age: float = 23 * 3600
    """Older than this, a session is replaced: vCenter ends it after 24 hours."""
    max_call: float = 30
    """How long a login, or a probe of a session, may take."""
    max_logout: float = 5
    """How long a logout may take."""
    between_replacements: float = 60
    """Minimum time between two replacements of a session that vCenter reports as alive."""


@dataclass(slots=True, eq=False)
class Session:
    """An open session of one credential."""

    id: str = field(repr=False)
    opened: float
    used: float
    verified: float
    """When vCenter last reported it as alive."""
    doubts: int = 0
    """How often in a row vCenter rejected calls with it, but reported it as alive."""


@dataclass(slots=True, eq=False)
class _Entry:
    session: Session | None = None
    login: asyncio.Task[Session] | None = None
    state: LoginState = field(default_factory=LoginState)
    replaced: float = -math.inf
    """When a session that was reported as alive was last replaced."""


@dataclass(slots=True)
class SessionCounts:
    """Counts of session events so far."""

    logins: int = 0
    rejected: int = 0
    """Logins that vCenter rejected because of the user name or the password."""
    expired: int = 0
    """Sessions that vCenter had ended."""
    renewed: int = 0
    """Sessions that were replaced before vCenter would end them."""
    displaced: int = 0
    """Sessions that were closed to make room for another credential's."""


class SessionPool:
    """At most one session per credential, and at most `limit` of them; the least recently used is evicted first. At
    most `limit` credentials without a session are remembered: they evict each other but never a session; otherwise,
    anyone could end all sessions with made-up passwords.
    """

    def __init__(
        self,
        send: Send,
        log_out: Send,
        api: SessionApi,
        *,
        guard: LockoutGuard | None = None,
        limit: int = 512,
        times: SessionTimes | None = None,
        policy: RetryPolicy | None = None,
        events: Events | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._log_out = log_out
        self.api = api
        self._limit = limit
        self._times = times or SessionTimes()
        self._events = events or Events()
        self._clock = clock
        self._logins = Logins(
            send, api, policy or RetryPolicy(), clock, self._times.max_call, guard or LockoutGuard(clock=clock)
        )
        self._proven: OrderedDict[bytes, _Entry] = OrderedDict()
        """Credentials that have opened a session, the least recently used first."""
        self._unproven: OrderedDict[bytes, _Entry] = OrderedDict()
        """Those whose login is in flight, or failed."""
        self._opening: set[asyncio.Task[Session]] = set()
        self._logouts: set[asyncio.Task[None]] = set()
        self._closed = False
        self.counts = SessionCounts()

    @property
    def open_sessions(self) -> int:
        return sum(entry.session is not None for entry in self._proven.values())

    async def get(self, credential: Basic, call: Call | None = None) -> Session:
        """The credential's session, opened if necessary, on behalf of `call`. Raises GatewayError, or TransportError
        from the login."""
        entry = self._entry(credential)
        session, now = entry.session, self._clock()
        if session is not None:
            if now - session.used < self._times.max_idle and now - session.opened < self._times.max_age:
                session.used = now
                return session
            self._retire(entry, "renewed")
        return await self._single_flight(entry, lambda: self._open(entry, credential, call), call)

    async def renew(
        self,
        credential: Basic,
        stale: Session,
        since: float,
        call: Call | None = None,
        *,
        carries_secrets: bool = False,
    ) -> Session:
        """The session to use after vCenter rejected a request with `stale` at the time `since`, on behalf of `call`.

        Returns the same session if it is alive and the rejection may be about something else, such as the password of a
        guest user, which requires `carries_secrets`. No matter how many calls fail together, vCenter gets one probe and
        one login.
        """
        entry = self._entry(credential)
        if entry.session is stale and stale.verified <= since:
            await self._single_flight(entry, lambda: self._check(entry, credential, stale, call), call)
        if entry.session is not stale:
            return await self.get(credential, call)
        # Reported as alive, but rejected. If the call has no other password, the session is broken.
        now = self._clock()
        if carries_secrets and stale.doubts < _DOUBTS:
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
        """Closes every session at vCenter. Failures are ignored, because vCenter ends idle sessions itself."""
        self._closed = True
        if self._opening:
            _, late = await asyncio.wait(self._opening, timeout=self._times.max_logout)
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
        """Keeps an opened session, which may evict the least recently used one."""
        if self._unproven.get(key) is entry:
            del self._unproven[key]
        if self._closed or self._proven.setdefault(key, entry) is not entry:
            self._retire(entry)  # Forgotten while it was opened, and the credential now has another one.
            return
        if len(self._proven) > self._limit:
            self._retire(self._proven.popitem(last=False)[1], "displaced")

    async def _single_flight(
        self, entry: _Entry, action: Callable[[], Awaitable[Session]], call: Call | None
    ) -> Session:
        """Runs one action per entry at a time, for `call` and all calls that arrive meanwhile; it continues if the
        caller that started it cancels."""
        if entry.login is None:
            entry.login = asyncio.ensure_future(action())
            self._opening.add(entry.login)
            entry.login.add_done_callback(self._opening.discard)
            entry.login.add_done_callback(lambda task: _finished(entry, task))
        try:
            return await outlived(entry.login)
        except GatewayError as error:
            raise GatewayError(as_told(error.failure, call)) from None

    async def _check(self, entry: _Entry, credential: Basic, stale: Session, call: Call | None) -> Session:
        try:
            probe = await self._logins.send(self.api.probe(stale.id), call)
        except TransportError as error:
            raise error.before_call() from None  # vCenter refused the call that needs the session.
        if self.api.is_alive(probe):
            stale.verified = self._clock()
            stale.doubts += 1
            return stale
        if entry.session is stale:
            if self.api.was_refused(probe):
                self._retire(entry, "expired", log_out=False)
            else:
                self._retire(entry)  # Its state is unknown, so it is not left open.
        return await self._open(entry, credential, call)

    async def _open(self, entry: _Entry, credential: Basic, call: Call | None) -> Session:
        self._logins.require_leave(entry.state, credential)
        try:
            session_id = await self._logins.log_in(entry.state, credential, call)
        except (GatewayError, TransportError) as error:
            told = error.failure if isinstance(error, GatewayError) else Failure.of(error.reason, str(error))
            self.counts.rejected += told.reason == Reason.CREDENTIALS_REJECTED
            self._events.login_ended(LoginEnded(call, told))
            raise
        self.counts.logins += 1
        entry.state = LoginState(is_proven=True)
        now = self._clock()
        session = entry.session = Session(session_id, opened=now, used=now, verified=now)
        self._keep(entry, credential.digest)
        self._events.login_ended(LoginEnded(call))
        return session

    def _retire(self, entry: _Entry, cause: str = "", *, log_out: bool = True) -> None:
        """Stops using the session, if there is one, and closes it at vCenter in the background."""
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
            asked = self.api.logout(session.id)
            await self._log_out(Exchange(asked.request, asked.headers, deadline))


def _finished(entry: _Entry, task: asyncio.Task[Session]) -> None:
    entry.login = None
    if not task.cancelled():
        task.exception()  # Retrieved here, because every waiting caller may have cancelled.
