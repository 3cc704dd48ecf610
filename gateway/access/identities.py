"""Which identities the patterns of a policy mean."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.access.patterns import fits
from gateway.calls.identity import parted

__all__ = ["identity_fits"]


def identity_fits(identity: str, patterns: Iterable[str]) -> bool:
    """Whether one of a policy's patterns fits the text of an identity.

    A pattern that begins with a kind and a colon fits names of that kind alone; any other fits names of all kinds. The
    kind is the text's first part, which no caller chooses: a token whose name is `cert:ci` is `token:cert:ci`.
    """
    kind, name = parted(identity)
    for pattern in patterns:
        wanted, rest = parted(pattern)
        if wanted in ("", kind) and fits(name, (rest,)):
            return True
    return False
