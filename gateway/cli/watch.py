"""`watch`: prints what happens, as long as it runs: machines, a task, or events."""

from __future__ import annotations

import contextlib
import random
import sys
import time
from pathlib import Path
from typing import Any

import click
from google.protobuf.message import Message

from gateway.cli.credentials import credential_options, read_credential, read_token
from gateway.cli.failure import CallError
from gateway.cli.output import Exit, echo
from gateway.cli.target import Call, Tls, call_gateway
from gateway.cli.watch_view import EventLines, JsonLines, TaskLine, View, VmTable
from gateway.contract import load_contract
from gateway.settings import ServerSettings
from gateway.transcoding import compile_bindings

__all__ = ["watch"]

_SERVICE = "vcenter.gateway.v1.WatchService"
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_AGAIN = frozenset({"UNAVAILABLE"})
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0


@click.group(
    epilog="""
On a terminal, `vms` is a table that updates; elsewhere each message is a line of JSON. A stream that is lost is opened
again, from where it was.

\b
Examples:
  vcenter-gateway watch vms
  vcenter-gateway watch vms --vm vm-1001 --vm vm-1002 --fields name,power_state | jq .
  vcenter-gateway watch task 5f4b9b0e-93d8-4a3c-8c3a-0d1f6c8b7a11:com.vmware.vcenter
  vcenter-gateway watch events --type VmPoweredOnEvent
"""
)
def watch() -> None:
    """Prints machines, a task or events as they change."""


def _gateway_options(function: Any) -> Any:
    """Adds the options that tell which gateway, and who calls."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Prints lines of JSON on a terminal too."),
        click.option("--key", type=_FILE, metavar="FILE", help="Key of the own certificate."),
        click.option("--cert", type=_FILE, metavar="FILE", help="Own certificate, for a gateway that asks for one."),
        click.option("--ca", type=_FILE, metavar="FILE", help="Authorities to trust that a gateway is genuine."),
        click.option(
            "--tls/--plaintext",
            default=None,
            help="How to talk to the gateway. Plain text on a loopback address, else TLS.",
        ),
        click.option(
            "--token-file",
            type=_FILE,
            metavar="FILE",
            help="Proves to a gateway with a service account who calls, by the bearer token in this file.",
        ),
        credential_options,
        click.option(
            "--target",
            metavar="HOST:PORT",
            default=ServerSettings().listen,
            show_default=True,
            envvar="VCENTER_GATEWAY",
            help="The gateway. Also the variable VCENTER_GATEWAY.",
        ),
    ):
        function = option(function)
    return function


@watch.command(epilog="\b\nExamples:\n  vcenter-gateway watch vms --vm vm-1001 --fields name,power_state")
@click.option("--vm", "vms", multiple=True, metavar="VM", help="Only this machine. Can be given several times.")
@click.option("--name", "names", multiple=True, metavar="NAME", help="Only machines with this name.")
@click.option("--folder", "folders", multiple=True, metavar="FOLDER", help="Only machines in this folder.")
@click.option("--fields", metavar="FIELDS", help="Fields of VmState to print as JSON, for instance name,addresses.")
@_gateway_options
def vms(
    vms: tuple[str, ...], names: tuple[str, ...], folders: tuple[str, ...], fields: str | None, **gateway: Any
) -> None:
    """Prints virtual machines and their changes."""
    request = _request("WatchVms", filter={"vms": vms, "names": names, "folders": folders})
    as_json = gateway["as_json"] or not sys.stdout.isatty()
    if fields is None and not as_json:
        fields = "name,power_state,placement,tools,addresses"
    request.fields.paths.extend(part.strip() for part in (fields or "").split(",") if part.strip())

    def resume(message: Any) -> None:
        if message.HasField("resume_token"):
            request.resume_token = message.resume_token

    _show("WatchVms", request, JsonLines(load_contract()) if as_json else VmTable(), resume, gateway)


@watch.command(epilog="\b\nExamples:\n  vcenter-gateway watch task task-4711 --cancel")
@click.argument("task")
@click.option("--cancel", is_flag=True, help="Cancels the task when this command is ended before it.")
@_gateway_options
def task(task: str, cancel: bool, **gateway: Any) -> None:
    """Prints the state of a task to its end."""
    request = _request("WatchTask", task=task, cancel_on_disconnect=cancel)
    as_json = gateway["as_json"] or not sys.stdout.isatty()
    view: View = JsonLines(load_contract()) if as_json else TaskLine()
    has_failed = False

    def look(message: Any) -> None:
        nonlocal has_failed
        has_failed = message.task.HasField("error")

    _show("WatchTask", request, view, look, gateway)
    if has_failed:
        sys.exit(Exit.FAILED)


@watch.command(epilog="\b\nExamples:\n  vcenter-gateway watch events --vm vm-1001 --type VmPoweredOnEvent")
@click.option("--vm", "vms", multiple=True, metavar="VM", help="Only events of this machine.")
@click.option("--folder", metavar="FOLDER", help="Only events of the machines in this folder.")
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only events of this type.")
@_gateway_options
def events(vms: tuple[str, ...], folder: str | None, types: tuple[str, ...], **gateway: Any) -> None:
    """Prints vCenter's events about virtual machines."""
    request = _request("WatchEvents", filter={"vms": vms, "types": types, **({"folder": folder} if folder else {})})

    def resume(message: Any) -> None:
        request.bookmark = message.bookmark

    as_json = gateway["as_json"] or not sys.stdout.isatty()
    _show("WatchEvents", request, JsonLines(load_contract()) if as_json else EventLines(), resume, gateway)


def _request(rpc: str, **fields: Any) -> Any:
    return compile_bindings(load_contract())[f"{_SERVICE}/{rpc}"].request_class(**fields)


def _show(rpc: str, request: Message, view: View, after: View, gateway: dict[str, Any]) -> None:
    """Shows a stream until it ends; one that is lost is opened again, with what `after` has put into the request."""
    stream = _stream(gateway)
    binding = compile_bindings(load_contract())[f"{_SERVICE}/{rpc}"]
    pause = _FIRST_PAUSE
    has_begun = False
    while True:
        try:
            with contextlib.closing(stream(binding, request, None)) as answers:
                for answer in answers:
                    if answer.message is None:  # The end, with what the gateway says beside the messages.
                        break
                    has_begun, pause = True, _FIRST_PAUSE
                    view(answer.message)
                    after(answer.message)
        except CallError as error:
            if not has_begun or error.code not in _AGAIN:
                echo("\n".join(error.lines()), err=True)
                sys.exit(error.exit)
        else:
            return
        time.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - no secret
        pause = min(_LONGEST_PAUSE, 2 * pause)


def _stream(gateway: dict[str, Any]) -> Call:
    """How to open streams, as the options say."""
    credential = read_credential(gateway["user"], gateway["password_file"], gateway["session_id"])
    if gateway["token_file"] and credential is not None:
        raise click.UsageError("--token-file, --user and --session-id exclude each other")
    caller = read_token(gateway["token_file"]) if gateway["token_file"] else credential
    target = gateway["target"]
    tls = Tls.choose(target, gateway["tls"], gateway["ca"], gateway["cert"], gateway["key"])
    return call_gateway(target, tls, caller, load_contract())
