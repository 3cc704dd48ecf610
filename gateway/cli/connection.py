"""Which gateway or vCenter a command calls, and as which caller: the options, the contexts, and what they resolve to.

A flag takes precedence over the environment, which takes precedence over the current context. A context applies as a
whole: if `--target`, `--vcenter` or the environment names another server, nothing of the current context is used, so
that a password never reaches a server that it was not given for.
"""

from __future__ import annotations

import functools
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from gateway.address import DEFAULT_LISTEN
from gateway.cli.contexts import OF_GATEWAY, OF_VCENTER, Context, load_contexts
from gateway.cli.options import LAST_SECTION, SectionedCommand, setting_option
from gateway.cli.place import Place
from gateway.cli.setting_flags import setting_flags

__all__ = ["FILE", "ConnectionCommand", "complete_context", "connection_options", "connection_words", "place_of"]

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_GIVEN = (ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT)
_IDENTITY = ("user", "session_id", "token_file")
_SAVED_IDENTITY = ("user", "token_file", "password", "token")
_FORMER = ("thumbprint", "no_verify")
_NAMES = frozenset({"context", "target", "vcenter", "password_file", *_IDENTITY, *OF_GATEWAY, *OF_VCENTER, *_FORMER})


def complete_context(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The names of contexts that begin with the typed text."""
    try:
        contexts = load_contexts()
    except click.UsageError:
        return []
    return [CompletionItem(name, help=contexts.get(name).server) for name in contexts if name.startswith(incomplete)]


_CONTEXT = click.option(
    "--context",
    metavar="NAME",
    envvar="VCENTER_GATEWAY_CONTEXT",
    shell_complete=complete_context,
    help="Context to connect with: see `vcenter-gateway context`. Also the variable VCENTER_GATEWAY_CONTEXT.",
)
_TARGET = click.option(
    "--target",
    metavar="HOST:PORT",
    default=DEFAULT_LISTEN,
    show_default=True,
    envvar="VCENTER_GATEWAY",
    help="The gateway. Also the variable VCENTER_GATEWAY.",
)
_VCENTER = (
    click.option("--vcenter", metavar="URL", help="Calls this vCenter itself, without a gateway."),
    *(setting_option(flag) for flag in setting_flags().values() if flag.parameter in OF_VCENTER),
    click.option("--thumbprint", hidden=True),  # The former name of `--vcenter-thumbprint`.
    click.option("--no-verify", is_flag=True, default=None, hidden=True),
)
_IDENTITY_OPTIONS = (
    click.option(
        "--user", envvar="VCENTER_USER", metavar="NAME", help="User of vCenter. Also the variable VCENTER_USER."
    ),
    click.option(
        "--password-file",
        type=FILE,
        metavar="FILE",
        help="Reads the password of --user here, instead of from VCENTER_PASSWORD or the terminal.",
    ),
    click.option(
        "--session-id",
        envvar="VCENTER_SESSION_ID",
        metavar="ID",
        help="Calls with this open session of vCenter. Better given as the variable VCENTER_SESSION_ID: other "
        "users of this machine can see the command line.",
    ),
)
_GATEWAY_OPTIONS = (
    click.option(
        "--token-file",
        type=FILE,
        metavar="FILE",
        help="Proves to a gateway with a service account who calls, by the bearer token in this file.",
    ),
    click.option(
        "--tls/--plaintext",
        default=None,
        help="How to talk to the gateway. Plain text on a loopback address, else TLS.",
    ),
    click.option("--ca", type=FILE, metavar="FILE", help="Authorities to trust that a gateway is genuine."),
    click.option("--cert", type=FILE, metavar="FILE", help="Own certificate, for a gateway that asks for one."),
    click.option("--key", type=FILE, metavar="FILE", help="Key of the own certificate."),
)


class ConnectionCommand(SectionedCommand):
    """A command whose help has a separate section for the options about the connection."""

    def section(self, parameter: click.Parameter) -> str:
        return LAST_SECTION if parameter.name in _NAMES else super().section(parameter)


def connection_options(
    *,
    to_vcenter: bool = False,
    vcenter_contexts: bool = False,
    uses_current: Callable[[click.Context], bool] = lambda ctx: True,
) -> Callable[[Any], Any]:
    """Adds the options for the server to call and for the caller. The command gets all of them as one argument,
    `place`.

    `to_vcenter` adds the options for calling a vCenter without a gateway, and accepts contexts for one, as
    `vcenter_contexts` does. `uses_current` decides from the rest of the command line whether the current context is
    used.
    """
    options = [_CONTEXT, _TARGET, *(_VCENTER if to_vcenter else ()), *_IDENTITY_OPTIONS, *_GATEWAY_OPTIONS]

    def make_place(given: dict[str, Any]) -> Place:
        ctx = click.get_current_context()
        place = _place(ctx, given, uses_current(ctx))
        if place.vcenter and not (to_vcenter or vcenter_contexts):
            raise click.UsageError(
                f"the context {place.context!r} is a vCenter, and this command needs a gateway: give --context or "
                "--target"
            )
        return place

    def decorate(function: Any) -> Any:
        @functools.wraps(function)
        def with_place(*args: Any, **given: Any) -> Any:
            own = {name: given.pop(name) for name in names}
            return function(*args, place=make_place(own), **given)

        before = len(getattr(function, "__click_params__", []))
        wrapped: Any = with_place
        for option in reversed(options):
            option(wrapped)
        names = [parameter.name for parameter in wrapped.__click_params__[before:]]
        return wrapped

    return decorate


def connection_words() -> str:
    """The options about the connection on the command line, with a space before each, so that a suggested command
    calls the same server as the same caller. Without the session id, which is a secret."""
    ctx = click.get_current_context()
    words: list[str] = []
    for parameter in ctx.command.get_params(ctx):
        name = parameter.name or ""
        is_given = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
        if name not in _NAMES - {"session_id"} or not is_given:
            continue
        value = ctx.params[name]
        if isinstance(value, bool):
            words.append((parameter.opts if value else parameter.secondary_opts or parameter.opts)[0])
        else:
            words += [parameter.opts[0], str(value)]
    return "".join(f" {shlex.quote(word)}" for word in words)


def place_of(ctx: click.Context) -> Place:
    """The place that the options given so far describe, for completion. Raises click.UsageError."""
    return _place(ctx, {name: ctx.params.get(name) for name in _NAMES if name in ctx.params})


def _place(ctx: click.Context, given: dict[str, Any], uses_current: bool = True) -> Place:
    """Combines flags, environment and context. Raises click.UsageError."""
    sources = {name: ctx.get_parameter_source(name) for name in given}
    flags = {name for name in given if sources[name] is ParameterSource.COMMANDLINE}
    is_named = given["context"] is not None
    server = [name for name in ("target", "vcenter") if sources.get(name) in _GIVEN]
    if {"target", "vcenter"} <= flags:
        raise click.UsageError("--target and --vcenter exclude each other")
    if is_named and flags & {"target", "vcenter"}:
        raise click.UsageError("--context says which server to call; leave out --target and --vcenter")
    context, name = Context(), ""
    if is_named or (not server and uses_current):
        contexts = load_contexts()
        name = given["context"] or contexts.current or ""
        if name:
            context = contexts.get(name)
    given = {**given, **_former(given)}
    ways = {key: _text(given[key]) for key in (*OF_GATEWAY, *OF_VCENTER) if given.get(key) is not None}
    if "vcenter" in flags or context.vcenter:
        if ways.get("ca"):  # The former way to give the authorities of vCenter.
            ways.setdefault("vcenter_ca_file", ways.pop("ca"))
        if flags & {"tls", "cert", "key", "token_file"}:
            raise click.UsageError(
                "--tls, --plaintext, --cert, --key, --token-file, --metadata and --verbose are about a gateway; leave "
                "out --vcenter"
            )
    elif any(key in ways for key in OF_VCENTER):
        raise click.UsageError("the options --vcenter-... are about a vCenter; give --vcenter URL too")
    if name == "":
        ways |= {"vcenter": given["vcenter"]} if "vcenter" in flags else {"target": given["target"]} if server else {}
    who = _who(given, sources, context, is_named)
    settings = replace(context, **ways, **{key: who.get(key) for key in _SAVED_IDENTITY})
    return Place(settings, name, given["password_file"], who.get("session_id"), bool(name or server))


def _former(given: dict[str, Any]) -> dict[str, Any]:
    """The values of options with former names, under their current names."""
    former = {
        "vcenter_thumbprint": given.get("thumbprint"),
        "vcenter_verify": False if given.get("no_verify") else None,
    }
    return {name: value for name, value in former.items() if value is not None and given.get(name) is None}


def _who(
    given: dict[str, Any], sources: dict[str, ParameterSource | None], context: Context, is_named: bool
) -> dict[str, Any]:
    """The caller's identity, which comes from one source as a whole: a context given by name takes precedence over the
    environment."""
    flags, environment = (
        {name: _text(given[name]) for name in _IDENTITY if sources[name] is source} for source in _GIVEN
    )
    own = {name: value for name, value in context.to_dict().items() if name in _SAVED_IDENTITY}
    return next(filter(None, (flags, own, environment) if is_named else (flags, environment, own)), {})


def _text(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value
