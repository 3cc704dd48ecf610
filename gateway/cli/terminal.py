"""What the commands have to know about the terminal."""

from __future__ import annotations

import shutil

__all__ = ["text_width"]

_MOST, _LEAST = 110, 40


def text_width() -> int:
    """How many columns texts take: as many as the terminal has, within bounds, and the most where there is none."""
    return max(_LEAST, min(_MOST, shutil.get_terminal_size((_MOST, 24)).columns))
