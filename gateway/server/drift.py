"""Counts what a newer vCenter sends beyond the contract, and says each thing once in the log."""

from __future__ import annotations

import logging
from collections import Counter

__all__ = ["CountingDrift"]

_MAX_ENTRIES = 1000
_MAX_NAME = 100

_log = logging.getLogger(__name__)


class CountingDrift:
    """Counts by message and field, or by enum and value. Bounded, since the names come from outside."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()

    def unknown_field(self, message: str, field: str) -> None:
        self._count("field", message, field)

    def unknown_enum_value(self, enum: str, value: str) -> None:
        self._count("value", enum, value)

    def _count(self, kind: str, owner: str, name: str) -> None:
        key = (owner, name[:_MAX_NAME])
        if key not in self.counts:
            if len(self.counts) >= _MAX_ENTRIES:
                return
            _log.warning("vCenter sends a %s that the contract does not know: %s %s", kind, *key)
        self.counts[key] += 1
