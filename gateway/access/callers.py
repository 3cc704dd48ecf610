"""Finds out who a caller is, by certificate or by bearer token.

    certificate   its DNS and URI names (SPIFFE ids among them) and its common name are compared with an allow-list
    static token  its SHA-256 is looked up in a file of hashes; the file holds no token
    JWT           signature by the keys of a JWKS file, and issuer, audience, expiry and algorithm

All that is configured is tried; a caller who shows several proofs is who the token says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.access.patterns import fits
from gateway.access.tokens import StaticTokens
from gateway.errors import Failure, GatewayError, Reason

if TYPE_CHECKING:
    from gateway.access.jwt import JwtVerifier

__all__ = ["AuthContext", "Callers", "Metadata"]

_BEARER = "bearer "
_MAX_TOKEN = 16 * 1024

Metadata = Iterable[tuple[str, str | bytes]]
AuthContext = Mapping[str, Iterable[bytes]]
"""What gRPC says about the connection, from `ServicerContext.auth_context()`."""


@dataclass(frozen=True, slots=True)
class Callers:
    """The ways in which callers may prove who they are."""

    certificates: Sequence[str] = ()
    """Patterns of the names in certificates."""
    tokens: StaticTokens | None = field(default=None, repr=False)
    jwt: JwtVerifier | None = field(default=None, repr=False)

    def identify(self, metadata: Metadata, connection: AuthContext) -> str:
        """The identity of a call's caller.

        Raises GatewayError (UNAUTHENTICATED) for a caller who shows nothing, and for one who is not accepted.
        """
        token = _bearer_token(metadata)
        if token is not None:
            return self._by_token(token)
        for name in _certificate_names(connection):
            if fits(name, self.certificates):
                return name
        if connection.get("x509_common_name") or connection.get("x509_subject_alternative_name"):
            raise _refused("the client certificate is not on the gateway's list")
        text = "the call carries no identity: " + " or ".join(self._ways())
        raise GatewayError(Failure.of(Reason.CREDENTIALS_MISSING, text))

    def _by_token(self, token: str) -> str:
        if self.tokens is not None:
            identity = self.tokens.identity(token)
            if identity is not None:
                return identity
        if self.jwt is not None:
            return self.jwt.identity(token)
        raise _refused("the bearer token is not known")

    def _ways(self) -> list[str]:
        ways = []
        if self.certificates:
            ways.append("connect with a client certificate")
        if self.tokens is not None or self.jwt is not None:
            ways.append("send authorization: Bearer <token> in the metadata")
        return ways


def _bearer_token(metadata: Metadata) -> str | None:
    values = [value for key, value in metadata if key == "authorization" and isinstance(value, str)]
    tokens = [value[len(_BEARER) :].strip() for value in values if value[: len(_BEARER)].lower() == _BEARER]
    if not tokens:
        return None
    if len(tokens) > 1:
        raise _refused("the call carries more than one bearer token")
    if not 0 < len(tokens[0]) <= _MAX_TOKEN:
        raise _refused(f"the bearer token must have 1 to {_MAX_TOKEN} characters")
    return tokens[0]


def _certificate_names(connection: AuthContext) -> list[str]:
    """The names in the caller's certificate, those of subjectAltName first. Only a verified one gets this far."""
    names = [*connection.get("x509_subject_alternative_name", ()), *connection.get("x509_common_name", ())]
    return [name.decode("utf-8", "replace") for name in names]


def _refused(message: str) -> GatewayError:
    return GatewayError(Failure.of(Reason.CALLER_REJECTED, message))
