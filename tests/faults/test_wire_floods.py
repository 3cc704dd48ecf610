"""Floods by unauthenticated callers, each over one connection: the gateway's memory stays bounded, and other callers
are served. Bounded in number and in time."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import grpc
import grpc.aio
import pytest

from tests.integration.harness import READ, eventually
from tests.integration.processes import running
from tests.integration.raw_http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    PING,
    RESET,
    SETTINGS,
    Connection,
    connection,
    frame,
    literal,
    message,
    request_head,
    setting,
)

MIB = 1024 * 1024
MAX_GROWTH = 100 * MIB
HEAD = request_head(f"/{READ}".encode(), [(b"vmware-api-session-id", b"made-up")])
WATCH = request_head(b"/grpc.health.v1.Health/Watch")
REFLECTION = request_head(b"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
UNKNOWN = request_head(b"/no.Such/Method")
SYMBOL = b"vcenter.vm.v1.PowerService"
CANCEL = (8).to_bytes(4, "big")
HALF = b"\0" + (4 * MIB - 16).to_bytes(4, "big") + b"x" * 16_000

Frames = Callable[[int], bytes]


def stream(number: int) -> int:
    return 2 * number + 1


def heads(number: int) -> bytes:
    return frame(HEADERS, END_HEADERS, stream(number), HEAD)


def resets(number: int) -> bytes:
    return heads(number) + frame(RESET, 0, stream(number), CANCEL)


def resets_after_a_message(number: int) -> bytes:
    data = frame(DATA, END_STREAM, stream(number), message(b"\x0a\x07vm-1001"))
    return heads(number) + data + frame(RESET, 0, stream(number), CANCEL)


def halves(number: int) -> bytes:
    return heads(number) + frame(DATA, 0, stream(number), HALF)


def pings(number: int) -> bytes:
    return frame(PING, 0, 0, number.to_bytes(8, "big"))


def settings(number: int) -> bytes:
    return frame(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, 65_535 + number % 2))


def continuations(number: int) -> bytes:
    if not number:
        return frame(HEADERS, 0, 1, HEAD)
    return frame(CONTINUATION, 0, 1, literal((b"x-%d" % number, b"y" * 500)))


def large_heads(number: int) -> bytes:
    fields = b"".join(literal((b"x-%d" % field, b"y" * 1000)) for field in range(15))
    return frame(HEADERS, END_HEADERS | END_STREAM, stream(number), HEAD + fields)


def growing_tables(number: int) -> bytes:
    indexed = b"\x40\x04name\x7f\xb9\x16" + b"v" * 3000  # Each is added to the table, and evicts others.
    return frame(HEADERS, END_HEADERS | END_STREAM, stream(number), HEAD + indexed)


def watchers(number: int) -> bytes:
    name = b"%020d" % number
    data = message(b"\x0a" + bytes([len(name)]) + name)
    return frame(HEADERS, END_HEADERS, stream(number), WATCH) + frame(DATA, END_STREAM, stream(number), data)


def reflections(number: int) -> bytes:
    question = message(b"\x22" + bytes([len(SYMBOL)]) + SYMBOL)
    return frame(HEADERS, END_HEADERS, stream(number), REFLECTION) + frame(DATA, 0, stream(number), question * 3)


def unknown(number: int) -> bytes:
    return frame(HEADERS, END_HEADERS | END_STREAM, stream(number), UNKNOWN)


class Serving:
    """A gateway in a separate process."""

    def __init__(self, address: str, pid: int) -> None:
        self.address = address
        self._status = Path(f"/proc/{pid}/status")
        self.rest = self.memory()

    def memory(self) -> int:
        """Its peak memory, in bytes."""
        found = re.search(r"VmHWM:\s+(\d+) kB", self._status.read_text(encoding="ascii"))
        assert found
        return int(found[1]) * 1024

    async def answers(self) -> None:
        """Makes some calls on a separate connection."""
        async with grpc.aio.insecure_channel(self.address, [("grpc.use_local_subchannel_pool", 1)]) as channel:
            for _ in range(5):
                await channel.unary_unary(f"/{READ}")(b"\x0a\x07vm-1001", timeout=20)


@pytest.fixture
async def serving(tmp_path: Path) -> AsyncIterator[Serving]:
    async with running(tmp_path, "serve", "--simulator", "--listen", "127.0.0.1:0") as process:
        found = await process.wait_for(r"on port (\d+)")
        server = Serving(f"127.0.0.1:{found[1]}", process.process.pid)
        await server.answers()
        server.rest = server.memory()
        yield server
        assert "Traceback" not in process.stderr
        assert await process.end(15) == 0


async def flooded(serving: Serving, flood: Callable[[Connection], Awaitable[None]], *options: bytes) -> None:
    """Runs a flood to its end, or until the gateway has closed the connection or stops reading, and makes calls during
    and after it. Fails if a call fails or the memory grows too much."""
    async with connection(serving.address, *options) as peer:
        sending = asyncio.ensure_future(flood(peer))
        closed = asyncio.ensure_future(peer.is_closed.wait())
        await serving.answers()
        await asyncio.wait([sending, closed], timeout=20, return_when=asyncio.FIRST_COMPLETED)
        await serving.answers()
        for task in (sending, closed):
            task.cancel()
        await asyncio.gather(sending, closed, return_exceptions=True)
    await serving.answers()
    growth = serving.memory() - serving.rest
    assert growth < MAX_GROWTH, f"{growth / MIB:.0f} MiB more"


@pytest.mark.parametrize(
    ("frames", "count"),
    [
        pytest.param(heads, 20_000, id="heads"),
        pytest.param(resets, 30_000, id="resets"),
        pytest.param(resets_after_a_message, 20_000, id="resets-after-a-message"),
        pytest.param(halves, 300, id="halves"),
        pytest.param(pings, 100_000, id="pings"),
        pytest.param(settings, 100_000, id="settings"),
        pytest.param(continuations, 20_000, id="continuations"),
        pytest.param(large_heads, 2_000, id="large-heads"),
        pytest.param(growing_tables, 3_000, id="growing-tables"),
        pytest.param(watchers, 5_000, id="watchers"),
        pytest.param(unknown, 20_000, id="unknown-methods"),
    ],
)
async def test_a_flood(serving: Serving, frames: Frames, count: int) -> None:
    """Of any frames that open streams, or that the gateway must respond to or remember."""

    async def flood(peer: Connection) -> None:
        for first in range(0, count, 100):
            await peer.send(*map(frames, range(first, min(first + 100, count))))

    await flooded(serving, flood)


@pytest.mark.parametrize("whole", [False, True], ids=["unfinished", "complete"])
async def test_large_requests(serving: Serving, whole: bool) -> None:
    """Requests of 4 MiB, as fast as the gateway accepts them: few of a connection are held at the same time, and
    rejected ones are freed."""
    size = 4 * MIB - 64
    data = message(b"\x0a\x07vm-1001\x7a" + varint(size) + b"x" * size)

    async def flood(peer: Connection) -> None:
        async def call(number: int) -> None:
            await peer.send(heads(number))
            await peer.send_data(stream(number), data if whole else data[:-1], ends=whole)

        await asyncio.gather(*map(call, range(100)))

    await flooded(serving, flood)


def varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 128:
        encoded.append(value % 128 + 128)
        value //= 128
    return bytes([*encoded, value])


async def test_resets_again_and_again(serving: Serving) -> None:
    """Memory does not grow with each connection that floods."""

    async def flood(_: Connection) -> None:
        for _ in range(3):
            async with connection(serving.address) as another:
                for first in range(0, 20_000, 100):
                    await another.send(*map(resets, range(first, first + 100)))

    await flooded(serving, flood)


@pytest.mark.parametrize("frames", [watchers, reflections], ids=["watchers", "reflections"])
async def test_answers_that_nobody_reads(serving: Serving, frames: Frames) -> None:
    """A closed window blocks responses to unauthenticated requests, and only few responses wait for it to open."""

    async def flood(peer: Connection) -> None:
        for first in range(0, 900, 20):
            await peer.send(*map(frames, range(first, first + 20)))

    await flooded(serving, flood, setting(INITIAL_WINDOW_SIZE, 0))


async def test_many_connections(serving: Serving) -> None:
    """Five hundred connections whose first headers never end."""

    async def flood(_: Connection) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(500):
                group.create_task(unfinished())

    async def unfinished() -> None:
        async with connection(serving.address) as another:
            await another.send(frame(HEADERS, 0, 1, HEAD[:20]))
            await asyncio.sleep(60)  # Until the flood is cancelled.

    await flooded(serving, flood)


async def test_answers_of_an_operation_that_nobody_reads(tmp_path: Path) -> None:
    """A caller that passes authentication and reads no response: the gateway holds at most the allowed number of bytes,
    and stops in time."""
    list_vms = request_head(b"/vcenter.v1.VmService/ListVms", [(b"cache-control", b"max-age=60")])
    arguments = ("serve", "--simulator", "--simulator-vms", "3000", "--listen", "127.0.0.1:0", "--grace-seconds", "1")
    async with running(tmp_path, *arguments) as process:
        found = await process.wait_for(r"on port (\d+)")
        serving = Serving(f"127.0.0.1:{found[1]}", process.process.pid)
        await serving.answers()
        serving.rest = serving.memory()
        async with connection(serving.address, setting(INITIAL_WINDOW_SIZE, 0)) as peer:
            for number in range(900):
                await peer.send(
                    frame(HEADERS, END_HEADERS, stream(number), list_vms),
                    frame(DATA, END_STREAM, stream(number), message(b"")),
                )
            await eventually(lambda: len(peer.ended) >= 10, "the refusal of answers", 60)
            await serving.answers()
            growth = serving.memory() - serving.rest
            assert growth < MAX_GROWTH, f"{growth / MIB:.0f} MiB more"
            assert await process.end(15) == 0
        assert "Traceback" not in process.stderr
