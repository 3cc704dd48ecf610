"""Limits the number of streams, and ends those of peers that do not read.

gRPC for Python can neither close a connection nor cancel a call whose response is stuck, so the sockets are found by
the peer's address.
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
"""Return values of a context's read() at the end of a stream, and if it ends within a message."""

_log = logging.getLogger(__name__)

_Address = tuple[str, int]


class Places:
    """Limits the streams of one kind, per owner and in total. An owner is a connection, or an identity."""

    def __init__(self, most: int, most_of_an_owner: int) -> None:
        self._most = most
        self._most_of_an_owner = most_of_an_owner
        self._owners: Counter[Hashable] = Counter()
        self.taken = 0
        """Streams at the moment."""

    @contextlib.contextmanager
    def take(self, *owners: Hashable) -> Iterator[str]:
        """Takes a place for the duration of a stream, which counts for all its owners. Yields the reason if there is
        none, else an empty string."""
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
    """The next message of a stream; None at its end, and if it ends within a message."""
    data = await context.read()
    return None if data is EOF else data


async def abort(context: Any, code: grpc.StatusCode, text: str) -> NoReturn:
    """Ends the call with a status, and does not return.

    grpcio keeps a reference to the exception in the call, and the exception's traceback references the call: request,
    response and the core's buffers would stay in memory until Python's garbage collector runs, which depends on the
    number of objects, not their size. Therefore, the traceback is dropped when the call has ended.
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
    """Writes to a stream. Returns False if the peer does not receive the message within `seconds`, by default a minute:
    the connection is then closed, if possible, and the call must end."""
    return await taken(context, context.write(message), seconds)


async def taken(context: Any, sending: Awaitable[None], seconds: float | None = None) -> bool:
    """Whether the peer receives what `sending` sends within `seconds`, by default a minute; otherwise, closes its
    connection."""
    # Read here: after the wait, the call may have ended, and gRPC crashes if it is queried about such a call.
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
    await asyncio.sleep(_CLOSE_SECONDS)  # Cancelled by gRPC as soon as it detects that the connection is closed.
    return False


def is_gone(error: BaseException | None) -> bool:
    """Whether gRPC could not send because the connection was closed at that moment."""
    # The type cannot be imported.
    return type(error).__name__ == "ExecuteBatchError"


def close_connections(peers: Collection[str]) -> int:
    """Closes the connections of some peers, written as gRPC does (`ipv4:192.0.2.1:50123`), and returns how many were
    found. gRPC then ends the calls on them and frees their memory. Checks every file of the process, which takes about
    a millisecond per thousand. Without /proc, as outside Linux, nothing is closed.
    """
    wanted = {address for peer in peers if (address := _parse(peer)) is not None}
    closed = 0
    try:
        files = list(_FILES.iterdir())
    except OSError:
        return 0
    for file in files:
        # Uses a duplicate, which stays valid if another thread closes the original and its number is reused.
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
    """Normalizes an address: without a zone, and IPv4-mapped addresses as IPv4."""
    address = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return str(address), port
