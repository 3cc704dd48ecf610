"""A name server whose answers change, as those of a headless service do when pods come and go."""

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
# A reply to what was asked, with recursion; "authoritative".
_FLAGS = 0x8580
# Where the question's name stands: right behind the head.
_NAME = 0xC000 | _HEAD.size


class Names(asyncio.DatagramProtocol):
    """Answers each question for IPv4 addresses with `addresses`, whatever the name, to be remembered by nobody."""

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.port = 0
        self._transport: asyncio.DatagramTransport | None = None

    def target(self, port: int) -> str:
        """What gRPC's clients connect to: a name, looked up here, and the port that all addresses have in common."""
        return f"dns://127.0.0.1:{self.port}/gateway.test.:{port}"

    def show(self, addresses: Iterable[str]) -> None:
        """Changes the addresses that the name stands for from now on."""
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
