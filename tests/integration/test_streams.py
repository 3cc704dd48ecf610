"""Streams of responses: their limits, what ends them, and what is told about them. Held by the gateway's own stream."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from gateway.access import Admission, AuditLog, parse_policy, passthrough
from gateway.admin.families import PREFIX
from gateway.admin.metrics import Metrics
from gateway.calls import Call
from gateway.contract import load_contract
from gateway.event_log import EventLog
from gateway.events import Events
from gateway.server import ServerOptions
from gateway.server.streams import StreamLimits
from gateway.simulator import Fault
from gateway.tracing import Forwarding
from gateway.tracing.spans import Spans
from tests.held_vcenter import idle
from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import (
    PASSWORD,
    READ,
    READ_ID,
    READ_REQUEST,
    Client,
    Failure,
    Stream,
    System,
    eventually,
    failure,
    log_lines,
    running_system,
)
from tests.integration.processes import running
from tests.integration.service_account import BEARER, TOKEN, guarded, service_settings

WATCH = "vcenter.gateway.v1.GatewayService/WatchGateway"
SERVICE, _, METHOD = WATCH.partition("/")
USERS = (ADMINISTRATOR, "readonly@vsphere.local", "noaccess@vsphere.local")
LEEWAY = 30
"""Seconds by which clocks may differ."""
QUICK = StreamLimits(check_seconds=0.05)
ALL = '{"rules": [{"identities": ["*"], "rpcs": ["*"]}]}'


def options(limits: StreamLimits | None = None, **more: Any) -> ServerOptions:
    return ServerOptions("127.0.0.1:0", streams=limits or StreamLimits(), **{"grace_seconds": 5, **more})


async def opened(client: Client, **how: Any) -> Stream:
    """A stream that has sent its first message."""
    stream = client.stream(WATCH, **how)
    await stream.next()
    return stream


async def refused(client: Client, **how: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        await client.stream(WATCH, **how).next()
    return caught.value


@asynccontextmanager
async def connections(system: System) -> AsyncIterator[Any]:
    """Makes clients with connections of their own."""
    async with AsyncExitStack() as stack:
        number = 0

        async def connect() -> Client:
            nonlocal number
            number += 1
            channel = grpc.aio.insecure_channel(system.address, options=[("number", number)])
            return system.client.on(await stack.enter_async_context(channel))

        yield connect


def assert_too_many(refusal: Failure, text: str) -> None:
    assert (refusal.code, refusal.reason) == ("RESOURCE_EXHAUSTED", "TOO_MANY_STREAMS")
    assert refusal.message == text
    assert refusal.details["google.rpc.RetryInfo"] == {"retry_delay": "5s"}


async def test_limit_of_an_identity() -> None:
    """A caller may have so many streams open, over whatever connections; others have their own."""
    limits = StreamLimits(max_streams_per_caller=2)
    async with running_system(server=options(limits)) as system, connections(system) as connect:
        first, second, third = [await connect() for _ in range(3)]
        streams = [await opened(first), await opened(second)]
        assert_too_many(await refused(third), "the caller has 2 streams open, which is the limit")
        streams.append(await opened(third, user=USERS[1]))
        assert len(system.gateway.streams) == 3
        streams[0].cancel()
        await eventually(lambda: len(system.gateway.streams) == 2, "the end of the stream")
        streams.append(await opened(third))
        for stream in streams:
            stream.cancel()


async def test_limit_of_a_connection() -> None:
    """Whoever has many names on one connection has no more streams for it."""
    async with running_system(server=options(StreamLimits(max_streams_per_caller=2))) as system:
        streams = [await opened(system.client, user=user) for user in USERS[:2]]
        refusal = await refused(system.client, user=USERS[2])
        assert_too_many(refusal, "the caller has 2 streams open, which is the limit")
        for stream in streams:
            stream.cancel()


async def test_callers_without_a_name() -> None:
    """Callers whose names the gateway does not know count by their connections: they do not use up each other's."""
    async with running_system(server=options(StreamLimits(max_streams_per_caller=1))) as system:
        session = system.simulator.sessions.login(ADMINISTRATOR, PASSWORD).identifier
        how: Any = {"user": None, "metadata": (("vmware-api-session-id", session),)}
        async with connections(system) as connect:
            first, second = await connect(), await connect()
            streams = [await opened(first, **how), await opened(second, **how)]
            assert (await refused(first, **how)).reason == "TOO_MANY_STREAMS"
            for stream in streams:
                stream.cancel()
        system.simulator.sessions.logout(session)


async def test_limit_of_all() -> None:
    """All callers together may have so many streams open; one that has ended makes room."""
    async with running_system(server=options(StreamLimits(max_streams=3))) as system:
        streams = [await opened(system.client, user=user) for user in USERS]
        refusal = await refused(system.client)
        assert_too_many(refusal, "all callers together have 3 streams open, which is the limit")
        await system.client.call(READ, READ_REQUEST)
        streams.pop().cancel()
        await eventually(lambda: len(system.gateway.streams) == 2, "the end of the stream")
        streams.append(await opened(system.client))
        for stream in streams:
            stream.cancel()


async def test_a_refused_stream_takes_no_room() -> None:
    """A stream that vCenter's refusal of the password ends does not count any more."""
    async with running_system(server=options(StreamLimits(max_streams=1))) as system:
        for _ in range(3):
            assert (await refused(system.client, password="wrong")).reason == "CREDENTIALS_REJECTED"
        (await opened(system.client)).cancel()


async def test_the_stop_ends_streams_before_calls() -> None:
    """At the stop, streams end while other replicas serve; unary calls under way still finish."""
    async with running_system(server=options(grace_seconds=60)) as system:
        stream = await opened(system.client)
        system.simulator.faults.add(Fault.latency(1.0), operation=READ_ID)
        under_way = asyncio.ensure_future(system.client.call(READ, READ_REQUEST))
        await eventually(lambda: system.simulator.record.of(READ_ID), "the slow call")
        stopping = asyncio.ensure_future(system.gateway.stop())
        refusal = await stream.failed()
        assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "GATEWAY_STOPPING")
        assert refusal.request_id
        assert not under_way.done()
        assert await under_way
        await stopping


async def test_a_stream_that_comes_during_the_stop() -> None:
    """While the last calls finish, new streams are refused with the same reason."""
    async with running_system(server=options(grace_seconds=60)) as system:
        system.gateway.streams.end_all()
        refusal = await refused(system.client)
        assert (refusal.code, refusal.reason) == ("UNAVAILABLE", "GATEWAY_STOPPING")


@pytest.mark.parametrize("is_read", [True, False], ids=["idle", "unread"])
async def test_no_stream_holds_up_the_stop(is_read: bool) -> None:
    """A stream does not use up the grace period, also where its caller reads nothing and the write does not end."""
    sent = Sent()
    async with running_system(server=options(grace_seconds=60), events=sent) as system:
        stream = await opened(system.client)
        if not is_read:
            changes = await stuff(system)
            assert sent.messages < changes, "all of it was written"
        async with asyncio.timeout(20):
            await system.gateway.stop()
        assert not len(system.gateway.streams)
        [ended] = await eventually(lambda: [call for call in system.calls if call.rpc == WATCH], "the end")
        assert ended.reason == "GATEWAY_STOPPING"
        del stream


async def test_a_caller_who_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection of a caller who does not take a message in time is closed, and the stream ends with it."""
    monkeypatch.setattr("gateway.server.connections.WRITE_SECONDS", 0.3)
    async with running_system(server=options()) as system:
        stream = await opened(system.client)
        await stuff(system)
        [ended] = await eventually(lambda: [call for call in system.calls if call.rpc == WATCH], "the end")
        assert ended.code == "CANCELLED"
        assert not len(system.gateway.streams)
        assert (await stream.failed()).code == "UNAVAILABLE"


async def test_a_caller_who_reads_nothing_where_no_connection_can_be_closed(
    monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    """Without a /proc the stream ends all the same, and is no bug of the gateway's."""
    monkeypatch.setattr("gateway.server.connections.WRITE_SECONDS", 0.3)
    monkeypatch.setattr("gateway.server.connections._FILES", Path("/nowhere"))
    monkeypatch.setattr("gateway.server.connections._CLOSE_SECONDS", 0.1)
    async with running_system(server=options(), events=EventLog()) as system:
        stream = await opened(system.client)
        await stuff(system)
        [ended] = await eventually(lambda: [call for call in log_lines(log) if call.get("rpc") == WATCH], "the end")
        assert (ended["code"], ended["reason"]) == ("RESOURCE_EXHAUSTED", "OVERLOADED")
        assert not len(system.gateway.streams)
        stream.cancel()
    assert not [line for line in log_lines(log) if line["level"] == "error"]


async def test_a_refusal_that_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller who reads nothing does not read either that the stream has ended: the connection is closed then."""
    monkeypatch.setattr("gateway.server.connections.WRITE_SECONDS", 3.0)
    settings = service_settings(tmp_path)
    async with guarded(settings, server=options(QUICK)) as system:
        stream = await opened(system.client, user=None, metadata=BEARER)
        await stuff(system)
        (tmp_path / "tokens.yaml").write_text("tokens: []")
        [ended] = await eventually(lambda: [call for call in system.calls if call.rpc == WATCH], "the end")
        assert ended.reason == "CALLER_REJECTED"
        assert not len(system.gateway.streams)
        state = system.client.channel.get_state()
        async with asyncio.timeout(20):
            await system.client.channel.wait_for_state_change(state)
        assert (await stream.failed()).code == "UNAVAILABLE"


async def test_sigterm(tmp_path: Path) -> None:
    """A process that is told to stop ends its streams, and does not wait for them."""
    arguments = ("serve", "--simulator", "--listen", "127.0.0.1:0", "--grace-seconds", "60")
    async with running(tmp_path, *arguments) as gateway:
        port = (await gateway.wait_for(r" on 127\.0\.0\.1:(\d+)\."))[1]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stream = channel.unary_stream(f"/{WATCH}")(b"")
            assert await stream.read()
            ended = asyncio.ensure_future(gateway.end(signal.SIGTERM))
            refusal = failure(await last_error(stream), load_contract())
            assert (refusal.reason, refusal.message[:12]) == ("GATEWAY_STOPPING", "this replica")
            async with asyncio.timeout(30):
                assert await ended == 0
        [line] = [line for line in gateway.logs() if line["event"] == "call"]
    assert (line["rpc"], line["code"], line["level"]) == (WATCH, "CANCELLED", "info")


async def last_error(stream: Any) -> grpc.aio.AioRpcError:
    """What a stream ends in, after whatever it still has."""
    try:
        while True:
            await stream.read()
    except grpc.aio.AioRpcError as error:
        return error


async def stuff(system: System) -> int:
    """Makes states of a megabyte that nobody reads, more than gRPC's buffers take. Returns how many."""
    vcenter = system.gateway.vcenter
    assert vcenter is not None
    changes = 60
    for number in range(changes):
        for _ in range(10):
            vcenter.breaker.failed(f"{number} {'x' * 1_000_000}")
        await idle()
        vcenter.breaker.succeeded()
        await idle()
    return changes


class Sent(Events):
    """Counts the messages of streams."""

    def __init__(self) -> None:
        self.messages = 0

    def message_sent(self, call: Call) -> None:
        self.messages += 1


async def test_a_token_that_is_revoked(tmp_path: Path) -> None:
    """When a token is not in the file any more, the streams that were opened with it end."""
    async with guarded(service_settings(tmp_path), server=options(QUICK)) as system:
        stream = await opened(system.client, user=None, metadata=BEARER)
        (tmp_path / "tokens.yaml").write_text("tokens: []")
        async with asyncio.timeout(10):
            refusal = await stream.failed()
        assert (refusal.code, refusal.reason) == ("UNAUTHENTICATED", "CALLER_REJECTED")


async def test_a_token_that_changes_hands(tmp_path: Path) -> None:
    """A stream does not go on under the name of a caller to whom the token does not belong any more."""
    async with guarded(service_settings(tmp_path), server=options(QUICK)) as system:
        stream = await opened(system.client, user=None, metadata=BEARER)
        digest = hashlib.sha256(TOKEN.encode()).hexdigest()
        (tmp_path / "tokens.yaml").write_text(f"tokens: [{{identity: other, sha256: '{digest}'}}]")
        async with asyncio.timeout(10):
            refusal = await stream.failed()
        assert (refusal.code, refusal.reason) == ("UNAUTHENTICATED", "CALLER_REJECTED")


async def test_a_jwt_that_expires(tmp_path: Path) -> None:
    """A stream ends when the JWT expires with which it was opened."""
    key = ec.generate_private_key(ec.SECP256R1())
    keys = tmp_path / "jwks.json"
    keys.write_text(json.dumps({"keys": [{**ECAlgorithm.to_jwk(key.public_key(), as_dict=True), "kid": "e"}]}))
    settings = service_settings(
        tmp_path, jwks_file=str(keys), jwt_issuer="i", jwt_audience="a", jwt_algorithms=["ES256"]
    )
    async with guarded(settings, server=options(QUICK)) as system:
        # The gateway allows clocks to differ, so the token is one that has nearly used up that time.
        expiry = time.time() + 2 - LEEWAY
        claims = {"iss": "i", "aud": "a", "sub": "build", "exp": expiry}
        token = jwt.encode(claims, key, algorithm="ES256", headers={"kid": "e"})
        stream = await opened(system.client, user=None, metadata=(("authorization", f"Bearer {token}"),))
        async with asyncio.timeout(20):
            refusal = await stream.failed()
        assert (refusal.code, refusal.reason) == ("UNAUTHENTICATED", "CALLER_REJECTED")
        assert time.time() >= int(expiry) + LEEWAY


async def test_a_policy_that_changes(tmp_path: Path) -> None:
    """A stream ends when the policy does not allow it any more."""
    policy = tmp_path / "policy.json"
    policy.write_text(ALL)
    async with guarded(service_settings(tmp_path, policy_file=str(policy)), server=options(QUICK)) as system:
        stream = await opened(system.client, user=None, metadata=BEARER)
        policy.write_text('{"rules": []}')
        async with asyncio.timeout(10):
            refusal = await stream.failed()
        assert (refusal.code, refusal.reason) == ("PERMISSION_DENIED", "POLICY_DENIED")
        assert (await refused(system.client, user=None, metadata=BEARER)).reason == "POLICY_DENIED"


@pytest.mark.parametrize("change", ["token", "policy"])
async def test_a_call_that_waits(tmp_path: Path, change: str) -> None:
    """A call that waits for up to an hour ends like a stream when its caller is not allowed any more."""
    policy = tmp_path / "policy.json"
    policy.write_text(ALL)
    async with guarded(service_settings(tmp_path, policy_file=str(policy)), server=options(QUICK)) as system:
        request = {"vm": "vm-1002", "condition": {"power_state": "POWER_STATE_POWERED_ON"}}
        wait = "vcenter.gateway.v1.WatchService/WaitForVm"
        waiting = asyncio.ensure_future(system.client.call(wait, request, user=None, metadata=BEARER))
        await eventually(lambda: len(system.gateway.watching.hubs), "the hub")  # type: ignore[union-attr]
        if change == "token":
            (tmp_path / "tokens.yaml").write_text("tokens: []")
        else:
            policy.write_text('{"rules": []}')
        with pytest.raises(Failure) as caught:
            async with asyncio.timeout(10):
                await waiting
        assert caught.value.reason == ("CALLER_REJECTED" if change == "token" else "POLICY_DENIED")
        await eventually(lambda: not system.gateway.active_calls, "the end of the call")


async def test_metrics() -> None:
    """Streams that are open, their age, their messages and how long they were open are counted."""
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    async with running_system(events=metrics) as system:

        def value(name: str, **labels: str) -> float:
            metrics.refresh(system.gateway)
            return registry.get_sample_value(PREFIX + name, labels) or 0.0

        of = {"grpc_service": SERVICE, "grpc_method": METHOD}
        assert (value("streams_open"), value("streams_oldest_seconds")) == (0, 0)
        streams = [await opened(system.client), await opened(system.client)]
        assert value("streams_open") == 2
        assert value("rpcs_in_flight") == 0
        await eventually(lambda: value("stream_messages_total", **of) == 2, "two messages")
        before = value("streams_oldest_seconds")
        assert before > 0
        assert value("streams_oldest_seconds") > before
        assert value("stream_duration_seconds_count", **of) == 0
        for stream in streams:
            stream.cancel()
        await eventually(lambda: value("stream_duration_seconds_count", **of) == 2, "the end of both")
        assert value("streams_open") == 0
        assert value("streams_oldest_seconds") == 0
        assert value("rpcs_total", **of, grpc_code="CANCELLED") == 2
        assert value("rpc_duration_seconds_count", **of) == 0, "it would drown the durations of calls"


async def test_the_log(log: io.StringIO) -> None:
    """A stream is one line, at its end, with the number of its messages."""
    async with running_system(events=EventLog()) as system:
        stream = await opened(system.client)
        await system.client.call(READ, READ_REQUEST, user=USERS[1])
        await stream.next()
        assert [line["rpc"] for line in log_lines(log)] == [READ]
        stream.cancel()
        await eventually(lambda: len(log_lines(log)) == 2, "the line of the stream")
    line = log_lines(log)[1]
    assert (line["rpc"], line["code"], line["level"], line["messages"]) == (WATCH, "CANCELLED", "info", 2)
    assert line["identity"] == f"vcenter:{ADMINISTRATOR}"
    assert line["peer"].startswith("ipv4:127.0.0.1:")
    assert line["request_id"]
    assert line["duration_ms"] > 0


async def test_the_stop_in_the_log(log: io.StringIO) -> None:
    """That a stream ended with the gateway is told with its reason, and is no failure: its caller alone reads
    UNAVAILABLE."""
    async with running_system(events=EventLog()) as system:
        await opened(system.client)
        await system.gateway.stop()
    [line] = log_lines(log)
    assert (line["rpc"], line["code"], line["reason"]) == (WATCH, "CANCELLED", "GATEWAY_STOPPING")
    assert line["level"] == "info"


async def test_traces() -> None:
    """A stream is one span from its beginning to its end, without an operation of vCenter's; its caller's context is
    taken up, and the login is part of it."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    class Traced(Spans, Forwarding):
        async def stop(self) -> None:
            provider.shutdown()

    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    async with running_system(trace=lambda url: Traced(provider, url)) as system:
        stream = await opened(system.client, metadata=(("traceparent", parent),))
        assert WATCH not in {span.name for span in exporter.get_finished_spans()}
        stream.cancel()
        named = await eventually(
            lambda: {span.name: span for span in exporter.get_finished_spans() if span.name == WATCH}, "the span"
        )
        span = named[WATCH]
        assert span.attributes is not None
        assert span.attributes["rpc.response.status_code"] == "CANCELLED"
        assert "vcenter.operation" not in span.attributes
        assert span.status.is_unset
        assert f"{span.context.trace_id:032x}" == parent[3:35]
        [login] = [span for span in exporter.get_finished_spans() if span.name == "POST /api/session"]
        assert login.parent is not None
        assert login.parent.span_id == span.context.span_id


async def test_the_audit_log() -> None:
    """A stream has a record when it starts and one when it ends, however it ends; one that is not let in has one."""
    records: list[Any] = []
    policy = parse_policy(b'rules: [{identities: ["administrator@*"], rpcs: ["*"]}]')
    admission = Admission(passthrough(), lambda: policy)
    async with running_system(admission=admission, audit=AuditLog(records.append)) as system:
        await refused(system.client, user="readonly@vsphere.local")
        stream = await opened(system.client)
        stream.cancel()
        await eventually(lambda: len(records) == 3, "the end of the stream that its caller left")
        await opened(system.client)
        await system.gateway.stop()
    told = [(record["event"], record.get("code"), record.get("reason"), record.get("messages")) for record in records]
    assert told == [
        ("stream_refused", "PERMISSION_DENIED", "POLICY_DENIED", None),
        ("stream_started", None, None, None),
        ("stream_ended", "CANCELLED", "", 1),
        ("stream_started", None, None, None),
        ("stream_ended", "CANCELLED", "GATEWAY_STOPPING", 1),
    ]
    assert {record["rpc"] for record in records} == {WATCH}
    assert records[1]["change_id"] == records[2]["change_id"] != records[3]["change_id"]
    assert all("may_have_executed" not in record for record in records)


async def test_streams_go_on_without_the_audit_log() -> None:
    """Where changes that cannot be recorded are refused, streams that only read are not, and the loss is counted."""
    audit = AuditLog(lambda fields: False, must_record=True)
    async with running_system(audit=audit) as system:
        stream = await opened(system.client)
        stream.cancel()
        await eventually(lambda: audit.lost == 2, "both records")
