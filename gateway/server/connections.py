"""Keeps peers that do not read from holding streams for ever: how many there may be, and what ends them.

gRPC's Python cannot close a connection, nor cancel a call whose answer is stuck, so the sockets are found by the peer's
address.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import logging
import os
import socket
from collections import Counter
from collections.abc import Awaitable, Collection, Hashable, Iterator
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import unquote

import grpc
import grpc.aio

__all__ = ["EOF", "Places", "abort", "close_connections", "is_gone", "read", "taken", "write"]

WRITE_SECONDS = 60.0
_CLOSE_SECONDS = 5.0

_FILES = Path("/proc/self/fd")

# Not in the library's type information.
EOF: Any = grpc.aio.EOF  # type: ignore[attr-defined]
"""What a context's read() returns at the end of a stream, and where it ends within a message."""

_log = logging.getLogger(__name__)

_Address = tuple[str, int]


class Places:
    """How many streams of one kind there may be, of one owner and in all. An owner is a connection, or an identity."""

    def __init__(self, most: int, most_of_an_owner: int) -> None:
        self._most = most
        self._most_of_an_owner = most_of_an_owner
        self._owners: Counter[Hashable] = Counter()
        self.taken = 0
        """Streams at the moment."""

    @contextlib.contextmanager
    def take(self, *owners: Hashable) -> Iterator[str]:
        """Takes a place for the duration of a stream, which counts for all its owners. Gives why there is none, in a
        sentence; an empty one where there is."""
        own = max(self._owners[owner] for owner in owners)
        if self.taken >= self._most:
            yield f"all callers together have {self.taken} streams open, which is the limit"
        elif own >= self._most_of_an_owner:
            yield f"the caller has {own} streams open, which is the limit"
        else:
            self.taken += 1
            self._owners.update(owners)
            try:
                yield ""
            finally:
                self.taken -= 1
                self._owners.subtract(owners)
                self._owners += Counter()  # Drops those that have none.


async def read(context: Any) -> bytes | None:
    """The next message of a stream; None at its end, and where it ends within a message."""
    data = await context.read()
    return None if data is EOF else data


async def abort(context: Any, code: grpc.StatusCode, text: str) -> NoReturn:
    """Ends the call with a status, and does not return.

    grpcio keeps the exception by which it does so with the call, and the exception's traceback keeps the call: request,
    response and what the core has received would stay until Python's garbage collector comes by, which goes by the
    number of objects and not by their size. So the traceback is dropped when the call has ended.
    """
    try:
        await context.abort(code, text)
    except Exception as error:
        if task := asyncio.current_task():
            task.add_done_callback(functools.partial(_drop_traceback, error))
        raise
    raise AssertionError("abort() does not return")


def _drop_traceback(error: Exception, _: object) -> None:
    error.__traceback__ = None


async def write(context: Any, message: bytes, seconds: float | None = None) -> bool:
    """Writes to a stream. False where the peer does not take the message within `seconds`, a minute by default: the
    connection is closed then, where that is possible, and the call has to end."""
    return await taken(context, context.write(message), seconds)


async def taken(context: Any, sending: Awaitable[None], seconds: float | None = None) -> bool:
    """Whether the peer takes what `sending` sends within `seconds`, a minute by default; closes its connection
    otherwise."""
    # Asked here: by the end of the wait the call may be over, and gRPC crashes when it is asked about such a call.
    peer = context.peer()
    try:
        async with asyncio.timeout(WRITE_SECONDS if seconds is None else seconds):
            await sending
    except TimeoutError:
        _log.warning("closed %d connections that do not read their streams", close_connections({peer}))
    except Exception as error:
        if not is_gone(error):
            raise
    else:
        return True
    await asyncio.sleep(_CLOSE_SECONDS)  # Cancelled by gRPC as soon as it knows that the connection is gone.
    return False


def is_gone(error: BaseException | None) -> bool:
    """Whether gRPC could not send something because the connection was gone in that moment."""
    # The type cannot be imported.
    return type(error).__name__ == "ExecuteBatchError"


def close_connections(peers: Collection[str]) -> int:
    """Closes the connections of some peers, written as gRPC does (`ipv4:192.0.2.1:50123`), and returns how many were
    found. gRPC then ends the calls on them and frees what it holds for them.

    Looks at every file of the process, which takes about a millisecond for a thousand. Without a /proc, as outside
    Linux, nothing is closed.
    """
    wanted = {address for peer in peers if (address := _parse(peer)) is not None}
    closed = 0
    try:
        files = list(_FILES.iterdir())
    except OSError:
        return 0
    for file in files:
        # Of a copy, which stays the same file while another thread closes the original and its number is used again.
        with contextlib.suppress(OSError):
            copy = os.dup(int(file.name))
            try:
                found = socket.socket(fileno=copy)
            except OSError:
                os.close(copy)
                continue
            with found:
                if found.family in (socket.AF_INET, socket.AF_INET6) and _address(*found.getpeername()[:2]) in wanted:
                    found.shutdown(socket.SHUT_RDWR)
                    closed += 1
    return closed


def _parse(peer: str) -> _Address | None:
    family, _, rest = peer.partition(":")
    host, _, port = unquote(rest).rpartition(":")
    if family not in ("ipv4", "ipv6") or not port.isdecimal():
        return None
    return _address(host.strip("[]"), int(port))


def _address(host: str, port: int) -> _Address:
    """One form for all spellings: no zone, and IPv4 as itself where a socket for both families has it."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(address), port
