"""Streams: message by message, with credentials, until one side ends them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import ErrorInfo, RetryInfo
from vcenter.gateway.v1.gateway_service_pb2 import WatchGatewayRequest
from vcenter.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub

from vcenter_gateway_client import Credentials, Reason, VCenterError, aio, connect

from .conftest import FakeGateway, Watch

SECONDS = 30
STOPPING = ErrorInfo(reason="GATEWAY_STOPPING", domain="vcenter-gateway")
MAX_BYTES = 32 << 20


def message_of(size: int) -> bytes:
    """A message of exactly so many bytes, in a field that clients do not know."""
    varint_of_four_bytes = 4
    length = size - 1 - varint_of_four_bytes
    head = bytes([15 << 3 | 2, *(length >> shift & 0x7F | 0x80 for shift in (0, 7, 14)), length >> 21])
    return head + bytes(length)


def test_messages_arrive_one_by_one(gateway: FakeGateway, watch: Watch) -> None:
    """The gateway sends the second only when the client has the first."""
    arrived = threading.Event()

    def script(_context: grpc.ServicerContext) -> Iterator[bytes]:
        yield b""
        assert arrived.wait(SECONDS)
        yield b""

    gateway.script = script
    assert len(watch(gateway.target, lambda number, cancel: arrived.set())) == 2


@pytest.mark.parametrize(
    ("credentials", "expected"),
    [
        (Credentials.basic("user", "password"), ("authorization", "Basic dXNlcjpwYXNzd29yZA==")),
        (Credentials.session("0123456789abcdef"), ("vmware-api-session-id", "0123456789abcdef")),
        (Credentials.bearer("a.b.c"), ("authorization", "Bearer a.b.c")),
    ],
    ids=["basic", "session", "bearer"],
)
def test_a_stream_carries_the_identity(
    gateway: FakeGateway, watch: Watch, credentials: Credentials, expected: tuple[str, str]
) -> None:
    """As every call does."""
    watch(gateway.target, credentials=credentials)
    assert [received.identity for received in gateway.received] == [[expected]]


def test_each_stream_asks_for_a_token_anew(gateway: FakeGateway, watch: Watch, tmp_path: Path) -> None:
    """So that it can be renewed."""
    file = tmp_path / "token"
    for token in ("first", "second"):
        file.write_text(token)
        watch(gateway.target, credentials=Credentials.bearer(file.read_text))
    assert [received.identity for received in gateway.received] == [
        [("authorization", "Bearer first")],
        [("authorization", "Bearer second")],
    ]


def test_without_a_token_no_stream_is_opened(gateway: FakeGateway, watch: Watch, tmp_path: Path) -> None:
    """It fails like one that was refused."""
    with pytest.raises(VCenterError) as caught:
        watch(gateway.target, credentials=Credentials.bearer((tmp_path / "token").read_text))
    assert (caught.value.code, caught.value.may_have_executed) == (grpc.StatusCode.UNAUTHENTICATED, False)
    assert gateway.received == []


def test_a_stream_with_an_identity_of_its_own_sends_that_alone(gateway: FakeGateway, watch: Watch) -> None:
    """So one channel serves many callers."""
    own = ("vmware-api-session-id", "own")
    watch(gateway.target, credentials=Credentials.bearer("a.b.c"), metadata=(own,))
    assert gateway.received[0].identity == [own]


@pytest.mark.parametrize("options", [{}, {"default_timeout": 20}], ids=["default", "other default"])
def test_a_stream_has_no_deadline(gateway: FakeGateway, watch: Watch, options: dict[str, Any]) -> None:
    """Neither the usual one nor the one that was given for calls."""
    watch(gateway.target, **options)
    seconds_left = gateway.received[0].seconds_left
    assert seconds_left is None or seconds_left > 1e6


def test_a_deadline_of_its_own_ends_a_stream(gateway: FakeGateway, watch: Watch) -> None:
    """With the typed error."""

    def script(_context: grpc.ServicerContext) -> Iterator[bytes]:
        gateway.cancelled.wait(SECONDS)
        yield b""

    gateway.script = script
    with pytest.raises(VCenterError) as caught:
        watch(gateway.target, timeout=0.2)
    assert (caught.value.code, caught.value.may_have_executed) == (grpc.StatusCode.DEADLINE_EXCEEDED, False)


@pytest.mark.parametrize("before", [0, 1], ids=["before the first message", "in the middle"])
def test_a_stream_ends_with_the_typed_error(gateway: FakeGateway, watch: Watch, before: int) -> None:
    """With all that its status says."""

    def script(context: grpc.ServicerContext) -> Iterator[bytes]:
        yield from [b""] * before
        gateway.abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "too many", [STOPPING, RetryInfo()])

    arrived: list[int] = []
    gateway.script = script
    with pytest.raises(VCenterError) as caught:
        watch(gateway.target, lambda number, cancel: arrived.append(number))
    error = caught.value
    assert arrived == list(range(1, before + 1))
    assert (error.code, error.message) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "too many")
    assert (error.reason, error.gateway_reason, error.retry_delay) == ("GATEWAY_STOPPING", Reason.GATEWAY_STOPPING, 0)


def test_a_client_that_cancels_tells_the_gateway(gateway: FakeGateway) -> None:
    """The stream ends there too."""

    def script(_context: grpc.ServicerContext) -> Iterator[bytes]:
        yield b""
        gateway.cancelled.wait(SECONDS)

    gateway.script = script
    with connect(gateway.target) as channel:
        stream: Any = GatewayServiceStub(channel).WatchGateway(WatchGatewayRequest())
        next(stream)
        stream.cancel()
        with pytest.raises(VCenterError) as caught:
            next(stream)
        assert caught.value.code is grpc.StatusCode.CANCELLED
        assert gateway.cancelled.wait(SECONDS)


def test_a_task_that_is_cancelled_tells_the_gateway(gateway: FakeGateway) -> None:
    """With asyncio."""

    def script(_context: grpc.ServicerContext) -> Iterator[bytes]:
        yield b""
        gateway.cancelled.wait(SECONDS)

    gateway.script = script

    async def run() -> None:
        arrived = asyncio.Event()

        async def read(channel: Any) -> None:
            async for _ in GatewayServiceStub(channel).WatchGateway(WatchGatewayRequest()):
                arrived.set()

        async with aio.connect(gateway.target) as channel:
            task = asyncio.ensure_future(read(channel))
            await arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await asyncio.to_thread(gateway.cancelled.wait, SECONDS)

    asyncio.run(run())


def test_a_stream_is_opened_again_only_before_its_first_message(gateway: FakeGateway, watch: Watch) -> None:
    """What has arrived would arrive twice."""
    gateway.fail(grpc.StatusCode.UNAVAILABLE, times=2)
    assert len(watch(gateway.target)) == 1
    assert len(gateway.received) == 3

    def script(context: grpc.ServicerContext) -> Iterator[bytes]:
        yield b""
        context.abort(grpc.StatusCode.UNAVAILABLE, "lost")

    gateway.script = script
    with pytest.raises(VCenterError, match="lost"):
        watch(gateway.target)
    assert len(gateway.received) == 4


@pytest.mark.parametrize("size", [MAX_BYTES - 1, MAX_BYTES, MAX_BYTES + 1], ids=["below", "at", "above"])
def test_a_message_has_up_to_32_mib(gateway: FakeGateway, watch: Watch, size: int) -> None:
    """As much as the gateway sends by default."""

    def script(_context: grpc.ServicerContext) -> Iterator[bytes]:
        yield message_of(size)

    gateway.script = script
    if size <= MAX_BYTES:
        assert [message.ByteSize() for message in watch(gateway.target)] == [size]
    else:
        with pytest.raises(VCenterError) as caught:
            watch(gateway.target)
        assert caught.value.code is grpc.StatusCode.RESOURCE_EXHAUSTED


def read_blocking(target: str) -> Any:
    """One message at a time, and none when there are no more."""
    with connect(target) as channel:
        stream: Any = GatewayServiceStub(channel).WatchGateway(WatchGatewayRequest())
        return [next(stream, None), next(stream, None), stream.code()]


def read_aio(target: str) -> Any:
    """The same with asyncio."""

    async def run() -> Any:
        async with aio.connect(target) as channel:
            stream: Any = GatewayServiceStub(channel).WatchGateway(WatchGatewayRequest())
            messages = [await stream.read(), await stream.read()]
            return [None if message is grpc.aio.EOF else message for message in messages] + [await stream.code()]

    return asyncio.run(run())


@pytest.mark.parametrize("read", [read_blocking, read_aio], ids=["blocking", "aio"])
def test_a_stream_does_what_grpc_s_do(gateway: FakeGateway, read: Callable[[str], Any]) -> None:
    """Beside being iterated over."""
    message, end, code = read(gateway.target)
    assert (message is not None, end, code) == (True, None, grpc.StatusCode.OK)
