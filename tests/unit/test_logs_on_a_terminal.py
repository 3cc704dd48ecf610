"""Log lines on a terminal: what others wrote in them commands nothing."""

from __future__ import annotations

import io
import json
import logging

import pytest

from gateway.contract import load_contract
from gateway.errors import Failure
from gateway.event_log import EventLog
from gateway.events import CallEnded
from gateway.logs import configure_logs
from gateway.printable import escaped
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
    method = load_contract().methods["vcenter.v1.VmService/ListVms"]
    EventLog().call_ended(CallEnded(method, "r-1", "ipv4:192.0.2.7:40312", 0.1, Failure(2, EVIL, EVIL)))
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
