"""What commands write: nothing that others wrote commands a terminal, and JSON keeps its content."""

from __future__ import annotations

import json

import pytest

from gateway.cli.check import _print
from gateway.cli.output import echo, echo_json, wrapped
from gateway.cli.steps import State, Step

EVIL = "\x1b[2J\x9b2J\u202e\x7f"
SHOWN = r"\x1b[2J\x9b2J\u202e\x7f"


def test_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """Lines for people show control characters written out, on both outputs; what is ours keeps its style."""
    echo(f"a\n{EVIL}", styled="OK")
    echo(EVIL, err=True)
    shown = capsys.readouterr()
    assert (shown.out, shown.err) == (f"OKa\n{SHOWN}\n", f"{SHOWN}\n")


@pytest.mark.parametrize("content", [{"text": EVIL}, json.dumps({"text": EVIL}, ensure_ascii=False)])
def test_json(capsys: pytest.CaptureFixture[str], content: object) -> None:
    """JSON, from a value or from a text, has no character that a terminal would obey, and the same content."""
    echo_json(content)
    shown = capsys.readouterr().out
    assert json.loads(shown) == {"text": EVIL}
    assert all(character.isprintable() or character == "\n" for character in shown)


def test_steps(capsys: pytest.CaptureFixture[str]) -> None:
    """A step of check shows names in certificates and vCenter's words written out."""
    _print(Step("TLS", State.WARNING, f"certificate for {EVIL}", f"see {EVIL}"))
    assert capsys.readouterr().out.count(SHOWN) == 2


@pytest.mark.parametrize(("columns", "width"), [(39, 40), (40, 40), (41, 41), (110, 110), (111, 110)])
def test_width(monkeypatch: pytest.MonkeyPatch, columns: int, width: int) -> None:
    """Texts are as wide as the terminal, from 40 columns to 110."""
    monkeypatch.setenv("COLUMNS", str(columns))
    assert max(map(len, wrapped("x" * 500, "- ", "  ").splitlines())) == width
