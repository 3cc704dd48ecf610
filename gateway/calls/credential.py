"""The credentials for vCenter in a call's metadata: a session id, or a user name and a password."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.errors import Failure, GatewayError, Reason
from gateway.printable import is_word

__all__ = ["SESSION_HEADER", "Basic", "Credential", "SessionId", "credential_in", "is_session_id"]

SESSION_HEADER = "vmware-api-session-id"
_MAX_SESSION_ID = 1024
_MAX_AUTHORIZATION = 4096

# Credentials are identified by a keyed digest, so that neither a map's keys nor a dump contains a password.
_DIGEST_KEY = os.urandom(32)


@dataclass(frozen=True, slots=True)
class SessionId:
    """The caller's own session. It is forwarded unchanged and never renewed."""

    value: str = field(repr=False)

    @property
    def digest(self) -> bytes:
        """Tells one session from another within this process, and nothing else."""
        return hmac.digest(_DIGEST_KEY, self.value.encode(), hashlib.sha256)


@dataclass(frozen=True, slots=True)
class Basic:
    """A user name and a password, for which the gateway keeps a session."""

    user: str
    password: str = field(repr=False)

    @property
    def account(self) -> str:
        """The user name as vCenter compares it: whatever its letters' case, and `DOMAIN\\user` like `user@domain`."""
        folded = self.user.casefold()
        domain, backslash, name = folded.partition("\\")
        return f"{name}@{domain}" if backslash else folded

    @property
    def header(self) -> str:
        """The value of an HTTP Authorization header."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    @property
    def digest(self) -> bytes:
        """Tells one credential from another within this process, and nothing else."""
        return hmac.digest(_DIGEST_KEY, f"{self.account}:{self.password}".encode(), hashlib.sha256)


Credential = SessionId | Basic


def credential_in(metadata: Iterable[tuple[str, str | bytes]]) -> Credential | None:
    """The credential in a call's metadata, None if there is none. A session id takes precedence over a password. Raises
    GatewayError (UNAUTHENTICATED, CREDENTIALS_MALFORMED) for a malformed credential, and for several of the same kind,
    because a proxy may have checked a different one.
    """
    found: dict[str, str] = {}
    for key, value in metadata:
        if key in (SESSION_HEADER, "authorization") and isinstance(value, str):
            if key in found:
                raise _malformed(f"{key} occurs more than once")
            found[key] = value
    if SESSION_HEADER in found:
        return _session_id(found[SESSION_HEADER])
    return _basic(found["authorization"]) if "authorization" in found else None


def is_session_id(value: object) -> bool:
    """Whether a value can be a session id: it must fit into a header unchanged."""
    return is_word(value, _MAX_SESSION_ID)


def _session_id(value: str) -> SessionId:
    if not is_session_id(value):
        raise _malformed(f"{SESSION_HEADER} must be 1 to {_MAX_SESSION_ID} printable ASCII characters")
    return SessionId(value)


def _basic(value: str) -> Basic:
    scheme, _, encoded = value.partition(" ")
    if scheme.lower() != "basic":
        raise _malformed("authorization must be of the form 'Basic <base64 of user:password>'")
    if len(value) > _MAX_AUTHORIZATION:
        raise _malformed(f"authorization is longer than {_MAX_AUTHORIZATION} characters")
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        raise _malformed("the credentials in authorization are not Base64-encoded UTF-8 text") from None
    if not colon or not user:
        raise _malformed("the credentials in authorization are not of the form user:password")
    return Basic(user, password)


def _malformed(message: str) -> GatewayError:
    return GatewayError(Failure.of(Reason.CREDENTIALS_MALFORMED, message))
