"""Who calls: the options for it, and where the secret comes from. A password is never taken from the command line."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from gateway.vcenter.credential import Basic, Credential, SessionId, is_session_id

__all__ = ["PASSWORD_VARIABLE", "identity_options", "read_identity"]

PASSWORD_VARIABLE = "VCENTER_PASSWORD"  # noqa: S105 - the name of it


def identity_options(function: Any) -> Any:
    """Adds --user, --password-file and --session-id to a command."""
    for option in (
        click.option(
            "--session-id",
            envvar="VCENTER_SESSION_ID",
            metavar="ID",
            help="Calls with this open session of vCenter. Better given as the variable VCENTER_SESSION_ID: other "
            "users of this machine can see the command line.",
        ),
        click.option(
            "--password-file",
            type=click.Path(exists=True, dir_okay=False, path_type=Path),
            metavar="FILE",
            help=f"Reads the password of --user here, instead of from {PASSWORD_VARIABLE} or the terminal.",
        ),
        click.option(
            "--user", envvar="VCENTER_USER", metavar="NAME", help="User of vCenter. Also the variable VCENTER_USER."
        ),
    ):
        function = option(function)
    return function


def read_identity(user: str | None, password_file: Path | None, session_id: str | None) -> Credential | None:
    """The identity that the options describe, None where they describe none. Asks for a missing password."""
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


def _password(user: str, password_file: Path | None) -> str:
    if password_file is not None:
        try:
            password = password_file.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError):
            password = ""
        if not password:
            raise click.UsageError(f"{password_file} does not hold a password")
        return password
    if from_environment := os.environ.get(PASSWORD_VARIABLE):
        return from_environment
    if not sys.stdin.isatty():
        raise click.UsageError(f"there is no password for {user}: set {PASSWORD_VARIABLE} or give --password-file")
    return str(click.prompt(f"Password for {user}", hide_input=True, err=True))
