"""JWTs as bearer tokens: who signed them, for whom, and for how long."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import jwt
from google.rpc import code_pb2

from gateway.files import ReloadedFile
from gateway.transcoding import GatewayError, Reason

__all__ = ["JwtVerifier", "parse_jwks"]

_LEEWAY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class _Rules:
    issuer: str
    audience: str
    algorithms: Sequence[str]
    claim: str


class JwtVerifier:
    """Accepts JWTs of one issuer for one audience; their identity is the claim `claim`, `sub` unless given.

    The keys come from a JWKS file that is read again when it changes. Raises ValueError for a file that cannot be used.
    """

    def __init__(
        self, jwks_file: str, *, issuer: str, audience: str, algorithms: Sequence[str], claim: str = "sub"
    ) -> None:
        self._keys = ReloadedFile(jwks_file, parse_jwks)
        self._rules = _Rules(issuer, audience, tuple(algorithms), claim)

    def identity(self, token: str) -> str:
        """Whose token this is. Raises GatewayError (UNAUTHENTICATED) with the reason for one that is not accepted."""
        rules = self._rules
        try:
            key = self._key(jwt.get_unverified_header(token).get("kid"))
            claims = jwt.decode(
                token,
                key,
                algorithms=list(rules.algorithms),
                issuer=rules.issuer,
                audience=rules.audience,
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", rules.claim]},
            )
        except jwt.ExpiredSignatureError:
            raise _refused("the token has expired") from None
        except jwt.InvalidAudienceError:
            raise _refused("the token is for another audience") from None
        except jwt.InvalidIssuerError:
            raise _refused("the token is of another issuer") from None
        except jwt.InvalidAlgorithmError:
            raise _refused("the token's algorithm is not allowed") from None
        except jwt.MissingRequiredClaimError as error:
            raise _refused(f"the token has no claim {error.claim!r}") from None
        except jwt.InvalidSignatureError:
            raise _refused("the token's signature is wrong") from None
        except jwt.PyJWTError:
            raise _refused("the bearer token is neither a known one nor a valid JWT") from None
        identity = claims[rules.claim]
        if not isinstance(identity, str) or not identity:
            raise _refused(f"the token's claim {rules.claim!r} is not a text")
        return identity

    def _key(self, key_id: object) -> jwt.PyJWK:
        keys = self._keys.current()
        if isinstance(key_id, str) and key_id in keys:
            return keys[key_id]
        if key_id is None and len(keys) == 1:
            return next(iter(keys.values()))
        raise _refused("the token was signed with a key that is not in the JWKS file")


def parse_jwks(content: bytes) -> Mapping[str, jwt.PyJWK]:
    """The public keys of a JWKS by their ids. Raises ValueError with a sentence."""
    try:
        keys = jwt.PyJWKSet.from_dict(json.loads(content)).keys
    except (ValueError, TypeError, AttributeError, jwt.PyJWTError):
        raise ValueError('it takes a JWKS: {"keys": [...]} with public keys') from None
    by_id = {key.key_id or "": key for key in keys if key.key_type != "oct"}
    if not by_id:
        raise ValueError("the JWKS has no public key")
    return by_id


def _refused(message: str) -> GatewayError:
    return GatewayError(code_pb2.UNAUTHENTICATED, Reason.CALLER_REJECTED, message)
