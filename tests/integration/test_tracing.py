"""Traces: what a collector gets, what vCenter is told, and what the log says about them."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.access import AuditLog
from gateway.settings import TracingSettings
from gateway.simulator import Fault
from gateway.tracing import Forwarding, Tracing, TracingError, check_tracing, start_tracing
from tests.integration.collector import Collector, ReceivedSpan
from tests.integration.harness import (
    READ,
    READ_ID,
    READ_REQUEST,
    START,
    START_ID,
    START_REQUEST,
    Failure,
    System,
    eventually,
    running_system,
)

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, NOT_SAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"
READ_OPERATION = "GET /api/vcenter/vm/{vm}/power"
START_OPERATION = "POST /api/vcenter/vm/{vm}/power?action=start"
LOGIN, PROBE, LOGOUT = "POST /api/session", "GET /api/session", "DELETE /api/session"
ON, OFF = TracingSettings(enabled=True), TracingSettings()


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment without settings of whoever runs the tests."""
    for name in os.environ:
        if name.startswith("OTEL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return monkeypatch


@pytest.fixture
def collector(environment: pytest.MonkeyPatch) -> Iterator[Collector]:
    """A collector that the environment leads to."""
    with Collector() as collector:
        environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.url)
        yield collector


@asynccontextmanager
async def traced_system(settings: TracingSettings = ON, **options: Any) -> AsyncIterator[System]:
    """A system with traces, which the collector has when it is left."""
    started: list[Tracing] = []

    def trace(url: str) -> Tracing:
        started.append(start_tracing(settings, url))
        return started[0]

    async with running_system(trace=trace, **options) as system:
        yield system
    await started[0].stop()


async def call(system: System, rpc: str, request: Any, *metadata: tuple[str, str], **options: Any) -> str:
    """Makes a call and returns the code that it ends in."""
    try:
        await system.client.call(rpc, request, metadata=metadata, **options)
    except Failure as error:
        return error.code
    return "OK"


def told(system: System, operation: str) -> list[dict[str, str]]:
    """What vCenter was told about traces, by the requests of an operation."""
    return [
        {name: value for name, value in request.headers.items() if name.startswith("trace")}
        for request in system.simulator.record.of(operation)
    ]


def shown(span: ReceivedSpan) -> tuple[str, Any]:
    """Whether a span failed, and how."""
    return span.status, span.attributes.get("error.type")


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says about sending traces, in whosever words."""
    return [
        record.getMessage()
        for record in caplog.records
        if record.name.startswith(("opentelemetry", "gateway.tracing", "urllib3")) and record.levelno > logging.DEBUG
    ]


async def test_one_trace_from_the_caller_to_vcenter(collector: Collector) -> None:
    """The caller's span has the rpc's below it, and that has the exchanges with vCenter; vCenter is told of them."""
    async with traced_system() as system:
        assert await call(system, START, START_REQUEST, ("traceparent", SAMPLED), ("tracestate", "a=1,b=2")) == "OK"
    (rpc,), (start,), (login,) = (collector.named(name) for name in (START, START_OPERATION, LOGIN))
    assert [(span.kind, span.trace_id, span.parent) for span in (rpc, start, login)] == [
        ("SERVER", TRACE, SPAN),
        ("CLIENT", TRACE, rpc.span_id),
        ("CLIENT", TRACE, rpc.span_id),
    ]
    assert told(system, START_ID) == [{"traceparent": f"{start.traceparent}-01", "tracestate": "a=1,b=2"}]
    assert [call.trace and (call.trace.trace_id, call.trace.span_id) for call in system.calls] == [(TRACE, rpc.span_id)]


async def test_what_a_span_says(collector: Collector) -> None:
    """The operation, how it ended and the request id; nothing else, and no identifier of a machine."""
    async with traced_system() as system:
        await call(system, START, START_REQUEST, ("x-request-id", "r-1"))
        host, port = system.simulator.url.removeprefix("http://").split(":")
    (rpc,), (start,) = collector.named(START), collector.named(START_OPERATION)
    assert rpc.attributes == {
        "rpc.system.name": "grpc",
        "rpc.method": START,
        "rpc.response.status_code": "OK",
        "vcenter.operation": START_OPERATION,
        "gateway.request_id": "r-1",
    }
    assert start.attributes == {
        "http.request.method": "POST",
        "http.response.status_code": 204,
        "url.template": "/api/vcenter/vm/{vm}/power?action=start",
        "server.address": host,
        "server.port": int(port),
        "vcenter.operation": START_OPERATION,
    }
    assert {span.status for span in collector.spans} == {"UNSET"}
    assert {(span.events, span.message) for span in collector.spans} == {(0, "")}
    assert all(START_REQUEST["vm"].encode() not in body for body in collector.bodies)
    resource = rpc.resource
    assert (resource["service.name"], resource["telemetry.sdk.language"]) == ("vcenter-gateway", "python")
    assert resource["service.version"]
    assert resource["service.instance.id"]


@pytest.mark.parametrize(
    ("fault", "code", "rpc", "exchange", "reason"),
    [
        pytest.param(Fault.error("NOT_FOUND"), "NOT_FOUND", ("UNSET", None), "404", "NOT_FOUND", id="refused"),
        pytest.param(
            Fault.error("INTERNAL_SERVER_ERROR"),
            "INTERNAL",
            ("ERROR", "INTERNAL"),
            "500",
            "INTERNAL_SERVER_ERROR",
            id="broken",
        ),
        pytest.param(
            Fault("reset_before"),
            "UNAVAILABLE",
            ("ERROR", "UNAVAILABLE"),
            "VCENTER_CONNECTION_LOST",
            "VCENTER_CONNECTION_LOST",
            id="lost",
        ),
    ],
)
async def test_calls_that_fail(
    collector: Collector, fault: Fault, code: str, rpc: tuple[str, str | None], exchange: str, reason: str
) -> None:
    """An exchange that vCenter did not answer well is an error; an rpc only where the fault is not the caller's."""
    async with traced_system() as system:
        system.simulator.faults.add(fault, operation=START_ID)
        assert await call(system, START, START_REQUEST) == code
    (server,), (client,) = collector.named(START), collector.named(START_OPERATION)
    assert shown(server) == rpc
    assert shown(client) == ("ERROR", exchange)
    assert (server.attributes["rpc.response.status_code"], server.attributes["gateway.reason"]) == (code, reason)
    assert {(span.events, span.message) for span in collector.spans} == {(0, "")}


async def test_a_call_that_never_reaches_vcenter(collector: Collector) -> None:
    """It has the span of the rpc alone."""
    async with traced_system() as system:
        assert await call(system, START, {}) == "INVALID_ARGUMENT"
    assert [(span.name, shown(span)) for span in collector.spans] == [(START, ("UNSET", None))]


async def test_a_long_reason(collector: Collector) -> None:
    """It is vCenter's word, as long as it looks like the name of a type: of up to 64 characters."""
    async with traced_system() as system:
        for length in (63, 64, 65):
            system.simulator.faults.add(Fault.error("X" * length), operation=START_ID)
            await call(system, START, START_REQUEST)
    assert [span.attributes["gateway.reason"] for span in collector.named(START)] == ["X" * 63, "X" * 64, "HTTP_500"]


async def test_retries_are_numbered(collector: Collector) -> None:
    """Each try is a span of its own, and says the how many-th repetition it is."""
    async with traced_system() as system:
        system.simulator.faults.add(Fault.unavailable(), operation=READ_ID, times=2)
        assert await call(system, READ, READ_REQUEST, ("traceparent", SAMPLED)) == "OK"
    tries = collector.named(READ_OPERATION)
    assert [span.attributes.get("http.request.resend_count") for span in tries] == [None, 1, 2]
    assert [span.attributes["http.response.status_code"] for span in tries] == [503, 503, 200]
    assert [headers["traceparent"] for headers in told(system, READ_ID)] == [f"{span.traceparent}-01" for span in tries]


async def test_a_session_that_ended(collector: Collector) -> None:
    """The refused try, the look at the session, the login and the second try are all parts of the rpc that met it."""
    async with traced_system() as system:
        await call(system, READ, READ_REQUEST)
        system.simulator.sessions.expire_all()
        assert await call(system, READ, READ_REQUEST, ("traceparent", SAMPLED)) == "OK"
    parts = [span for span in collector.spans if span.trace_id == TRACE and span.kind == "CLIENT"]
    assert [(span.name, span.attributes["http.response.status_code"]) for span in parts] == [
        (READ_OPERATION, 401),
        (PROBE, 401),
        (LOGIN, 201),
        (READ_OPERATION, 200),
    ]
    assert len({span.parent for span in parts}) == 1
    assert parts[-1].attributes["http.request.resend_count"] == 1


async def test_the_last_logout(collector: Collector) -> None:
    """Sessions that are closed at the stop belong to no call: each is a trace of its own."""
    async with traced_system() as system:
        await call(system, READ, READ_REQUEST, ("traceparent", SAMPLED))
    (logout,) = collector.named(LOGOUT)
    assert logout.parent == ""
    assert logout.trace_id != TRACE


async def test_calls_at_once_do_not_mix(collector: Collector) -> None:
    """Each exchange is in the trace of its own call."""
    traces = [f"{number:032x}" for number in range(1, 41)]
    async with traced_system(max_concurrent_calls=4) as system:
        parents = [("traceparent", f"00-{trace}-{SPAN}-01") for trace in traces]
        codes = await asyncio.gather(*(call(system, READ, READ_REQUEST, parent) for parent in parents))
    assert set(codes) == {"OK"}
    rpcs = {span.span_id: span.trace_id for span in collector.named(READ)}
    assert sorted(rpcs.values()) == traces
    reads = collector.named(READ_OPERATION)
    assert sorted(span.trace_id for span in reads) == traces
    assert all(rpcs[span.parent] == span.trace_id for span in reads)


async def test_a_cancelled_call(collector: Collector) -> None:
    """Both spans end, and say so."""
    async with traced_system() as system:
        system.simulator.faults.add(Fault("hang"), operation=READ_ID)
        task = asyncio.create_task(system.client.call(READ, READ_REQUEST))
        await eventually(lambda: system.simulator.record.of(READ_ID), "the request")
        task.cancel()
        await eventually(lambda: system.calls, "the end of the call")
    (rpc,), (read,) = collector.named(READ), collector.named(READ_OPERATION)
    assert (rpc.attributes["rpc.response.status_code"], shown(rpc)) == ("CANCELLED", ("UNSET", None))
    assert shown(read) == ("ERROR", "CANCELLED")


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param((), id="none"),
        pytest.param((("traceparent", SAMPLED.upper()),), id="malformed"),
    ],
)
async def test_a_new_trace(collector: Collector, metadata: tuple[tuple[str, str], ...]) -> None:
    """Without a parent that can be understood, the call begins a trace; what came along is not passed on."""
    async with traced_system() as system:
        assert await call(system, READ, READ_REQUEST, *metadata, ("tracestate", "a=1")) == "OK"
    (rpc,), (read,) = collector.named(READ), collector.named(READ_OPERATION)
    assert (rpc.parent, read.parent, read.trace_id) == ("", rpc.span_id, rpc.trace_id)
    assert rpc.trace_id not in (TRACE, "0" * 32)
    (headers,) = told(system, READ_ID)
    assert headers["traceparent"].startswith(read.traceparent)
    assert set(headers) == {"traceparent"}


async def test_a_trace_that_is_not_sampled(collector: Collector) -> None:
    """Nothing is sent to the collector; the log and vCenter learn of the trace all the same."""
    async with traced_system() as system:
        assert await call(system, READ, READ_REQUEST, ("traceparent", NOT_SAMPLED)) == "OK"
        (headers,) = told(system, READ_ID)
    assert [span for span in collector.spans if span.trace_id == TRACE] == []
    assert headers["traceparent"].startswith(f"00-{TRACE}-")
    assert headers["traceparent"].endswith("-00")
    assert [call.trace and (call.trace.trace_id, call.trace.span_id) for call in system.calls] == [(TRACE, "")]


async def test_the_environment_decides(collector: Collector, environment: pytest.MonkeyPatch) -> None:
    """OpenTelemetry's own variables say what is sampled, and what the service is named."""
    environment.setenv("OTEL_TRACES_SAMPLER", "parentbased_always_off")
    environment.setenv("OTEL_SERVICE_NAME", "front")
    environment.setenv("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test,service.version=7")
    async with traced_system() as system:
        await call(system, READ, READ_REQUEST)
        await call(system, READ, READ_REQUEST, ("traceparent", SAMPLED))
    assert {span.trace_id for span in collector.spans} == {TRACE}
    resource = collector.spans[0].resource
    assert [resource[name] for name in ("service.name", "deployment.environment.name", "service.version")] == [
        "front",
        "test",
        "7",
    ]


async def test_the_audit_log_names_the_trace(collector: Collector) -> None:
    """So that what somebody did can be followed."""
    records: list[Mapping[str, object]] = []
    async with traced_system(audit=AuditLog(records.append)) as system:
        await call(system, START, START_REQUEST, ("traceparent", SAMPLED))
    (rpc,) = collector.named(START)
    assert [record["event"] for record in records] == ["change_started", "change_ended"]
    assert {(record["trace_id"], record["span_id"]) for record in records} == {(TRACE, rpc.span_id)}


async def test_without_tracing_the_callers_trace_is_passed_on() -> None:
    """vCenter and the log learn of it as it came; calls without a trace get none."""
    async with running_system() as system:
        await call(system, READ, READ_REQUEST)
        await call(system, READ, READ_REQUEST, ("traceparent", NOT_SAMPLED), ("tracestate", "a=1"))
        assert told(system, READ_ID) == [{}, {"traceparent": NOT_SAMPLED, "tracestate": "a=1"}]
        assert [call.trace and (call.trace.trace_id, call.trace.span_id) for call in system.calls] == [
            None,
            (TRACE, ""),
        ]


async def test_the_sdk_can_be_disabled(collector: Collector, environment: pytest.MonkeyPatch) -> None:
    """OTEL_SDK_DISABLED has the effect of no tracing, whatever the setting."""
    environment.setenv("OTEL_SDK_DISABLED", "true")
    assert isinstance(start_tracing(ON, "http://vcenter"), Forwarding)
    assert isinstance(start_tracing(OFF, "http://vcenter"), Forwarding)


async def test_no_exporter(collector: Collector, environment: pytest.MonkeyPatch) -> None:
    """OTEL_TRACES_EXPORTER=none sends nothing, and vCenter is told of the gateway's spans."""
    environment.setenv("OTEL_TRACES_EXPORTER", "none")
    async with traced_system() as system:
        await call(system, READ, READ_REQUEST, ("traceparent", SAMPLED))
    assert collector.requests == 0
    (headers,) = told(system, READ_ID)
    assert headers["traceparent"] != SAMPLED


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc: the gateway sends traces as http"),
        ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/json", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL=http/json"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "OTEL_TRACES_EXPORTER=zipkin: the gateway supports otlp and none"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "cannot be used: max_queue_size must be"),
    ],
)
def test_what_cannot_be_used(environment: pytest.MonkeyPatch, variable: str, value: str, says: str) -> None:
    """A sentence says what is wrong with a variable of OpenTelemetry's."""
    environment.setenv(variable, value)
    with pytest.raises(TracingError, match=says):
        start_tracing(ON, "http://vcenter")
    check_tracing(OFF)


def test_the_more_specific_protocol_wins(environment: pytest.MonkeyPatch) -> None:
    """As the standard has it: what is said for traces beats what is said for everything."""
    environment.setenv("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")
    environment.setenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "http/protobuf")
    check_tracing(ON)


async def test_a_collector_that_refuses(
    collector: Collector, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says once that it does not take traces, and why, and once that it does again."""
    caplog.set_level(logging.INFO)
    environment.setenv("OTEL_BSP_SCHEDULE_DELAY", "20")
    collector.status = 401
    async with traced_system() as system:
        for _ in range(3):
            seen = collector.requests
            await call(system, READ, READ_REQUEST)
            await eventually(lambda seen=seen: collector.requests > seen, "the next batch")  # type: ignore[misc]
        collector.status = 200
        await call(system, READ, READ_REQUEST)
        await eventually(lambda: collector.bodies, "traces")
    assert logged(caplog) == [
        "traces cannot be sent to the collector: HTTP 401; calls are not affected",
        "traces can be sent to the collector again",
    ]


async def test_a_collector_that_is_down(
    collector: Collector, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Calls go on when there is no room for more spans either, and the stop takes three seconds more; a few lines say
    what is lost."""
    environment.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1")
    environment.setenv("OTEL_BSP_MAX_QUEUE_SIZE", "16")
    environment.setenv("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "8")
    async with traced_system() as system:
        assert [await call(system, READ, READ_REQUEST) for _ in range(100)] == ["OK"] * 100
        started = time.monotonic()
    assert 3 <= time.monotonic() - started < 5
    lines = logged(caplog)
    assert "the last traces could not be sent within 3 s and are lost" in lines
    assert len(lines) <= 5


async def test_a_header_for_the_collector_is_in_no_log(
    collector: Collector, environment: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A part of OTEL_EXPORTER_OTLP_HEADERS that cannot be read is as secret as one that can."""
    environment.setenv("OTEL_EXPORTER_OTLP_HEADERS", "api-key planted-secret")
    async with traced_system() as system:
        await call(system, READ, READ_REQUEST)
    assert "OTEL_EXPORTER_OTLP_HEADERS is not of the form name=value" in caplog.text
    assert "planted" not in caplog.text
