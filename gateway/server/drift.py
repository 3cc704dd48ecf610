"""Counts what vCenter sends beyond or against the contract, and logs each thing once."""

from __future__ import annotations

import logging
from collections import Counter

__all__ = ["CountingDrift"]

_MAX_ENTRIES = 1000
_MAX_NAME = 100
_MAX_REASON = 200

_log = logging.getLogger(__name__)


class CountingDrift:
    """Counts by message and field, or by enum and value. Bounded, since the names come from outside."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def unknown_field(self, message: str, field: str) -> None:
        self._count("a field that the contract does not know", message, field)

    def unknown_enum_value(self, enum: str, value: str) -> None:
        self._count("a value that the contract does not know", enum, value)

    def unreadable_value(self, message: str, field: str, why: str) -> None:
        self._count(f"a value that cannot be read and is left unset ({why[:_MAX_REASON]})", message, field)

    def replaced_text(self, message: str) -> None:
        self._count("text that is not valid Unicode, in which U+FFFD replaces what cannot be read", message, "U+FFFD")

    def _count(self, what: str, owner: str, name: str) -> None:
        key = (owner, name[:_MAX_NAME])
        if key not in self.counts:
            if len(self.counts) >= _MAX_ENTRIES:
                return
            _log.warning("vCenter sends %s: %s %s", what, *key)
        self.counts[key] += 1
