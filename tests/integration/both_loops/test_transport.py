"""Connections to vCenter: what goes over the wire, when one is used again, and what ends it."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import os
import random
import socket
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.files import look_at_files
from gateway.simulator.tls import server_context
from gateway.transcoding import RestRequest, RestResponse
from gateway.vcenter import VCenterOptions, transport
from gateway.vcenter.connection import MAX_HEAD_BYTES
from gateway.vcenter.exchange import Exchange
from gateway.vcenter.failures import (
    AnswerTooLargeError,
    ConnectionLostError,
    NotSentError,
    NotSentTimeoutError,
    TransportError,
)
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
    deadline = asyncio.get_running_loop().time() + timeout
    return await client.send(Exchange(request, {"X-Request-ID": "id"}, deadline))


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


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nX-Evil: 1", "a\rX-Evil: 1"])
async def test_no_value_adds_a_line(value: str) -> None:
    """Wherever it comes from: nothing is sent."""
    async with wire(OK) as (server, client):
        deadline = asyncio.get_running_loop().time() + 10
        for target, headers in ((value, {}), ("/api/x", {"X-Request-ID": value})):
            with pytest.raises(ValueError, match="line break"):
                await client.send(Exchange(RestRequest("GET", target, None), headers, deadline))
        assert (await send(client)).status == 200
        assert len(server.requests) == 1


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


def end(connection: socket.socket) -> None:
    connection.shutdown(socket.SHUT_WR)


def speak(connection: socket.socket) -> None:
    connection.send(b'HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n"canary"')


@pytest.mark.parametrize("event", [end, speak])
async def test_what_the_event_loop_has_not_seen_yet(event: Callable[[socket.socket], None]) -> None:
    """A kept connection that has ended, or on which something has come, a moment ago is not used: the call is sent on
    another one, and not lost."""
    async with wire(OK, NO_CONTENT) as (server, client):
        await send(client)
        with socket.socket(fileno=os.dup(server.connections[0].get_extra_info("socket").fileno())) as connection:
            event(connection)
        assert (await send(client, RestRequest("POST", "/api/x", None))).status == 204
        assert len(server.connections) == len(server.requests) == 2


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


def head(*fields: bytes, status: bytes = b"200 OK") -> bytes:
    return b"".join(line + b"\r\n" for line in (b"HTTP/1.1 " + status, *fields, b""))


LENGTH, CHUNKED = b"Content-Length: 2", b"Transfer-Encoding: chunked"
CHUNK, LAST_CHUNK = b"2\r\n{}\r\n", b"0\r\n\r\n"


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"{}", id="http-0.9"),
        pytest.param(b"\x15\x03\x03\x00\x02\x02\x46", id="tls-alert"),
        pytest.param(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", id="a-request"),
        pytest.param(OK.replace(b"\r\n", b"\n"), id="bare-line-feeds"),
        pytest.param(head(LENGTH, status=b"000 No") + b"{}", id="status-0"),
        pytest.param(head(LENGTH, status=b"099 No") + b"{}", id="status-99"),
        pytest.param(head(LENGTH, status=b"1000 No") + b"{}", id="status-1000"),
        pytest.param(head(LENGTH, b"Content-Length: 5") + b"{}123", id="two-lengths"),
        pytest.param(head(b"Content-Length: 2, 5") + b"{}123", id="list-of-lengths"),
        pytest.param(head(b"Content-Length: +2") + b"{}", id="length-with-a-sign"),
        pytest.param(head(b"Content-Length: 0x2") + b"{}", id="hexadecimal-length"),
        pytest.param(head(b"Content-Length: 18446744073709551618") + b"{}", id="length-beyond-64-bits"),
        pytest.param(head(LENGTH, CHUNKED) + CHUNK + LAST_CHUNK, id="length-and-chunks"),
        pytest.param(head(CHUNKED, LENGTH) + CHUNK + LAST_CHUNK, id="chunks-and-length"),
        pytest.param(head(CHUNKED) + b"-2\r\n{}\r\n" + LAST_CHUNK, id="negative-chunk"),
        pytest.param(head(CHUNKED) + b"10000000000000002\r\n{}\r\n" + LAST_CHUNK, id="chunk-beyond-64-bits"),
        pytest.param(head(CHUNKED) + b"2\r\n{}x\r\n" + LAST_CHUNK, id="chunk-longer-than-it-says"),
        pytest.param(head(CHUNKED) + CHUNK + b"0\r\nContent-Length: 7\r\n\r\n", id="length-in-the-trailers"),
        pytest.param(head(b"X-A: 1", b" 2", LENGTH) + b"{}", id="folded-field"),
        pytest.param(head(b"X-A : 1", LENGTH) + b"{}", id="space-before-colon"),
        pytest.param(head(b"X-A: a\0b", LENGTH) + b"{}", id="nul"),
        pytest.param(head(b"X-A: a\rX-B: b", LENGTH) + b"{}", id="bare-carriage-return"),
    ],
)
async def test_an_answer_that_is_no_http(data: bytes) -> None:
    """What could be read in more than one way is not read at all, and of that connection no other call gets a byte."""
    async with wire(data, NO_CONTENT) as (server, client):
        with pytest.raises(ConnectionLostError, match=r"not HTTP/1\.1"):
            await send(client)
        assert (await send(client)).status == 204
        assert len(server.connections) == 2


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(head(LENGTH) + b"{}", id="length"),
        pytest.param(head(CHUNKED) + b'002;a=b;c="d"\r\n{}\r\n0;x\r\nX-T: 1\r\n\r\n', id="chunks-and-all-that-may-be"),
        pytest.param(head(b"tRANSFER-eNCODING:chunked") + CHUNK + LAST_CHUNK, id="odd-letters"),
        pytest.param(head(b"Upgrade: h2c", b"Connection: Upgrade, Keep-Alive", LENGTH) + b"{}", id="offers-an-upgrade"),
        pytest.param(head(LENGTH, status=b"200") + b"{}", id="no-reason-phrase"),
        pytest.param(b"\r\n" + OK, id="empty-line-first"),
        pytest.param(head(status=b"102 Processing") * 500 + OK, id="many-interim-answers"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 10_000], ids=lambda size: f"{size}-at-a-time")
async def test_an_answer_in_pieces(data: bytes, size: int) -> None:
    """However an answer is cut into segments, it is read alike, and its connection is used again."""

    async def reply(writer: asyncio.StreamWriter) -> None:
        for start in range(0, len(data), size):
            writer.write(data[start : start + size])
            await writer.drain()

    async with wire(reply, NO_CONTENT) as (server, client):
        answer = await send(client)
        assert (answer.status, answer.body) == (200, b"{}")
        assert (await send(client)).status == 204
        assert len(server.connections) == 1


async def test_trailers_are_no_header() -> None:
    """A field behind the body changes nothing of what the head said."""
    data = head(CHUNKED, b"Content-Type: a/b") + CHUNK + b"0\r\nContent-Type: c/d\r\nRetry-After: 9\r\n\r\n"
    async with wire(data) as (_, client):
        assert (await send(client)).headers == {"transfer-encoding": "chunked", "content-type": "a/b"}


async def test_many_small_chunks() -> None:
    """The memory that an answer takes is bounded by its size, not by the number of its pieces."""
    count = 300_000
    data = head(CHUNKED) + b"2\r\n  \r\n" * count + LAST_CHUNK
    async with wire(data) as (_, client):
        tracemalloc.start()
        try:
            assert len((await send(client, timeout=60)).body) == 2 * count
            # Bodies, and what server and client have in their buffers.
            assert tracemalloc.get_traced_memory()[1] < 3 * len(data)
        finally:
            tracemalloc.stop()


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


async def test_a_cancelled_call_closes_its_connection() -> None:
    """vCenter sees that nobody waits."""
    async with wire(never) as (server, client):
        call = asyncio.ensure_future(send(client))
        await eventually(lambda: bool(server.requests), "the request")
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await eventually(lambda: client.connections == 0, "the end of the connection")


MOODS = (
    "well",
    "well",
    "well",
    "byte by byte",
    "chunks",
    "interim",
    "late",
    "no length",
    "close",
    "more",
    "cut",
    "stall",
)
PLACES = 8


async def test_a_thousand_calls_for_a_moody_server() -> None:
    """Whatever becomes of the others, each call that is answered gets its own answer, each is sent once, and in the
    end no connection, no task and no place is left over."""
    chance = random.Random(20261125)  # noqa: S311 - the same in each run
    received: Counter[str] = Counter()
    serving = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal serving
        serving += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                target = (await reader.readuntil(b"\r\n\r\n")).split()[1]
                received[target.decode()] += 1
                mood = chance.choice(MOODS)
                body = target * chance.randrange(1, 4)
                data = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
                if mood == "chunks":
                    data = head(CHUNKED) + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + LAST_CHUNK
                elif mood == "interim":
                    data = head(status=b"102 Processing") + data
                elif mood == "no length":
                    data = head() + body
                elif mood == "more":
                    data += b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ncanary"
                elif mood in ("cut", "stall"):
                    data = data[: chance.randrange(len(data))]
                elif mood == "late":
                    await asyncio.sleep(chance.random() / 10)
                size = 1 if mood == "byte by byte" else len(data) + 1
                for start in range(0, len(data), size):
                    writer.write(data[start : start + size])
                    await writer.drain()
                if mood == "stall":
                    await reader.read()
                if mood in ("no length", "close", "cut", "stall"):
                    break
        writer.close()
        serving -= 1

    at_once = asyncio.Semaphore(PLACES)  # As the limiter in front of it has it.
    ends: Counter[str] = Counter()
    unsent: set[str] = set()
    connections: set[int] = set()

    async def call(client: Transport, number: int) -> None:
        target = f"/api/{number}/"
        async with at_once:
            connections.add(client.connections)
            task = asyncio.ensure_future(send(client, RestRequest("POST", target, None), chance.uniform(0.1, 0.5)))
            if chance.random() < 0.2:
                asyncio.get_running_loop().call_later(chance.random() / 10, task.cancel)
            try:
                body = (await task).body.decode()
                assert body == target * body.count(target) != ""
                ends["answered"] += 1
            except asyncio.CancelledError:
                ends["cancelled"] += 1
            except TransportError as error:
                ends[error.reason] += 1
                if not error.was_sent:
                    unsent.add(target)

    listener = await asyncio.start_server(serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    tasks = asyncio.all_tasks()
    async with listener:
        async with Transport(VCenterOptions(url, max_concurrent_calls=PLACES)) as client:
            await asyncio.gather(*(call(client, number) for number in range(1000)))
            assert 0 < max(connections) <= PLACES
            # All places are free again, or this would end with the time of the calls.
            numbers = range(1000, 1000 + PLACES)
            received_before = len(received)
            last = [
                asyncio.ensure_future(send(client, RestRequest("GET", f"/{number}/", None), 2)) for number in numbers
            ]
            await eventually(lambda: len(received) == received_before + PLACES, "as many calls as there are places")
            await asyncio.gather(*last, return_exceptions=True)
        assert client.connections == 0
        await eventually(lambda: serving == 0, "the end of all connections")
    assert set(received.values()) == {1}, "a call was sent twice"
    assert not unsent & set(received)
    assert min(ends["answered"] / 5, ends["cancelled"], ends["VCENTER_CONNECTION_LOST"], ends["VCENTER_TIMEOUT"]) > 5
    await eventually(lambda: asyncio.all_tasks() <= tasks, "the end of all tasks")


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


async def test_a_slow_name_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that takes longer to look up than one call has time is looked up once, and the next call has it."""
    loop = asyncio.get_running_loop()
    asked = asyncio.Event()
    answer = loop.create_future()

    async def getaddrinfo(host: Any, port: Any, **how: Any) -> list[Any]:
        assert not asked.is_set(), "the name was asked for twice"
        asked.set()
        return list(await answer)

    async with wire(OK) as (server, _):
        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo, raising=False)
        async with Transport(VCenterOptions("http://vcenter.test")) as client:
            for _ in range(2):
                with pytest.raises(NotSentTimeoutError):
                    await send(client, timeout=0.05)
            call = asyncio.ensure_future(send(client))
            await asked.wait()
            answer.set_result(
                [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", server.port))]
            )
            assert (await call).status == 200


async def test_closing_while_a_name_is_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is left behind."""
    loop = asyncio.get_running_loop()

    async def getaddrinfo(host: Any, port: Any, **how: Any) -> list[Any]:
        return list(await loop.create_future())

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo, raising=False)
    before = asyncio.all_tasks()
    async with Transport(VCenterOptions("http://vcenter.test")) as client:
        with pytest.raises(NotSentTimeoutError):
            await send(client, timeout=0.05)
    await eventually(lambda: asyncio.all_tasks() == before, "the end of the look-up")


def link_local() -> str | None:
    """An address of this machine that says nothing without the name of its network interface."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/net/if_inet6").read_text("ascii").splitlines():
            digits, *_, interface = line.split()
            if digits.startswith("fe80"):
                return f"{ipaddress.IPv6Address(int(digits, 16))}%{interface}"
    return None


@pytest.mark.skipif(link_local() is None, reason="this machine has no link-local address")
async def test_an_address_with_a_zone() -> None:
    """The zone leads to the network interface, and is this machine's own affair: vCenter does not see it."""
    server = Server(then_close(OK))
    async with await asyncio.start_server(server.serve, "::", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        async with Transport(VCenterOptions(f"http://[{link_local()}]:{port}")) as client:
            assert (await send(client)).status == 200
    address = (link_local() or "").partition("%")[0]
    assert f"\r\nHost: [{address}]:{port}\r\n".encode() in server.requests[0]


async def test_nobody_listens() -> None:
    """The call was certainly not sent."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        async with Transport(VCenterOptions(f"http://127.0.0.1:{unused.getsockname()[1]}")) as client:
            with pytest.raises(NotSentError, match="Connection refused"):
                await send(client)


async def test_a_connection_that_is_closed_as_soon_as_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent on it, so that the call may be sent again; and it is not counted."""

    class Closed(transport.Connection):
        def connection_made(self, made: asyncio.BaseTransport) -> None:
            super().connection_made(made)
            self.abort()

    async with wire(OK) as (server, client):
        with monkeypatch.context() as patched:
            patched.setattr(transport, "Connection", Closed)
            with pytest.raises(NotSentError, match="closes connections"):
                await send(client)
        await eventually(lambda: client.connections == 0, "the end of the connection")
        assert not server.requests
        assert (await send(client)).status == 200


async def test_a_connection_that_was_made_by_what_is_not_trusted_any_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is not used again once the file of authorities has another content, also when its call ends after that."""
    context, certificate, _ = server_context(("127.0.0.1",))
    _, other, _ = server_context(("127.0.0.1",))
    file = tmp_path / "authorities"
    file.write_text(certificate)
    caplog.set_level(logging.INFO)
    release = asyncio.Event()

    async def held(writer: asyncio.StreamWriter) -> None:
        await release.wait()
        writer.write(OK)

    server = Server(held, OK, OK)
    async with await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=context) as listener:
        url = f"https://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        async with Transport(VCenterOptions(url, ca_file=str(file))) as client:
            first = asyncio.ensure_future(send(client))
            await eventually(lambda: len(server.requests) == 1, "the request")
            file.write_text(certificate + other)
            look_at_files()
            await eventually(lambda: "is in use now" in caplog.text, "the new authorities")
            await send(client)
            assert len(server.connections) == 2
            release.set()
            await first
            await eventually(lambda: client.connections == 1, "the end of the old connection")
            await send(client)
            assert len(server.connections) == 2
        for writer in server.connections:
            writer.close()
