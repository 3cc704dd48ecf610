"""The public keys of a JWKS (RFC 7517), which verify signatures of JWTs."""

from __future__ import annotations

import contextlib
import json
import logging
from collections.abc import Iterator, Mapping
from typing import Any

import jwt

__all__ = ["MAX_KEYS", "Keys", "parse_jwks", "parse_published_jwks"]

MAX_KEYS = 100
"""Maximum number of entries of a fetched JWKS."""

# The algorithms of an RSA key without `alg`, which providers may omit, and many do.
_RSA_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")

# The fields of a key that a verifier needs. Everything else, for example the private half, is discarded.
_PUBLIC_MEMBERS = frozenset({"kty", "kid", "alg", "n", "e", "crv", "x", "y"})

_log = logging.getLogger(__name__)

Keys = Mapping[str, Mapping[str, jwt.PyJWK]]
"""By key id, empty for keys without one, and then by algorithm."""


def parse_jwks(content: bytes) -> Keys:
    """The public keys of a JWKS for signatures: none if its issuer has revoked all of them. Raises ValueError with a
    readable message."""
    keys = _parsed(_entries(content), "the JWKS")
    if not keys:
        _log.warning("the JWKS has no public key for signatures: the gateway rejects every JWT")
    return keys


def parse_published_jwks(content: bytes, issuer: str) -> Keys:
    """The same for a JWKS that the issuer publishes. A key whose private half is public proves nothing, and is omitted.
    Raises ValueError with a readable message."""
    entries = _entries(content)
    if len(entries) > MAX_KEYS:
        raise ValueError(f"the JWKS has more than {MAX_KEYS} keys")
    private = [entry for entry in entries if isinstance(entry, dict) and _is_private(entry)]
    if private:
        _log.error(
            "%s publishes %d private keys, with which everybody can make tokens: they are not used",
            issuer,
            len(private),
        )
    keys = _parsed([entry for entry in entries if entry not in private], f"the JWKS of {issuer}")
    if not keys:
        _log.warning(
            "the JWKS of %s has no public key for signatures: the gateway rejects every JWT of this issuer", issuer
        )
    return keys


def _entries(content: bytes) -> list[Any]:
    try:
        entries = json.loads(content)["keys"]
        if not isinstance(entries, list):
            raise TypeError
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ValueError('expected a JWKS: {"keys": [...]} with public keys') from None
    return entries


def _parsed(entries: list[Any], what: str) -> dict[str, dict[str, jwt.PyJWK]]:
    keys: dict[str, dict[str, jwt.PyJWK]] = {}
    for number, entry in enumerate(entries, start=1):
        if isinstance(entry, dict) and _is_private(entry):
            _log.warning(
                "key %d of %s is a private key, with which anyone who reads the file can make tokens: only its "
                "public half is used, and only that belongs there",
                number,
                what,
            )
        for key in _usable(entry):
            of_id = keys.setdefault(key.key_id or "", {})
            if key.algorithm_name in of_id:
                raise ValueError("the JWKS has two keys for one algorithm that no `kid` distinguishes")
            of_id[key.algorithm_name] = key
    return keys


def _is_private(entry: Mapping[str, Any]) -> bool:
    return entry.get("kty") != "oct" and "d" in entry


def _usable(entry: Any) -> Iterator[jwt.PyJWK]:
    """An entry as a key for each of its algorithms. A JWKS may also contain keys for other purposes, of unknown kinds,
    and keys that are malformed or too short (RFC 7518, 3.3): they are skipped."""
    if not isinstance(entry, dict) or entry.get("kty") == "oct" or not _is_for_signatures(entry):
        return
    if not isinstance(entry.get("kid", ""), str):
        return
    public = {name: value for name, value in entry.items() if name in _PUBLIC_MEMBERS}
    algorithms = _RSA_ALGORITHMS if entry.get("kty") == "RSA" and not entry.get("alg") else (None,)
    # The library also raises errors other than its own.
    with contextlib.suppress(Exception):
        for algorithm in algorithms:
            key = jwt.PyJWK(public, algorithm)
            if key.Algorithm is not None and not key.Algorithm.check_key_length(key.key):
                yield key


def _is_for_signatures(entry: Mapping[str, Any]) -> bool:
    operations = entry.get("key_ops")
    fits = operations is None or (isinstance(operations, list) and ("verify" in operations or "sign" in operations))
    return fits and entry.get("use", "sig") == "sig"
