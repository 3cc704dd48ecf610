"""The user's files: where this program keeps its own, how it writes them, and how it reads secrets."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import click

__all__ = [
    "explained",
    "locked",
    "read_password_file",
    "read_secret_file",
    "replace_file",
    "user_folder",
    "write_private",
]

_MAX_SECRET = 64 * 1024


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

    with explained(path, "written"):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_private(path: Path, content: str) -> None:
    """Replaces a file of the user so that only the user can read it. Raises click.UsageError."""
    with explained(path, "written"):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(path, content, mode=0o600)


@contextlib.contextmanager
def explained(path: Path | str, done: str) -> Iterator[None]:
    """Raises click.UsageError for an error of the operating system: the file cannot be `done`, `read` or `written`."""
    try:
        yield
    except OSError as error:
        raise click.UsageError(f"{path} cannot be {done}: {error.strerror}") from None


def read_secret_file(path: Path) -> str:
    """The line in a file that contains one secret, empty if there is none."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_SECRET + 1)
        return content.decode().rstrip("\r\n") if len(content) <= _MAX_SECRET else ""
    except (OSError, UnicodeDecodeError):
        return ""


def read_password_file(path: Path) -> str:
    """The password in a file. Raises click.UsageError if there is none."""
    if not (password := read_secret_file(path)):
        raise click.UsageError(f"{path} does not hold a password")
    return password


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
