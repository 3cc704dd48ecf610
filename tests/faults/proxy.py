"""A TCP proxy between gateway and vCenter that behaves like bad networks: delays, lost connections, truncated
responses.

All it assumes about HTTP is that a client sends a request and waits for the response: what the client sends first, or
after a response, begins a request, and the fate of each request is drawn from a seeded random source.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

__all__ = ["FaultProxy", "Weather", "fault_proxy"]

_CHUNK = 64 * 1024
_SLICES_PER_SECOND = 50
# Iterations of the event loop until an accepted connection has a task that serves it.
_ROUNDS_TO_ACCEPT = 8


@dataclass(frozen=True, slots=True)
class Weather:
    """What happens to requests. Fates are probabilities; at most one happens to a request."""

    latency: float = 0.0
    """Delay of each request, in seconds."""
    jitter: float = 0.0
    """Maximum additional random delay, in seconds."""
    reset_before: float = 0.0
    """The connection is reset before any byte of the request is forwarded."""
    reset_after: float = 0.0
    """The request is forwarded, but the connection is reset instead of the response."""
    half: float = 0.0
    """The connection is closed after half of the response."""
    stall: float = 0.0
    """Half of the response is sent, and then nothing more."""
    close_after: float = 0.0
    """The connection is closed after the response, `close_delay` seconds later."""
    close_delay: float = 0.0
    bytes_per_second: float | None = None
    """The bandwidth for responses; unlimited by default."""


class FaultProxy:
    """A proxy on its own port. `weather` may be changed at any time; it applies to later requests."""

    def __init__(self, host: str, port: int, seed: int = 1) -> None:
        self.weather = Weather()
        self.fates: Counter[str] = Counter()
        """How many requests had which fate, `through` among them."""
        self.connections = 0
        """How many connections were accepted."""
        self._target = (host, port)
        self._chance = random.Random(seed)  # noqa: S311 - the same in each run
        self._serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._server: asyncio.Server | None = None
        # Reserves the port while nothing listens on it, so that connections are refused and no other program gets it.
        self._reserved = _bound(0)
        self.port = int(self._reserved.getsockname()[1])

    @property
    def url(self) -> str:
        """The gateway's URL of vCenter."""
        return f"http://127.0.0.1:{self.port}"

    async def up(self) -> None:
        """Accepts connections."""
        self._server = await asyncio.start_server(self._serve, sock=_bound(self.port), backlog=4096)

    async def down(self) -> None:
        """Resets all connections; new ones are refused."""
        server, self._server = self._server, None
        if server is not None:
            # asyncio forgets a connection that is accepted but not yet served when its server closes.
            for listener in server.sockets:
                asyncio.get_running_loop().remove_reader(listener.fileno())
            for _ in range(_ROUNDS_TO_ACCEPT):
                await asyncio.sleep(0)
            server.close()
        for writer in list(self._serving.values()):
            _reset(writer)
        await asyncio.gather(*self._serving)

    async def close(self) -> None:
        """Ends everything."""
        await self.down()
        self._reserved.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._serving[task] = writer
        self.connections += 1
        onward: asyncio.StreamWriter | None = None
        try:
            answers, onward = await asyncio.open_connection(*self._target)
            await self._relay(reader, writer, answers, onward)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            for end in (writer, onward):
                if end is not None:
                    end.close()
                    with contextlib.suppress(ConnectionError):
                        await end.wait_closed()
            del self._serving[task]

    async def _relay(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        answers: asyncio.StreamReader,
        onward: asyncio.StreamWriter,
    ) -> None:
        while request := await reader.read(_CHUNK):
            weather, fate = self.weather, self._fate()
            self.fates[fate] += 1
            if fate == "reset_before":
                _reset(writer)
                return
            delay = weather.latency + self._chance.uniform(0, weather.jitter)
            if delay:
                await asyncio.sleep(delay)
            onward.write(request)
            answer = await self._answer(reader, answers, onward)
            if not answer or fate == "reset_after":
                _reset(writer)
                return
            if fate in ("half", "stall"):
                answer = answer[: len(answer) // 2]
            await self._send(writer, answer, weather.bytes_per_second)
            if fate == "stall":
                await reader.read()  # Until the client gives up.
            if fate == "close_after":
                await asyncio.sleep(weather.close_delay)
            if fate not in ("through", "reset_before"):
                return

    async def _answer(
        self, reader: asyncio.StreamReader, answers: asyncio.StreamReader, onward: asyncio.StreamWriter
    ) -> bytes:
        """The whole response to a request, the rest of which may still follow; empty if either side gives up."""
        receiving = asyncio.ensure_future(_read_answer(answers))
        try:
            while not receiving.done():
                more = asyncio.ensure_future(reader.read(_CHUNK))
                await asyncio.wait([receiving, more], return_when=asyncio.FIRST_COMPLETED)
                if not more.done():
                    more.cancel()
                    await asyncio.wait([more])
                    continue
                if not more.result():
                    return b""
                onward.write(more.result())
            return receiving.result()
        finally:
            receiving.cancel()

    async def _send(self, writer: asyncio.StreamWriter, answer: bytes, bytes_per_second: float | None) -> None:
        if bytes_per_second is None:
            writer.write(answer)
            await writer.drain()
            return
        size = max(1, int(bytes_per_second / _SLICES_PER_SECOND))
        for start in range(0, len(answer), size):
            writer.write(answer[start : start + size])
            await writer.drain()
            await asyncio.sleep(1 / _SLICES_PER_SECOND)

    def _fate(self) -> str:
        drawn = self._chance.random()
        for fate in ("reset_before", "reset_after", "half", "stall", "close_after"):
            drawn -= getattr(self.weather, fate)
            if drawn < 0:
                return fate
        return "through"


@contextlib.asynccontextmanager
async def fault_proxy(url: str, weather: Weather | None = None, seed: int = 1) -> AsyncIterator[FaultProxy]:
    """A proxy in front of what serves `url`."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    proxy = FaultProxy(host, int(port), seed)
    proxy.weather = weather or Weather()
    await proxy.up()
    try:
        yield proxy
    finally:
        await proxy.close()


async def _read_answer(answers: asyncio.StreamReader) -> bytes:
    """One response, whose header states its length; the simulator sends no other kind."""
    head = await answers.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            length = int(line.partition(b":")[2])
    return head + await answers.readexactly(length)


def _bound(port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.setblocking(False)
    bound.bind(("127.0.0.1", port))
    return bound


def _reset(writer: asyncio.StreamWriter) -> None:
    """Closes the connection with a RST, as the kernel of a crashed peer does."""
    connection = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
