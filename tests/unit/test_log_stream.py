"""The stream of the logs: it never makes a writer wait, and says what it had to drop."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.log_stream import LogStream

LINE = "x" * 99 + "\n"


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe's two ends, which are closed in the end whatever is still in it."""
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)


def read_until(reader: int, text: str) -> str:
    """What comes out of a pipe until the text was in it."""
    found = ""
    while text not in found:
        assert select.select([reader], [], [], 20)[0], f"no {text!r} in {found[-500:]!r}"
        found += os.read(reader, 65536).decode()
    return found


def fill(writer: int) -> None:
    """Makes a pipe as full as it can be."""
    os.set_blocking(writer, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(writer, b".")
    os.set_blocking(writer, True)


def test_lines_arrive_in_order(pipe: tuple[int, int]) -> None:
    """Everything that is written arrives, in the order in which it was written."""
    reader, writer = pipe
    stream = LogStream(writer)
    for number in range(300):
        stream.write(f"line {number}\n")
    assert stream.drain(20)
    assert os.read(reader, 65536).decode().splitlines() == [f"line {number}" for number in range(300)]
    assert stream.dropped == 0


def test_nobody_waits(pipe: tuple[int, int], caplog: pytest.LogCaptureFixture) -> None:
    """A pipe that nobody reads makes no writer wait: what fits into the buffer is kept, the rest dropped and counted.
    When it is read again, what was kept arrives, and the log says how many lines are missing."""
    reader, writer = pipe
    fill(writer)
    stream = LogStream(writer, max_bytes=10 * len(LINE))
    for _ in range(2000):  # A stream that waited would never come to the end of it.
        stream.write(LINE)
    assert not stream.drain(0)
    dropped = stream.dropped
    assert dropped > 0
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("gateway.log_stream")
    logger.addHandler(handler)
    try:
        with caplog.at_level(logging.WARNING):
            text = read_until(reader, "log lines were dropped")
    finally:
        logger.removeHandler(handler)
    assert text.count(LINE) == 2000 - dropped
    assert caplog.messages == [f"log lines were dropped, because they could not be written in time: {dropped}"]


@pytest.mark.parametrize(("lines", "dropped"), [(9, 0), (10, 0), (11, 1)], ids=["below", "at", "above"])
def test_the_bound(pipe: tuple[int, int], lines: int, dropped: int) -> None:
    """What waits to be written is bounded in bytes."""
    _, writer = pipe
    stream = LogStream(writer, max_bytes=10 * len(LINE))
    # The thread that writes has something to do that takes for ever, as with a pipe that is full.
    stream._thread = threading.current_thread()
    for _ in range(lines):
        stream.write(LINE)
    assert stream.dropped == dropped


def test_lines_of_processes_do_not_mix(pipe: tuple[int, int]) -> None:
    """Several processes that share a pipe write whole lines, since batches are no larger than what a pipe takes at
    once."""
    reader, writer = pipe
    streams = [LogStream(os.dup(writer)) for _ in range(3)]

    def write(stream: LogStream, letter: str) -> None:
        for _ in range(400):
            stream.write(letter * 150 + "\n")

    threads = [threading.Thread(target=write, args=item) for item in zip(streams, "abc", strict=True)]
    for thread in threads:
        thread.start()
    text = ""
    while text.count("\n") < 1200:
        assert select.select([reader], [], [], 20)[0]
        text += os.read(reader, 65536).decode()
    assert {len(line) for line in text.splitlines()} == {150}
    assert all(len(set(line)) == 1 for line in text.splitlines())


@pytest.mark.parametrize("target", ["/dev/full", "closed"])
def test_what_cannot_be_written(target: str) -> None:
    """A full disk and a reader that is gone cost the lines, and neither an exception nor the thread's time."""
    if target == "closed":
        reader, writer = os.pipe()
        os.close(reader)
    else:
        writer = os.open(target, os.O_WRONLY)
    stream = LogStream(writer)
    for expected in (1, 2):
        stream.write(LINE)
        assert stream.drain(20)
        assert stream.dropped == expected


def test_a_disk_that_has_room_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Lines are written again as soon as that is possible, and those that are missing are counted in the log."""
    full = os.open("/dev/full", os.O_WRONLY)
    stream = LogStream(full)
    stream.write(LINE)
    assert stream.drain(20)
    path = tmp_path / "log"
    os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), full)
    with caplog.at_level(logging.WARNING):
        stream.write(LINE)
        assert stream.drain(20)
    assert path.read_text() == LINE
    assert caplog.messages == ["log lines were dropped, because they could not be written in time: 1"]


def test_a_pipe_that_does_not_block(pipe: tuple[int, int]) -> None:
    """Whoever shares the pipe may have made it non-blocking: nothing is lost for that."""
    reader, writer = pipe
    os.set_blocking(writer, False)
    stream = LogStream(writer)
    for _ in range(2000):
        stream.write(LINE)
    text = ""
    while len(text) < 2000 * len(LINE):
        assert select.select([reader], [], [], 20)[0]
        text += os.read(reader, 65536).decode()
    assert stream.drain(20)
    assert stream.dropped == 0
