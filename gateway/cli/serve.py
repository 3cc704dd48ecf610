"""`serve`: the gateway itself; and `worker`, which the supervisor starts."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, NoReturn

import click
import uvloop

from gateway import __version__
from gateway.cli.exits import Exit
from gateway.cli.options import SettingsCommand, checked_settings, settings_options
from gateway.contract import ContractError
from gateway.files import UnusableFileError
from gateway.logs import configure_logs
from gateway.server.access import make_access
from gateway.server.run import ServerEndedError, run
from gateway.settings import Settings, split_address
from gateway.supervisor import READY, SupervisorError, WorkerTask, supervise
from gateway.tracing import TracingError, check_tracing

__all__ = ["serve", "worker"]

_NAME = "vcenter-gateway"
_DEFAULT_PORT = 50051
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognized, not used


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
    """Serves vCenter's operations over gRPC until SIGTERM or Ctrl-C.

    Needs a vCenter (--vcenter) or the embedded one (--simulator). Callers bring their identity with each call; only
    with --simulator on a loopback address they need none.
    """
    settings = checked_settings(flags)
    configure_logs(settings.log)
    try:
        make_access(settings)
        check_tracing(settings.tracing)
    except ValueError as error:  # Before anything starts: what cannot be used is a wrong setting.
        click.echo(f"error: {error}", err=True)
        sys.exit(Exit.USAGE)

    def announce(port: int) -> None:
        click.echo("\n".join(_how_to_call(settings, port)))

    if settings.server.workers > 1:
        _finish(asyncio.run, supervise(settings, announce))
    else:
        _finish(uvloop.run, run(settings, announce))


@click.command(hidden=True)
def worker() -> None:
    """Serves as one of several processes; started by `serve --workers`."""
    line = sys.stdin.readline()
    try:
        task = WorkerTask.from_json(line)
    except SupervisorError as error:
        _fail(error)
    configure_logs(task.settings.log)
    threading.Thread(target=_stop_when_orphaned, daemon=True).start()

    def announce(port: int) -> None:
        sys.stdout.write(f"{READY.decode()}\n")
        sys.stdout.flush()

    serving = run(task.settings, announce, backend=task.backend, reuse_port=True, share=task.share())
    _finish(uvloop.run, serving)


def _stop_when_orphaned() -> None:
    """Waits for the end of the standard input, which the supervisor holds open for as long as it lives."""
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


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


def _command() -> str:
    """The name of this command as it can be typed: short where the shell finds it, else as it was typed now."""
    typed = sys.argv[0]
    found = shutil.which(_NAME)
    if Path(typed).name != _NAME or (found and Path(found).samefile(typed)):
        return _NAME
    return typed


def _how_to_call(settings: Settings, port: int) -> list[str]:
    """What a person who has just started the gateway wants to type next."""
    host = split_address(settings.server.listen)[0]
    host = _WILDCARDS.get(host, host)
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    target = "" if (host, port) == ("127.0.0.1", _DEFAULT_PORT) else f" --target {address}"
    user = "" if settings.anonymous_allowed else " --user USER"
    vcenter = settings.vcenter.url or f"the embedded vCenter with {settings.simulator.vms} virtual machines"
    lines = [
        f"vcenter-gateway {__version__} serves {vcenter} on {address}. From another shell:",
        f"  {_command()} call{target}{user} vcenter.v1.VmService/ListVms '{{}}'",
    ]
    if settings.server.reflection:
        lines.append(f"  grpcurl -plaintext {address} list")
    return lines
