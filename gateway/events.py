"""Events in the gateway, each reported once to all subscribers: log, metrics, audit log, traces, status page.

Each event has the call that it concerns and the cause, so that all subscribers can report the same. No event contains a
credential; each subscriber decides what it shows of identities and identifiers.
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
    """An rpc ended. A call that was refused early lacks the values that were not known by then."""

    method: Method
    request_id: str
    peer: str
    """The connection of the call, for example `ipv4:192.0.2.7:40312`."""
    seconds: float
    failure: Failure | None = None
    """None for a call that succeeded."""
    identity: str = ""
    """The caller, empty if unknown."""
    message: Message | None = None
    """The request, None for one that could not be read."""
    call: Call | None = None
    """The call, None if it was refused before it was created."""
    age: int | None = None
    """Seconds by which the response may be older than the call; None if the caller accepts no age."""
    trace: Trace | None = None
    messages: int = 0
    """Number of messages sent on a stream."""

    @property
    def rpc(self) -> str:
        """Service and rpc, for example `vcenter.v1.VmService/ListVms`."""
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
    """The HTTP status, or the reason why there was no response."""
    seconds: float
    call: Call | None
    """The call that caused it; None for the gateway's own exchanges."""
    cause: str = ""
    """Why there was no response: the error of the operating system or of TLS."""
    span: Span | None = None
    """Its span in a trace."""


class Retried(NamedTuple):
    """A call is retried."""

    call: Call
    failure: Failure
    """The failure of the last attempt."""
    delay: float
    """Seconds waited since then."""


class BreakerChanged(NamedTuple):
    """The circuit breaker changed its state."""

    state: BreakerState
    cause: str
    """Why it opened, empty when it closed."""


class LoginEnded(NamedTuple):
    """A login ended, successfully or not."""

    call: Call | None
    """The call that started it; others may have waited for it."""
    failure: Failure | None = None


class SessionEnded(NamedTuple):
    """The gateway no longer uses a session with vCenter."""

    cause: str
    """`expired`, `renewed` or `displaced`; empty if it was closed because it is no longer needed."""


class CertificateChanged(NamedTuple):
    """vCenter presents a different certificate than on the previous connection, or the first one."""

    certificate: bytes
    """In DER form."""
    is_first: bool


class FileChanged(NamedTuple):
    """The content of a file in a setting changed: a certificate, a key, a password, tokens, the policy."""

    path: str
    problem: str = ""
    """Why the new content cannot be used, and the old one stays in use; empty if the new one is in use."""


class KeysFetched(NamedTuple):
    """The gateway requested the keys of a JWT issuer."""

    issuer: str
    """Its name in the configuration."""
    problem: str
    """Why it did not get them, and the old ones stay in use; empty if it did."""
    key_ids: frozenset[str]
    """Ids of the keys that are in use now."""
    seconds: float


class Events:
    """A subscriber to events, which does nothing by default. A subscriber overrides the methods that it needs.

    The methods are quick, and raise nothing unless they say so.
    """

    def call_started(self, call: Call) -> None:
        """A call was admitted, and is about to be executed. A subscriber that must record it but cannot raises
        GatewayError, which ends the call."""

    def call_ended(self, ended: CallEnded) -> None:
        """A call ended, whether it was admitted or not."""

    def message_sent(self, call: Call) -> None:
        """A stream sent a message."""

    def exchanged(self, exchanged: Exchanged) -> None:
        """An exchange with vCenter ended."""

    def retried(self, retried: Retried) -> None:
        """A call is retried, after its wait."""

    def breaker_changed(self, changed: BreakerChanged) -> None:
        """The circuit breaker opened, closed, or is half-open."""

    def login_ended(self, login: LoginEnded) -> None:
        """A login ended."""

    def session_ended(self, ended: SessionEnded) -> None:
        """A session is no longer used."""

    def certificate_changed(self, changed: CertificateChanged) -> None:
        """vCenter presents a different certificate than before."""

    def file_changed(self, changed: FileChanged) -> None:
        """The content of a file changed."""

    def keys_fetched(self, fetched: KeysFetched) -> None:
        """The keys of a JWT issuer were requested."""

    def unknown_field(self, message: str, field: str) -> None:
        """vCenter sent the field `field` in a message of this full name, which the contract does not know."""

    def unknown_enum_value(self, enum: str, value: str) -> None:
        """vCenter sent the value `value` of the enum of this full name, which the contract does not know."""

    def unreadable_value(self, message: str, field: str, why: str) -> None:
        """The value that vCenter sent in the field `field` of a message with this full name cannot be read, and is left
        unset."""

    def replaced_text(self, message: str) -> None:
        """The response for a message with this full name contained bytes that are not text: U+FFFD replaces them."""


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
    """Notifies all subscribers, in order. A subscriber that does not override an event's method costs nothing."""
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
