"""What commands write, and how they end: the interface that scripts rely on."""

from __future__ import annotations

import enum
import json
import shutil
import textwrap
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import click

from gateway.printable import escaped, escaped_json

__all__ = ["Exit", "echo", "echo_data", "echo_json", "listed", "print_table", "wrapped"]

_MOST, _LEAST = 110, 40


class Exit(enum.IntEnum):
    """The exit code of a command."""

    OK = 0
    FAILED = 1
    """The call failed, a check failed, or the server did not start."""
    USAGE = 2
    """The command line, the configuration or the request is invalid; nothing was called."""
    UNREACHABLE = 3
    """The gateway or vCenter cannot be reached, or its certificate is not trusted; nothing was executed."""
    IDENTITY = 4
    """Credentials are missing, or were rejected."""
    TIMEOUT = 5
    """There was no response before the deadline."""
    SOME_FAILED = 6
    """Some of many requests failed."""
    INTERRUPTED = 130
    """Ctrl-C, with the number that shells use. A change that was in progress may have been executed."""


def echo(text: str, *, styled: str = "", err: bool = False) -> None:
    """Writes lines for people. Escapes control characters in `text`, which others may have written; `styled`, in front
    of it, is written unchanged."""
    click.echo(styled + escaped(text), err=err)


def echo_json(content: Any) -> None:
    """Writes a value, or a text that is already JSON, for scripts: with its exact content, in ASCII."""
    click.echo(escaped_json(content if isinstance(content, str) else json.dumps(content, indent=2)))


def echo_data(content: Any, output: str) -> None:
    """Writes a value as `json` or `yaml`."""
    if output == "json":
        echo_json(content)
        return
    import yaml

    click.echo(yaml.safe_dump(content, sort_keys=False), nl=False)


def listed(texts: Iterable[str], most: int) -> str:
    """The first texts of a list, and how many others there are."""
    texts = list(texts)
    more = len(texts) - most
    return ", ".join(texts[:most]) + (f" and {more} more" if more > 0 else "")


def wrapped(text: str, first: str, rest: str) -> str:
    """A text wrapped to the width of the terminal, within bounds; `first` begins the first line and `rest` the
    others."""
    width = max(_LEAST, min(_MOST, shutil.get_terminal_size((_MOST, 24)).columns))
    return textwrap.fill(text, width, initial_indent=first, subsequent_indent=rest)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None = None) -> None:
    """Writes aligned columns. With a `width`, no line is longer, and text that is cut off ends in `…`.

    Control characters in cells are escaped, because others may have written them.
    """
    lines = [[escaped(cell).replace("\n", "\\n").replace("\t", " ") for cell in row] for row in (header, *rows)]
    sizes = [max(map(_columns, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [cell + " " * (size - _columns(cell)) for cell, size in zip(line, sizes, strict=True)]
        click.echo(_cut("  ".join(cells).rstrip(), width))


def _columns(text: str) -> int:
    """How many terminal columns a text needs: East Asian wide characters need two, combining characters none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )


def _cut(text: str, width: int | None) -> str:
    if width is None or _columns(text) <= width:
        return text
    while _columns(text) >= width and text:
        text = text[:-1]
    return f"{text}…"
