"""Adds the flags of the settings to the commands that have them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from gateway.cli.output import Exit, echo
from gateway.cli.parameter_types import complete_file
from gateway.cli.setting_flags import SettingFlag, setting_flags

if TYPE_CHECKING:
    from gateway.settings import Settings

__all__ = [
    "LAST_SECTION",
    "SectionedCommand",
    "SettingsCommand",
    "checked_settings",
    "config_option",
    "setting_option",
    "settings_options",
]

_TITLES = {
    "server": "Server",
    "tls": "TLS",
    "vcenter": "vCenter",
    "live": "Watching",
    "simulator": "Simulator",
    "auth": "Caller",
    "log": "Log",
    "admin": "Admin",
    "metrics": "Metrics",
    "tracing": "Tracing",
}
_MAIN = ("listen", "vcenter", "simulator", "workers", "config")
_FIRST_SECTION, LAST_SECTION = "Options", "Connection options"


class SectionedCommand(click.Command):
    """A command whose help has sections of options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections: dict[str, list[tuple[str, str]]] = {_FIRST_SECTION: []}
        for parameter in self.get_params(ctx):
            if (record := parameter.get_help_record(ctx)) is not None:
                sections.setdefault(self.section(parameter), []).append(record)
        for title in sorted(sections, key=lambda title: title == LAST_SECTION):
            if sections[title]:
                with formatter.section(title):
                    formatter.write_dl(sections[title])

    def section(self, parameter: click.Parameter) -> str:
        """The section of an option."""
        return _FIRST_SECTION


class SettingsCommand(SectionedCommand):
    """A command whose help shows the main options first, then the others by the section of the settings."""

    def section(self, parameter: click.Parameter) -> str:
        flag = setting_flags().get((parameter.name or "").replace("_", "-"))
        if flag is None or flag.parameter in _MAIN:
            return super().section(parameter)
        return f"{_TITLES[flag.section.partition('.')[0]]} options"


def settings_options(choose: Callable[[SettingFlag], bool] = lambda flag: True) -> Callable[[Any], Any]:
    """Adds a flag for each of the chosen settings to a command.

    The flags accept any text: `checked_settings` validates values from all sources in the same way.
    """

    chosen = sorted(filter(choose, setting_flags().values()), key=lambda flag: _rank(flag.parameter))

    def decorate(function: Any) -> Any:
        for flag in reversed(chosen):
            function = setting_option(flag)(function)
        return function

    return decorate


config_option = click.option(
    "--config",
    metavar="FILE",
    help="Reads the settings of a YAML file.",
    show_default=False,
    shell_complete=complete_file,
)
"""Adds `--config` to a command."""


def _rank(name: str) -> int:
    return _MAIN.index(name) if name in _MAIN else len(_MAIN)


def setting_option(flag: SettingFlag) -> Callable[[Any], Any]:
    """Adds the flag of a setting to a command."""
    default = f" [default: {flag.default}]" if flag.default and not flag.is_switch else ""
    text = f"{flag.description}{default}"
    if flag.is_switch:
        return click.option(f"--{flag.name}/--no-{flag.name}", default=None, help=text)

    def complete(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        return [CompletionItem(choice) for choice in flag.choices if choice.startswith(incomplete)]

    takes_file = flag.metavar == "FILE"
    return click.option(
        f"--{flag.name}", metavar=flag.metavar, help=text, shell_complete=complete_file if takes_file else complete
    )


def checked_settings(parameters: dict[str, Any]) -> Settings:
    """The settings from the flags of a command. Ends the process with one line for each mistake."""
    from gateway.configuration import SettingsError, load_settings

    try:
        return load_settings({name.replace("_", "-"): value for name, value in parameters.items()})
    except SettingsError as error:
        for problem in error.problems:
            echo(f"error: {problem}", err=True)
        sys.exit(Exit.USAGE)
