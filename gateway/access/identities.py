"""Matches identities with the patterns of a policy."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.access.patterns import fits
from gateway.calls.identity import parted

__all__ = ["identity_fits"]


def identity_fits(identity: str, patterns: Iterable[str]) -> bool:
    """Whether one of a policy's patterns matches the text of an identity. A pattern that begins with a kind and a colon
    matches only names of that kind; any other matches names of all kinds. The kind is the text's first part, which no
    caller chooses: a token with the name `cert:ci` is `token:cert:ci`.
    """
    kind, name = parted(identity)
    for pattern in patterns:
        wanted, rest = parted(pattern)
        if wanted in ("", kind) and fits(name, (rest,)):
            return True
    return False
