"""Building blocks of scenarios: a system behind a faulty network, calls with recorded outcomes, and health."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.events import CallEnded
from gateway.server.gateway import VCENTER_HEALTH
from gateway.simulator import ManualClock, Simulator, SimulatorOptions
from gateway.vcenter import VCenterOptions
from gateway.vcenter.client import VCenter
from tests.faults.proxy import FaultProxy, Weather, fault_proxy
from tests.integration.harness import READ, READ_REQUEST, Client, Failure, System, eventually, running_gateway

__all__ = ["count", "end", "ends", "is_healthy", "is_idle", "proxied_system", "until", "vcenter_of"]

End = dict[str, Any] | Failure


@asynccontextmanager
async def proxied_system(
    weather: Weather | None = None, simulator_options: SimulatorOptions | None = None, *, seed: int = 1, **vcenter: Any
) -> AsyncIterator[tuple[System, FaultProxy]]:
    """A system with the proxy between gateway and simulator; no session is left open when it stops."""
    calls: list[CallEnded] = []
    async with Simulator(simulator_options) as simulator:
        async with fault_proxy(simulator.url, weather, seed) as proxy:
            way = VCenterOptions(proxy.url, **vcenter)
            async with running_gateway(way, calls=calls) as client:
                yield System(simulator, client.gateway, client, ManualClock(), calls), proxy
                # The gateway's last calls are those that end its sessions.
                proxy.weather = Weather()
        assert simulator.sessions.counts()["open"] == 0, "a session with vCenter was left open"


async def end(client: Client, rpc: str, request: Any, **how: Any) -> End:
    """The outcome of a call: its response or its failure."""
    try:
        return await client.call(rpc, request, **how)
    except Failure as failure:
        return failure


async def until(client: Client, *, answered: bool, rpc: str = READ, request: Any = READ_REQUEST, **how: Any) -> End:
    """Repeats the call until it succeeds, or until it fails, and returns the outcome."""
    async with asyncio.timeout(30):
        while True:
            found = await end(client, rpc, request, **how)
            if isinstance(found, Failure) is not answered:
                return found
            await asyncio.sleep(0.02)


async def ends(client: Client, calls: Iterable[tuple[str, Any]], at_once: int, **how: Any) -> list[End]:
    """The outcomes of many calls, with this many in flight at the same time."""
    places = asyncio.Semaphore(at_once)

    async def one(rpc: str, request: Any) -> End:
        async with places:
            return await end(client, rpc, request, **how)

    return list(await asyncio.gather(*(one(rpc, request) for rpc, request in calls)))


def count(found: Iterable[End]) -> Counter[tuple[str, str]]:
    """How many calls ended with which code and reason."""
    return Counter((item.code, item.reason) if isinstance(item, Failure) else ("OK", "") for item in found)


def vcenter_of(system: System) -> VCenter:
    """The gateway's client of vCenter."""
    assert system.gateway.vcenter is not None
    return system.gateway.vcenter


async def is_healthy(system: System, service: str = VCENTER_HEALTH) -> bool:
    """Whether the health service reports SERVING."""
    stub = health_pb2_grpc.HealthStub(system.client.channel)
    reply = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


async def is_idle(system: System) -> None:
    """Waits until every call slot is free and no call waits; fails if one leaks."""
    limiter = vcenter_of(system).limiter
    await eventually(lambda: limiter.active == limiter.waiting == 0, "the end of all calls")
