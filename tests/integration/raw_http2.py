"""A caller that sends HTTP/2 as it likes: for requests that no gRPC library would send."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterable

__all__ = ["raw_call"]

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS = 0, 1, 3, 4
_END_STREAM, _END_HEADERS = 1, 4
_STREAM = 1


async def raw_call(address: str, path: bytes, metadata: Iterable[tuple[bytes, bytes]], message: bytes) -> bool:
    """Makes one call over a connection of its own, and returns whether it was answered to its end."""
    fields = [
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", path),
        (b":authority", address.encode()),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
        *metadata,
    ]
    head = b"".join(map(_literal, fields))
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        writer.write(_PREFACE + _frame(_SETTINGS, 0, 0, b"") + _frame(_HEADERS, _END_HEADERS, _STREAM, head))
        writer.write(_frame(_DATA, _END_STREAM, _STREAM, struct.pack(">BI", 0, len(message)) + message))
        async with asyncio.timeout(10):
            return await _ends(reader)
    except (ConnectionError, asyncio.IncompleteReadError):
        return False
    finally:
        writer.transport.abort()


async def _ends(reader: asyncio.StreamReader) -> bool:
    while True:
        size_and_kind, flags, stream = struct.unpack(">IBI", await reader.readexactly(9))
        await reader.readexactly(size_and_kind >> 8)
        kind = size_and_kind & 0xFF
        if stream == _STREAM and (kind == _RESET or (kind in (_DATA, _HEADERS) and flags & _END_STREAM)):
            return kind != _RESET


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">IBI", len(payload) << 8 | kind, flags, stream) + payload


def _literal(field: tuple[bytes, bytes]) -> bytes:
    """A field of a header in the plainest form of HPACK: neither indexed nor compressed, up to 126 bytes long."""
    return b"\0" + b"".join(bytes([len(text)]) + text for text in field)
