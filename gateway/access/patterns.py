"""Patterns of names, in lists of certificates and in policies: `*` stands for any text, `?` for one character."""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import translate
from functools import lru_cache

__all__ = ["fits"]


def fits(text: str, patterns: Iterable[str]) -> bool:
    """Whether one of the patterns fits the whole text."""
    # What was found is not remembered: texts come from callers, who may have any number of them, of any length.
    return any(_compiled(pattern).match(text) for pattern in patterns)


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    # fnmatch knows a third kind of wildcard, sets in brackets; here, a bracket is one.
    return re.compile(translate(pattern.replace("[", "[[]")))
