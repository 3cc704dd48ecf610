"""How a gateway stops: nothing that it has taken is lost, and clients are told to go elsewhere."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.calls import Basic
from gateway.server import ServerOptions
from gateway.server.gateway import CLIENTS_HEALTH, Gateway
from gateway.serving import ServerEndedError, run
from gateway.settings import ServerSettings, Settings, SimulatorSettings
from gateway.simulator import Fault
from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import (
    PASSWORD,
    READ,
    READ_ID,
    READ_REQUEST,
    START,
    START_REQUEST,
    Client,
    Failure,
    System,
    eventually,
    running_system,
)
from tests.integration.raw_http2 import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    connection,
    frame,
    literal,
    message,
    request_head,
    setting,
)

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
LISTEN = "127.0.0.1:0"


async def test_connections_are_renewed() -> None:
    """With a bounded age, connections are closed in an orderly way: clients connect anew and no call fails."""
    async with running_system(server=ServerOptions(LISTEN, max_connection_age_seconds=0.3)) as system:
        channel = system.client.channel

        async def renewed() -> None:
            for _ in range(2):
                await channel.channel_ready()
                await channel.wait_for_state_change(grpc.ChannelConnectivity.READY)

        renewals = asyncio.create_task(renewed())
        async with asyncio.timeout(20):
            while not renewals.done():
                await system.client.call(READ, READ_REQUEST)
        await renewals


async def health_changes(channel: grpc.aio.Channel, service: str = "") -> AsyncIterator[int]:
    """What a load balancer sees, or who watches another name."""
    async for reply in health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=service)):
        yield reply.status


async def test_graceful_stop(caplog: pytest.LogCaptureFixture) -> None:
    """First health says NOT_SERVING while calls are still taken; then new ones are refused while those under way
    finish; then the sessions with vCenter are closed. The log has nothing to complain of."""
    async with running_system(server=ServerOptions(LISTEN, settle_seconds=0.3)) as system:
        changes = health_changes(system.client.channel)
        assert await anext(changes) == SERVING
        await system.client.call(READ, READ_REQUEST)
        system.simulator.faults.add(Fault.latency(1.5), operation=READ_ID)
        under_way = asyncio.create_task(system.client.call(READ, READ_REQUEST))
        await eventually(lambda: len(system.simulator.record.of(READ_ID)) == 2, "the slow call")

        stopping = asyncio.create_task(system.gateway.stop())
        assert await anext(changes) == NOT_SERVING
        await system.client.call(START, START_REQUEST)
        refusal = await first_refusal(system.client)
        assert refusal.code == "UNAVAILABLE"
        async with grpc.aio.insecure_channel(system.address) as channel:
            refusal = await first_refusal(Client(channel, system.gateway))
        assert refusal.code == "UNAVAILABLE"

        assert not under_way.done()
        assert system.simulator.sessions.counts()["open"] == 1, "it is needed until the last call has ended"
        assert await under_way
        await stopping
        assert system.simulator.sessions.counts()["open"] == 0
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_clients_are_told_last() -> None:
    """Clients that balance calls themselves are told half a second before the listener closes, load balancers before
    that; calls are taken all the while."""
    async with running_system(server=ServerOptions(LISTEN, settle_seconds=1.5)) as system:
        balancers = health_changes(system.client.channel)
        clients = health_changes(system.client.channel, CLIENTS_HEALTH)
        assert await anext(balancers) == await anext(clients) == SERVING
        began = time.monotonic()
        stopping = asyncio.create_task(system.gateway.stop())
        told = asyncio.ensure_future(anext(clients))
        assert await anext(balancers) == NOT_SERVING
        assert not told.done()
        assert await told == NOT_SERVING
        told_at = time.monotonic()
        assert told_at - began > 0.9
        assert (await first_refusal(system.client)).code == "UNAVAILABLE"
        assert time.monotonic() - told_at > 0.4
        await stopping


async def first_refusal(client: Client) -> Failure:
    """Makes calls until one fails."""
    while True:
        try:
            await client.call(READ, {"vm": "vm-1003"})
        except Failure as found:
            return found


async def test_a_stop_under_load(system: System) -> None:
    """No client sees one of its calls cut off: all of them are answered until the next one is refused."""
    clients = [asyncio.create_task(first_refusal(system.client)) for _ in range(20)]
    await eventually(lambda: len(system.calls) > 100, "some calls")
    await system.gateway.stop()
    assert {refusal.code for refusal in await asyncio.gather(*clients)} == {"UNAVAILABLE"}
    assert {call.code for call in system.calls} == {"OK"}
    assert len(system.calls) == len(system.simulator.record.of(READ_ID))


async def test_a_watcher_does_not_hold_up_the_stop() -> None:
    """Streams that never end by themselves do not use up the grace period."""
    async with running_system(server=ServerOptions(LISTEN, grace_seconds=60)) as system:
        changes = health_changes(system.client.channel)
        assert await anext(changes) == SERVING
        async with asyncio.timeout(10):
            await system.gateway.stop()
        assert await anext(changes) == NOT_SERVING


async def test_peers_that_do_not_read() -> None:
    """Watchers and callers that never read hold up neither the end of the sessions with vCenter nor, longer than the
    grace period, that of the server."""
    async with running_system(server=ServerOptions(LISTEN, grace_seconds=1)) as system:
        binding = system.gateway.bindings[READ]
        request = binding.request_class(**READ_REQUEST).SerializeToString()
        metadata = [(b"authorization", Basic(ADMINISTRATOR, PASSWORD).header.encode())]
        watch, read = (request_head(path) for path in (b"/grpc.health.v1.Health/Watch", f"/{READ}".encode()))
        read += b"".join(map(literal, metadata))
        async with connection(system.address, setting(INITIAL_WINDOW_SIZE, 0)) as peer:
            for stream, head, data in ((1, watch, b""), (3, read, request)):
                await peer.send(
                    frame(HEADERS, END_HEADERS, stream, head), frame(DATA, END_STREAM, stream, message(data))
                )
            await eventually(lambda: system.calls, "the call whose answer is not read")
            stopping = asyncio.create_task(system.gateway.stop())
            await eventually(lambda: system.simulator.sessions.counts()["open"] == 0, "the end of the session", 10)
            assert not stopping.done(), "the answer may still be read"
            async with asyncio.timeout(10):
                await stopping
            assert not peer.received


async def test_the_grace_period_ends() -> None:
    """A call that takes longer than the grace period is cut off, and its HTTP request with it."""
    async with running_system(server=ServerOptions(LISTEN, grace_seconds=0.2)) as system:
        system.simulator.faults.add(Fault("hang"), operation=READ_ID)
        under_way = asyncio.create_task(system.client.call(READ, READ_REQUEST))
        await eventually(lambda: system.simulator.record.of(READ_ID), "the slow call")
        async with asyncio.timeout(5):
            await system.gateway.stop()
        with pytest.raises(Failure) as caught:
            await under_way
        assert caught.value.code in ("UNAVAILABLE", "CANCELLED")


async def test_a_server_that_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway whose gRPC server is gone, for whatever reason, ends as well: whoever started it can start another."""
    started: list[Gateway] = []

    class Noted(Gateway):
        async def start(self) -> int:
            started.append(self)
            return await super().start()

    monkeypatch.setattr("gateway.serving.Gateway", Noted)
    ready = asyncio.Event()
    settings = Settings(server=ServerSettings(listen=LISTEN), simulator=SimulatorSettings(enabled=True))
    running = asyncio.create_task(run(settings, lambda port: ready.set()))
    async with asyncio.timeout(20):
        await ready.wait()
        server: Any = started[0]._server
        await server.stop(None)
        with pytest.raises(ServerEndedError, match="stopped unexpectedly"):
            await running
