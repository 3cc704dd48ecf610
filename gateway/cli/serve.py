"""Runs the gateway in the process of `serve` or `worker`: what is loaded first, and what is printed then."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from collections.abc import Coroutine
from io import FileIO
from pathlib import Path
from typing import Any, NoReturn

import structlog
import uvloop

from gateway import __version__
from gateway.address import DEFAULT_LISTEN, is_loopback, join_address, reachable, split_address
from gateway.cli.options import checked_settings
from gateway.cli.output import Exit, echo
from gateway.contract import ContractError
from gateway.files import UnusableFileError
from gateway.logs import configure_logs
from gateway.server.guards import Guards, make_guards
from gateway.serving import ServerEndedError, run
from gateway.settings import Settings
from gateway.signals import ignore_hangups
from gateway.supervisor import SupervisorError, WorkerTask, supervise
from gateway.tracing import TracingError, check_tracing
from gateway.worker_link import WorkerLink

__all__ = ["how_to_call", "load", "run_gateway", "run_worker"]

_NAME = "vcenter-gateway"


def run_gateway(flags: dict[str, Any]) -> None:
    """Serves until it is stopped. Ends the process if the gateway cannot start."""
    ignore_hangups()
    settings = checked_settings(flags)
    configure_logs(settings.log)
    try:
        load(settings)
    except ValueError as error:  # Nothing has started yet: whatever cannot be used is an invalid setting.
        _fail(error, Exit.USAGE)

    def announce(port: int) -> None:
        # With JSON logs, a program such as a cluster's log collector reads both outputs.
        if settings.log.format == "json":
            structlog.get_logger().info("ready", version=__version__, port=port, workers=settings.server.workers)
        else:
            echo("\n".join(how_to_call(settings, port)))

    if settings.server.workers > 1:
        _finish(asyncio.run, supervise(settings, announce))
    else:
        _finish(uvloop.run, run(settings, announce))


def load(settings: Settings) -> Guards:
    """Reads every file that the settings name, and checks whether everything that they require is available.

    Raises ValueError with a sentence.
    """
    check_tracing(settings.tracing)
    return make_guards(settings)


def run_worker() -> None:
    """Serves as one of several worker processes, configured by the first line of standard input."""
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


def _fail(error: Exception, code: Exit = Exit.FAILED) -> NoReturn:
    echo(f"error: {error}", err=True)
    sys.exit(code)


def how_to_call(settings: Settings, port: int) -> list[str]:
    """The startup message of a gateway: what it serves, and how to call it."""
    host = reachable(split_address(settings.server.listen)[0])
    address = join_address(host, port)
    target = "" if address == DEFAULT_LISTEN else f" --target {address}"
    vcenter = settings.vcenter.url or f"the embedded vCenter with {settings.simulator.vms} virtual machines"
    lines = [
        f"vcenter-gateway {__version__} serves {vcenter} on {address}. From another shell:",
        f"  {_command()} call{target}{_options(settings, host)} vcenter.v1.VmService/ListVms '{{}}'",
    ]
    if settings.server.reflection:
        tls = settings.tls
        transport = " -cacert CA.pem" if tls.cert_file else " -plaintext"
        own = " -cert CERT.pem -key KEY.pem" if tls.client_ca_file else ""
        lines.append(f"  grpcurl{transport}{own} {address} list")
    return lines


def _options(settings: Settings, host: str) -> str:
    """The options that `call` needs for this gateway, with placeholders in capitals for what only the caller has."""
    tls, auth = settings.tls, settings.auth
    options = ""
    if tls.cert_file:
        options += " --ca CA.pem"
    elif not is_loopback(host):
        options += " --plaintext"
    if tls.client_ca_file:
        options += " --cert CERT.pem --key KEY.pem"
    if auth.mode == "passthrough":
        options += "" if settings.anonymous_allowed else " --user USER"
    elif (auth.tokens_file or auth.issuers) and not auth.certificates:
        options += " --token-file TOKEN"
    return options


def _command() -> str:
    """The name of this command as users can type it: the short name if the shell finds it, otherwise as it was
    typed."""
    typed = sys.argv[0]
    found = shutil.which(_NAME)
    if Path(typed).name != _NAME or (found and Path(found).samefile(typed)):
        return _NAME
    return typed
