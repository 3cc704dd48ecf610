"""gRPC's health service: what it says, how many may watch it, and that nobody who watches holds up another."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.server import ServerOptions, health
from gateway.server.gateway import CLIENTS_HEALTH, VCENTER_HEALTH
from tests.integration.harness import READ, READ_REQUEST, System, eventually, running_system
from tests.integration.raw_http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    connection,
    frame,
    message,
    request_head,
    setting,
)

SERVING, NOT_SERVING, SERVICE_UNKNOWN = (
    health_pb2.HealthCheckResponse.SERVING,
    health_pb2.HealthCheckResponse.NOT_SERVING,
    health_pb2.HealthCheckResponse.SERVICE_UNKNOWN,
)
CHECK, WATCH = "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch"
CLOSED_WINDOW = setting(INITIAL_WINDOW_SIZE, 0)


def watch(channel: grpc.aio.Channel, service: str = "") -> Any:
    return health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=service))


def raw_watch(stream: int, service: bytes = b"") -> bytes:
    """The frames of a call that watches."""
    request = b"\x0a" + bytes([len(service)]) + service if service else b""
    head = request_head(WATCH.encode())
    return frame(HEADERS, END_HEADERS, stream, head) + frame(DATA, END_STREAM, stream, message(request))


async def test_an_unknown_name(system: System) -> None:
    """A check of it is not found; who watches it learns that it is unknown, and goes on watching."""
    stub = health_pb2_grpc.HealthStub(system.client.channel)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Check(health_pb2.HealthCheckRequest(service="vcenter.v9.VmService"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    stream = watch(system.client.channel, "vcenter.v9.VmService")
    assert (await stream.read()).status == SERVICE_UNKNOWN
    assert not stream.done()
    stream.cancel()


@pytest.mark.parametrize("method", [CHECK, WATCH])
@pytest.mark.parametrize("requests", [[b"\xff\xff"], [b"\x0a\x01\xff"], []], ids=["no-message", "no-utf-8", "nothing"])
async def test_a_malformed_request(
    system: System, caplog: pytest.LogCaptureFixture, method: str, requests: list[bytes]
) -> None:
    """What is no request ends in INVALID_ARGUMENT, and leaves nothing in the log."""
    caplog.set_level(logging.INFO)
    call: Any = system.client.channel.stream_stream(method)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        [answer async for answer in call(iter(requests), timeout=10)]
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert not caplog.records


async def test_the_newest_status_wins(system: System) -> None:
    """A watcher that reads late gets the status of now, and none of those between."""
    stream = watch(system.client.channel, VCENTER_HEALTH)
    assert (await stream.read()).status == SERVING
    for status in (NOT_SERVING, SERVING, NOT_SERVING):
        system.gateway._health.set(status, (VCENTER_HEALTH,))
    assert (await stream.read()).status == NOT_SERVING
    system.gateway._health.set(SERVING, (VCENTER_HEALTH,))
    assert (await stream.read()).status == SERVING
    stream.cancel()


async def test_a_watcher_that_does_not_read(system: System) -> None:
    """Others who watch the same name still learn each change, and who sets a status does not wait."""
    async with connection(system.address, CLOSED_WINDOW) as peer:
        await peer.send(raw_watch(1))
        await eventually(lambda: system.gateway._health.watchers == 1, "the watcher that does not read")
        stream = watch(system.client.channel)
        for status in (SERVING, NOT_SERVING, SERVING):
            system.gateway._health.set(status, ("",))
            assert (await asyncio.wait_for(stream.read(), 10)).status == status
        assert peer.received == 0
        stream.cancel()


@pytest.mark.parametrize("limit", ["MAX_WATCHERS", "MAX_WATCHERS_OF_A_CONNECTION"])
async def test_how_many_may_watch(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    """Up to the limit all watch; one more is refused until another one leaves. Checks go on."""
    monkeypatch.setattr(health, limit, 3)
    async with running_system() as system:
        channel = system.client.channel
        streams = [watch(channel) for _ in range(3)]
        assert [(await stream.read()).status for stream in streams] == [SERVING] * 3
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await watch(channel).read()
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert (await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())).status == SERVING
        async with grpc.aio.insecure_channel(system.address, [("grpc.use_local_subchannel_pool", 1)]) as other:
            if limit == "MAX_WATCHERS_OF_A_CONNECTION":
                assert (await watch(other).read()).status == SERVING
        await eventually(lambda: system.gateway._health.watchers == 3, "the end of the other's stream")
        streams[0].cancel()
        await eventually(lambda: system.gateway._health.watchers == 2, "the end of a stream")
        again = watch(channel)
        assert (await again.read()).status == SERVING


async def test_a_watcher_that_never_reads_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection is closed after a while, so that it does not hold its place for ever."""
    monkeypatch.setattr("gateway.server.connections.WRITE_SECONDS", 0.2)
    async with running_system() as system, connection(system.address, CLOSED_WINDOW) as peer:
        await peer.send(raw_watch(1))
        async with asyncio.timeout(10):
            await peer.is_closed.wait()
        await eventually(lambda: system.gateway._health.watchers == 0, "the end of the stream")
        await system.client.call(READ, READ_REQUEST)


async def test_every_name_at_the_stop() -> None:
    """When a stop begins, the server and each of its services say NOT_SERVING, to watchers and to checks, while
    `clients` still says SERVING; at the end every name says NOT_SERVING."""
    async with running_system(server=ServerOptions("127.0.0.1:0", settle_seconds=4.0)) as system:
        stub = health_pb2_grpc.HealthStub(system.client.channel)
        first, last = ["", *system.gateway.contract.services], [VCENTER_HEALTH, CLIENTS_HEALTH]
        streams = {name: watch(system.client.channel, name) for name in (*first, *last)}
        assert {(await stream.read()).status for stream in streams.values()} == {SERVING}
        stopping = asyncio.create_task(system.gateway.stop())
        assert {name: (await streams[name].read()).status for name in first} == dict.fromkeys(first, NOT_SERVING)
        for name in first:
            assert (await stub.Check(health_pb2.HealthCheckRequest(service=name))).status == NOT_SERVING, name
        assert (await stub.Check(health_pb2.HealthCheckRequest(service=CLIENTS_HEALTH))).status == SERVING
        assert {name: (await streams[name].read()).status for name in last} == dict.fromkeys(last, NOT_SERVING)
        await stopping
