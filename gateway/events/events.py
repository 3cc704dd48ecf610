"""The events and the one protocol by which they are told.

Whatever is wrong, each event says whose call it concerns and why it happened, so that all subscribers can say the same.
No event holds a credential; what a subscriber shows of identities and identifiers is its own decision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.errors import Failure

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from gateway.calls import Call
    from gateway.contract import Method
    from gateway.tracing.context import Exchange as Span
    from gateway.tracing.context import Trace
    from gateway.vcenter.breaker import BreakerState

__all__ = [
    "BreakerChanged",
    "CallEnded",
    "CertificateChanged",
    "Events",
    "Exchanged",
    "FileChanged",
    "KeysFetched",
    "LoginEnded",
    "Retried",
    "SessionEnded",
    "combined",
]


class CallEnded(NamedTuple):
    """An rpc ended. A call that was refused early lacks what had not been found out by then."""

    method: Method
    request_id: str
    peer: str
    """The connection that the call came on, for instance `ipv4:192.0.2.7:40312`."""
    seconds: float
    failure: Failure | None = None
    """None for a call that succeeded."""
    identity: str = ""
    """Who called, empty where nobody knows."""
    message: Message | None = None
    """The request, None for one that could not be read."""
    call: Call | None = None
    """The call, None for one that was refused before it was one."""
    age: int | None = None
    """Seconds by which the answer may be older than the call; None where the caller did not accept any."""
    trace: Trace | None = None
    messages: int = 0
    """Messages that a stream has sent."""

    @property
    def rpc(self) -> str:
        """Service and rpc, for instance `vcenter.v1.VmService/ListVms`."""
        return self.method.full_name

    @property
    def code(self) -> str:
        """Name of the gRPC code."""
        return self.failure.code_name if self.failure else "OK"

    @property
    def reason(self) -> str:
        """Reason of the failure, empty for a call that succeeded."""
        return self.failure.reason if self.failure else ""


class Exchanged(NamedTuple):
    """One HTTP exchange with vCenter ended."""

    operation: str
    outcome: int | str
    """The HTTP status, or the reason for which there was no answer."""
    seconds: float
    call: Call | None
    """The call it was for; None for what the gateway does on its own account."""
    cause: str = ""
    """Why there was no answer: what the operating system or TLS said."""
    span: Span | None = None
    """What follows it in a trace."""


class Retried(NamedTuple):
    """A call is sent again."""

    call: Call
    failure: Failure
    """What the last try ended in."""
    delay: float
    """Seconds that it waited since then."""


class BreakerChanged(NamedTuple):
    """The circuit breaker is in another state."""

    state: BreakerState
    cause: str
    """Why it opened, empty when it closed."""


class LoginEnded(NamedTuple):
    """vCenter answered a login, or did not."""

    call: Call | None
    """The call that began it; others may have waited for it."""
    failure: Failure | None = None


class SessionEnded(NamedTuple):
    """The gateway no longer uses a session with vCenter."""

    cause: str
    """`expired`, `renewed` or `displaced`; empty where it was closed because nobody needs it any more."""


class CertificateChanged(NamedTuple):
    """vCenter shows another certificate than on the connection before, or the first one."""

    certificate: bytes
    """In DER form."""
    is_first: bool


class FileChanged(NamedTuple):
    """A file that a setting names has another content: a certificate, a key, a password, tokens, the policy."""

    path: str
    problem: str = ""
    """Why the new content cannot be used, and the old one stays in use; empty where the new one is in use."""


class KeysFetched(NamedTuple):
    """The gateway asked an issuer of JWTs for its keys."""

    issuer: str
    """Its name in the configuration."""
    problem: str
    """Why it did not get them, and the old ones stay in use; empty where it did."""
    key_ids: frozenset[str]
    """Of the keys that are in use now."""
    seconds: float


class Events:
    """Is told what happens, and by itself does nothing. A subscriber overrides what it wants to know.

    The methods are quick, and raise nothing unless they say so.
    """

    def call_started(self, call: Call) -> None:
        """A call was let in, and is about to be carried out. A subscriber that has to record it and cannot raises
        GatewayError: the call ends there."""

    def call_ended(self, ended: CallEnded) -> None:
        """A call ended, whether it was let in or not."""

    def message_sent(self, call: Call) -> None:
        """A stream sent a message."""

    def exchanged(self, exchanged: Exchanged) -> None:
        """An exchange with vCenter ended."""

    def retried(self, retried: Retried) -> None:
        """A call is sent again, now that it has waited."""

    def breaker_changed(self, changed: BreakerChanged) -> None:
        """The circuit breaker opened, closed, or lets single calls through."""

    def login_ended(self, login: LoginEnded) -> None:
        """A login ended."""

    def session_ended(self, ended: SessionEnded) -> None:
        """A session is no longer used."""

    def certificate_changed(self, changed: CertificateChanged) -> None:
        """vCenter shows another certificate than before."""

    def file_changed(self, changed: FileChanged) -> None:
        """A file has another content."""

    def keys_fetched(self, fetched: KeysFetched) -> None:
        """An issuer of JWTs was asked for its keys."""

    def unknown_field(self, message: str, field: str) -> None:
        """vCenter sent the field `field` in a message of this full name, which the contract does not know."""

    def unknown_enum_value(self, enum: str, value: str) -> None:
        """vCenter sent the value `value` of the enum of this full name, which the contract does not know."""

    def unreadable_value(self, message: str, field: str, why: str) -> None:
        """What vCenter sent in the field `field` of a message of this full name cannot be read, and is left unset."""

    def replaced_text(self, message: str) -> None:
        """The answer that becomes a message of this full name held bytes that are not text: U+FFFD replaces them."""


_NAMES = tuple(name for name, value in vars(Events).items() if callable(value) and not name.startswith("_"))


class _Combined(Events):
    """Several subscribers as one."""

    __slots__ = ("subscribers",)

    def __init__(self, subscribers: tuple[Events, ...]) -> None:
        self.subscribers = subscribers
        for name in _NAMES:
            told = [
                getattr(subscriber, name)
                for subscriber in subscribers
                if getattr(type(subscriber), name) is not getattr(Events, name)
            ]
            if told:
                setattr(self, name, told[0] if len(told) == 1 else _telling(tuple(told)))


def combined(*subscribers: Events) -> Events:
    """Tells all subscribers, in their order. One that does not care for an event costs nothing when it happens."""
    return _Combined(
        tuple(
            each
            for subscriber in subscribers
            for each in (subscriber.subscribers if isinstance(subscriber, _Combined) else (subscriber,))
        )
    )


def _telling(told: tuple[Callable[..., None], ...]) -> Callable[..., None]:
    def tell(*event: Any) -> None:
        for one in told:
            one(*event)

    return tell
