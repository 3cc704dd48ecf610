"""The flags of the settings, for the commands that have them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

import click
from click.shell_completion import CompletionItem

from gateway.cli.name_completion import complete_file
from gateway.cli.output import Exit, echo
from gateway.configuration import SettingsError, load_settings
from gateway.settings import Setting, Settings, all_settings

__all__ = ["SettingsCommand", "checked_settings", "config_option", "settings_options"]

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


class SettingsCommand(click.Command):
    """A command whose help has the main options first, and the others by the section of the settings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        sections = {setting.name: setting.section.partition(".")[0] for setting in all_settings()}
        titles = {name: f"{_TITLES[section]} options" for name, section in sections.items()}
        groups: dict[str, list[tuple[str, str]]] = {"Options": []}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            name = (parameter.name or "").replace("_", "-")
            title = "Options" if name in _MAIN else titles.get(name, "Options")
            groups.setdefault(title, []).append(record)
        for title, records in groups.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def settings_options(choose: Callable[[Setting], bool] = lambda setting: True) -> Callable[[Any], Any]:
    """Adds a flag for each of the chosen settings to a command.

    The flags take any text: `checked_settings` checks values, wherever they come from, in the same way.
    """

    def decorate(function: Any) -> Any:
        options = [_option(setting) for setting in all_settings() if choose(setting)]
        options.sort(key=lambda option: _rank((option.name or "").replace("_", "-")))
        function.__click_params__ = [*getattr(function, "__click_params__", []), *reversed(options)]
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


def _option(setting: Setting) -> click.Option:
    name = setting.name
    default = f" [default: {setting.default}]" if setting.default and not setting.is_switch else ""
    text = f"{setting.description}{default}"
    if setting.is_switch:
        return click.Option([f"--{name}/--no-{name}"], default=None, help=text)
    return click.Option(
        [f"--{name}"],
        metavar=_metavar(setting),
        help=text,
        shell_complete=lambda _ctx, _parameter, incomplete: _completions(setting, incomplete),
    )


def _completions(setting: Setting, incomplete: str) -> list[CompletionItem]:
    if _metavar(setting) == "FILE":
        return [CompletionItem(incomplete, type="file")]
    return [CompletionItem(choice) for choice in _choices(setting) if choice.startswith(incomplete)]


def _metavar(setting: Setting) -> str:
    takes = setting.takes
    for word, metavar in (("HOST:PORT", "HOST:PORT"), ("https://", "URL"), ("file", "FILE"), ("size", "SIZE")):
        if word in takes:
            return metavar
    if takes.startswith("seconds"):
        return "SECONDS"
    return "NUMBER" if "number" in takes else "|".join(_choices(setting)) or "TEXT"


def _choices(setting: Setting) -> Sequence[str]:
    return getattr(setting.info.annotation, "__args__", ()) if "Literal" in str(setting.info.annotation) else ()


def checked_settings(parameters: dict[str, Any]) -> Settings:
    """The settings for the flags of a command. Ends the process with one line for each mistake."""
    try:
        return load_settings({name.replace("_", "-"): value for name, value in parameters.items()})
    except SettingsError as error:
        for problem in error.problems:
            echo(f"error: {problem}", err=True)
        sys.exit(Exit.USAGE)
