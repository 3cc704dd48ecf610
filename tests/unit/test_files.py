"""Files that change while the gateway runs."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from gateway.files import ReloadedFile


class Clock:
    """Stands still until it is moved."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def parse(content: bytes) -> int:
    try:
        return int(content)
    except ValueError:
        raise ValueError("it takes a number") from None


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def file(tmp_path: Path, clock: Clock) -> ReloadedFile[int]:
    (tmp_path / "value").write_text("1")
    return ReloadedFile(tmp_path / "value", parse, clock=clock)


def replace(file: ReloadedFile[int], text: str) -> None:
    """Puts a new file in the old one's place, as Kubernetes does."""
    new = file.path.with_suffix(".new")
    new.write_text(text)
    new.replace(file.path)


def test_new_content(file: ReloadedFile[int], clock: Clock) -> None:
    """A new content is in use a second later at the latest."""
    assert file.current() == 1
    replace(file, "2")
    clock.now += 0.9
    assert file.current() == 1
    clock.now += 0.1
    assert (file.current(), file.generation) == (2, 2)


def test_broken_content(file: ReloadedFile[int], clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """A content that cannot be used leaves the old one in use, and is reported once."""
    replace(file, "two")
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            clock.now += 1
            assert file.current() == 1
    assert [record.getMessage().partition(" changed")[2] for record in caplog.records] == [
        " and cannot be used, the old content stays in use: it takes a number"
    ]
    replace(file, "3")
    clock.now += 1
    assert file.current() == 3


def test_missing_file(file: ReloadedFile[int], clock: Clock) -> None:
    """A file that is gone leaves its content in use until it is there again."""
    file.path.unlink()
    clock.now += 1
    assert file.current() == 1
    file.path.write_text("4")
    clock.now += 1
    assert file.current() == 4


@pytest.mark.parametrize(("name", "problem"), [("none", "No such file"), (".", "directory")], ids=["missing", "folder"])
def test_first_reading(tmp_path: Path, name: str, problem: str) -> None:
    """The first reading has to succeed."""
    with pytest.raises(ValueError, match=problem):
        ReloadedFile(tmp_path / name, parse)
