"""`watch`: prints changes as they happen: of machines, of a task, or events."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.connection import ConnectionCommand, connection_options
from gateway.cli.group import Group
from gateway.cli.name_completion import FOLDER, MACHINE, complete_names
from gateway.cli.output import Exit, echo
from gateway.cli.place import Place

if TYPE_CHECKING:
    from gateway.cli.lookup import Lookup

__all__ = ["watch"]


@click.group(
    cls=Group,
    epilog="""
On a terminal, `vms` is a table that updates; elsewhere each message is a line of JSON. A stream that is lost is opened
again, from where it was.

\b
Examples:
  vcenter-gateway watch vms
  vcenter-gateway watch vms --vm web-0001 --fields name,power_state | jq .
  vcenter-gateway watch task 5f4b9b0e-93d8-4a3c-8c3a-0d1f6c8b7a11
  vcenter-gateway watch events --type VmPoweredOnEvent
""",
)
def watch() -> None:
    """Prints machines, a task or events as they change."""


def _watch_options(function: Any) -> Any:
    """Adds the options for the gateway, the caller, and the output."""
    option = click.option(
        "--json",
        "as_json",
        is_flag=True,
        callback=lambda _ctx, _parameter, value: value or not sys.stdout.isatty(),
        help="Prints lines of JSON on a terminal too.",
    )
    return option(connection_options()(function))


def _vm_option(text: str) -> Callable[[Any], Any]:
    return click.option(
        "--vm",
        "vms",
        multiple=True,
        metavar="VM",
        shell_complete=complete_names(MACHINE),
        help=f"{text}, by name or identifier. Can be given several times.",
    )


@watch.command(
    cls=ConnectionCommand,
    epilog="\b\nExamples:\n  vcenter-gateway watch vms --vm web-0001 --fields name,power_state",
)
@_vm_option("Only this machine")
@click.option("--name", "names", multiple=True, metavar="NAME", help="Only machines with this name.")
@click.option(
    "--folder",
    "folders",
    multiple=True,
    metavar="FOLDER",
    shell_complete=complete_names(FOLDER),
    help="Only machines in this folder, by name or identifier.",
)
@click.option("--fields", metavar="FIELDS", help="Fields of VmState to print as JSON, for example name,addresses.")
@_watch_options
def vms(
    vms: tuple[str, ...],
    names: tuple[str, ...],
    folders: tuple[str, ...],
    fields: str | None,
    place: Place,
    as_json: bool,
) -> None:
    """Prints virtual machines and their changes."""
    from gateway.cli.watching import identifiers, make_request, show, view_of

    if fields is None and not as_json:
        fields = "name,power_state,placement,tools,addresses"

    def request(lookup: Lookup) -> Any:
        found = {"vms": identifiers(lookup, vms, MACHINE, "--vm"), "names": names}
        found["folders"] = identifiers(lookup, folders, FOLDER, "--folder")
        made = make_request("WatchVms", filter=found)
        made.fields.paths.extend(part.strip() for part in (fields or "").split(",") if part.strip())
        return made

    def resume(request: Any, message: Any) -> None:
        request.ClearField("resume_token")
        if message.HasField("resume_token"):
            request.resume_token = message.resume_token

    show("WatchVms", place, request, lambda: view_of("vms", as_json), resume)


@watch.command(cls=ConnectionCommand, epilog="\b\nExamples:\n  vcenter-gateway watch task task-4711 --cancel")
@click.argument("task")
@click.option("--cancel", is_flag=True, help="Cancels the task when this command is ended before it.")
@_watch_options
def task(task: str, cancel: bool, place: Place, as_json: bool) -> None:
    """Prints the state of a task to its end."""
    from gateway.cli.watching import make_request, show, view_of

    has_failed = False

    def look(_request: Any, message: Any) -> None:
        nonlocal has_failed
        has_failed = message.task.HasField("error")

    try:
        show(
            "WatchTask",
            place,
            lambda lookup: make_request("WatchTask", task=task, cancel_on_disconnect=cancel),
            lambda: view_of("task", as_json),
            look,
        )
    except KeyboardInterrupt:
        echo(f"\nthe task {task} {'is canceled' if cancel else 'still runs'}", err=True)
        raise
    if has_failed:
        sys.exit(Exit.FAILED)


@watch.command(
    cls=ConnectionCommand,
    epilog="\b\nExamples:\n  vcenter-gateway watch events --vm web-0001 --type VmPoweredOnEvent",
)
@_vm_option("Only events of this machine")
@click.option(
    "--folder",
    metavar="FOLDER",
    shell_complete=complete_names(FOLDER),
    help="Only events of the machines in this folder, by name or identifier.",
)
@click.option("--type", "types", multiple=True, metavar="TYPE", help="Only events of this type.")
@_watch_options
def events(vms: tuple[str, ...], folder: str | None, types: tuple[str, ...], place: Place, as_json: bool) -> None:
    """Prints vCenter's events about virtual machines."""
    from gateway.cli.watching import identifiers, make_request, show, view_of

    def request(lookup: Lookup) -> Any:
        found: dict[str, Any] = {"vms": identifiers(lookup, vms, MACHINE, "--vm"), "types": types}
        if folder:
            found["folder"] = lookup.identifier(folder, FOLDER, "--folder")
        return make_request("WatchEvents", filter=found)

    def resume(request: Any, message: Any) -> None:
        request.bookmark = message.bookmark

    show("WatchEvents", place, request, lambda: view_of("events", as_json), resume)
