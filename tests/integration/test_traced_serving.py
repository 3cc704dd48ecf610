"""`serve --tracing`, as people start it: what is sent, what the log says, and what is missing for it."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.calls import Basic
from tests.integration.cases import ADMINISTRATOR
from tests.integration.collector import Collector
from tests.integration.harness import PASSWORD, READ, READ_REQUEST, START, START_REQUEST, eventually
from tests.integration.processes import Ended, run, running
from tests.integration.test_serving import call, channel_to

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = ("traceparent", f"00-{TRACE}-{SPAN}-01")
CREDENTIAL = ("authorization", Basic(ADMINISTRATOR, PASSWORD).header)
SERVE = ("serve", "--listen", "127.0.0.1:0", "--simulator")
NOT_INSTALLED = "error: --tracing needs OpenTelemetry, which is not installed: install the gateway's extra `otel`"


@pytest.fixture
def collector() -> Iterator[Collector]:
    """Where traces go."""
    with Collector() as collector:
        yield collector


def variables(collector: Collector) -> dict[str, str]:
    """The environment that leads to a collector."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "NO_PROXY": "127.0.0.1"}


async def test_the_stop_sends_what_is_left(tmp_path: Path, collector: Collector) -> None:
    """The collector has every span when the process has ended; the log and the audit log name them."""
    arguments = (*SERVE, "--tracing")
    async with running(tmp_path, *arguments, variables=variables(collector)) as process:
        async with channel_to(process) as channel:
            await call(channel, READ, READ_REQUEST, PARENT, CREDENTIAL)
            await call(channel, START, START_REQUEST, CREDENTIAL)
        assert await process.end(signal.SIGTERM) == 0
        lines = process.logs()
    found = {span.name: (span.trace_id, span.span_id) for span in collector.spans if span.kind == "SERVER"}
    assert found[READ][0] == TRACE
    for event, rpcs in (("call", [READ, START]), ("change_ended", [START])):
        logged = {line["rpc"]: (line["trace_id"], line["span_id"]) for line in lines if line["event"] == event}
        assert logged == {rpc: found[rpc] for rpc in rpcs}
    assert [line for line in lines if line["level"] not in ("info", "debug")] == []


async def test_every_line_of_a_call_names_its_trace(tmp_path: Path) -> None:
    """Without --tracing too, where the caller brings one: here the line about a vCenter that cannot be reached."""
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        vcenter = f"http://127.0.0.1:{nobody_listens.getsockname()[1]}"
        arguments = ("serve", "--listen", "127.0.0.1:0", "--vcenter", vcenter)
        async with running(tmp_path, *arguments) as process, channel_to(process) as channel:

            async def reports() -> list[dict[str, str]]:
                await call(channel, READ, READ_REQUEST, PARENT, CREDENTIAL)
                opened = "the circuit breaker of vCenter is open: vCenter cannot be reached: Connection refused"
                return [line for line in process.logs() if line["event"] == opened]

            while not (found := await reports()):
                pass
    assert [line["trace_id"] for line in found] == [TRACE]
    assert "span_id" not in found[0]


async def test_each_worker_sends_its_own(tmp_path: Path, collector: Collector) -> None:
    """Each is an instance of the service; the supervisor sends nothing."""
    arguments = (*SERVE, "--workers", "2", "--tracing")
    environment = {**variables(collector), "OTEL_BSP_SCHEDULE_DELAY": "50"}

    def instances() -> set[str]:
        return {span.resource["service.instance.id"] for span in collector.spans}

    async with running(tmp_path, *arguments, variables=environment) as process:
        calls = 0
        while len(instances()) < 2:  # Which worker gets a connection is the kernel's choice.
            async with channel_to(process) as channel:
                await call(channel, READ, READ_REQUEST, CREDENTIAL)
                calls += 1
            await eventually(lambda: len(collector.named(READ)) == calls, "the span")  # noqa: B023 - awaited here
        assert await process.end(signal.SIGTERM) == 0
    assert len(instances()) == 2
    assert {span.resource["service.name"] for span in collector.spans} == {"vcenter-gateway"}


async def test_a_collector_that_does_not_answer(tmp_path: Path, collector: Collector) -> None:
    """It delays the end of the process by three seconds."""
    collector.go_on.clear()
    environment = {**variables(collector), "OTEL_EXPORTER_OTLP_TIMEOUT": "60"}
    async with running(tmp_path, *SERVE, "--tracing", variables=environment) as process:
        async with channel_to(process) as channel:
            await call(channel, READ, READ_REQUEST, CREDENTIAL)
        started = time.monotonic()
        assert await process.end(signal.SIGTERM) == 0
        assert 3 <= time.monotonic() - started < 15
        assert [line["event"] for line in process.logs() if line["level"] not in ("info", "debug")] == [
            "the last traces could not be sent within 3 s and are lost"
        ]


async def blocked(folder: Path, *arguments: str) -> Ended:
    """Runs a command that finds no OpenTelemetry."""
    (folder / "sitecustomize.py").write_text("import sys; sys.modules['opentelemetry'] = None\n", encoding="utf-8")
    return await run(*arguments, variables={"PYTHONPATH": str(folder)})


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_without_the_extra(tmp_path: Path, workers: str) -> None:
    """One sentence says what to install, before anything starts."""
    ended = await blocked(tmp_path, *SERVE, "--tracing", "--workers", workers)
    assert (ended.code, ended.stdout, ended.stderr) == (2, "", NOT_INSTALLED + "\n")


async def test_what_is_not_asked_for_is_not_needed(tmp_path: Path) -> None:
    """Without --tracing, OpenTelemetry may be missing."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['opentelemetry'] = None\n", encoding="utf-8")
    environment = {"PYTHONPATH": str(tmp_path)}
    async with running(tmp_path, *SERVE, variables=environment) as process, channel_to(process) as channel:
        assert "POWERED_ON" in str(await call(channel, READ, READ_REQUEST, PARENT))


async def test_a_protocol_that_there_is_not() -> None:
    """The protocol of OTLP over gRPC is refused at the start."""
    ended = await run(*SERVE, "--tracing", variables={"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    assert ended.code == 2
    assert ended.words.startswith("error: OTEL_EXPORTER_OTLP_PROTOCOL=grpc: the gateway sends traces as http/protobuf")


async def test_a_value_that_the_sdk_refuses() -> None:
    """A sentence says so, without a traceback."""
    ended = await run(*SERVE, "--tracing", variables={"OTEL_BSP_MAX_QUEUE_SIZE": "0"})
    assert ended.code == 1
    assert "error: an environment variable of OpenTelemetry cannot be used: max_queue_size must be" in ended.words
    assert "Traceback" not in ended.words
