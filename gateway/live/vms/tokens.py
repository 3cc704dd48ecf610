"""Resume tokens: the position of a watcher in a history.

A token contains the history and the change, and is signed with a key of this process, together with its owner and
subject. Therefore, a token is not recognized if it is forged, or was issued to another caller, for another filter or by
another replica. In that case, the watcher gets the full state of what it may see.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os

__all__ = ["Tokens"]

_SEQUENCE_BYTES = 8
_EPOCH_BYTES = 8
_SIGNATURE_BYTES = 16
_SIZE = _EPOCH_BYTES + _SEQUENCE_BYTES + _SIGNATURE_BYTES


class Tokens:
    """Creates and reads the tokens of one process."""

    def __init__(self) -> None:
        self._key = os.urandom(32)

    def make(self, epoch: bytes, sequence: int, of: bytes) -> str:
        """The token of a watcher that knows everything up to a change. `of` is its owner and subject."""
        place = epoch + sequence.to_bytes(_SEQUENCE_BYTES)
        return base64.urlsafe_b64encode(place + self._signature(place, of)).rstrip(b"=").decode()

    def read(self, token: str, epoch: bytes, of: bytes) -> int | None:
        """The number of the change in a token; None for a token of another history, caller or request."""
        try:
            content = base64.b64decode(token.encode() + b"=" * (-len(token) % 4), b"-_", validate=True)
        except (binascii.Error, ValueError):
            return None
        place, signature = content[:-_SIGNATURE_BYTES], content[-_SIGNATURE_BYTES:]
        is_ours = hmac.compare_digest(signature, self._signature(place, of))
        if len(content) != _SIZE or not is_ours or place[:_EPOCH_BYTES] != epoch:
            return None
        return int.from_bytes(place[_EPOCH_BYTES:])

    def _signature(self, place: bytes, of: bytes) -> bytes:
        return hmac.digest(self._key, place + of, hashlib.sha256)[:_SIGNATURE_BYTES]
