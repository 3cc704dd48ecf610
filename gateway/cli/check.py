"""`check`: tests a configuration against its vCenter and says in words what is wrong."""

from __future__ import annotations

import json
import sys
import textwrap
from pathlib import Path
from typing import Any

import click

from gateway.cli.checks import run_checks
from gateway.cli.exits import Exit
from gateway.cli.identity import identity_options, read_identity
from gateway.cli.options import SettingsCommand, checked_settings, settings_options
from gateway.cli.step import State, Step
from gateway.cli.terminal import text_width
from gateway.contract import load_contract
from gateway.server.access import account_file
from gateway.settings import Settings
from gateway.vcenter import Credential

__all__ = ["check"]

_COLOURS = {State.OK: "green", State.WARNING: "yellow", State.FAILED: "red", State.SKIPPED: "bright_black"}
_INDENT = " " * 17


@click.command(
    cls=SettingsCommand,
    epilog="""
The settings come from flags, environment and file, as for `serve`. The login is that of --user, or of the service
account in the settings; without either it is not tested.

\b
Examples:
  vcenter-gateway check --vcenter https://vcenter.example.com
  vcenter-gateway check --config gateway.yaml --user administrator@vsphere.local

\b
Exit codes: 0 all well, 1 another failure, 2 wrong settings, 3 not reachable or not trusted, 4 login refused, 5 timeout
""",
)
@settings_options(lambda setting: setting.section == "vcenter")
@identity_options
@click.option("--json", "as_json", is_flag=True, help="Prints the steps as JSON.")
def check(user: str | None, password_file: Path | None, session_id: str | None, as_json: bool, **flags: Any) -> None:
    """Tests the way to vCenter step by step.

    The steps are DNS, TCP, TLS, API, login, and a first list. Each that fails says what to do.
    """
    settings = checked_settings(flags)
    if settings.vcenter.url is None:
        raise click.UsageError("the configuration serves the simulator; there is no vCenter to test")
    identity = read_identity(user, password_file, session_id) or _service_account(settings)
    if not as_json:
        click.echo(f"Checking {settings.vcenter.url}\n")
    steps = []
    for step in run_checks(settings.vcenter.options(), identity, load_contract()):
        steps.append(step)
        if not as_json:
            _print(step)
    failed = [step for step in steps if step.state is State.FAILED]
    if as_json:
        click.echo(json.dumps({"ok": not failed, "steps": [_to_json(step) for step in steps]}, indent=2))
    elif failed:
        click.echo(f"\n{failed[0].name} failed.")
    else:
        click.echo("\nThe gateway can work with this vCenter.")
    sys.exit(failed[0].exit if failed else Exit.OK)


def _service_account(settings: Settings) -> Credential | None:
    try:
        account = account_file(settings.auth)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return account.current() if account else None


def _print(step: Step) -> None:
    state = click.style(f"{step.state:7}", fg=_COLOURS[step.state])
    duration = "" if step.state is State.SKIPPED else f" ({step.seconds * 1000:.0f} ms)"
    text = textwrap.fill(step.text + duration, text_width(), initial_indent=_INDENT, subsequent_indent=_INDENT).lstrip()
    click.echo(f"{state}  {step.name:6}  {text}")
    if step.advice:
        click.echo(
            textwrap.fill(step.advice, text_width(), initial_indent=f"{_INDENT}-> ", subsequent_indent=_INDENT + "   ")
        )


def _to_json(step: Step) -> dict[str, Any]:
    return {
        "step": step.name,
        "state": step.state,
        "text": step.text,
        "advice": step.advice,
        "duration_ms": round(step.seconds * 1000, 1),
    }
