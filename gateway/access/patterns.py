"""Patterns of names and identities, in lists of certificates and in policies: `*` stands for any text, `?` for one
character."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from functools import lru_cache

from gateway.calls.identity import parted

__all__ = ["fits", "identity_fits"]


def fits(text: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns matches the whole text."""
    # Results are not cached: callers can send any number of texts, of any length.
    return any(_compiled(pattern).match(text) for pattern in patterns)


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


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    # fnmatch has a third wildcard, sets in brackets; here, a bracket is literal.
    return re.compile(translate(pattern.replace("[", "[[]")))
