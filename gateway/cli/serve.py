"""`serve`: the gateway itself; and `worker`, which the supervisor starts."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Coroutine
from io import FileIO
from typing import Any, NoReturn

import click
import uvloop

from gateway.cli.exits import Exit
from gateway.cli.how_to_call import how_to_call
from gateway.cli.options import SettingsCommand, checked_settings, settings_options
from gateway.contract import ContractError
from gateway.files import UnusableFileError
from gateway.logs import configure_logs
from gateway.server.access import make_access
from gateway.server.run import ServerEndedError, run
from gateway.signals import ignore_hangups
from gateway.supervisor import SupervisorError, WorkerTask, supervise
from gateway.tracing import TracingError, check_tracing
from gateway.worker_link import WorkerLink

__all__ = ["serve", "worker"]


@click.command(
    cls=SettingsCommand,
    epilog="""
Each flag is also an environment variable, GATEWAY_ and the flag in capitals (GATEWAY_VCENTER_CA_FILE), and a key of the
configuration file. A flag beats the environment, which beats the file.

\b
Examples:
  vcenter-gateway serve --simulator
  vcenter-gateway serve --vcenter https://vcenter.example.com --listen 0.0.0.0:50051 --workers 2
  vcenter-gateway serve --config gateway.yaml --log-level warning
""",
)
@settings_options()
def serve(**flags: Any) -> None:
    """Serves vCenter's operations over gRPC.

    Needs a vCenter (--vcenter) or the embedded one (--simulator). Callers bring their identity with each call; only
    with --simulator on a loopback address they need none. It stops at SIGTERM or Ctrl-C, when calls
    under way have ended. SIGHUP makes it read its files again.
    """
    ignore_hangups()
    settings = checked_settings(flags)
    configure_logs(settings.log)
    try:
        make_access(settings)
        check_tracing(settings.tracing)
    except ValueError as error:  # Before anything starts: what cannot be used is a wrong setting.
        click.echo(f"error: {error}", err=True)
        sys.exit(Exit.USAGE)

    def announce(port: int) -> None:
        click.echo("\n".join(how_to_call(settings, port)))

    if settings.server.workers > 1:
        _finish(asyncio.run, supervise(settings, announce))
    else:
        _finish(uvloop.run, run(settings, announce))


@click.command(hidden=True)
def worker() -> None:
    """Serves as one of several processes; started by `serve --workers`."""
    ignore_hangups()
    commands = FileIO(sys.stdin.fileno(), closefd=False)
    try:
        task = WorkerTask.from_json(commands.readline().decode())
    except SupervisorError as error:
        _fail(error)
    configure_logs(task.settings.log)
    link = WorkerLink(task.number, commands)
    _finish(uvloop.run, run(task.settings, lambda port: link.ready(), backend=task.backend, worker=link))


def _finish(runner: Any, serving: Coroutine[Any, Any, None]) -> None:
    try:
        runner(serving)
    except (OSError, SupervisorError, ServerEndedError, ContractError, TracingError, UnusableFileError) as error:
        _fail(error)
    except KeyboardInterrupt:
        sys.exit(128 + signal.SIGINT)


def _fail(error: Exception) -> NoReturn:
    click.echo(f"error: {error}", err=True)
    sys.exit(Exit.FAILED)
