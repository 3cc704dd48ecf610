"""The audit log while its disk hangs."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from gateway.access import AuditFile, AuditQueue


class HangingFile(AuditFile):
    """Writes nothing until it is let go, as on a file server that is away."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.go_on = threading.Event()
        self.writing = threading.Event()

    def write(self, fields: Mapping[str, object], time: str | None = None) -> bool:
        self.writing.set()
        self.go_on.wait()
        return super().write(fields, time)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


@pytest.fixture
def file(path: Path) -> Iterator[HangingFile]:
    file = HangingFile(str(path))
    yield file
    file.go_on.set()


def numbers(path: Path) -> list[int]:
    return [json.loads(line)["n"] for line in path.read_text().splitlines()]


def test_order(path: Path) -> None:
    """Records are written as they come, and all of them before the end."""
    queue = AuditQueue(AuditFile(str(path)))
    written = [queue.write({"n": number}) for number in range(1000)]
    queue.close()
    assert numbers(path) == list(range(1000))
    assert all(one.result(0) for one in written)


def test_nothing_to_write(path: Path) -> None:
    """It can be closed."""
    AuditQueue(AuditFile(str(path))).close()
    assert numbers(path) == []


def test_a_disk_that_hangs(path: Path, file: HangingFile, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody waits for it. Records that find no room are lost, which is said once; all others are written when the disk
    is back, with the time at which they came."""
    queue = AuditQueue(file, most=3)
    first = queue.write({"n": 0})
    assert file.writing.wait(10)
    waiting = [queue.write({"n": number}) for number in (1, 2, 3)]
    lost = [queue.write({"n": number}) for number in (4, 5)]
    assert [one.result(0) for one in lost] == [False, False]
    assert not any(one.done() for one in (first, *waiting))
    full = f"the audit log {path} does not accept records: 3 are waiting"
    assert [record.getMessage() for record in caplog.records] == [full]
    came = AuditFile.now()
    while AuditFile.now() == came:
        time.sleep(0.001)
    file.go_on.set()
    queue.close()
    assert numbers(path) == [0, 1, 2, 3]
    assert all(json.loads(line)["time"] <= came for line in path.read_text().splitlines())


def test_room_again(path: Path, file: HangingFile, caplog: pytest.LogCaptureFixture) -> None:
    """After a disk was back, the next hang is said again."""
    queue = AuditQueue(file, most=1)
    for _ in range(2):
        first = queue.write({"n": 0})
        assert file.writing.wait(10)
        last = queue.write({"n": 1})
        assert queue.write({"n": 2}).result(0) is False
        file.go_on.set()
        assert (first.result(10), last.result(10)) == (True, True)
        file.go_on.clear()
        file.writing.clear()
    assert len(caplog.records) == 2
    file.go_on.set()
    queue.close()


def test_reopen(path: Path) -> None:
    """What came before a rotation is in the old file, and what comes after it in the new one."""
    queue = AuditQueue(AuditFile(str(path)))
    queue.write({"n": 1}).result(10)
    old = path.rename(path.with_name("old"))
    queue.reopen()
    queue.write({"n": 2})
    queue.close()
    assert (numbers(old), numbers(path)) == ([1], [2])


def test_a_stop_while_the_disk_hangs(file: HangingFile, caplog: pytest.LogCaptureFixture) -> None:
    """It is not held up for longer than it may be."""
    caplog.set_level(logging.ERROR)
    queue = AuditQueue(file)
    queue.write({"n": 1})
    assert file.writing.wait(10)
    queue.close(0.1)
    assert "could not write its last records" in caplog.text
