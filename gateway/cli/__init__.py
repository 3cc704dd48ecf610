"""The command `vcenter-gateway`. Each subcommand is loaded when it is used, so that the small ones start fast."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping

import click

__all__ = ["cli", "main"]

_MODULES: Mapping[str, str] = {
    "serve": "gateway.cli.serve",
    "simulate": "gateway.cli.simulate",
    "call": "gateway.cli.call",
    "check": "gateway.cli.check",
    "routes": "gateway.cli.inspect",
    "descriptors": "gateway.cli.inspect",
    "version": "gateway.cli.inspect",
    "completion": "gateway.cli.completion",
    "worker": "gateway.cli.serve",
}


class _LazyGroup(click.Group):
    """Subcommands by name of their module, in the order in which a person needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_MODULES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        module = _MODULES.get(cmd_name)
        if module is None:
            return None
        command: click.Command = getattr(importlib.import_module(module), cmd_name)
        return command


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog="""
\b
Exit codes:
  0  it worked
  1  the call was answered with an error, or a check failed
  2  the command line, the configuration or the request is wrong; nothing was called
  3  gateway or vCenter cannot be reached; nothing was executed
  4  no identity was given, or it was refused
  5  there was no answer within the deadline
""",
)
def cli() -> None:
    """Typed gRPC services in front of vCenter's virtual machine REST API.

    \b
    Start with the embedded vCenter, and call it from a second shell:
      vcenter-gateway serve --simulator
      vcenter-gateway call vcenter.v1.VmService/ListVms '{}'
    """


def main() -> None:
    """Runs the command line and exits."""
    # gRPC's C core writes lines of its own form to standard error; what matters of them comes back as errors.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    cli(prog_name="vcenter-gateway")
