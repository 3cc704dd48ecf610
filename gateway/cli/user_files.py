"""Where this program keeps the user's files, and how it writes them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import click

__all__ = ["locked", "replace_file", "user_folder", "write_private"]


def user_folder() -> Path:
    """The folder of the user's files. Raises click.UsageError for a user without a home directory."""
    try:
        base = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    except RuntimeError:
        raise click.UsageError("this user has no home directory: set XDG_CONFIG_HOME") from None
    return Path(base) / "vcenter-gateway"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds a lock, so that of several processes that read and replace the user's files, none loses another's change.
    Raises click.UsageError."""
    import fcntl

    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_private(path: Path, content: str) -> None:
    """Replaces a file of the user so that only the user can read it. Raises click.UsageError."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, content, mode=0o600)
    except OSError as error:
        raise click.UsageError(f"{path} cannot be written: {error.strerror}") from None


def replace_file(path: Path, content: str, mode: int | None = None) -> None:
    """Replaces a file atomically. Its permissions are `mode`, otherwise those of the old file, otherwise 600. Raises
    OSError."""
    import tempfile

    if mode is None and path.exists():
        mode = path.stat().st_mode & 0o777
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # Created with mode 600.
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(content)
            os.fchmod(file.fileno(), 0o600 if mode is None else mode)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
