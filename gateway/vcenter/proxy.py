"""A connection to vCenter through an HTTP proxy, which opens a tunnel (CONNECT) and sees only its two ends.

The proxy resolves vCenter's name. It gets no credentials.
"""

from __future__ import annotations

import asyncio
import re
import socket

from gateway.address import join_address, split_address

__all__ = ["ProxyError", "open_socket", "open_tunnel", "place"]

_MAX_HEAD_BYTES = 16 * 1024
_END = b"\r\n\r\n"
_STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})[ \r]")


class ProxyError(OSError):
    """The proxy opened no tunnel. `strerror` says why."""

    def __init__(self, text: str) -> None:
        super().__init__(None, text)


def place(proxy: str | None, host: str, port: int) -> tuple[str, int]:
    """The address to connect to for `host` and `port`: that address, or the proxy if there is one."""
    return (host, port) if proxy is None else split_address(proxy)


async def open_tunnel(sock: socket.socket, host: str, port: int) -> None:
    """Turns a connection to a proxy into one to `host`. Raises ProxyError, or the OSError of the connection."""
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, _request(host, port))
    head = b""
    while not _is_complete(head):
        head += _more(await loop.sock_recv(sock, _MAX_HEAD_BYTES))


def open_socket(proxy: str | None, host: str, port: int, timeout: float) -> socket.socket:
    """A connection to `host`, through the proxy if there is one; blocks. Raises ProxyError or another OSError."""
    sock = socket.create_connection(place(proxy, host, port), timeout)
    if proxy is None:
        return sock
    try:
        sock.sendall(_request(host, port))
        head = b""
        while not _is_complete(head):
            head += _more(sock.recv(_MAX_HEAD_BYTES))
    except BaseException:
        sock.close()
        raise
    return sock


def _request(host: str, port: int) -> bytes:
    address = join_address(host, port)
    return f"CONNECT {address} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode("ascii")


def _more(data: bytes) -> bytes:
    if not data:
        raise ProxyError("the proxy closed the connection")
    return data


def _is_complete(head: bytes) -> bool:
    """Whether the proxy has opened the tunnel; False as long as its response is incomplete."""
    if len(head) > _MAX_HEAD_BYTES:
        raise ProxyError("the head of the proxy's response is too large")
    if _END not in head:
        return False
    status = _STATUS.match(head)
    if status is None:
        raise ProxyError("the proxy's response is not HTTP")
    if not status[1].startswith(b"2"):
        raise ProxyError(f"the proxy refused the connection with HTTP {status[1].decode()}")
    # In the tunnel, the gateway speaks first: earlier data is not from vCenter.
    if not head.endswith(_END) or head.count(_END) > 1:
        raise ProxyError("the proxy sent more than its response")
    return True
