"""What a caller can make the gateway hold: requests that do not arrive, answers that are not read, connections,
streams, metadata."""

from __future__ import annotations

import asyncio
import gc
import re
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest

from gateway.access import AuditLog
from gateway.errors import Failure, GatewayError
from gateway.events import CallEnded, Events
from gateway.server import ServerOptions, peers
from gateway.server.arrival import refuse
from gateway.server.connections import abort, close_connections
from gateway.server.listener import quiet_library
from gateway.server.peers import Peers
from tests.integration.harness import READ, READ_REQUEST, System, eventually, failure, running_system
from tests.integration.raw_http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    Connection,
    connection,
    frame,
    message,
    request_head,
    setting,
)
from tests.integration.test_server import CREDENTIALS, options

KIB = 1024
CHANGE = "vcenter.vm.v1.PowerService/StartVm"
HEAD = request_head(f"/{READ}".encode(), [(b"vmware-api-session-id", b"x")])
WHOLE = message(b"\x0a\x07vm-1001")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(None, id="no-data"),
        pytest.param(b"", id="empty-data"),
        pytest.param(WHOLE[:3], id="part-of-the-prefix"),
        pytest.param(WHOLE[:7], id="part-of-the-message"),
    ],
)
async def test_a_request_that_ends_too_early(system: System, data: bytes | None) -> None:
    """It is refused at once, and vCenter is not called."""
    async with connection(system.address) as peer:
        if data is None:
            await peer.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, HEAD))
        else:
            await peer.send(frame(HEADERS, END_HEADERS, 1, HEAD), frame(DATA, END_STREAM, 1, data))
        assert b"grpc-status\x013" in await peer.end_of(1)
    assert len(system.simulator.record) == 0


async def test_a_call_without_a_request(system: System) -> None:
    """The status says what is wrong."""
    call: Any = system.client.channel.stream_unary(f"/{READ}")
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(iter([]), metadata=CREDENTIALS, timeout=10)
    found = failure(caught.value, system.gateway.contract)
    assert (found.code, found.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")
    assert "request message" in found.message


@pytest.mark.parametrize("data", [b"", WHOLE[:7]], ids=["nothing", "half"])
async def test_a_request_that_does_not_arrive(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    """A call whose request is not complete in time is refused, while others are answered."""
    monkeypatch.setattr(peers, "REQUEST_SECONDS", 0.5)
    async with running_system() as system, connection(system.address) as peer:
        await peer.send(frame(HEADERS, END_HEADERS, 1, HEAD), frame(DATA, 0, 1, data))
        await system.client.call(READ, READ_REQUEST)
        assert b"grpc-status\x013" in await peer.end_of(1)
        await peer.send(frame(HEADERS, END_HEADERS, 3, HEAD), frame(DATA, END_STREAM, 3, WHOLE))
        await peer.end_of(3)


@pytest.mark.parametrize(("count", "refused"), [(7, 0), (8, 0), (9, 1), (12, 4)])
async def test_how_many_requests_may_be_late(count: int, refused: int) -> None:
    """Those that are late at once are as many as their largest size allows; beyond, the oldest ones are refused."""
    async with running_system() as system, connection(system.address) as peer:
        streams = [2 * number + 1 for number in range(count)]
        for stream in streams:
            await peer.send(frame(HEADERS, END_HEADERS, stream, HEAD), frame(DATA, 0, stream, WHOLE[:7]))
        for stream in streams[:refused]:
            assert b"have not arrived" in await peer.end_of(stream)
        # The others can still be completed.
        for stream in streams[refused:]:
            await peer.send(frame(DATA, END_STREAM, stream, WHOLE[7:]))
            assert b"have not arrived" not in await peer.end_of(stream)


async def test_requests_that_are_not_late_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many requests are on their way, those that have just begun are not refused."""
    monkeypatch.setattr(peers, "_LATE_SECONDS", 30.0)
    async with running_system() as system, connection(system.address) as peer:
        streams = [2 * number + 1 for number in range(12)]
        for stream in streams:
            await peer.send(frame(HEADERS, END_HEADERS, stream, HEAD), frame(DATA, 0, stream, WHOLE[:7]))
        await eventually(lambda: len(system.gateway._peers._requests) == len(streams), "the requests")
        system.gateway._peers._look()
        for stream in streams:
            await peer.send(frame(DATA, END_STREAM, stream, WHOLE[7:]))
            assert b"have not arrived" not in await peer.end_of(stream)


async def test_requests_that_hold_up_others() -> None:
    """A connection has few requests read at once. Late ones are refused when others wait for their turn, and all that
    are complete are answered."""
    async with running_system() as system, connection(system.address) as peer:
        late, complete = [2 * number + 1 for number in range(30)], [2 * number + 1 for number in range(30, 40)]
        for stream in late:
            await peer.send(frame(HEADERS, END_HEADERS, stream, HEAD), frame(DATA, 0, stream, WHOLE[:7]))
        await system.client.call(READ, READ_REQUEST)
        for stream in complete:
            await peer.send(frame(HEADERS, END_HEADERS, stream, HEAD), frame(DATA, END_STREAM, stream, WHOLE))
        for stream in complete:
            assert b"have not arrived" not in await peer.end_of(stream, 20)
        assert set(peer.ended) & set(late)


@pytest.mark.parametrize(("size", "fits"), [(100 * KIB, True), (100 * KIB + 1, False)])
async def test_large_requests_of_a_connection(monkeypatch: pytest.MonkeyPatch, size: int, fits: bool) -> None:
    """Those whose calls are under way are bounded by their bytes; a further one is refused, and taken when there is
    room again. Small ones do not count."""
    monkeypatch.setattr(peers, "CONNECTION_BYTES", 200 * KIB)
    async with waiting() as (address, started, go_on), grpc.aio.insecure_channel(address) as channel:
        rpc = channel.unary_unary("/test.Wait/Get")
        first = asyncio.ensure_future(rpc(bytes(100 * KIB), timeout=20))
        await eventually(lambda: started, "the first call")
        second = asyncio.ensure_future(rpc(bytes(size), timeout=20))
        small = asyncio.ensure_future(rpc(bytes(1000), timeout=20))
        await eventually(lambda: started.count(1000), "the small call")
        if fits:
            await eventually(lambda: len(started) == 3, "the second call")
        else:
            with pytest.raises(grpc.aio.AioRpcError, match="too large in total") as caught:
                await second
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        go_on.set()
        await asyncio.gather(first, small, *([second] if fits else []))
        await rpc(bytes(size), timeout=20)


async def test_one_request_may_be_larger(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no other one is under way."""
    monkeypatch.setattr(peers, "CONNECTION_BYTES", 100 * KIB)
    async with waiting() as (address, _, go_on), grpc.aio.insecure_channel(address) as channel:
        go_on.set()
        for _ in range(2):
            await channel.unary_unary("/test.Wait/Get")(bytes(300 * KIB), timeout=20)


@asynccontextmanager
async def waiting() -> AsyncIterator[tuple[str, list[int], asyncio.Event]]:
    """A server of one rpc whose calls wait for the event: its address, and the sizes of the requests so far."""
    held = Peers(KIB * KIB, 4 * KIB * KIB)
    started: list[int] = []
    go_on = asyncio.Event()

    async def answer(data: bytes | Failure, context: Any) -> bytes:
        if isinstance(data, Failure):
            await refuse(context, data, "")
        started.append(len(data))
        await go_on.wait()
        return b""

    handler = grpc.stream_unary_rpc_method_handler(held.bounded(answer))
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Wait", {"Get": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}", started, go_on
    finally:
        await server.stop(None)


async def test_a_refused_call_leaves_nothing() -> None:
    """What it held is free when it has ended, without Python's garbage collector."""

    seen: list[weakref.ref[Peers]] = []

    async def refuse_it(_: Any, context: Any) -> bytes:
        held = Peers(KIB, KIB)  # Any object does.
        seen.append(weakref.ref(held))
        await abort(context, grpc.StatusCode.INTERNAL, "no")

    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    handler = grpc.unary_unary_rpc_method_handler(refuse_it)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Refuse", {"Get": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    gc.disable()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            with pytest.raises(grpc.aio.AioRpcError):
                await channel.unary_unary("/test.Refuse/Get")(b"", timeout=10)
            await eventually(lambda: seen[0]() is None, "the end of what it held")
    finally:
        gc.enable()
        await server.stop(None)


class Ended(Events):
    """Keeps how calls ended."""

    def __init__(self) -> None:
        self.found: list[CallEnded] = []

    def call_ended(self, ended: CallEnded) -> None:
        self.found.append(ended)


@pytest.mark.parametrize(("count", "code"), [(1, "INVALID_ARGUMENT"), (9, "RESOURCE_EXHAUSTED")], ids=["late", "many"])
async def test_refusals_are_told(monkeypatch: pytest.MonkeyPatch, count: int, code: str) -> None:
    """Log, metrics and audit log learn of a call whose request does not arrive, as of every other one."""
    monkeypatch.setattr(peers, "REQUEST_SECONDS", 0.5 if count == 1 else 30)
    ended, records = Ended(), list[Any]()
    head = request_head(f"/{CHANGE}".encode(), [(b"vmware-api-session-id", b"x"), (b"x-request-id", b"r-1")])
    async with (
        running_system(events=ended, audit=AuditLog(records.append)) as system,
        connection(system.address) as peer,
    ):
        for number in range(count):
            await peer.send(frame(HEADERS, END_HEADERS, 2 * number + 1, head))
        await peer.end_of(1)
        await eventually(lambda: bool(records), "the record")
        call, record = ended.found[0], records[0]
        assert (call.rpc, call.code, call.request_id) == (CHANGE, code, "r-1")
        assert call.peer.startswith("ipv4:127.0.0.1:")
        assert (record["event"], record["rpc"], record["code"]) == ("change_refused", CHANGE, code)
        await eventually(lambda: system.gateway.active_calls == 0, "the end of the call")


class Echo:
    """A server whose answers are as large as asked for."""

    def __init__(self, port: int, held: Peers) -> None:
        self.address = f"127.0.0.1:{port}"
        self.peers = held


@asynccontextmanager
async def answering(max_unsent: int, *, is_read_only: bool = True, answer_seconds: float = 60) -> AsyncIterator[Echo]:
    """A server of one rpc, whose answers peers may hold up to `max_unsent`."""
    quiet_library()
    held = Peers(max_unsent, 4 * KIB * KIB, answer_seconds=answer_seconds)

    async def answer(data: bytes | Failure, context: Any) -> bytes:
        assert isinstance(data, bytes)
        if is_read_only:
            try:
                held.take_room(context, int(data))
            except GatewayError as error:
                await refuse(context, error.failure, "")
        return bytes(int(data))

    handler = grpc.stream_unary_rpc_method_handler(held.bounded(answer))
    server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", {"Get": handler}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield Echo(port, held)
    finally:
        await server.stop(None)
        async with asyncio.timeout(10):
            await held.taken()
    assert held.unsent_bytes == 0


async def ask(peer: Connection, stream: int, size: int) -> None:
    """Asks for an answer of that size."""
    await peer.send(
        frame(HEADERS, END_HEADERS, stream, request_head(b"/test.Echo/Get")),
        frame(DATA, END_STREAM, stream, message(b"%d" % size)),
    )


CLOSED_WINDOW = setting(INITIAL_WINDOW_SIZE, 0)


@pytest.mark.parametrize(("size", "fits"), [(64 * KIB - 1, True), (64 * KIB, True), (64 * KIB + 1, False)])
async def test_unread_answers_of_a_connection(size: int, fits: bool) -> None:
    """One connection may hold half of what all may; a further answer is refused, and other connections get theirs."""
    async with answering(256 * KIB) as server, connection(server.address, CLOSED_WINDOW) as peer:
        await ask(peer, 1, 64 * KIB)
        await eventually(lambda: server.peers.unsent_bytes == 64 * KIB, "the first answer")
        await ask(peer, 3, size)
        if fits:
            await eventually(lambda: server.peers.unsent_bytes == 64 * KIB + size, "the second answer")
        else:
            assert b"grpc-status\x018" in await peer.end_of(3)
            assert server.peers.unsent_bytes == 64 * KIB
        async with grpc.aio.insecure_channel(server.address) as channel:
            assert len(await channel.unary_unary("/test.Echo/Get")(b"100000", timeout=10)) == 100_000
    assert server.peers.unsent_bytes == 0


async def test_one_answer_may_be_larger() -> None:
    """A connection that holds nothing gets its answer, however large."""
    async with answering(64 * KIB) as server, grpc.aio.insecure_channel(server.address) as channel:
        for _ in range(3):
            assert len(await channel.unary_unary("/test.Echo/Get")(b"1000000", timeout=10)) == 1_000_000
            await server.peers.taken()


async def test_the_answer_to_a_change_is_not_refused() -> None:
    """It tells how the change ended, however much is held."""
    async with answering(64 * KIB, is_read_only=False) as server, connection(server.address, CLOSED_WINDOW) as peer:
        for stream in (1, 3, 5):
            await ask(peer, stream, 64 * KIB)
        await eventually(lambda: server.peers.unsent_bytes == 192 * KIB, "three answers")


async def test_unread_answers_of_all_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """When connections that do not read leave no room for others, those that hold most are closed."""
    monkeypatch.setattr(peers, "STUCK_SECONDS", 0.1)
    async with (
        answering(128 * KIB) as server,
        connection(server.address, CLOSED_WINDOW) as most,
        connection(server.address, CLOSED_WINDOW) as least,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        await ask(most, 1, 64 * KIB)
        await ask(least, 1, 60 * KIB)
        await eventually(lambda: server.peers.unsent_bytes == 124 * KIB, "both answers")

        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/test.Echo/Get")(b"30000", timeout=10)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        async with asyncio.timeout(20):
            await most.is_closed.wait()
        await eventually(lambda: server.peers.unsent_bytes == 60 * KIB, "the end of what the closed connection held")
        assert len(await channel.unary_unary("/test.Echo/Get")(b"30000", timeout=10)) == 30_000
        assert not least.is_closed.is_set()


@pytest.mark.parametrize(("size", "fits"), [(24 * KIB, True), (24 * KIB + 1, False)])
async def test_the_last_room_for_answers(size: int, fits: bool) -> None:
    """All connections together may hold as much as the limit says, to the last byte."""
    async with (
        answering(128 * KIB) as server,
        connection(server.address, CLOSED_WINDOW) as first,
        connection(server.address, CLOSED_WINDOW) as second,
        grpc.aio.insecure_channel(server.address) as channel,
    ):
        await ask(first, 1, 64 * KIB)
        await ask(second, 1, 40 * KIB)
        await eventually(lambda: server.peers.unsent_bytes == 104 * KIB, "both answers")
        answer = channel.unary_unary("/test.Echo/Get")(b"%d" % size, timeout=10)
        if fits:
            assert len(await answer) == size
        else:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await answer
            assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


@pytest.mark.parametrize("size", [100, 64 * KIB], ids=["small", "large"])
async def test_an_answer_that_is_never_read(caplog: pytest.LogCaptureFixture, size: int) -> None:
    """The connection is closed after a while, and what it held is free; the log says so, without a traceback."""
    async with (
        answering(256 * KIB, answer_seconds=0.2) as server,
        connection(server.address) as reads,
        connection(server.address, CLOSED_WINDOW) as peer,
    ):
        await ask(reads, 1, 100)
        await reads.end_of(1)
        await ask(peer, 1, size)
        async with asyncio.timeout(20):
            await peer.is_closed.wait()
            await server.peers.taken()
        assert not reads.is_closed.is_set()
    closed = "closed 1 connections that do not read their responses"
    assert [record.getMessage() for record in caplog.records] == [closed]


@pytest.mark.parametrize("peer", ["unix:/tmp/x", "ipv4:nonsense", "", "ipv4:192.0.2.1:1"])
def test_a_peer_that_cannot_be_found(peer: str) -> None:
    """Nothing is closed."""
    assert close_connections({peer}) == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "[::]"])
async def test_peers_of_each_family(host: str) -> None:
    """Connections are found by IPv4, by IPv6, and by IPv4 through a socket for both."""
    peer = ""

    async def who(_: Any, context: Any) -> bytes:
        nonlocal peer
        peer = context.peer()
        assert close_connections({peer}) == 1
        await asyncio.Event().wait()
        return b""

    server = grpc.aio.server()
    handler = grpc.unary_unary_rpc_method_handler(who)
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Who", {"Get": handler}),))
    port = server.add_insecure_port(f"{host}:0")
    await server.start()
    try:
        address = f"127.0.0.1:{port}" if host == "[::]" else f"{host}:{port}"
        async with grpc.aio.insecure_channel(address) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary("/test.Who/Get")(b"", timeout=10)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    finally:
        await server.stop(None)
    assert peer


@pytest.mark.parametrize("limit", [8 * KIB, 32 * KIB])
async def test_the_size_of_metadata(limit: int) -> None:
    """Up to the limit each call is taken, beyond it each is refused with a status that says by how much."""
    async with running_system(server=options(max_metadata_bytes=limit)) as system:
        rpc = system.client.channel.unary_unary(f"/{READ}")

        async def call(size: int) -> grpc.aio.AioRpcError:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await rpc(b"", metadata=(("authorization", "x" * size),))  # A timeout is metadata too.
            return caught.value

        refused = await call(limit - 100)
        sizes = re.search(r"\((\d+) vs. (\d+)\)", refused.details() or "")
        assert sizes
        assert int(sizes[2]) == limit + 1, "gRPC names the first size that it refuses"
        largest = limit - 100 - (int(sizes[1]) - limit)
        # At random, were there a soft limit: so often that it would show.
        for size, code in ((largest - 1, "UNAUTHENTICATED"), (largest, "UNAUTHENTICATED")):
            assert {(await call(size)).code().name for _ in range(20)} == {code}
        assert {(await call(largest + 1)).code().name for _ in range(20)} == {"RESOURCE_EXHAUSTED"}


async def test_more_calls_than_streams() -> None:
    """A client holds back what is more than the streams of its connection, and none of its calls fails."""
    async with running_system(server=options(max_concurrent_streams=10)) as system:
        await asyncio.gather(*(system.client.call(READ, READ_REQUEST) for _ in range(500)))


@pytest.mark.parametrize(("count", "refused"), [(2, 0), (3, 0), (4, 1)])
async def test_streams_of_a_connection(count: int, refused: int) -> None:
    """Streams beyond the limit are refused by reset, which tells a client that nothing was executed."""
    async with running_system(server=options(max_concurrent_streams=3)) as system, connection(system.address) as peer:
        await peer.send(*(frame(HEADERS, END_HEADERS, 2 * number + 1, HEAD) for number in range(count)))
        for number in range(count - refused):
            await peer.send(frame(DATA, END_STREAM, 2 * number + 1, WHOLE))
        for number in range(count):
            ended = await peer.end_of(2 * number + 1)
            assert ended.startswith(b"reset") is (number >= count - refused)


@pytest.mark.parametrize(("count", "closed"), [(1, 0), (2, 0), (3, 1)])
async def test_connections(count: int, closed: int) -> None:
    """Connections beyond the limit are closed at once; the place of one that ends is free."""
    async with running_system(server=ServerOptions("127.0.0.1:0", max_connections=2)) as system:
        async with connection(system.address) as first:
            await answered(first, 1)
            others = [connection(system.address) for _ in range(count - 1)]
            found = [await other.__aenter__() for other in others]
            for number, peer in enumerate(found, 1):
                if number >= count - closed:
                    async with asyncio.timeout(10):
                        await peer.is_closed.wait()
                else:
                    await answered(peer, 1)
            for other in others:
                await other.__aexit__(None, None, None)
            await answered(first, 3)
        async with asyncio.timeout(10):
            while True:
                async with connection(system.address) as another:
                    try:
                        await answered(another, 1, seconds=1)
                    except (TimeoutError, OSError):
                        continue
                    return


async def answered(peer: Connection, stream: int, seconds: float = 10) -> None:
    """Makes one call on a connection."""
    await peer.send(frame(HEADERS, END_HEADERS, stream, HEAD), frame(DATA, END_STREAM, stream, WHOLE))
    await peer.end_of(stream, seconds)
