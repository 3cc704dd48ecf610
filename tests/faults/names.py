"""A name server whose responses change, like those of a headless service when pods are added and removed."""

from __future__ import annotations

import asyncio
import ipaddress
import struct
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

__all__ = ["Names", "names"]

_HEAD = struct.Struct("!6H")
_ANSWER = struct.Struct("!3HIH4s")
_TYPE_A = 1
_CLASS_IN = 1
# A response to a recursive question; "authoritative".
_FLAGS = 0x8580
# The position of the question's name: right after the header.
_NAME = 0xC000 | _HEAD.size


class Names(asyncio.DatagramProtocol):
    """Resolves every name to `addresses` (IPv4), without caching."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None

    def target(self, port: int) -> str:
        """The target for gRPC clients: a name that is resolved here, and the common port of all addresses."""
        return f"dns://127.0.0.1:{self.port}/gateway.test.:{port}"

    def show(self, addresses: Iterable[str]) -> None:
        """Changes the addresses of the name from now on."""
        self.addresses = list(addresses)

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport
        self.port = int(transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        assert self._transport is not None
        identifier = _HEAD.unpack_from(data)[0]
        end = data.index(b"\0", _HEAD.size) + 1 + 4
        kind = struct.unpack_from("!H", data, end - 4)[0]
        found = self.addresses if kind == _TYPE_A else []
        answers = (
            _ANSWER.pack(_NAME, _TYPE_A, _CLASS_IN, 0, 4, ipaddress.IPv4Address(address).packed) for address in found
        )
        head = _HEAD.pack(identifier, _FLAGS, 1, len(found), 0, 0)
        self._transport.sendto(head + data[_HEAD.size : end] + b"".join(answers), addr)


@asynccontextmanager
async def names() -> AsyncIterator[Names]:
    """A running name server on a free port of the loopback address."""
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(Names, ("127.0.0.1", 0))
    try:
        yield server
    finally:
        transport.close()
