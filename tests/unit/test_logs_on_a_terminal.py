"""Log lines on a terminal: what others wrote in them commands nothing."""

from __future__ import annotations

import io
import json
import logging

import pytest

from gateway.logs import call_logger, configure_logs
from gateway.printable import escaped
from gateway.server import CallRecord
from gateway.settings import LogSettings

EVIL = "\x1b]52;c;aGk=\x07\x9b2J\u202e"
SHOWN = r"\x1b]52;c;aGk=\x07\x9b2J\u202e"


class Terminal(io.StringIO):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def lines(stream: io.StringIO, form: str) -> list[str]:
    """What is written about a message, a value of it, and a call, each with an escape sequence in it."""
    configure_logs(LogSettings.model_validate({"format": form}), stream)
    logging.getLogger("test").warning("said: %s", EVIL)
    logging.getLogger("test").warning("said", extra={"text": EVIL, "texts": [EVIL]})
    call_logger()(CallRecord("a.B/C", "UNKNOWN", EVIL, 0.1, "r-1"))
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_console(monkeypatch: pytest.MonkeyPatch, stream: type[io.StringIO]) -> None:
    """In the form for people, each line shows what it holds written out."""
    monkeypatch.setenv("NO_COLOR", "1")
    found = lines(stream(), "console")
    assert len(found) == 3
    assert all(SHOWN in line.replace("\\\\", "\\") and escaped(line) == line for line in found)


def test_json_on_a_terminal() -> None:
    """JSON on a terminal keeps its content, with the characters that a terminal would obey written as JSON has them."""
    found = lines(Terminal(), "json")
    assert all(escaped(line) == line for line in found)
    message, values, call = map(json.loads, found)
    assert message["event"] == f"said: {EVIL}"
    assert (values["text"], values["texts"]) == (EVIL, [EVIL])
    assert call["reason"] == EVIL


def test_json_elsewhere() -> None:
    """JSON in a file or a pipe is written as it always was."""
    found = lines(io.StringIO(), "json")
    assert [line for line in found if "\u202e" not in line] == []
    assert json.loads(found[0])["event"] == f"said: {EVIL}"
