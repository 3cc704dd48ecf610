"""Stores the passwords and tokens of contexts: in the system's keyring if there is one, otherwise in a file.

The package `keyring` provides access to the keyring: Secret Service or KWallet on Linux, the keychain on macOS, the
credential locker on Windows. The file is YAML, readable only by its owner.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from gateway.cli.user_files import explained, user_folder, write_private

__all__ = ["FILE", "KEYRING", "fetch_secret", "remove_secret", "store_secret"]

KEYRING, FILE = "keyring", "file"
_SERVICE = "vcenter-gateway"
_NAME = "credentials.yaml"


def store_secret(name: str, secret: str, store: str | None = None) -> str:
    """Stores the secret of the context `name` and returns the store that was used: `store`, or the best available one.

    Raises click.UsageError.
    """
    if store != FILE:
        keyring = _keyring()
        if keyring is not None:
            with _refusals_of(keyring):
                keyring.set_password(_SERVICE, name, secret)
            return KEYRING
        if store == KEYRING:
            raise click.UsageError(
                "this system has no keyring, or the extra `keyring` is not installed; keep the secret in a file with "
                "--store file"
            )
    _write({**_read(), name: secret})
    return FILE


def fetch_secret(store: str, name: str) -> str:
    """The secret of the context `name`. Raises click.UsageError if it does not exist."""
    secret: str | None
    if store == KEYRING:
        keyring = _keyring()
        if keyring is None:
            raise click.UsageError(f"the secret of the context {name!r} is in a keyring, and there is none here")
        with _refusals_of(keyring):
            secret = keyring.get_password(_SERVICE, name)
    else:
        secret = _read().get(name)
    if not secret:
        raise click.UsageError(
            f"the secret of the context {name!r} is not in the {_called(store)}: add the context again with --force"
        )
    return secret


def remove_secret(store: str, name: str) -> None:
    """Removes a secret; a missing one is not an error. Raises click.UsageError."""
    if store == KEYRING:
        keyring = _keyring()
        if keyring is not None:
            with _refusals_of(keyring):
                if keyring.get_password(_SERVICE, name) is not None:
                    keyring.delete_password(_SERVICE, name)
    else:
        secrets = _read()
        if secrets.pop(name, None) is not None:
            _write(secrets)


@contextlib.contextmanager
def _refusals_of(keyring: Any) -> Iterator[None]:
    """Raises click.UsageError for an error of a keyring, for example that it is locked. Its text may contain
    anything."""
    try:
        yield
    except keyring.errors.KeyringError as error:
        raise click.UsageError(f"the keyring refused: {type(error).__name__}; --store file does without it") from None


def _keyring() -> Any:
    """The package, None if it is not installed or finds no working keyring."""
    try:
        import keyring
        import keyring.errors
        from keyring.backends import fail, null
    except ImportError:
        return None
    return None if isinstance(keyring.get_keyring(), fail.Keyring | null.Keyring) else keyring


def _called(store: str) -> str:
    return "keyring" if store == KEYRING else f"file {_path()}"


def _path() -> Path:
    return user_folder() / _NAME


def _read() -> dict[str, str]:
    path = _path()
    if not path.exists():
        return {}
    from gateway.documents import DocumentError, read_bounded, read_yaml

    try:
        with explained(path, "read"):
            if path.stat().st_mode & 0o077:
                raise click.UsageError(
                    f"others can read {path}: run `chmod 600 {path}`, and change the passwords in it"
                )
            content = read_yaml(read_bounded(path))
    except DocumentError:
        content = None  # The text of the error may contain a secret.
    if not isinstance(content, dict) or not all(isinstance(value, str) for value in content.values()):
        raise click.UsageError(f"{path} is damaged: delete it, and add the contexts again with --force")
    return content


def _write(secrets: dict[str, str]) -> None:
    import yaml

    write_private(_path(), yaml.safe_dump(secrets))
