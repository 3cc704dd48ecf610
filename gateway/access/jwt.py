"""JWTs as bearer tokens: verifies signature, issuer, audience and expiry."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import jwt

from gateway.access.jwks import Keys, parse_jwks
from gateway.errors import Failure, GatewayError, Reason
from gateway.files import ReloadedFile
from gateway.printable import is_printable

__all__ = ["FileKeys", "Issuer", "IssuerKeys", "JwtVerifier"]

_LEEWAY_SECONDS = 30


class IssuerKeys(Protocol):
    """The keys of one issuer."""

    @property
    def issuer(self) -> str | None:
        """The issuer of the keys; None if it is not known yet."""

    @property
    def keys(self) -> Keys:
        """The latest keys. Never blocks."""

    def unknown(self, key_id: str | None) -> GatewayError:
        """The error for a token of this issuer whose key is unknown."""


class FileKeys:
    """The keys in a file, which is reloaded when it changes. Raises ValueError if the file cannot be used."""

    def __init__(self, issuer: str, path: str) -> None:
        self.issuer = issuer
        self._file = ReloadedFile(path, parse_jwks)

    @property
    def keys(self) -> Keys:
        return self._file.current()

    def unknown(self, key_id: str | None) -> GatewayError:
        return _refused("the token was signed with a key that is not in the JWKS file")


@dataclass(frozen=True, slots=True)
class Issuer:
    """One issuer: its keys, and the requirements for its tokens."""

    source: IssuerKeys
    audience: Sequence[str]
    algorithms: Sequence[str]
    claim: str
    prefix: str = ""
    """Prefix of the claim."""
    own_names: str = ""
    """Prefix that only this issuer's names may have."""


@dataclass(frozen=True, slots=True)
class JwtVerifier:
    """Accepts the JWTs of several issuers, each only by its own keys."""

    issuers: Sequence[Issuer]
    _owners: Sequence[Issuer] = field(init=False, repr=False)
    """The longest prefixes first."""

    def __post_init__(self) -> None:
        owners = sorted(self.issuers, key=lambda issuer: len(issuer.own_names), reverse=True)
        object.__setattr__(self, "_owners", owners)

    def identity(self, token: str) -> str:
        """The identity of a token. Raises GatewayError with the reason if it is not accepted: UNAUTHENTICATED, or
        UNAVAILABLE if it cannot be verified at the moment; UnknownKeyError if newer keys may help."""
        try:
            return self._identity(token)
        except jwt.ExpiredSignatureError:
            raise _refused("the token has expired") from None
        except jwt.ImmatureSignatureError:
            raise _refused("the token is not valid yet; the clocks may differ") from None
        except jwt.InvalidAudienceError:
            raise _refused("the token is for another audience") from None
        except jwt.InvalidIssuerError:
            raise _refused("the token is of another issuer") from None
        except jwt.InvalidAlgorithmError:
            raise _refused("the token's algorithm is not allowed") from None
        except jwt.MissingRequiredClaimError as error:
            raise _refused(f"the token has no claim {error.claim!r}") from None
        except jwt.InvalidSignatureError:
            raise _refused("the token's signature is invalid") from None
        except GatewayError:
            raise
        except Exception:
            # The library's own errors, and those that it passes on: JSON that is nested too deeply, a time out of
            # range. Whatever bytes a caller sends, the error is the caller's.
            raise _refused("the bearer token is neither a known one nor a valid JWT") from None

    def _identity(self, token: str) -> str:
        name = _claimed_issuer(token)
        issuer = self._issuer(name)
        header = jwt.get_unverified_header(token)
        key_id, algorithm = header.get("kid"), header.get("alg")
        if not isinstance(algorithm, str) or algorithm not in issuer.algorithms:
            raise jwt.InvalidAlgorithmError
        of_id = _by_id(issuer.source.keys, key_id)
        if of_id is None:
            # Nothing is fetched for a token that would not be accepted anyway.
            _decode(token, None, name, issuer)
            raise issuer.source.unknown(key_id if isinstance(key_id, str) else None)
        if algorithm not in of_id:
            raise jwt.InvalidAlgorithmError
        claims = _decode(token, of_id[algorithm], name, issuer)
        value = claims[issuer.claim]
        # JSON can also contain unpaired surrogates, with which no line of the audit log could be written.
        if not is_printable(value):
            raise _refused(f"the token's claim {issuer.claim!r} is not printable text")
        identity = issuer.prefix + value
        owner = next((each for each in self._owners if identity.startswith(each.own_names)), None)
        if owner is not issuer:
            raise _refused(f"the token's claim {issuer.claim!r} is a name that this issuer may not assign")
        return identity

    def _issuer(self, name: str) -> Issuer:
        for issuer in self.issuers:
            if issuer.source.issuer == name:
                return issuer
        for issuer in self.issuers:
            if issuer.source.issuer is None:  # This may be the issuer.
                raise issuer.source.unknown(None)
        raise jwt.InvalidIssuerError


def _claimed_issuer(token: str) -> str:
    """The issuer that a token claims, not verified yet."""
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    name = claims.get("iss")
    if name is None:
        raise jwt.MissingRequiredClaimError("iss")
    if not isinstance(name, str):
        raise jwt.InvalidIssuerError
    return name


def _by_id(keys: Keys, key_id: object) -> Mapping[str, jwt.PyJWK] | None:
    if isinstance(key_id, str):
        return keys.get(key_id)
    return next(iter(keys.values())) if key_id is None and len(keys) == 1 else None


def _decode(token: str, key: jwt.PyJWK | None, name: str, issuer: Issuer) -> dict[str, Any]:
    """The claims, if they are acceptable; without a key, they are not verified yet."""
    return jwt.decode(
        token,
        key or "",
        algorithms=list(issuer.algorithms),
        issuer=name,
        audience=list(issuer.audience),
        leeway=_LEEWAY_SECONDS,
        options={
            "require": ["exp", "iss", "aud", issuer.claim],
            "verify_signature": key is not None,
            # Each option explicitly, because otherwise they would be disabled with the signature check.
            "verify_exp": True,
            "verify_nbf": True,
            "verify_iat": True,
            "verify_aud": True,
            "verify_iss": True,
        },
    )


def _refused(message: str) -> GatewayError:
    return GatewayError(Failure.of(Reason.CALLER_REJECTED, message))
