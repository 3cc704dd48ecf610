"""What commands write, and how they end: the parts of the command line that scripts program against."""

from __future__ import annotations

import enum
import json
import shutil
import textwrap
import unicodedata
from collections.abc import Sequence
from typing import Any

import click

from gateway.printable import escaped, escaped_json

__all__ = ["Exit", "echo", "echo_json", "print_table", "wrapped"]

_MOST, _LEAST = 110, 40


class Exit(enum.IntEnum):
    """How a command ended."""

    OK = 0
    FAILED = 1
    """The call was answered with an error, a check failed, or the server did not start."""
    USAGE = 2
    """The command line, the configuration or the request is wrong; nothing was called."""
    UNREACHABLE = 3
    """Gateway or vCenter cannot be reached, or its certificate is not trusted; nothing was executed."""
    IDENTITY = 4
    """No credentials were given, or they were refused."""
    TIMEOUT = 5
    """There was no answer within the deadline."""
    SOME_FAILED = 6
    """Of many requests some were answered with an error."""
    INTERRUPTED = 130
    """Ctrl-C, as shells number it. A change that was under way may have been executed."""


def echo(text: str, *, styled: str = "", err: bool = False) -> None:
    """Writes lines for people. What others wrote in them cannot command the terminal; `styled`, in front, is ours."""
    click.echo(styled + escaped(text), err=err)


def echo_json(content: Any) -> None:
    """Writes a value, or a text that is JSON already, for scripts: with its exact content, in ASCII."""
    click.echo(escaped_json(content if isinstance(content, str) else json.dumps(content, indent=2)))


def wrapped(text: str, first: str, rest: str) -> str:
    """A text in lines that fit the terminal, within bounds; `first` begins the first line and `rest` the others."""
    width = max(_LEAST, min(_MOST, shutil.get_terminal_size((_MOST, 24)).columns))
    return textwrap.fill(text, width, initial_indent=first, subsequent_indent=rest)


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]], *, width: int | None = None) -> None:
    """Writes aligned columns. With a `width`, no line is longer, and what is cut off ends in `…`.

    What others wrote in the cells cannot command the terminal.
    """
    lines = [[escaped(cell).replace("\n", "\\n").replace("\t", " ") for cell in row] for row in (header, *rows)]
    sizes = [max(map(_columns, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        cells = [cell + " " * (size - _columns(cell)) for cell, size in zip(line, sizes, strict=True)]
        click.echo(_cut("  ".join(cells).rstrip(), width))


def _columns(text: str) -> int:
    """How many columns of a terminal a text takes: letters of East Asia are two wide, and what combines has none."""
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
