"""Progress of long work on standard error: on a terminal one line that is redrawn, otherwise a line from time to
time."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from types import TracebackType
from typing import Self

import click

from gateway.cli.output import echo
from gateway.printable import escaped

__all__ = ["Progress"]

_CLEAR = "\r\x1b[K"
_BAR = 24
_REDRAW_SECONDS = 0.1
_LINE_STEP = 0.25
"""Without a terminal, a line is written each time this share of the work is done."""
_LINE_SECONDS = 30.0
_QUIET_SECONDS = 1.0
"""On a terminal, work that ends within this time shows nothing."""


class Progress:
    """Shows the progress of one piece of work, with its elapsed time. On a terminal, the line is removed at the end;
    otherwise, the lines stay. Used as a context manager; `show` may be called on every change."""

    def __init__(self, title: str, *, patience: float = 0.0) -> None:
        self._title = title
        self._is_terminal = sys.stderr.isatty()
        self._patience = patience
        """Seconds before the first line without a terminal."""
        self._share: float | None = None
        self._text = ""
        self._began = time.monotonic()
        self._last_line, self._last_share, self._last_text = self._began, 0.0, ""
        self._drawn = False
        self._ended = threading.Event()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        threading.Thread(target=self._keep_drawing, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self.clear()

    def show(self, share: float | None, text: str = "") -> None:
        """Sets how much of the work is done, from 0 to 1, None if that is not known, and a short text about it."""
        with self._lock:
            self._share, self._text = share, text
            if not self._is_terminal and time.monotonic() - self._began >= self._patience:
                self._line()

    def clear(self) -> None:
        """Removes the line from the terminal, before anything else is written."""
        with self._lock:
            if self._drawn:
                click.echo(_CLEAR, nl=False, err=True)
                self._drawn = False

    def _line(self) -> None:
        share = self._share or 0.0
        if self._text != self._last_text or share - self._last_share >= _LINE_STEP:
            self._write_line()

    def _write_line(self) -> None:
        self._last_line, self._last_share, self._last_text = time.monotonic(), self._share or 0.0, self._text
        percent = "" if self._share is None else f"{self._share:.0%}"
        echo(f"{self._title}: {' '.join(filter(None, (self._text, percent))) or _clock(self._began)}", err=True)

    def _keep_drawing(self) -> None:
        while not self._ended.wait(_REDRAW_SECONDS if self._is_terminal else _LINE_SECONDS):
            if not self._is_terminal:
                with self._lock:
                    if not self._ended.is_set() and time.monotonic() - self._last_line >= _LINE_SECONDS:
                        self._write_line()
            elif time.monotonic() - self._began >= _QUIET_SECONDS:
                self._draw()

    def _draw(self) -> None:
        with self._lock:
            if self._ended.is_set():
                return
            bar = ""
            if self._share is not None:
                full = round(min(1.0, self._share) * _BAR)
                bar = f"[{'#' * full}{'.' * (_BAR - full)}] {self._share:4.0%} "
            word = f"{self._text} " if self._text else ""
            text = f"{bar}{word}{_clock(self._began)} {self._title}"
            width = shutil.get_terminal_size().columns
            click.echo(f"{_CLEAR}{escaped(text)[: width - 1]}", nl=False, err=True)
            self._drawn = True


def _clock(began: float) -> str:
    """The elapsed time, in minutes and seconds."""
    seconds = int(time.monotonic() - began)
    return f"{seconds // 60}:{seconds % 60:02}"
