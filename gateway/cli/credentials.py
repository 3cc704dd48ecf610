"""What a call carries: credentials and other metadata. No message repeats a secret."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import click

from gateway.calls.credential import SESSION_HEADER, Basic, Credential, SessionId, is_session_id
from gateway.cli.user_files import read_password_file, read_secret_file
from gateway.printable import is_printable_ascii

__all__ = ["Bearer", "read_credential", "read_guest_password", "read_metadata", "read_token"]

_PASSWORD_VARIABLE = "VCENTER_PASSWORD"  # noqa: S105 - the name of it
_GUEST_PASSWORD_VARIABLE = "VCENTER_GUEST_PASSWORD"  # noqa: S105 - the name of it
# What gRPC accepts, except for gRPC's own names (grpc-...) and binary values (...-bin).
_NAME = re.compile(r"(?!grpc-)[a-z0-9_.-]+(?<!-bin)")
_INSTEAD = {"authorization": "--user or --token-file", SESSION_HEADER: "the variable VCENTER_SESSION_ID"}


def read_guest_password(user: str, password_file: Path | None) -> str:
    """The password of an account in a guest. Prompts for it if it was not given. Raises click.UsageError."""
    return _password(user, password_file, _GUEST_PASSWORD_VARIABLE, "--guest-password-file", "in the guest")


def read_credential(user: str | None, password_file: Path | None, session_id: str | None) -> Credential | None:
    """The credential that the options describe, None if they describe none. Prompts for a missing password."""
    if session_id:
        if not is_session_id(session_id):
            raise click.UsageError("a session id is printable ASCII characters without blanks, 1024 at most")
        return SessionId(session_id)
    if not user:
        if password_file is not None:
            raise click.UsageError("--password-file needs --user")
        return None
    if ":" in user:
        raise click.UsageError("--user must not have a colon in it; the password is read from elsewhere")
    return Basic(user, _password(user, password_file))


@dataclass(frozen=True, slots=True)
class Bearer:
    """A token that authenticates a caller to a gateway."""

    token: str = field(repr=False)

    @property
    def header(self) -> str:
        """The value of the metadata field `authorization`."""
        return f"Bearer {self.token}"


def read_token(path: Path) -> Bearer:
    """The token in a file. Raises click.UsageError."""
    token = read_secret_file(path).strip()
    if not token or not is_printable_ascii(token):
        raise click.UsageError(f"{path} does not hold a token")
    return Bearer(token)


def _password(
    user: str,
    password_file: Path | None,
    variable: str = _PASSWORD_VARIABLE,
    option: str = "--password-file",
    where: str = "",
) -> str:
    if password_file is not None:
        return read_password_file(password_file)
    if from_environment := os.environ.get(variable):
        return from_environment
    whose = f"{user} {where}".rstrip()
    if not sys.stdin.isatty():
        raise click.UsageError(f"there is no password for {whose}: set {variable} or give {option}")
    return str(click.prompt(f"Password for {whose}", hide_input=True, err=True))


def read_metadata(texts: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Names and values from texts such as `cache-control: max-age=5`. Raises click.UsageError."""
    fields = []
    for text in texts:
        name, colon, value = (part.strip() for part in text.partition(":"))
        name = name.lower()
        if not colon or not _NAME.fullmatch(name):
            raise click.UsageError(
                "--metadata takes NAME: VALUE, for example 'cache-control: max-age=5'; gRPC's own names (grpc-...) "
                "and those of binary values (...-bin) are not taken"
            )
        if name in _INSTEAD:
            raise click.UsageError(
                f"{name} is a secret, and other users of this machine can see the command line: give it by "
                f"{_INSTEAD[name]}"
            )
        if not is_printable_ascii(value):
            raise click.UsageError(f"the value of {name} in --metadata must be printable ASCII characters")
        fields.append((name, value))
    return tuple(fields)
