"""JWTs as bearer tokens: who signed them, for whom, and for how long."""

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

__all__ = ["FileKeys", "Issuer", "IssuerKeys", "JwtVerifier"]

_LEEWAY_SECONDS = 30


class IssuerKeys(Protocol):
    """The keys of one issuer."""

    @property
    def issuer(self) -> str | None:
        """Whose they are; None for one that is not known yet."""

    @property
    def keys(self) -> Keys:
        """The newest ones. It never waits."""

    def unknown(self, key_id: str | None) -> GatewayError:
        """What a token of this issuer ends in whose key is not among them."""


class FileKeys:
    """The keys in a file, which is read again when it changes. Raises ValueError for a file that cannot be used."""

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
    """One issuer: its keys, and what its tokens must have."""

    source: IssuerKeys
    audience: Sequence[str]
    algorithms: Sequence[str] = ("RS256", "ES256")
    claim: str = "sub"
    prefix: str = ""
    """Put in front of the claim."""
    own_names: str = ""
    """What its names begin with, and no other issuer's."""


@dataclass(frozen=True, slots=True)
class JwtVerifier:
    """Accepts the JWTs of some issuers, each by its own keys alone."""

    issuers: Sequence[Issuer]
    _owners: Sequence[Issuer] = field(init=False, repr=False)
    """The longest names first."""

    def __post_init__(self) -> None:
        owners = sorted(self.issuers, key=lambda issuer: len(issuer.own_names), reverse=True)
        object.__setattr__(self, "_owners", owners)

    def identity(self, token: str) -> str:
        """Whose token this is. Raises GatewayError with the reason for one that is not accepted: UNAUTHENTICATED, or
        UNAVAILABLE where nobody can tell at the moment; UnknownKeyError where newer keys may help."""
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
            # The library's own errors, and whatever of those below it lets through: JSON that is nested too deeply, a
            # time beyond all numbers. Whatever bytes a caller sends, the fault is theirs.
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
        # JSON can hold halves of characters, too, with which no line of the audit log could be written.
        if not isinstance(value, str) or not value or not value.isprintable():
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
            if issuer.source.issuer is None:  # It may be this one.
                raise issuer.source.unknown(None)
        raise jwt.InvalidIssuerError


def _claimed_issuer(token: str) -> str:
    """Of whom a token says that it is. To be verified."""
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
    """The claims, as far as they are accepted; without a key, nobody knows yet whether they are true."""
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
            # Said each by itself, since otherwise they would go with the signature.
            "verify_exp": True,
            "verify_nbf": True,
            "verify_iat": True,
            "verify_aud": True,
            "verify_iss": True,
        },
    )


def _refused(message: str) -> GatewayError:
    return GatewayError(Failure.of(Reason.CALLER_REJECTED, message))
