"""A caller that sends HTTP/2 as it likes: for requests that no gRPC library would send, and for answers that it does
not read."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable

__all__ = [
    "CONTINUATION",
    "DATA",
    "END_HEADERS",
    "END_STREAM",
    "HEADERS",
    "INITIAL_WINDOW_SIZE",
    "PING",
    "RESET",
    "SETTINGS",
    "Connection",
    "connection",
    "fields_size",
    "frame",
    "literal",
    "message",
    "raw_call",
    "request_fields",
    "request_head",
    "setting",
]

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, _WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 8, 9
END_STREAM, END_HEADERS = 1, 4
_ACK = 1
INITIAL_WINDOW_SIZE = 4
_DEFAULT_WINDOW = 65_535
_FRAME = 16_384
_STREAM = 1

Fields = Iterable[tuple[bytes, bytes]]


class Connection:
    """A connection that acknowledges settings and probes, and remembers how streams ended. It opens no window."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.ended: dict[int, bytes] = {}
        """Streams that have ended, with the last header block, or what a reset came with after `reset`."""
        self.received = 0
        """Bytes of messages."""
        self.is_closed = asyncio.Event()
        self._windows: defaultdict[int, int] = defaultdict(int)
        """What the peer takes of each stream beyond what it takes of a new one; stream 0 is the connection."""
        self._initial_window = _DEFAULT_WINDOW
        self._changed = asyncio.Event()
        self._reading = asyncio.ensure_future(self._read())

    async def send(self, *frames: bytes) -> None:
        """Sends frames, and waits while the peer does not read."""
        self._writer.write(b"".join(frames))
        await self._writer.drain()

    async def send_data(self, stream: int, data: bytes, *, ends: bool = False) -> None:
        """Sends data of a stream, as soon as the peer takes it; returns when all is sent, or the stream has ended."""
        while data and stream not in self.ended:
            room = min(_DEFAULT_WINDOW + self._windows[0], self._initial_window + self._windows[stream], _FRAME)
            if room <= 0:
                changed = self._changed
                await changed.wait()
                continue
            part, data = data[:room], data[room:]
            self._windows[0] -= len(part)
            self._windows[stream] -= len(part)
            await self.send(frame(DATA, END_STREAM if ends and not data else 0, stream, part))

    async def end_of(self, stream: int, seconds: float = 10.0) -> bytes:
        """The last header block of a stream, as soon as it has ended."""
        async with asyncio.timeout(seconds):
            while stream not in self.ended:
                changed = self._changed
                await changed.wait()
        return self.ended[stream]

    async def close(self) -> None:
        self._reading.cancel()
        self._writer.transport.abort()

    async def _read(self) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                size_and_kind, flags, stream = struct.unpack(">IBI", await self._reader.readexactly(9))
                payload = await self._reader.readexactly(size_and_kind >> 8)
                kind = size_and_kind & 0xFF
                if kind in (SETTINGS, PING) and not flags & _ACK:
                    self._writer.write(frame(kind, _ACK, 0, payload if kind == PING else b""))
                elif kind == DATA:
                    self.received += len(payload)
                elif kind == _WINDOW_UPDATE:
                    self._windows[stream] += int.from_bytes(payload, "big")
                if kind == SETTINGS:
                    values = dict(struct.iter_unpack(">HI", payload))
                    self._initial_window = values.get(INITIAL_WINDOW_SIZE, self._initial_window)
                if kind == RESET:
                    self.ended.setdefault(stream, b"reset" + payload)
                elif kind in (DATA, HEADERS) and flags & END_STREAM:
                    self.ended[stream] = payload
                changed, self._changed = self._changed, asyncio.Event()
                changed.set()
        self.is_closed.set()


@contextlib.asynccontextmanager
async def connection(address: str, *settings: bytes) -> AsyncIterator[Connection]:
    """A connection to an address, with these settings."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    found = Connection(reader, writer)
    try:
        await found.send(_PREFACE, frame(SETTINGS, 0, 0, b"".join(settings)))
        yield found
    finally:
        await found.close()


async def raw_call(address: str, path: bytes, metadata: Fields, data: bytes) -> bool:
    """Makes one call over a connection of its own, and returns whether it was answered to its end."""
    with contextlib.suppress(OSError):
        async with connection(address) as peer:
            head = b"".join(map(literal, request_fields(path, metadata)))
            await peer.send(frame(HEADERS, END_HEADERS, _STREAM, head), frame(DATA, END_STREAM, _STREAM, message(data)))
            closed = asyncio.ensure_future(peer.is_closed.wait())
            ended = asyncio.ensure_future(peer.end_of(_STREAM))
            await asyncio.wait([closed, ended], return_when=asyncio.FIRST_COMPLETED)
            closed.cancel()
            ended.cancel()
            return _STREAM in peer.ended and not peer.ended[_STREAM].startswith(b"reset")
    return False


def request_fields(path: bytes, metadata: Fields = ()) -> list[tuple[bytes, bytes]]:
    """The header fields of a call."""
    return [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path),
        (b":authority", b"gateway"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
        *metadata,
    ]


def request_head(path: bytes, metadata: Fields = ()) -> bytes:
    """The header block of a call."""
    return b"".join(map(literal, request_fields(path, metadata)))


def fields_size(fields: Fields) -> int:
    """The size of header fields as HTTP/2 counts it."""
    return sum(len(name) + len(value) + 32 for name, value in fields)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


def setting(key: int, value: int) -> bytes:
    return struct.pack(">HI", key, value)


def message(data: bytes) -> bytes:
    """A message of gRPC with its prefix."""
    return struct.pack(">BI", 0, len(data)) + data


def literal(field: tuple[bytes, bytes]) -> bytes:
    """A field of a header in the plainest form of HPACK: neither indexed nor compressed."""
    return b"\0" + b"".join(_length(len(text)) + text for text in field)


def _length(value: int) -> bytes:
    if value < 127:
        return bytes([value])
    encoded, value = bytearray([127]), value - 127
    while value >= 128:
        encoded.append(value % 128 + 128)
        value //= 128
    return bytes([*encoded, value])
