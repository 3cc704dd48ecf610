"""Parameter types that several commands use: lengths of time, formats of output, addresses."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from gateway.address import DEFAULT_LISTEN, checked_url, split_address

__all__ = ["FORMATS", "Seconds", "complete_file", "host_and_port", "output_option", "vcenter_url"]

FORMATS = ("table", "json", "yaml", "name")
F = TypeVar("F", bound=Callable[..., Any])
_YEAR = 366 * 86400.0


def output_option(default: str) -> Callable[[F], F]:
    """Adds `--output` to a command."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(FORMATS),
        default=default,
        show_default=True,
        help="Output format; `name` prints only names.",
    )


def complete_file(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Lets the shell complete the name of a file."""
    return [CompletionItem(incomplete, type="file")]


def host_and_port(option: str, text: str) -> tuple[str, int]:
    """The two parts of an option's value. Raises click.UsageError."""
    try:
        return split_address(text)
    except ValueError:
        raise click.UsageError(f"{option} takes HOST:PORT, for example {DEFAULT_LISTEN}, not {text!r}") from None


def vcenter_url(text: str) -> str:
    """The value of `--vcenter` in normalized form. Raises click.UsageError."""
    try:
        return checked_url(text)
    except ValueError as error:
        # The text before an @ may be a password.
        problem = "--vcenter takes scheme, host and port alone; say who you are with --user"
        raise click.UsageError(problem if "@" in text else str(error)) from None


class Seconds(click.FloatRange):
    """A number of seconds up to a year. Infinity and NaN are invalid: they would end a wait immediately, or never."""

    name = "number of seconds"

    def __init__(self, *, more_than_0: bool = False) -> None:
        super().__init__(min=0, max=_YEAR, min_open=more_than_0)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return "SECONDS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        seconds: float = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a valid {self.name}.", param, ctx)
        return seconds
