"""`token new`: creates a bearer token for a caller of a gateway, and the entry for the gateway's token file."""

from __future__ import annotations

import hashlib
import secrets
import sys
from pathlib import Path

import click

from gateway.cli.group import Group
from gateway.cli.output import echo
from gateway.cli.user_files import explained, replace_file
from gateway.printable import escaped, is_printable

__all__ = ["token"]

_BYTES = 32


@click.group(
    cls=Group,
    epilog="\b\nExamples:\n  vcenter-gateway token new ci > ci-token\n"
    "  vcenter-gateway token new ci --tokens-file tokens.yaml > ci-token",
)
def token() -> None:
    """Creates bearer tokens for callers of a gateway.

    A gateway with `auth.tokens_file` accepts the tokens whose hashes are in that file.
    """


@token.command(
    epilog="""
\b
Examples:
  vcenter-gateway token new ci
  vcenter-gateway token new ci --tokens-file tokens.yaml > ci-token
  vcenter-gateway call ListVms --token-file ci-token --target gw:443
"""
)
@click.argument("identity")
@click.option(
    "--tokens-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Adds the entry to this file, and creates the file if it does not exist. A running gateway reloads it.",
)
def new(identity: str, tokens_file: Path | None) -> None:
    """Creates a random token for a caller.

    The token is printed on standard output and stored nowhere. The entry for the gateway's file of tokens has its
    SHA-256 hash, and is printed on standard error or added to --tokens-file.
    """
    if not is_printable(identity):
        raise click.UsageError("IDENTITY must be a text that can be printed")
    made = secrets.token_hex(_BYTES)
    digest = hashlib.sha256(made.encode()).hexdigest()
    if tokens_file is None:
        echo(f"the entry for auth.tokens_file of the gateway:\n{_entry(identity, digest)}", err=True)
    else:
        with explained(tokens_file, "written"):
            _add(tokens_file, identity, digest)
        echo(f"added {identity} to {tokens_file}", err=True)
    if sys.stdout.isatty():
        echo("the token, which is shown only now:", err=True)
    click.echo(made)


def _entry(identity: str, digest: str) -> str:
    import json

    return f"  - identity: {json.dumps(identity, ensure_ascii=False)}\n    sha256: {digest!r}"


def _add(path: Path, identity: str, digest: str) -> None:
    """Adds an entry to a token file atomically, and leaves the rest unchanged. Raises click.UsageError and OSError."""
    from gateway.access.tokens import parse_tokens

    content = path.read_text(encoding="utf-8") if path.exists() else "tokens:\n"
    if path.exists():
        try:
            known = parse_tokens(content.encode())
        except ValueError as error:
            raise click.UsageError(f"{path} cannot be used: {error}") from None
        if not known:
            content = "tokens:\n"
    entry = _entry(identity, digest)
    added = f"{content.rstrip()}\n{entry}\n"
    try:
        if digest not in parse_tokens(added.encode()):
            raise ValueError
    except ValueError:
        raise click.UsageError(
            f"{path} is not written as a list with an entry on lines of its own at the end: add this yourself:\n"
            f"{escaped(entry)}"
        ) from None
    replace_file(path, added)
