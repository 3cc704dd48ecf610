"""Patterns of names, in lists of certificates and in policies: `*` stands for any text, `?` for one character."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from functools import lru_cache

__all__ = ["fits"]


def fits(text: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns matches the whole text."""
    # Results are not cached: callers can send any number of texts, of any length.
    return any(_compiled(pattern).match(text) for pattern in patterns)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    # fnmatch has a third wildcard, sets in brackets; here, a bracket is literal.
    return re.compile(translate(pattern.replace("[", "[[]")))
