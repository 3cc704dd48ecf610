"""Answers that nobody has asked for: none of them is ever taken for the answer to a request."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.transcoding import RestRequest
from gateway.vcenter import VCenterOptions
from gateway.vcenter.connection import Connection
from gateway.vcenter.exchange import Exchange
from gateway.vcenter.failures import NotSentError
from gateway.vcenter.transport import Transport
from tests.integration.certificates import Authority
from tests.integration.harness import eventually

REQUEST = b"GET /mine HTTP/1.1\r\nHost: vcenter\r\n\r\n"
UNASKED = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nunasked"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine"
GET = RestRequest("GET", "/mine", None)


@pytest.fixture
async def pair() -> AsyncIterator[tuple[Connection, socket.socket]]:
    """A new connection, and the socket that is vCenter's end of it."""
    mine, its = socket.socketpair()
    its.settimeout(20)
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(1024, lambda _: None), sock=mine)
    yield connection, its
    connection.abort()
    its.close()


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(UNASKED, id="an answer"),
        pytest.param(UNASKED[:10], id="the beginning of one"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n", id="another protocol"),
    ],
)
async def test_before_the_first_request(pair: tuple[Connection, socket.socket], sent: bytes) -> None:
    """What comes on a new connection before the request is sent ends it, and the request is not sent at all: it can
    be sent again without harm."""
    connection, its = pair
    its.sendall(sent)
    with pytest.raises(NotSentError, match="responds before it gets a request"):
        await connection.exchange(REQUEST)
    assert not connection.is_open
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.to_thread(its.recv, 1024) == b""


async def test_a_connection_that_is_closed_at_once(pair: tuple[Connection, socket.socket]) -> None:
    """The request was not sent."""
    connection, its = pair
    its.close()
    with pytest.raises(NotSentError):
        await connection.exchange(REQUEST)


async def test_behind_the_answer(pair: tuple[Connection, socket.socket]) -> None:
    """What follows the answer is not kept for the next request: the connection is not used again."""
    connection, its = pair
    answer = connection.exchange(REQUEST)
    assert await asyncio.to_thread(its.recv, 1024) == REQUEST
    its.sendall(ANSWER + UNASKED)
    assert (await answer).body == b"mine"
    assert not connection.is_reusable
    assert not connection.is_open


async def test_between_two_requests(pair: tuple[Connection, socket.socket]) -> None:
    """What comes while the connection is kept closes it."""
    connection, its = pair
    answer = connection.exchange(REQUEST)
    await asyncio.to_thread(its.recv, 1024)
    its.sendall(ANSWER)
    assert (await answer).body == b"mine"
    assert connection.is_reusable
    its.sendall(UNASKED)
    assert connection.has_input(), "nobody takes it before the event loop has seen that"
    await eventually(lambda: not connection.is_open, "the end of the connection", 20)


async def test_tickets_of_tls(tmp_path: Path) -> None:
    """What TLS itself sends on a new connection, its tickets, keeps no request from being sent."""
    issued = Authority().issue("vcenter")
    paths = [tmp_path / "certificate", tmp_path / "key"]
    for path, content in zip(paths, (issued.certificate, issued.key), strict=True):
        path.write_bytes(content)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(*paths)
    context.num_tickets = 4

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(ANSWER)
        with contextlib.suppress(ConnectionError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    async with server:
        url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for _ in range(20):
            async with Transport(VCenterOptions(url, verify=False)) as transport:
                assert (await transport.send(Exchange(GET, {}, asyncio.get_running_loop().time() + 20))).body == b"mine"
