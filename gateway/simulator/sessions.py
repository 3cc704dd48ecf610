"""Users, their sessions, and all ways in which vCenter rejects them: wrong password, lockout, session cap, expiry."""

import secrets
import uuid
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from gateway.simulator import errors

__all__ = ["CHALLENGE", "DEFAULT_USERS", "Api", "Privilege", "Session", "SessionLimits", "Sessions", "User"]

Privilege = str
Api = Literal["REST", "VIM"]
READ: Privilege = "read"
WRITE: Privilege = "write"

CHALLENGE = (
    'Basic realm="VAPI endpoint",SIGN realm=8071d07acde1696c78beb1fb27afaafc7371c346,service="VAPI endpoint",'
    'sts="https://vcenter.vsphere.local/sts/STSService/vsphere.local"'
)


@dataclass(frozen=True, slots=True)
class User:
    """An account: its privileges, and the password it logs in with."""

    name: str
    password: str = field(repr=False)
    privileges: frozenset[Privilege] = frozenset({READ, WRITE})

    def require(self, privilege: Privilege, operation: str) -> None:
        """UNAUTHORIZED unless the user has the privilege."""
        if privilege not in self.privileges:
            raise errors.unauthorized(
                "vapi.security.authorization.invalid",
                "Unable to authorize user: {0} is not permitted for {1}.",
                operation,
                self.name,
            )


DEFAULT_USERS: tuple[User, ...] = (
    User("administrator@vsphere.local", "VMware1!"),
    User("readonly@vsphere.local", "VMware1!", frozenset({READ})),
    User("noaccess@vsphere.local", "VMware1!", frozenset()),
)


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """When sessions end and logins are rejected; times in seconds, with the defaults of vCenter 7."""

    idle: float = 1800
    absolute: float = 86400
    total: int = 1000
    per_user: int = 550
    lockout_attempts: int = 5
    lockout_window: float = 180
    lockout_duration: float = 300


@dataclass(slots=True)
class Session:
    """One login; its identifier is a secret and is excluded from every representation."""

    identifier: str = field(repr=False)
    user: User
    created: datetime
    last_accessed: datetime
    api: Api = "REST"
    """The API where it was opened."""
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    """Its name in lists of sessions: not a secret, and useless for logging in."""
    locale: str = "en"
    user_agent: str = ""
    calls: int = 0
    ended: bool = False
    objects: dict[str, Any] = field(default_factory=dict, repr=False)
    """The objects that it created in the VIM API, by identifier: views, collectors and filters. They end with it."""


class Sessions:
    """Every open session of the simulated vCenter, with counters of each user's logins.

    A session that is not `shared` is only valid for the API where it was opened.
    """

    def __init__(
        self, users: Iterable[User], limits: SessionLimits, clock: Callable[[], datetime], *, shared: bool = True
    ) -> None:
        self._shared = shared
        self._users = {user.name.casefold(): user for user in users}
        self._limits = limits
        self._clock = clock
        self._sessions: dict[str, Session] = {}
        self._failures: defaultdict[str, deque[datetime]] = defaultdict(deque)
        self._locked_until: dict[str, datetime] = {}
        self.logins = 0
        self.rejected_logins = 0
        self.refused_by_cap = 0
        self.logouts = 0
        self.begin_listeners: list[Callable[[Session], None]] = []
        """Called for each session that begins."""
        self.end_listeners: list[Callable[[Session], None]] = []
        """Called for each session that ends, however it ends."""

    def counts(self) -> Mapping[str, int]:
        """The numbers of logins and of open sessions."""
        return {
            "logins": self.logins,
            "rejected_logins": self.rejected_logins,
            "refused_by_cap": self.refused_by_cap,
            "logouts": self.logouts,
            "open": len(self.open_sessions()),
        }

    def open_sessions(self) -> list[Session]:
        """The sessions that have not expired, oldest first."""
        now = self._clock()
        for session in [session for session in self._sessions.values() if self._expired(session, now)]:
            self._end(session)
        return list(self._sessions.values())

    def set_password(self, user: str, password: str) -> None:
        """Changes a user's password; open sessions stay, as in vCenter."""
        old = self._users[user.casefold()]
        self._users[user.casefold()] = User(old.name, password, old.privileges)

    def expire_all(self) -> None:
        """Ends all sessions, like a restart of vCenter."""
        for session in list(self._sessions.values()):
            self._end(session)

    def login(self, name: str, password: str, api: Api = "REST") -> Session:
        """Opens a session. UNAUTHENTICATED for a wrong password or a locked account, SERVICE_UNAVAILABLE at the cap."""
        user = self.authenticate(name, password)
        self._require_room(user)
        now = self._clock()
        session = Session(secrets.token_hex(16), user, now, now, api)
        self._sessions[session.identifier] = session
        self.logins += 1
        for listener in self.begin_listeners:
            listener(session)
        return session

    def authenticate(self, name: str, password: str) -> User:
        """The account, without a session. UNAUTHENTICATED for a wrong password or a locked account."""
        now = self._clock()
        key = name.casefold()
        user = self._users.get(key)
        locked = self._locked_until.get(key, now) > now
        right = user is not None and secrets.compare_digest(user.password.encode(), password.encode())
        if user is None or locked or not right:
            self.rejected_logins += 1
            if not locked:
                self._count_failure(key, now)
            raise errors.unauthenticated(
                "com.vmware.vapi.endpoint.method.authentication.required",
                "Authentication required.",
                challenge=CHALLENGE,
            )
        self._failures.pop(key, None)
        return user

    def find(self, identifier: str | None, api: Api = "REST") -> Session:
        """The live session with that identifier, marked as used now; UNAUTHENTICATED if the API has none."""
        now = self._clock()
        session = self._sessions.get(identifier or "")
        if session is not None and self._expired(session, now):
            self._end(session)
            session = None
        if session is None or not (self._shared or session.api == api):
            raise errors.unauthenticated(
                "com.vmware.vapi.endpoint.method.authentication.required",
                "Authentication required.",
                challenge=CHALLENGE,
            )
        session.last_accessed = now
        session.calls += 1
        return session

    def logout(self, identifier: str | None, api: Api = "REST") -> None:
        """Ends a session; UNAUTHENTICATED if the API has none."""
        self._end(self.find(identifier, api))
        self.logouts += 1

    def terminate(self, key: str) -> bool:
        """Ends the session with that name in lists, as administrators do; False if it does not exist."""
        session = next((session for session in self.open_sessions() if session.key == key), None)
        if session is not None:
            self._end(session)
        return session is not None

    def shown(self, api: Api) -> list[Session]:
        """The open sessions that are valid for an API."""
        return [session for session in self.open_sessions() if self._shared or session.api == api]

    def _end(self, session: Session) -> None:
        del self._sessions[session.identifier]
        session.ended = True
        for listener in self.end_listeners:
            listener(session)
        session.objects.clear()

    def _expired(self, session: Session, now: datetime) -> bool:
        idle = now - session.last_accessed
        age = now - session.created
        return idle >= timedelta(seconds=self._limits.idle) or age >= timedelta(seconds=self._limits.absolute)

    def _count_failure(self, key: str, now: datetime) -> None:
        failures = self._failures[key]
        failures.append(now)
        while failures and now - failures[0] > timedelta(seconds=self._limits.lockout_window):
            failures.popleft()
        if len(failures) >= self._limits.lockout_attempts:
            failures.clear()
            self._locked_until[key] = now + timedelta(seconds=self._limits.lockout_duration)

    def _require_room(self, user: User) -> None:
        sessions = self.open_sessions()
        per_user = Counter(session.user.name for session in sessions)
        full = len(sessions) >= self._limits.total
        if full or per_user[user.name] >= self._limits.per_user:
            self.refused_by_cap += 1
            raise errors.service_unavailable(
                "com.vmware.vapi.endpoint.failedToLoginMaxUserSessionCountReached",
                "User session count is limited to {0}. Existing sessions are {1} for user '{2}'.",
                str(self._limits.total if full else self._limits.per_user),
                str(per_user[user.name]),
                user.name,
            )
