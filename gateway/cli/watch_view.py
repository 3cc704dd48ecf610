"""How streams are shown to people: a table that is redrawn on changes, and lines."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import Any

import click

from gateway.cli.output import echo
from gateway.contract.contract import enum_value_name
from gateway.printable import escaped

__all__ = ["EventLines", "TaskLine", "View", "VmTable"]

_REDRAW_SECONDS = 0.1
_HOME, _CLEAR_BELOW, _CLEAR_LINE = "\x1b[H", "\x1b[J", "\r\x1b[K"

View = Callable[[Any], None]
"""Shows one message of a stream."""


class VmTable:
    """The machines, one per line, as many as fit on the screen."""

    _COLUMNS = (("VM", 12), ("NAME", 28), ("POWER", 12), ("HOST", 12), ("TOOLS", 14), ("ADDRESS", 40))

    def __init__(self) -> None:
        self._vms: dict[str, Any] = {}
        self._drawn = 0.0
        self._is_synced = False
        self._note = ""
        click.clear()

    def __call__(self, message: Any) -> None:
        self._take(message)
        now = time.monotonic()
        # Pages of the first state and bursts of changes are drawn once, at their end.
        if self._is_synced and (now - self._drawn >= _REDRAW_SECONDS or message.WhichOneof("event") != "changed"):
            self._drawn = now
            self._draw()

    def _take(self, message: Any) -> None:
        event = message.WhichOneof("event")
        if event == "started" and message.started.reset:
            self._vms.clear()
            self._is_synced = False
        elif event == "added":
            self._vms.update((vm.vm, vm) for vm in message.added.vms)
        elif event == "changed":
            for change in message.changed.changes:
                if (known := self._vms.get(change.vm.vm)) is not None:
                    for path in change.changed.paths:
                        known.ClearField(path)
                    known.MergeFrom(change.vm)
        elif event == "removed":
            for vm in message.removed.vms:
                self._vms.pop(vm, None)
        elif event == "lost":
            self._note = f"vCenter is lost: {message.lost.problem}"
        if event == "synced":
            self._is_synced, self._note = True, ""

    def _draw(self) -> None:
        width, height = shutil.get_terminal_size()
        rows = [tuple(title for title, _ in self._COLUMNS)]
        rows += [self._row(vm) for vm in sorted(self._vms.values(), key=lambda vm: (vm.name, vm.vm))]
        room = max(2, height - 2)
        lines = [self._line(row, width) for row in rows[:room]]
        more = len(rows) - room
        left_out = f", {more} of them not shown" if more > 0 else ""
        lines.append(escaped(f"{time.strftime('%H:%M:%S')}  {len(self._vms)} machines{left_out}  {self._note}")[:width])
        click.echo(_HOME + "".join(f"{line}\x1b[K\n" for line in lines) + _CLEAR_BELOW, nl=False)

    def _line(self, row: tuple[str, ...], width: int) -> str:
        cells = (escaped(text)[:size].ljust(size) for text, (_, size) in zip(row, self._COLUMNS, strict=True))
        return " ".join(cells).rstrip()[:width]

    def _row(self, vm: Any) -> tuple[str, ...]:
        nics = [address for nic in vm.addresses.nics for address in nic.ip_addresses]
        addresses = dict.fromkeys([*([vm.addresses.primary] if vm.addresses.primary else []), *nics])
        power, tools = _name(vm, "power_state"), _name(vm, "tools")
        return vm.vm, vm.name, power, vm.placement.host, tools, " ".join(addresses)


class TaskLine:
    """The progress of a task on one line, which is completed when the task ends."""

    def __call__(self, message: Any) -> None:
        if message.WhichOneof("event") != "task":
            return
        task = message.task
        status = _name(task, "status")
        progress = f" {task.progress} %" if task.HasField("progress") else ""
        target = f" on {task.target}" if task.target else ""
        width, _ = shutil.get_terminal_size()
        text = escaped(f"{task.operation}{target}: {status}{progress}")[: width - 1]
        click.echo(f"{_CLEAR_LINE}{text}", nl=status in ("SUCCEEDED", "FAILED"))
        if task.HasField("error"):
            echo(task.error.message)


class EventLines:
    """One line for each event."""

    def __call__(self, message: Any) -> None:
        for event in message.events.events:
            created = event.created.ToDatetime().isoformat(sep=" ", timespec="seconds")
            by = f" ({event.user})" if event.user else ""
            echo(f"{created}  {event.vm}  {event.type}  {event.message}{by}")
        if message.reset:
            echo("events before these are lost; look them up with ListEvents", err=True)


def _name(message: Any, field: str) -> str:
    """The readable form of an enum value, empty if it is not set."""
    number = getattr(message, field)
    return enum_value_name(message.DESCRIPTOR.fields_by_name[field].enum_type, number) if number else ""
