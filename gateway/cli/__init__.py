"""The command `vcenter-gateway`. Each subcommand is loaded when it is used, so that small commands start fast."""

from __future__ import annotations

import gc
import importlib
import io
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click
from click.shell_completion import CompletionItem

from gateway import __version__
from gateway.cli.group import Group
from gateway.cli.output import Exit, echo
from gateway.grpc_core import configure_grpc_core

__all__ = ["cli", "main"]


@dataclass(frozen=True, slots=True)
class _Entry:
    """What is known about a command before it is loaded."""

    module: str
    text: str
    """Its text in the overview: the first sentence of its help."""
    function: str = ""
    """Its function, if that cannot have the name of the command."""


_TASKS: Mapping[str, Mapping[str, _Entry]] = {
    "Call a gateway": {
        "call": _Entry("call", "Calls one RPC and prints what it answers."),
        "watch": _Entry("watch", "Prints machines, a task or events as they change."),
    },
    "Work in guests": {
        "exec": _Entry("guest_exec", "Runs a program in a guest, with its output and exit code.", "exec_"),
        "cp": _Entry("guest_copy", "Copies a file to a guest, or from one."),
    },
    "Look up what there is": {
        "routes": _Entry("inspect", "Lists every rpc with the REST call it becomes."),
        "describe": _Entry("describe", "Describes an rpc, a message, an enum or a service."),
        "descriptors": _Entry("inspect", "Writes the compiled protos as a FileDescriptorSet."),
        "version": _Entry("inspect", "Prints the version of the gateway and of what it runs on."),
    },
    "Set up this command line": {
        "context": _Entry("context", "Manages connections to gateways and vCenters under names."),
        "completion": _Entry("completion", "Prints a script that completes commands, rpcs and names."),
    },
    "Run a gateway": {
        "serve": _Entry("start", "Serves vCenter's operations over gRPC."),
        "simulate": _Entry("simulate", "Serves the embedded vCenter: its REST and VIM APIs."),
        "check": _Entry("start", "Tests a configuration, or a running gateway, step by step."),
        "token": _Entry("token", "Creates bearer tokens for callers of a gateway."),
        "policy": _Entry("policy", "Tests what a policy allows."),
    },
}
"""The commands by task. None is loaded before it is used, so that small commands start fast."""

_YOUNG_OBJECTS = 50_000
"""The threshold of the garbage collector. What a command loads is kept until it ends: with the default of 700, a tenth
of the start of `serve` was spent looking for garbage in it."""

_COMMANDS = {name: entry for entries in _TASKS.values() for name, entry in entries.items()}
_HIDDEN = {"worker": _Entry("start", "")}


class _LazyGroup(Group):
    """Subcommands that are loaded when they are used, listed by task."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        entry = _COMMANDS.get(cmd_name) or _HIDDEN.get(cmd_name)
        if entry is None:
            return None
        module = importlib.import_module(f"gateway.cli.{entry.module}")
        command: click.Command = getattr(module, entry.function or cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        width = max(map(len, _COMMANDS))
        for task, entries in _TASKS.items():
            with formatter.section(task):
                formatter.write_dl([(name.ljust(width), entry.text) for name, entry in entries.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        found = [CompletionItem(name, help=entry.text) for name, entry in _COMMANDS.items()]
        options = click.Command.shell_complete(self, ctx, incomplete)
        return [*(item for item in found if item.value.startswith(incomplete)), *options]

    def main(self, *args: Any, **more: Any) -> Any:
        if "_VCENTER_GATEWAY_COMPLETE" in os.environ:
            importlib.import_module("gateway.cli.completion")  # Registers the shells.
        return super().main(*args, **more)


@click.group(
    cls=_LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
    epilog="""
\b
Exit codes:
  0  it worked
  1  the call ended in an error, a check failed, or the server did not start
  2  wrong command line, configuration or request; nothing was called
  3  gateway or vCenter cannot be reached; nothing was executed
  4  no credentials were given, or they were refused
  5  there was no answer within the deadline
  6  some of many requests failed
  130  interrupted by Ctrl-C
""",
)
@click.version_option(__version__, message="%(prog)s %(version)s")
def cli() -> None:
    """Typed gRPC services in front of vCenter's virtual machine REST API.

    \b
    Start with the embedded vCenter, and call it from a second shell:
      vcenter-gateway serve --simulator
      vcenter-gateway call ListVms -o table
      vcenter-gateway watch vms
    """


def main() -> None:
    """Runs the command line and exits."""
    gc.set_threshold(_YOUNG_OBJECTS)
    configure_grpc_core()
    for name in ("stdout", "stderr"):  # Python has none where the caller closed it; the output is not wanted then.
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w"))
    try:
        cli.main(
            prog_name="vcenter-gateway", standalone_mode=False, color=False if os.environ.get("NO_COLOR") else None
        )
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        echo(shown.getvalue().rstrip("\n"), err=True)
        sys.exit(error.exit_code)
    except UnicodeEncodeError as error:
        # Python keeps bytes of the command line that are not UTF-8 as lone surrogates, which no request can contain.
        if error.reason != "surrogates not allowed":
            raise
        echo("Error: an argument is not UTF-8 text", err=True)
        sys.exit(Exit.USAGE)
    except click.Abort:
        echo("interrupted", err=True)
        sys.exit(Exit.INTERRUPTED)
    except OSError as error:  # For example, standard output is on a full disk. A closed pipe ends silently.
        echo(f"error: {error.strerror or error}", err=True)
        # Python would try once more to write what is still buffered, and change the exit code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(Exit.FAILED)
