"""Who calls. What is secret stays in here: neither `repr` nor an error shows it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import grpc

from vcenter_gateway_client._error import VCenterError

__all__ = ["Credentials", "identified"]

_SESSION_HEADER = "vmware-api-session-id"
_AUTHORIZATION = "authorization"


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


def identified(metadata: Iterable[tuple[str, Any]] | None, credentials: Credentials | None) -> tuple[Any, ...]:
    """The metadata of a call with an identity, unless it brings one of its own."""
    own = tuple(metadata or ())
    if credentials is None or any(key in (_AUTHORIZATION, _SESSION_HEADER) for key, _ in own):
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
