"""Where this program keeps files of its user's, and how it writes them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import click

__all__ = ["replace_file", "user_folder", "write_private"]


def user_folder() -> Path:
    """Where the user's files are. Raises click.UsageError for a user who has no home directory."""
    try:
        base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    except RuntimeError:
        raise click.UsageError("this user has no home directory: set XDG_CONFIG_HOME") from None
    return Path(base) / "vcenter-gateway"


def write_private(path: Path, content: str) -> None:
    """Replaces a file of the user's, which is readable by the user alone. Raises click.UsageError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, content, mode=0o600)
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}") from None


def replace_file(path: Path, content: str, mode: int | None = None) -> None:
    """Replaces a file in one step. Its permissions are `mode`, else those of the old file, else 600. Raises OSError."""
    import tempfile

    if mode is None and path.exists():
        mode = path.stat().st_mode & 0o777
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # Made with mode 600.
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o600 if mode is None else mode)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
