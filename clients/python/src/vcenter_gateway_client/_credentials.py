"""The caller's identity. Secrets stay in this module: neither `repr` nor errors contain them."""

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
    """The identity of the calls of a connection. Created by `basic`, `session` or `bearer`."""

    _kind: str
    _key: str
    _value: str | Callable[[], str]

    @classmethod
    def basic(cls, user: str, password: str) -> Credentials:
        """A vCenter user. The gateway logs in as this user and keeps a session.

        Raises ValueError if the username is empty or contains a colon.
        """
        if not user or ":" in user:
            raise ValueError("the username must not be empty or contain a colon")
        encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
        return cls("basic", _AUTHORIZATION, f"Basic {encoded}")

    @classmethod
    def session(cls, session_id: str) -> Credentials:
        """An existing vCenter session of the caller. The gateway forwards its ID and does not renew it.

        Raises ValueError if this is not a valid session ID.
        """
        _check("a session id", session_id)
        return cls("session", _SESSION_HEADER, session_id)

    @classmethod
    def bearer(cls, token: str | Callable[[], str]) -> Credentials:
        """A token or JWT, for a gateway that has its own service account.

        For a token that rotates, pass a function, which is called for each rpc and must be fast:
        `Credentials.bearer(Path("/var/run/secrets/tokens/gateway").read_text)`. If it raises an exception, the call
        fails with UNAUTHENTICATED and is not sent.

        Whitespace around a token is ignored. Raises ValueError if this is not a valid token.
        """
        return cls("bearer", _AUTHORIZATION, token if callable(token) else _bearer(token))

    def __repr__(self) -> str:
        return f"<{self._kind} credentials>"


@dataclass(frozen=True)
class Caller:
    """The metadata of a connection's calls: the caller's identity, and the vCenter of a fleet."""

    credentials: Credentials | None = None
    vcenter: str | None = None

    def __post_init__(self) -> None:
        if self.vcenter is not None:
            _check("the name of a vCenter", self.vcenter)


def completed(metadata: Iterable[tuple[str, Any]] | None, caller: Caller) -> tuple[Any, ...]:
    """The metadata of a call, completed with that of the connection if the call has none."""
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
        raise ValueError(f"{what} must consist of one or more printable ASCII characters without spaces")
