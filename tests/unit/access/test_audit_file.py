"""The file of the audit log: full disks, half lines, files that are moved."""

from __future__ import annotations

import json
import logging
import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.access import AuditFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


@pytest.fixture
def file(path: Path) -> Iterator[AuditFile]:
    file = AuditFile(str(path))
    yield file
    file.close()


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """The kernel lets files grow to this size, and then behaves as with a full disk: the write that passes it writes a
    part, the next one fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def numbers(path: Path) -> list[int | str]:
    """The numbers of the records, and what else there is as it is. A line is a line only with its end."""
    text = path.read_text()
    assert text.endswith("\n") or not text
    return [json.loads(line)["n"] if line.endswith("}") else line for line in text.splitlines()]


def test_records(path: Path, file: AuditFile) -> None:
    """A record is a line of JSON that begins with the time; the file is its owner's."""
    assert file.write({"n": 1, "event": "change_started"})
    assert file.write({"n": 2})
    assert numbers(path) == [1, 2]
    assert list(json.loads(path.read_text().splitlines()[0])) == ["time", "n", "event"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert file.lost == 0


def test_a_new_process_appends(path: Path, file: AuditFile) -> None:
    """What is there stays there."""
    file.write({"n": 1})
    other = AuditFile(str(path))
    other.write({"n": 2})
    other.close()
    file.write({"n": 3})
    assert numbers(path) == [1, 2, 3]


def test_a_full_disk(path: Path, file: AuditFile, caplog: pytest.LogCaptureFixture) -> None:
    """A record that does not fit is lost and counted; the next one that does begins a line of its own."""
    caplog.set_level(logging.WARNING)
    file.write({"n": 1})
    size = path.stat().st_size
    with largest_file(size + 10):
        assert not file.write({"n": 2})
        assert not file.write({"n": 3})
        assert file.lost == 2
        assert path.stat().st_size == size + 10
    assert file.write({"n": 4})
    assert file.lost == 2
    with largest_file(path.stat().st_size):
        assert not file.write({"n": 5})
    assert file.write({"n": 6})
    assert numbers(path) == [1, '{"time":"2', 4, 6]
    assert [record.getMessage().partition(f"{path} ")[2] for record in caplog.records] == [
        "cannot be written: File too large",
        "can be written again; 2 records were lost",
        "cannot be written: File too large",
        "can be written again; 1 records were lost",
    ]


def test_the_last_byte_does_not_fit(path: Path, file: AuditFile) -> None:
    """A record without its line's end is not whole either: the next one would be glued to it."""
    file.write({"n": 1})
    size = path.stat().st_size
    with largest_file(2 * size - 1):
        assert not file.write({"n": 2})
    with largest_file(3 * size):
        assert file.write({"n": 3})
    assert numbers(path) == [1, 2, 3]
    assert file.lost == 1


def test_room_that_comes_in_the_middle(path: Path, file: AuditFile, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that broke off is written again as a whole when there is room again at once."""
    written: list[bytes] = []
    write = os.write

    def short_once(descriptor: int, data: bytes) -> int:
        written.append(data)
        return write(descriptor, data[:10] if len(written) == 1 else data)

    monkeypatch.setattr(os, "write", short_once)
    assert file.write({"n": 1})
    assert numbers(path) == ['{"time":"2', 1]
    assert file.lost == 0


def test_half_a_line_of_another_process(path: Path) -> None:
    """A line that another worker, or one of before, could not finish swallows none of ours."""
    path.write_text('{"half')
    file = AuditFile(str(path))
    file.write({"n": 1})
    with path.open("a") as other:
        other.write('{"half')
    file.write({"n": 2})
    file.close()
    assert numbers(path) == ['{"half', 1, '{"half', 2]


@pytest.mark.parametrize("how", ["moved", "removed", "replaced"])
def test_a_file_that_is_taken_away(path: Path, file: AuditFile, how: str) -> None:
    """A file that was moved or removed is not written on: the next record is at the path."""
    file.write({"n": 1})
    moved = path.with_suffix(".1")
    if how == "removed":
        path.unlink()
    else:
        path.rename(moved)
    if how == "replaced":
        path.touch(0o640)
    file.write({"n": 2})
    file.write({"n": 3})
    assert numbers(path) == [2, 3]
    if how != "removed":
        assert numbers(moved) == [1]
    assert stat.S_IMODE(path.stat().st_mode) == (0o640 if how == "replaced" else 0o600)
    assert len(_open_files(path.parent)) == 1


def test_a_folder_that_is_taken_away(tmp_path: Path) -> None:
    """While the file can be made nowhere, records are lost and counted; when it can, they are written again."""
    folder = tmp_path / "logs"
    folder.mkdir()
    file = AuditFile(str(folder / "audit.log"))
    folder.rename(tmp_path / "away")
    assert not file.write({"n": 1})
    assert file.lost == 1
    folder.mkdir()
    assert file.write({"n": 2})
    assert numbers(folder / "audit.log") == [2]
    file.close()


def test_reopen(path: Path, file: AuditFile) -> None:
    """It opens the path anew, and leaves nothing open."""
    file.write({"n": 1})
    path.rename(path.with_suffix(".1"))
    file.reopen()
    assert numbers(path) == []
    file.write({"n": 2})
    assert numbers(path) == [2]
    assert len(_open_files(path.parent)) == 1


def test_reopen_in_vain(path: Path, file: AuditFile, caplog: pytest.LogCaptureFixture) -> None:
    """Where the path cannot be opened, that is said, and the next record tries again."""
    path.unlink()
    path.mkdir()
    file.reopen()
    assert "cannot be written: Is a directory" in caplog.text
    assert not file.write({"n": 1})
    path.rmdir()
    assert file.write({"n": 2})
    assert (numbers(path), file.lost) == ([2], 1)


def test_a_fifo(path: Path) -> None:
    """Nothing waits for the reader of a FIFO: without one it cannot be opened, and what it has no room for is lost."""
    os.mkfifo(path)
    with pytest.raises(OSError, match="No such device"):
        AuditFile(str(path))
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    file = AuditFile(str(path))
    assert file.write({"n": 1})
    while file.write({"n": 2, "text": "x" * 1000}):
        pass
    assert file.lost == 1
    while _read(reader):
        pass
    assert file.write({"n": 3})
    assert _read(reader).lstrip(b"\n").startswith(b'{"time"')
    os.close(reader)
    file.close()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65536)
    except BlockingIOError:
        return b""


def _open_files(folder: Path) -> list[str]:
    """The files in a folder that this process has open, by name."""
    targets = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            targets.append(os.readlink(link))  # noqa: PTH115 - the text as it is, with `(deleted)`
        except FileNotFoundError:
            continue
    return [target for target in targets if target.startswith(str(folder))]
