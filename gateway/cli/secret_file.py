"""Reads a file that contains one secret."""

from __future__ import annotations

from pathlib import Path

__all__ = ["read_secret_file"]

_MAX_SECRET = 64 * 1024


def read_secret_file(path: Path) -> str:
    """The line in a file that contains one secret, empty if there is none."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_SECRET + 1)
        return content.decode().rstrip("\r\n") if len(content) <= _MAX_SECRET else ""
    except (OSError, UnicodeDecodeError):
        return ""
