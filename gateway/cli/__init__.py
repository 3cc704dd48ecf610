"""The command `vcenter-gateway`. Each subcommand is loaded when it is used, so that the small ones start fast."""

from __future__ import annotations

import difflib
import importlib
import io
import os
import sys
from collections.abc import Mapping

import click

from gateway import __version__
from gateway.cli.output import Exit, echo

__all__ = ["cli", "main"]

_MODULES: Mapping[str, str] = {
    "serve": "gateway.cli.serve",
    "simulate": "gateway.cli.simulate",
    "call": "gateway.cli.call",
    "watch": "gateway.cli.watch",
    "exec": "gateway.cli.guest_exec",
    "cp": "gateway.cli.guest_copy",
    "check": "gateway.cli.check",
    "routes": "gateway.cli.inspect",
    "descriptors": "gateway.cli.inspect",
    "version": "gateway.cli.inspect",
    "completion": "gateway.cli.inspect",
    "worker": "gateway.cli.serve",
}


_FUNCTIONS = {"exec": "exec_"}
"""Functions that cannot have the name of their command."""


class _LazyGroup(click.Group):
    """Subcommands by name of their module, in the order in which a person needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _MODULES.get(cmd_name)
        if module is None:
            return None
        command: click.Command = getattr(importlib.import_module(module), _FUNCTIONS.get(cmd_name, cmd_name))
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _MODULES:
            close = difflib.get_close_matches(args[0], _MODULES, n=1)
            ctx.fail(f"there is no command {args[0]!r}" + (f"; did you mean {close[0]}?" if close else ""))
        return super().resolve_command(ctx, args)


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog="""
\b
Exit codes:
  0  it worked
  1  the call was answered with an error, a check failed, or the server did not start
  2  the command line, the configuration or the request is wrong; nothing was called
  3  gateway or vCenter cannot be reached; nothing was executed
  4  no credentials were given, or they were refused
  5  there was no answer within the deadline
  130  interrupted by Ctrl-C
""",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Typed gRPC services in front of vCenter's virtual machine REST API.

      \b
      Start with the embedded vCenter, and call it from a second shell:
        vcenter-gateway serve --simulator
        vcenter-gateway call vcenter.v1.VmService/ListVms '{}'
    vcenter-gateway watch vms
    """


def main() -> None:
    """Runs the command line and exits."""
    # gRPC's C core writes lines of its own form to standard error; what matters of them comes back as errors.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    try:
        cli.main(
            prog_name="vcenter-gateway", standalone_mode=False, color=False if os.environ.get("NO_COLOR") else None
        )
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        echo(shown.getvalue().rstrip("\n"), err=True)
        sys.exit(error.exit_code)
    except click.Abort:
        echo("interrupted", err=True)
        sys.exit(Exit.INTERRUPTED)
    except OSError as error:  # For instance a full disk behind the standard output; a closed pipe ends in silence.
        echo(f"error: {error.strerror or error}", err=True)
        sys.exit(Exit.FAILED)
