"""JWTs as bearer tokens: who signed them, for whom, and for how long."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from gateway.errors import Failure, GatewayError, Reason
from gateway.files import ReloadedFile

__all__ = ["JwtVerifier", "parse_jwks"]

_LEEWAY_SECONDS = 30
# What a key of RSA is good for when it does not say: providers may leave out `alg`, and many do.
_RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")

# What a verifier has to know of a key. All else, the private half for instance, is not even kept.
_PUBLIC_MEMBERS = frozenset({"kty", "kid", "alg", "n", "e", "crv", "x", "y"})

_log = logging.getLogger(__name__)

Keys = Mapping[str, Mapping[str, jwt.PyJWK]]
"""By their ids, empty for those without, and then by algorithm."""


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
            key = self._key(jwt.get_unverified_header(token))
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
            raise _refused("the token's signature is wrong") from None
        except GatewayError:
            raise
        except Exception:
            # The library's own errors, and whatever of those below it lets through: JSON that is nested too deeply, a
            # time beyond all numbers. Whatever bytes a caller sends, the fault is theirs.
            raise _refused("the bearer token is neither a known one nor a valid JWT") from None
        identity = claims[rules.claim]
        # JSON can hold halves of characters, too, with which no line of the audit log could be written.
        if not isinstance(identity, str) or not identity or not identity.isprintable():
            raise _refused(f"the token's claim {rules.claim!r} is not a text that can be printed")
        return identity

    def _key(self, header: Mapping[str, Any]) -> jwt.PyJWK:
        keys = self._keys.current()
        key_id, algorithm = header.get("kid"), header.get("alg")
        if isinstance(key_id, str) and key_id in keys:
            of_id = keys[key_id]
        elif key_id is None and len(keys) == 1:
            of_id = next(iter(keys.values()))
        else:
            raise _refused("the token was signed with a key that is not in the JWKS file")
        if not isinstance(algorithm, str) or algorithm not in of_id:
            raise jwt.InvalidAlgorithmError
        return of_id[algorithm]


def parse_jwks(content: bytes) -> Keys:
    """The public keys of a JWKS that are there for signatures: none at all where its issuer has withdrawn them. Raises
    ValueError with a sentence."""
    try:
        entries = json.loads(content)["keys"]
        if not isinstance(entries, list):
            raise TypeError
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError('it takes a JWKS: {"keys": [...]} with public keys') from None
    keys: dict[str, dict[str, jwt.PyJWK]] = {}
    for number, entry in enumerate(entries, start=1):
        if isinstance(entry, dict) and _is_private(entry):
            _log.warning(
                "key %d of the JWKS is a private key, with which anyone who reads the file can make tokens: only its "
                "public half is used, and only that belongs there",
                number,
            )
        for key in _usable(entry):
            of_id = keys.setdefault(key.key_id or "", {})
            if key.algorithm_name in of_id:
                raise ValueError("the JWKS has two keys for one algorithm that no `kid` tells apart")
            of_id[key.algorithm_name] = key
    if not keys:
        _log.warning("the JWKS has no public key for signatures: every JWT is refused")
    return keys


def _is_private(entry: Mapping[str, Any]) -> bool:
    return entry.get("kty") != "oct" and "d" in entry


def _usable(entry: Any) -> Iterator[jwt.PyJWK]:
    """An entry as the key of each algorithm that it is good for. Keys for other purposes, of kinds that nobody here
    knows, that are broken or too short (RFC 7518, 3.3) may be in a JWKS as well: they are passed over."""
    if not isinstance(entry, dict) or entry.get("kty") == "oct" or not _is_for_signatures(entry):
        return
    if not isinstance(entry.get("kid", ""), str):
        return
    public = {name: value for name, value in entry.items() if name in _PUBLIC_MEMBERS}
    algorithms = _RSA_ALGORITHMS if entry.get("kty") == "RSA" and not entry.get("alg") else (None,)
    # The library lets other errors through than its own.
    with contextlib.suppress(Exception):
        for algorithm in algorithms:
            key = jwt.PyJWK(public, algorithm)
            if key.Algorithm is not None and not key.Algorithm.check_key_length(key.key):
                yield key


def _is_for_signatures(entry: Mapping[str, Any]) -> bool:
    operations = entry.get("key_ops")
    fits = operations is None or (isinstance(operations, list) and ("verify" in operations or "sign" in operations))
    return fits and entry.get("use", "sig") == "sig"


def _refused(message: str) -> GatewayError:
    return GatewayError(Failure.of(Reason.CALLER_REJECTED, message))
