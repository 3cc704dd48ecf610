"""Documents that people write: what is read, and what is refused before it costs anything."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.documents import MAX_BYTES, DocumentError, read_bounded, read_yaml
from gateway.files import open_regular
from gateway.strict_yaml import MAX_VALUES

ALIASES = "a0: &a0 [x]\n" + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
MERGES = "a0: &a0 {x: 1}\n" + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 12))


def refusal(content: str | bytes) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        read_yaml(content)
    return caught.value


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(ALIASES, id="aliases"),
        pytest.param(MERGES, id="merge-keys"),
        pytest.param("a: &a [*a]", id="a-list-in-itself"),
        pytest.param("&a {b: {c: *a}}", id="a-map-in-itself"),
    ],
)
def test_aliases_that_become_too_much(content: str) -> None:
    """A few lines whose aliases stand for millions of values, or for themselves, are refused with their place."""
    error = refusal(content)
    assert f"it has more than {MAX_VALUES} values, aliases included" in str(error)
    assert error.line > 0


@pytest.mark.parametrize("extra", [-1, 0, 1], ids=["below", "at", "above"])
def test_number_of_values(monkeypatch: pytest.MonkeyPatch, extra: int) -> None:
    """As many values as the limit are read, written out or as aliases; one more is refused."""
    monkeypatch.setattr("gateway.strict_yaml.MAX_VALUES", 100)
    plain = f"[{'x, ' * (99 + extra)}]"  # The list itself is one.
    aliases = f"[&a [x, x, x], {'*a, ' * 23}{'x, ' * (3 + extra)}]"
    for content in (plain, aliases):
        if extra > 0:
            assert "more than 100 values" in str(refusal(content))
        else:
            read_yaml(content)


def test_reading_ends_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands beyond the limit is not read: the place is about where it was reached."""
    monkeypatch.setattr("gateway.strict_yaml.MAX_VALUES", 10)
    error = refusal("- x\n" * 1000)
    assert 10 <= error.line < 20


def test_aliases() -> None:
    """Aliases and merge keys that stand for little are read as YAML has them."""
    assert read_yaml("a: &a {x: 1}\nb: {<<: *a, y: 2}\nc: [*a, *a]") == {
        "a": {"x": 1},
        "b": {"x": 1, "y": 2},
        "c": [{"x": 1}, {"x": 1}],
    }


@pytest.mark.parametrize("extra", [-1, 0, 1], ids=["below", "at", "above"])
def test_size(tmp_path: Path, extra: int) -> None:
    """A document may be as large as the limit, from a file as from memory; one byte more is refused."""
    content = b"x" * (MAX_BYTES + extra)
    path = tmp_path / "document"
    path.write_bytes(content)
    if extra > 0:
        assert str(refusal(content)) == f"it is larger than {MAX_BYTES} bytes"
        with pytest.raises(DocumentError, match=f"it is larger than {MAX_BYTES} bytes"):
            read_bounded(path)
    else:
        assert read_yaml(read_bounded(path)) == content.decode()


@pytest.mark.parametrize(("digits", "fits"), [(99, True), (100, True), (101, False)], ids=["below", "at", "above"])
def test_long_numbers(digits: int, fits: bool) -> None:
    """A number of more than 100 digits is refused; a text of digits may be longer."""
    if fits:
        assert read_yaml("1" * digits) == int("1" * digits)
    else:
        assert "not a valid number or date" in str(refusal("1" * digits))
    assert read_yaml(f"'{'1' * digits}'") == "1" * digits


@pytest.mark.parametrize("content", ["1:" * 100_000 + "1", "1:" * 20 + "1.5" + "0" * 400, "2001-99-99", "!!int x"])
def test_numbers_and_dates_that_there_are_not(content: str) -> None:
    """What only looks like a number or a date, or would take long to work out, is refused with a sentence."""
    assert "not a valid number or date; put quotes around a string of this form" in str(refusal(content))


@pytest.mark.parametrize("kind", ["device", "directory", "pipe"])
def test_other_kinds_of_files(tmp_path: Path, kind: str) -> None:
    """What is not a regular file is refused at once: a device has no end, and a pipe may have no beginning."""
    path = {"device": Path("/dev/zero"), "directory": tmp_path, "pipe": tmp_path / "pipe"}[kind]
    if kind == "pipe":
        os.mkfifo(path)
    problem = "it is a directory, not a file" if kind == "directory" else "it is not a regular file"
    for reads, error in ((open_regular, ValueError), (read_bounded, DocumentError)):
        with pytest.raises(error, match=problem):
            reads(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A file that is missing is an OSError, as for anybody who opens it."""
    with pytest.raises(FileNotFoundError):
        read_bounded(tmp_path / "nowhere")


def test_place() -> None:
    """The sentence has the line, and line and column are told apart, from 1."""
    error = refusal("a: 1\nb: [")
    assert (error.line, error.column) == (2, 5)
    assert str(error).startswith("line 2: it is not valid YAML: ")
    assert error.text.startswith("it is not valid YAML: ")
