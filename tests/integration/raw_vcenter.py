"""A server in vCenter's place that answers with any bytes, or with none: for what no HTTP library would send."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

__all__ = ["Answer", "RawVCenter", "after", "http", "raw_vcenter", "saying", "silence"]

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Answers one request, of which the head has been read. The connection is closed afterwards."""


class RawVCenter:
    """What the server has seen so far."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        self.url = ""
        self.heads: list[bytes] = []
        """The requests, without their bodies."""
        self.abandoned = 0
        """How often the client closed the connection before it had an answer."""
        self._serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection."""
        task = cast("asyncio.Task[None]", asyncio.current_task())
        self._serving[task] = writer
        try:
            self.heads.append(await reader.readuntil(b"\r\n\r\n"))
            await self.answer(reader, writer)
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            self.abandoned += 1
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
            del self._serving[task]

    async def stop(self) -> None:
        """Ends the connections that are still open."""
        for writer in self._serving.values():
            writer.transport.abort()
        await asyncio.gather(*self._serving)


@contextlib.asynccontextmanager
async def raw_vcenter(answer: Answer) -> AsyncIterator[RawVCenter]:
    """Listens on a free port of the loopback address."""
    vcenter = RawVCenter(answer)
    server = await asyncio.start_server(vcenter.serve, "127.0.0.1", 0)
    vcenter.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        async with server:
            yield vcenter
    finally:
        await vcenter.stop()


async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Never answers; ends when the client closes the connection."""
    await reader.read()
    raise ConnectionResetError


def saying(data: bytes) -> Answer:
    """Sends these bytes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(data)

    return answer


def http(status: str, body: bytes, media_type: str = "application/json") -> Answer:
    """Sends a well-formed response; `status` is for example `200 OK`."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return saying(head.encode() + body)


def after(head: bytes, chunk: bytes, seconds: float) -> Answer:
    """Sends the head, then the same chunk again and again with a pause, until the client has had enough."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not reader.at_eof():
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(seconds)
        raise ConnectionResetError

    return answer
