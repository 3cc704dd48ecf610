"""Who calls. What is secret stays in here: neither `repr` nor an error shows it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import grpc

from vcenter_gateway_client._error import VCenterError

__all__ = ["Caller", "Credentials", "completed"]

_SESSION_HEADER = "vmware-api-session-id"
_AUTHORIZATION = "authorization"
_VCENTER = "x-vcenter"


@dataclass(frozen=True, repr=False)
class Credentials:
    """The identity that every call of a connection carries. Made by `basic`, `session` or `bearer`."""

    _kind: str
    _key: str
    _value: str | Callable[[], str]

    @classmethod
    def basic(cls, user: str, password: str) -> Credentials:
        """A vCenter user, for whom the gateway logs in and keeps a session.

        Raises ValueError for a user name that is empty or has a colon in it.
        """
        if not user or ":" in user:
            raise ValueError("a user name must not be empty and must not have a colon in it")
        encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
        return cls("basic", _AUTHORIZATION, f"Basic {encoded}")

    @classmethod
    def session(cls, session_id: str) -> Credentials:
        """A session of vCenter that the caller holds. The gateway forwards its id and does not renew it.

        Raises ValueError for what cannot be a session id.
        """
        _check("a session id", session_id)
        return cls("session", _SESSION_HEADER, session_id)

    @classmethod
    def bearer(cls, token: str | Callable[[], str]) -> Credentials:
        """A token or JWT, for a gateway that holds the login to vCenter itself.

        A token that is renewed comes from a function, which is asked anew for each call and has to be quick:
        `Credentials.bearer(Path("/var/run/secrets/tokens/gateway").read_text)`. When it raises, the call fails with
        UNAUTHENTICATED and is not sent.

        White space around a token does not belong to it. Raises ValueError for what cannot be one.
        """
        return cls("bearer", _AUTHORIZATION, token if callable(token) else _bearer(token))

    def __repr__(self) -> str:
        return f"<{self._kind} credentials>"


@dataclass(frozen=True)
class Caller:
    """What every call of a connection carries: who calls, and which vCenter of a fleet serves it."""

    credentials: Credentials | None = None
    vcenter: str | None = None

    def __post_init__(self) -> None:
        if self.vcenter is not None:
            _check("the name of a vCenter", self.vcenter)


def completed(metadata: Iterable[tuple[str, Any]] | None, caller: Caller) -> tuple[Any, ...]:
    """The metadata of a call, with the connection's where the call does not bring its own."""
    own = tuple(metadata or ())
    keys = {key for key, _ in own}
    if caller.vcenter is not None and _VCENTER not in keys:
        own = (*own, (_VCENTER, caller.vcenter))
    if (credentials := caller.credentials) is None or keys & {_AUTHORIZATION, _SESSION_HEADER}:
        return own
    key, value = credentials._key, credentials._value  # noqa: SLF001 - kept from users, not from us
    return (*own, (key, _renewed(value) if callable(value) else value))


def _renewed(token: Callable[[], str]) -> str:
    try:
        return _bearer(token())
    except Exception as error:
        raise VCenterError(code=grpc.StatusCode.UNAUTHENTICATED, message=f"there is no token: {error}") from error


def _bearer(token: str) -> str:
    token = token.strip()
    _check("a token", token)
    return f"Bearer {token}"


def _check(what: str, value: str) -> None:
    if not value or not all("!" <= character <= "~" for character in value):
        raise ValueError(f"{what} must be one or more printable ASCII characters without spaces")
