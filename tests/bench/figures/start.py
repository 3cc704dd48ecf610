"""The time from the start of the process to its first call, and its memory before that."""

from __future__ import annotations

import time

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.bench import contenders
from tests.bench.lab import Lab
from tests.bench.processes import BenchError
from tests.bench.results import Figure, Section, Series

__all__ = ["measure"]

_REST_SECONDS = 2.0


def measure(lab: Lab) -> Section:
    """Start to SERVING, and the memory of one worker that has not served a call yet."""
    seconds, memory = [], []
    for _ in range(lab.rounds):
        start = time.perf_counter()
        with contenders.gateway(lab.folder, lab.upstream.address(lab.vcenter)) as gateway:
            _wait_until_serving(gateway.address)
            seconds.append(time.perf_counter() - start)
            time.sleep(_REST_SECONDS)
            memory.append(gateway.process.rss())
    return Section(
        "start",
        "Start",
        "From the start of the process until grpc.health.v1 says SERVING; memory two seconds later, with the admin "
        "port, one worker, no call yet.",
        "s",
        [Series("gateway", seconds)],
        [
            Figure("start to SERVING", "s", seconds, 1.2, 0.6),
            Figure("RSS at rest, one worker", "MB", memory, 90, 70),
        ],
    )


def _wait_until_serving(address: str) -> None:
    with grpc.insecure_channel(address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=10)
    if answer.status != health_pb2.HealthCheckResponse.SERVING:
        raise BenchError(f"the gateway takes calls but says {answer}")
