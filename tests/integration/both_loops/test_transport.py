"""Connections to vCenter: what goes over the wire, when one is used again, and what ends it."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from gateway.transcoding import RestRequest, RestResponse
from gateway.vcenter import VCenterOptions, transport
from gateway.vcenter.connection import MAX_HEAD_BYTES
from gateway.vcenter.failures import AnswerTooLargeError, ConnectionLostError, NotSentError, NotSentTimeoutError
from gateway.vcenter.transport import Transport
from tests.integration.harness import eventually

READ = RestRequest("GET", "/api/x?a=b%20c", None)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
NO_CONTENT = b"HTTP/1.1 204 No Content\r\n\r\n"
LOST = pytest.raises(ConnectionLostError)
Reply = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Answers the requests it gets, on whatever connection, with these bytes one after the other."""

    def __init__(self, *answers: bytes | Reply) -> None:
        self.answers = list(answers)
        self.requests: list[bytes] = []
        self.connections: list[asyncio.StreamWriter] = []
        self.url = ""
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                answer = self.answers.pop(0)
                if not isinstance(answer, bytes):
                    await answer(writer)
                    continue
                writer.write(answer)
                await writer.drain()


async def closing(writer: asyncio.StreamWriter) -> None:
    writer.close()


def then_close(data: bytes) -> Reply:
    async def reply(writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        writer.close()

    return reply


async def never(writer: asyncio.StreamWriter) -> None:
    return


@contextlib.asynccontextmanager
async def wire(*answers: bytes | Reply, **options: Any) -> AsyncIterator[tuple[Server, Transport]]:
    """A transport in front of a server."""
    server = Server(*answers)
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    server.port = listener.sockets[0].getsockname()[1]
    server.url = f"http://127.0.0.1:{server.port}"
    async with listener, Transport(VCenterOptions(server.url, **options)) as client:
        yield server, client
    for writer in server.connections:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def send(client: Transport, request: RestRequest = READ, timeout: float = 10) -> RestResponse:
    return await client.send(request, {"X-Request-ID": "id"}, timeout)


@pytest.mark.parametrize(
    ("request_", "line", "ending"),
    [
        pytest.param(READ, b"GET /api/x?a=b%20c HTTP/1.1", b"", id="read"),
        pytest.param(RestRequest("DELETE", "/api/x", None), b"DELETE /api/x HTTP/1.1", b"", id="delete"),
        pytest.param(
            RestRequest("POST", "/api/x", None), b"POST /api/x HTTP/1.1", b"Content-Length: 0\r\n", id="without-body"
        ),
        pytest.param(
            RestRequest("PATCH", "/api/x", b'{"a":1}'),
            b"PATCH /api/x HTTP/1.1",
            b"Content-Type: application/json\r\nContent-Length: 7\r\n",
            id="with-body",
        ),
    ],
)
async def test_the_request_on_the_wire(request_: RestRequest, line: bytes, ending: bytes) -> None:
    """Exactly what is documented is sent, and nothing else."""
    async with wire(then_close(OK)) as (server, client):
        await send(client, request_)
        host = f"Host: 127.0.0.1:{server.port}\r\nUser-Agent: vcenter-gateway/".encode()
        head = server.requests[0]
    assert head.startswith(line + b"\r\n" + host)
    accepted = b"Accept: application/json\r\nAccept-Encoding: identity\r\nX-Request-ID: id\r\n"
    assert head.partition(b"vcenter-gateway/")[2].partition(b"\r\n")[2] == accepted + ending + b"\r\n"


async def test_the_answer() -> None:
    """Status, header fields by lower-case names, and body come back."""
    async with wire(b"HTTP/1.1 201 Created\r\nContent-Type: a/b\r\nX-A:  c \r\nContent-Length: 3\r\n\r\n123") as (
        _,
        client,
    ):
        answer = await send(client)
    assert (answer.status, answer.body) == (201, b"123")
    assert answer.headers == {"content-type": "a/b", "x-a": "c", "content-length": "3"}


async def test_a_connection_is_used_again() -> None:
    """One call after the other takes one connection."""
    async with wire(OK, NO_CONTENT, OK) as (server, client):
        assert [(await send(client)).status for _ in range(3)] == [200, 204, 200]
        assert len(server.connections) == client.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", id="it-says-so"),
        pytest.param(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}", id="http-1.0"),
        pytest.param(OK + b"canary", id="bytes-beyond-the-answer"),
        pytest.param(OK + OK, id="two-answers"),
    ],
)
async def test_a_connection_that_is_not_used_again(answer: bytes) -> None:
    """What the server wants closed, or what is out of step, is closed; no call gets another one's answer."""
    async with wire(answer, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n[1]") as (server, client):
        assert (await send(client)).body == b"{}"
        assert (await send(client)).body == b"[1]"
        assert len(server.connections) == 2


async def test_a_kept_connection_that_the_server_closes() -> None:
    """It is noticed without a call: the next one takes another."""
    async with wire(OK, OK) as (server, client):
        await send(client)
        server.connections[0].close()
        await eventually(lambda: client.connections == 0, "the end of the connection")
        await send(client)


async def test_an_answer_to_nothing() -> None:
    """Bytes on a kept connection are nobody's answer."""
    async with wire(OK, NO_CONTENT) as (server, client):
        await send(client)
        server.connections[0].write(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
        await eventually(lambda: client.connections == 0, "the end of the connection")
        assert (await send(client)).status == 204


async def test_a_kept_connection_that_breaks_under_a_call() -> None:
    """The answer before it, which had no length, is not taken for the answer to the call."""
    async with wire(NO_CONTENT, closing) as (_, client):
        await send(client)
        with LOST:
            await send(client)


async def test_connections_that_nobody_uses_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a while without a call."""
    monkeypatch.setattr(transport, "_KEEP_SECONDS", 0.05)
    async with wire(OK, OK) as (server, client):
        await send(client)
        await eventually(lambda: client.connections == 0, "the end of the connection")
        await send(client)
        assert len(server.connections) == 2


async def test_interim_answers() -> None:
    """They are passed over."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
    async with wire(interim + OK, OK) as (server, client):
        answer = await send(client)
        assert (answer.status, answer.headers, answer.body) == (200, {"content-length": "2"}, b"{}")
        await send(client)
        assert len(server.connections) == 1


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", id="half-a-head"),
        pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", id="interim-answer"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{", id="half-a-body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", id="no-last-chunk"),
        pytest.param(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n", id="upgrade"),
    ],
)
async def test_an_answer_that_is_cut(data: bytes) -> None:
    """It is no answer."""
    async with wire(then_close(data)) as (_, client):
        with LOST:
            await send(client)


async def test_an_answer_that_ends_with_the_connection() -> None:
    """It is whole where its head names no length."""
    async with wire(then_close(b"HTTP/1.1 200 OK\r\n\r\n[1,2]")) as (_, client):
        assert (await send(client)).body == b"[1,2]"


@pytest.mark.parametrize(("over", "fits"), [(-1, True), (0, True), (1, False)], ids=["below", "at", "above"])
@pytest.mark.parametrize("place", ["head", "trailers", "both"])
async def test_the_largest_head(place: str, over: int, fits: bool) -> None:
    """So large may all fields be, and not larger: the memory is the gateway's."""
    encoding = b"Transfer-Encoding: chunked\r\n"
    rest = MAX_HEAD_BYTES + over - len(encoding)
    first = {"head": rest, "trailers": 0, "both": rest // 2}[place]
    fields = [b"X-Field: ".ljust(size - 2, b"x") + b"\r\n" if size else b"" for size in (first, rest - first)]
    data = b"HTTP/1.1 200 OK\r\n" + encoding + fields[0] + b"\r\n2\r\n{}\r\n0\r\n" + fields[1] + b"\r\n"
    async with wire(data) as (_, client):
        if fits:
            assert (await send(client)).body == b"{}"
        else:
            with LOST:
                await send(client)


@pytest.mark.parametrize("kind", ["length", "chunked"])
@pytest.mark.parametrize(("size", "fits"), [(9, True), (10, True), (11, False)], ids=["below", "at", "above"])
async def test_the_largest_body(kind: str, size: int, fits: bool) -> None:
    """A body up to the limit is read; a larger one ends the call and the connection."""
    body = b"1" * size
    if kind == "length":
        data = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + body
    else:
        data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n" % size + body + b"\r\n0\r\n\r\n"
    async with wire(data, max_response_bytes=10) as (_, client):
        if fits:
            assert (await send(client)).body == body
        else:
            with pytest.raises(AnswerTooLargeError):
                await send(client)
            await eventually(lambda: client.connections == 0, "the end of the connection")


async def test_as_many_connections_as_places() -> None:
    """A call beyond them waits for one; when its time is over it was certainly not sent, and the place is not lost."""
    async with wire(never, OK, max_concurrent_calls=1) as (server, client):
        first = asyncio.ensure_future(send(client))
        await eventually(lambda: bool(server.requests), "the first request")
        with pytest.raises(NotSentTimeoutError):
            await send(client, timeout=0.2)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (await send(client)).status == 200
        assert len(server.requests) == 2


async def test_a_cancelled_call_closes_its_connection() -> None:
    """vCenter sees that nobody waits."""
    async with wire(never) as (server, client):
        call = asyncio.ensure_future(send(client))
        await eventually(lambda: bool(server.requests), "the request")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await eventually(lambda: client.connections == 0, "the end of the connection")


async def test_an_answer_before_the_request_was_sent_whole() -> None:
    """It is the answer; the connection, on which the rest of the request is still to come, is not used again."""
    large = RestRequest("POST", "/api/x", b" " * (32 * 1024 * 1024))
    async with wire(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", OK) as (server, client):
        assert (await send(client, large)).status == 413
        assert (await send(client)).status == 200
        assert len(server.connections) == 2


async def test_closing_ends_calls() -> None:
    """A call that is under way when everything is closed fails as one whose connection was lost."""
    async with wire(never) as (server, client):
        call = asyncio.ensure_future(send(client))
        await eventually(lambda: bool(server.requests), "the request")
        await client.close()
        with LOST:
            await call


async def test_a_name_with_several_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody listens at the first address, the next one is taken; the name is not asked for again soon."""
    loop = asyncio.get_running_loop()
    resolve = loop.getaddrinfo
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        closed = unused.getsockname()[1]
        async with wire(then_close(OK), OK) as (server, _):
            asked = 0

            async def getaddrinfo(host: Any, port: Any, **how: Any) -> list[Any]:
                nonlocal asked
                if host != "vcenter.test":
                    return list(await resolve(host, port, **how))
                asked += 1
                one = (socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "")
                return [(*one, ("127.0.0.1", closed)), (*one, ("127.0.0.1", server.port))]

            monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo, raising=False)
            async with Transport(VCenterOptions("http://vcenter.test")) as client:
                await send(client)
                await eventually(lambda: client.connections == 0, "the end of the connection")
                assert (await send(client)).status == 200
            assert len(server.connections) == 2
            assert asked == 1


async def test_nobody_listens() -> None:
    """The call was certainly not sent."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with Transport(VCenterOptions(f"http://127.0.0.1:{unused.getsockname()[1]}")) as client:
            with pytest.raises(NotSentError, match="Connection refused"):
                await send(client)
