"""Static bearer tokens, identified by their hashes.

    tokens:
      - identity: ci
        sha256: 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08

A token must be random and long, for example from `openssl rand -hex 32`: for such tokens, a plain SHA-256 is enough,
and its digest finds the identity without comparing secrets byte by byte.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping

from gateway.documents import DocumentError, read_yaml
from gateway.files import ReloadedFile
from gateway.printable import is_printable

__all__ = ["StaticTokens", "parse_tokens"]

_log = logging.getLogger(__name__)

_SHA256 = re.compile(r"[0-9a-f]{64}")


class StaticTokens:
    """The tokens of one file, which is reloaded when it changes."""

    def __init__(self, path: str) -> None:
        self._file = ReloadedFile(path, parse_tokens)

    def identity(self, token: str) -> str | None:
        """The identity of a token, None if it is unknown."""
        return self._file.current().get(hashlib.sha256(token.encode()).hexdigest())


def parse_tokens(content: bytes) -> Mapping[str, str]:
    """Identities by the hashes of their tokens; an empty list revokes all tokens. Raises ValueError with a readable
    message that contains no hash."""
    try:
        entries = read_yaml(content)["tokens"]
        if not isinstance(entries, list):
            raise TypeError
    except (DocumentError, TypeError, KeyError):
        raise ValueError(
            "expected YAML with a list `tokens`, whose entries have the keys identity and sha256"
        ) from None
    if not entries:
        _log.warning("the token file lists no tokens: the gateway rejects every token")
    identities: dict[str, str] = {}
    for number, entry in enumerate(entries, start=1):
        if not isinstance(entry, dict) or set(entry) != {"identity", "sha256"}:
            raise ValueError(f"token {number} must have exactly the keys identity and sha256")
        identity, digest = entry["identity"], entry["sha256"]
        if not is_printable(identity):
            raise ValueError(f"the identity of token {number} must be printable text")
        if not isinstance(digest, str) or not _SHA256.fullmatch(digest.lower()):
            raise ValueError(f"the sha256 of token {number} must be 64 hexadecimal digits, in quotes")
        if digest.lower() in identities:
            raise ValueError(f"token {number} occurs twice")
        identities[digest.lower()] = identity
    return identities
