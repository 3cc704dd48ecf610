"""`context`: saves connections to gateways and vCenters under names."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from gateway.address import checked_thumbprint
from gateway.cli.connection import FILE, complete_context
from gateway.cli.contexts import OF_GATEWAY, OF_VCENTER, Context, Contexts, changed_contexts, load_contexts
from gateway.cli.group import Group
from gateway.cli.output import echo, echo_data, print_table
from gateway.cli.parameter_types import host_and_port, output_option, vcenter_url
from gateway.cli.secret_store import FILE as IN_FILE
from gateway.cli.secret_store import KEYRING, remove_secret, store_secret
from gateway.cli.user_files import read_password_file
from gateway.printable import is_printable_ascii

__all__ = ["context"]

_MAX_SECRET = 64 * 1024


@click.group(
    cls=Group,
    epilog="""
Contexts are stored in contexts.yaml in $XDG_CONFIG_HOME/vcenter-gateway, or in ~/.config/vcenter-gateway. Passwords and
tokens are stored in the system's keyring if there is one and the extra `keyring` is installed, and otherwise in
credentials.yaml in the same folder, which only its owner can read.

\b
Examples:
  vcenter-gateway context add lab --target gw.example.com:443 --user me
  vcenter-gateway context use lab
  vcenter-gateway call ListVms -o table
  vcenter-gateway call --context prod ListVms -o table
""",
)
def context() -> None:
    """Manages connections to gateways and vCenters under names.

    `call`, `watch`, `exec`, `cp` and `check` use the current context, unless --target or --vcenter names another
    server.
    """


@context.command(
    epilog="""
\b
Examples:
  vcenter-gateway context add lab --target gw.example.com:443 --user me
  vcenter-gateway context add ci --target gw.lab:443 --token-file ci-token
  vcenter-gateway context add own --target gw:50051 --ca ca.pem --use
  vcenter-gateway context add vc1 --vcenter https://vc1.example.com --user me
"""
)
@click.argument("name")
@click.option("--target", metavar="HOST:PORT", help="Address of the gateway.")
@click.option("--vcenter", metavar="URL", help="URL of a vCenter, which `call` then calls without a gateway.")
@click.option(
    "--tls/--plaintext", default=None, help="Whether to use TLS. By default only on addresses that are not loopback."
)
@click.option("--ca", type=FILE, metavar="FILE", help="Certificate authorities to trust for the gateway.")
@click.option("--cert", type=FILE, metavar="FILE", help="Client certificate, for a gateway that requires one.")
@click.option("--key", type=FILE, metavar="FILE", help="Key of the client certificate.")
@click.option("--vcenter-ca-file", type=FILE, metavar="FILE", help="Certificate authorities to trust for vCenter.")
@click.option("--vcenter-thumbprint", metavar="TEXT", help="SHA-256 thumbprint of the vCenter certificate to trust.")
@click.option("--vcenter-verify/--no-vcenter-verify", default=None, help="Whether to verify the vCenter certificate.")
@click.option("--vcenter-proxy", metavar="HOST:PORT", help="HTTP proxy to reach vCenter through.")
@click.option("--user", metavar="NAME", help="vCenter user. Asks for the password and stores it.")
@click.option("--password-file", type=FILE, metavar="FILE", help="Reads the password from this file.")
@click.option("--no-password", is_flag=True, help="Stores no password: each command asks, or reads VCENTER_PASSWORD.")
@click.option(
    "--token",
    "asks_token",
    is_flag=True,
    help="Reads a bearer token from the terminal or standard input and stores it.",
)
@click.option("--token-file", type=FILE, metavar="FILE", help="File with a bearer token, which each call reads.")
@click.option("--store", type=click.Choice([KEYRING, IN_FILE]), help="Where to store the password or token.")
@click.option("--use", is_flag=True, help="Makes this the current context, as the first context always is.")
@click.option("-f", "--force", is_flag=True, help="Replaces an existing context.")
def add(
    name: str,
    password_file: Path | None,
    no_password: bool,
    asks_token: bool,
    store: str | None,
    use: bool,
    force: bool,
    **given: Any,
) -> None:
    """Adds a context."""
    _check_name(name, load_contexts(), force)
    settings: dict[str, Any] = {
        key: str(value.absolute()) if isinstance(value, Path) else value
        for key, value in given.items()
        if value is not None
    }
    _check(settings, asks_token, no_password, password_file)
    made = Context(**settings)
    secret, kind = _secret(made.user, password_file, no_password, asks_token)
    with changed_contexts() as contexts:
        _check_name(name, contexts, force)
        old = contexts.get(name).store if name in contexts else None
        contexts.put(name, made)  # An invalid name is reported before a secret is stored under it.
        kept = store_secret(name, secret, store) if secret else None
        if kept:
            contexts.put(name, Context(**{**settings, kind: kept}))
        if old and old != kept:
            remove_secret(old, name)
        if use or contexts.current is None:
            contexts.current = name
    echo(f"added {name}" + (", the current context" if contexts.current == name else ""))
    if kept:
        echo(f"the {kind} is in the {'keyring' if kept == KEYRING else 'file credentials.yaml'}")
    echo("test it with `vcenter-gateway check" + ("`" if contexts.current == name else f" --context {name}`"))


def _check_name(name: str, contexts: Contexts, force: bool) -> None:
    if name in contexts and not force:
        raise click.UsageError(f"there is a context {name!r} already; give --force to replace it")


def _check(settings: dict[str, Any], asks_token: bool, no_password: bool, password_file: Path | None) -> None:
    """Raises click.UsageError for options that conflict."""
    if bool(settings.get("target")) == bool(settings.get("vcenter")):
        raise click.UsageError("a context needs either --target or --vcenter")
    for option, name in (("--target", "target"), ("--vcenter-proxy", "vcenter_proxy")):
        if name in settings:
            host_and_port(option, settings[name])
    if "vcenter" in settings:
        settings["vcenter"] = vcenter_url(settings["vcenter"])
    if "vcenter_thumbprint" in settings:
        try:
            settings["vcenter_thumbprint"] = checked_thumbprint(settings["vcenter_thumbprint"])
        except ValueError as error:
            raise click.UsageError(f"--vcenter-thumbprint: {error}") from None
    of_gateway = {*OF_GATEWAY, "token_file"} & settings.keys()
    if "vcenter" in settings and (of_gateway or asks_token):
        raise click.UsageError("--tls, --plaintext, --ca, --cert, --key, --token and --token-file need --target")
    if "target" in settings and settings.keys() & OF_VCENTER:
        raise click.UsageError("the options --vcenter-... need --vcenter URL")
    if bool(settings.get("cert")) != bool(settings.get("key")):
        raise click.UsageError("--cert and --key belong together")
    if (asks_token, "token_file" in settings, "user" in settings).count(True) > 1:
        raise click.UsageError("--token, --token-file and --user exclude each other")
    if "user" not in settings and (no_password or password_file):
        raise click.UsageError("--password-file and --no-password need --user")
    if ":" in settings.get("user", ""):
        raise click.UsageError("--user must not have a colon in it; the password is read from elsewhere")


def _secret(user: str | None, password_file: Path | None, no_password: bool, asks_token: bool) -> tuple[str, str]:
    """The secret to store, empty if there is none, and its kind. Raises click.UsageError."""
    if asks_token:
        if not is_printable_ascii(token := _asked("Token")):
            raise click.UsageError("a token is printable ASCII characters")
        return token, "token"
    if not user or (no_password and password_file is None):
        return "", ""
    if password_file is None:
        return _asked(f"Password for {user}"), "password"
    return read_password_file(password_file), "password"


def _asked(what: str) -> str:
    if sys.stdin.isatty():
        return str(click.prompt(what, hide_input=True, err=True))
    secret = sys.stdin.readline(_MAX_SECRET).rstrip("\r\n")
    if not secret:
        raise click.UsageError(f"{what}: standard input is empty; type it on a terminal, or pass it on standard input")
    return secret


@context.command(epilog="\b\nExamples:\n  vcenter-gateway context use lab")
@click.argument("name", shell_complete=complete_context)
def use(name: str) -> None:
    """Selects the current context."""
    with changed_contexts() as contexts:
        contexts.get(name)
        contexts.current = name
    echo(f"{name} is the current context: {contexts.get(name).server}")


@context.command("list", epilog="\b\nExamples:\n  vcenter-gateway context list\n  vcenter-gateway context list -o name")
@output_option("table")
def list_(output: str) -> None:
    """Lists the contexts. A star marks the current one."""
    contexts = load_contexts()
    if output == "name":
        for name in contexts:
            echo(name)
    elif output == "table":
        rows = [_row(name, contexts) for name in contexts]
        if not rows:
            echo("there are no contexts; add one with `vcenter-gateway context add`", err=True)
            return
        print_table(["CURRENT", "NAME", "SERVER", "CALLER"], rows)
    else:
        echo_data([_entry(name, contexts) for name in contexts], output)


def _entry(name: str, contexts: Contexts) -> dict[str, Any]:
    return {"name": name, "current": name == contexts.current, **_shown(contexts.get(name))}


def _row(name: str, contexts: Contexts) -> list[str]:
    made = contexts.get(name)
    caller = made.user or made.token_file or ("token" if made.token else made.cert) or ""
    return ["*" if name == contexts.current else "", name, made.server, caller]


@context.command(epilog="\b\nExamples:\n  vcenter-gateway context show\n  vcenter-gateway context show lab -o json")
@click.argument("name", required=False, shell_complete=complete_context)
@output_option("yaml")
def show(name: str | None, output: str) -> None:
    """Shows a context, by default the current one. Passwords and tokens are never shown, only where they are stored."""
    contexts = load_contexts()
    chosen = name or contexts.current
    if chosen is None:
        raise click.UsageError("there is no current context; choose one with `vcenter-gateway context use`")
    shown = {"name": chosen, **_shown(contexts.get(chosen))}
    if output == "name":
        echo(chosen)
    elif output == "table":
        print_table(["FIELD", "VALUE"], [[key, str(value)] for key, value in shown.items()])
    else:
        echo_data(shown, output)


def _shown(made: Context) -> dict[str, Any]:
    stores = {"password": made.password, "token": made.token}
    return {**made.to_dict(), **{key: f"in the {value}" for key, value in stores.items() if value}}


@context.command(epilog="\b\nExamples:\n  vcenter-gateway context delete lab")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=complete_context)
def delete(names: tuple[str, ...]) -> None:
    """Deletes contexts with their stored passwords and tokens."""
    with changed_contexts() as contexts:
        for name in names:
            contexts.get(name)
        for name in dict.fromkeys(names):
            contexts.delete(name)
            contexts.save()  # Even if the secret of the next one cannot be removed.
            echo(f"deleted {name}")
