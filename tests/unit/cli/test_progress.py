"""Progress: lines elsewhere than on a terminal, no more of them than somebody would read."""

from __future__ import annotations

import re
import time

import pytest

from gateway.cli import progress
from gateway.cli.progress import Progress


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """There is a line for each change of the state and each quarter of the work."""
    with Progress("copy") as shown:
        shown.show(None, "queued")
        for percent in range(101):
            shown.show(percent / 100, "running")
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.splitlines() == [
        "copy: queued",
        "copy: running 0%",
        "copy: running 25%",
        "copy: running 50%",
        "copy: running 75%",
        "copy: running 100%",
    ]


def test_patience(capsys: pytest.CaptureFixture[str]) -> None:
    """What is done soon says nothing."""
    with Progress("copy", patience=60) as shown:
        shown.show(0.5, "running")
    assert capsys.readouterr().err == ""


def test_long_work_without_news(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Work of which nothing is heard says now and then that it still goes on, and nothing once it has ended."""
    monkeypatch.setattr(progress, "_LINE_SECONDS", 0.01)
    told = ""
    with Progress("WaitForVm"):
        end = time.monotonic() + 10
        while told.count("\n") < 2 and time.monotonic() < end:
            told += capsys.readouterr().err
    assert re.match(r"(WaitForVm: 0:\d\d\n){2}", told)
    capsys.readouterr()
    assert capsys.readouterr().err == ""
