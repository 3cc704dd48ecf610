"""Identifies a caller by certificate or by bearer token.

    certificate   its names are compared with an allow-list, see certificates.py
    static token  its SHA-256 is looked up in a file of hashes; the file holds no token
    JWT           issuer, signature by its keys, audience, expiry and algorithm

All configured methods are tried; if a caller uses several, the token determines the identity.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gateway.access.tokens import StaticTokens
from gateway.calls.identity import CallerIdentity, Kind
from gateway.errors import Failure, GatewayError, Reason

if TYPE_CHECKING:
    from gateway.access.certificates import AllowedCertificates
    from gateway.access.jwt import JwtVerifier

__all__ = ["AuthContext", "Callers", "Metadata"]

_BEARER = "bearer "
_MAX_TOKEN = 16 * 1024
_CERTIFICATE = "x509_pem_cert"

Metadata = Iterable[tuple[str, str | bytes]]
AuthContext = Mapping[str, Iterable[bytes]]
"""gRPC's information about the connection, from `ServicerContext.auth_context()`."""


@dataclass(frozen=True, slots=True)
class Callers:
    """The methods by which callers may authenticate."""

    certificates: AllowedCertificates | None = None
    tokens: StaticTokens | None = field(default=None, repr=False)
    jwt: JwtVerifier | None = field(default=None, repr=False)

    def identify(self, metadata: Metadata, connection: AuthContext) -> CallerIdentity:
        """The identity of a call's caller. Raises GatewayError (UNAUTHENTICATED) if the caller shows no credentials, or
        is not accepted.
        """
        token = _bearer_token(metadata)
        if token is not None:
            return self._by_token(token)
        # The names that gRPC reads from it are not used, because gRPC truncates each at a NUL.
        for pem in connection.get(_CERTIFICATE, ()):
            if self.certificates is None:
                raise _refused("the client certificate is not on the gateway's list")
            return CallerIdentity(Kind.CERT, self.certificates.name(pem))
        text = "the call carries no credentials: " + " or ".join(self._ways())
        raise GatewayError(Failure.of(Reason.CREDENTIALS_MISSING, text))

    def _by_token(self, token: str) -> CallerIdentity:
        if self.tokens is not None:
            identity = self.tokens.identity(token)
            if identity is not None:
                return CallerIdentity(Kind.TOKEN, identity)
        if self.jwt is not None:
            return CallerIdentity(Kind.JWT, self.jwt.identity(token))
        raise _refused("the bearer token is unknown")

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
    if not 0 < len(tokens[0]) <= _MAX_TOKEN or not tokens[0].isascii():
        raise _refused(f"the bearer token must be 1 to {_MAX_TOKEN} ASCII characters long")
    return tokens[0]


def _refused(message: str) -> GatewayError:
    return GatewayError(Failure.of(Reason.CALLER_REJECTED, message))
