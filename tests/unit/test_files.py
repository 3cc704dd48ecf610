"""Files that change while the gateway runs."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway import files
from gateway.files import MAX_BYTES, ReloadedFile, look_at_files, open_regular

STAYS = " changed but cannot be used; the old content stays in use: "


def parse(content: bytes) -> int:
    try:
        return int(content)
    except ValueError:
        raise ValueError("it takes a number") from None


@pytest.fixture
def nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that looks at files leaves those of the test alone."""
    monkeypatch.setattr(files, "_watch", lambda file: None)


@pytest.fixture
def file(tmp_path: Path, nobody_looks: None) -> ReloadedFile[int]:
    (tmp_path / "value").write_text("1")
    return ReloadedFile(tmp_path / "value", parse)


@pytest.fixture
def problems(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """What was reported of a file so far, without its name."""
    found: list[str] = []

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.levelno >= logging.ERROR:
                found.append(record.getMessage().partition(STAYS)[2])

    handler = Handler()
    logging.getLogger("gateway.files").addHandler(handler)
    yield found
    logging.getLogger("gateway.files").removeHandler(handler)


def replace(file: ReloadedFile[int], text: str) -> None:
    """Puts a new file in the old one's place, as Kubernetes does."""
    new = file.path.with_suffix(".new")
    new.write_text(text)
    new.replace(file.path)


def looked_at(file: ReloadedFile[int], times: int = 1) -> int:
    for _ in range(times):
        file.look()
    return file.current()


def test_new_content(file: ReloadedFile[int]) -> None:
    """A new content is in use as soon as the file was looked at."""
    replace(file, "2")
    assert file.current() == 1
    assert looked_at(file) == 2


def test_files_are_looked_at(tmp_path: Path) -> None:
    """A file that changes is noticed without anybody asking for it: by a thread, so that no call waits for a disk."""
    (tmp_path / "value").write_text("1")
    noticed, looked_by = threading.Event(), []

    def parse_and_tell(content: bytes) -> int:
        looked_by.append(threading.current_thread())
        if content == b"2":
            noticed.set()
        return int(content)

    file = ReloadedFile(tmp_path / "value", parse_and_tell)
    replace(file, "2")
    look_at_files()
    assert noticed.wait(30)
    assert looked_by[0] is threading.current_thread()
    assert looked_by[1].name == "files"
    with file._lock:  # Until the value is taken.
        assert file.current() == 2


def test_a_file_that_nobody_uses(tmp_path: Path) -> None:
    """A file that nobody asks for any more is looked at no more."""
    (tmp_path / "value").write_text("1")
    file = ReloadedFile(tmp_path / "value", parse)
    assert file in files._files
    before = len(files._files)
    del file
    end = time.monotonic() + 30
    while len(files._files) >= before and time.monotonic() < end:
        look_at_files()
    assert len(files._files) < before


def test_broken_content(file: ReloadedFile[int], problems: list[str]) -> None:
    """A content that cannot be used leaves the old one in use, and is reported once."""
    replace(file, "two")
    assert looked_at(file, times=3) == 1
    assert problems == ["it takes a number"]
    replace(file, "1")
    assert looked_at(file) == 1
    replace(file, "3")
    assert looked_at(file) == 3


def test_an_unforeseen_error(tmp_path: Path, nobody_looks: None, problems: list[str]) -> None:
    """Whatever a content does to its parser, the next one is looked at; the error's own text may hold anything."""

    def parse_oddly(content: bytes) -> int:
        return {b"1": 1, b"2": 2}[content]

    (tmp_path / "value").write_text("1")
    file = ReloadedFile(tmp_path / "value", parse_oddly)
    replace(file, "secret")
    assert looked_at(file, times=2) == 1
    assert problems == ["KeyError"]
    replace(file, "2")
    assert looked_at(file) == 2


def test_missing_file(file: ReloadedFile[int], problems: list[str]) -> None:
    """A file that is gone leaves its content in use until it is there again, and is reported each time."""
    for number in (4, 5):
        file.path.unlink()
        before = file.current()
        assert looked_at(file, times=2) == before
        file.path.write_text(str(number))
        assert looked_at(file) == number
    assert problems == ["it cannot be read: No such file or directory"] * 2


@pytest.mark.parametrize("how", ["in place", "replaced"])
def test_a_change_that_keeps_size_and_time(file: ReloadedFile[int], how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A change is noticed although size and time of modification are the old ones, as after `cp -p` or `rsync -t`."""
    monkeypatch.setattr(time, "time", lambda: file.path.stat().st_ctime + 60)  # It has not changed for long.
    assert looked_at(file) == 1
    before = file.path.stat()
    if how == "in place":
        file.path.write_text("2")
    else:
        replace(file, "2")
    os.utime(file.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert looked_at(file) == 2


def test_changes_within_one_tick(file: ReloadedFile[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was changed a moment ago is read again: a second change within one tick of the file system's clock
    leaves all times as they are. One that has rested is not."""
    status = file.path.stat()
    times = status.st_ctime

    class Frozen:
        """A file system whose clock stands still."""

        def __init__(self, path: Path) -> None:
            self.path = path

        def stat(self) -> os.stat_result:
            return status

        def __fspath__(self) -> str:
            return str(self.path)

    monkeypatch.setattr(os, "fstat", lambda descriptor: status)
    path = file.path
    file.path = Frozen(path)  # type: ignore[assignment]
    monkeypatch.setattr(time, "time", lambda: times + 0.9)
    path.write_text("2")
    assert looked_at(file) == 2
    path.write_text("3")
    assert looked_at(file) == 3
    monkeypatch.setattr(time, "time", lambda: times + 1.0)
    path.write_text("4")
    assert looked_at(file) == 4
    path.write_text("5")
    assert looked_at(file) == 4


def test_a_fifo(file: ReloadedFile[int], problems: list[str]) -> None:
    """A file that became a FIFO is not read, and blocks nobody, whether somebody writes into it or not."""
    file.path.unlink()
    os.mkfifo(file.path)
    assert looked_at(file, times=2) == 1
    writer = os.open(file.path, os.O_RDWR)
    assert looked_at(file, times=2) == 1
    os.close(writer)
    assert problems == ["it is not a regular file"]
    file.path.unlink()
    file.path.write_text("2")
    assert looked_at(file) == 2


@pytest.mark.parametrize(
    ("size", "problem"), [(MAX_BYTES - 1, ""), (MAX_BYTES, ""), (MAX_BYTES + 1, "it has more than 1048576 bytes")]
)
def test_size(file: ReloadedFile[int], problems: list[str], size: int, problem: str) -> None:
    """A file is read up to a size; one that is larger is not, however large."""
    file.path.write_text(" " * (size - 1) + "2")
    assert looked_at(file, times=2) == (1 if problem else 2)
    assert problems == ([problem] if problem else [])


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        pytest.param("none", "it cannot be read: No such file", id="missing"),
        pytest.param(".", "it is a directory", id="folder"),
        pytest.param("/dev/zero", "it is not a regular file", id="device"),
        pytest.param("fifo", "it is not a regular file", id="fifo"),
    ],
)
def test_first_reading(tmp_path: Path, path: str, problem: str) -> None:
    """The first reading has to succeed."""
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(ValueError, match=problem):
        ReloadedFile(tmp_path / path, parse)


def test_a_file_that_is_exchanged_while_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was a regular file when it was looked at and is none when it is open is not read."""
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "file").write_text("1")
    regular = (tmp_path / "file").stat()
    monkeypatch.setattr(Path, "stat", lambda self: regular)
    with pytest.raises(ValueError, match="not a regular file"):
        open_regular(tmp_path / "fifo")
