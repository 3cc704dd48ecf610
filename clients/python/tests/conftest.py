"""A gateway in this process that answers as a test wants, and both ways of calling it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from vcenter.gateway.v1.gateway_service_pb2 import WatchGatewayRequest, WatchGatewayResponse
from vcenter.gateway.v1.gateway_service_pb2_grpc import GatewayServiceStub

from vcenter_gateway_client import aio, connect

OWN_HEADERS = ("authorization", "vmware-api-session-id")


@dataclass(frozen=True)
class Received:
    """A call that arrived."""

    method: str
    identity: list[tuple[str, str | bytes]]
    metadata: list[tuple[str, str | bytes]]
    seconds_left: float | None


Script = Callable[[grpc.ServicerContext], Iterator[bytes]]
Upload = Callable[[Iterator[bytes], grpc.ServicerContext], bytes]
Dialog = Callable[[Iterator[bytes], grpc.ServicerContext], Iterator[bytes]]


def one_message(_context: grpc.ServicerContext) -> Iterator[bytes]:
    """A stream of one empty message."""
    yield b""


def empty_answer(requests: Iterator[bytes], _context: grpc.ServicerContext) -> bytes:
    """Reads all requests of a stream, and answers with an empty message."""
    for _ in requests:
        pass
    return b""


def one_message_each(requests: Iterator[bytes], _context: grpc.ServicerContext) -> Iterator[bytes]:
    """Answers each request of a stream with an empty message."""
    for _ in requests:
        yield b""


class FakeGateway(grpc.GenericRpcHandler):
    """Answers calls with an empty message, streams as `script`, `upload` and `dialog` say, or fails as it was told.

    It has no health service, so that clients do not watch it.
    """

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.target = ""
        self.script: Script = one_message
        self.upload: Upload = empty_answer
        self.dialog: Dialog = one_message_each
        self.cancelled = threading.Event()
        """Set when a stream is over, whoever ended it."""
        self._failures: list[tuple[grpc.StatusCode, str, list[Message] | bytes | None]] = []

    def fail(
        self,
        code: grpc.StatusCode,
        message: str = "",
        details: list[Message] | bytes | None = None,
        times: int = 1,
    ) -> None:
        """Lets the next calls fail. The details are messages, or whatever bytes stand where they should."""
        self._failures += [(code, message, details)] * times

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Takes every call of the gateway's services, whatever its name."""
        method = handler_call_details.method
        if method.startswith("/grpc.health."):
            return None

        def receive(context: grpc.ServicerContext) -> None:
            metadata = [(key, value) for key, value in context.invocation_metadata()]
            identity = [(key, value) for key, value in metadata if key in OWN_HEADERS]
            self.received.append(Received(method, identity, metadata, context.time_remaining()))
            if self._failures:
                self.abort(context, *self._failures.pop(0))

        def answer(_request: bytes, context: grpc.ServicerContext) -> bytes:
            receive(context)
            return b""

        def stream(_request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
            context.add_callback(self.cancelled.set)
            receive(context)
            yield from self.script(context)

        def take(requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
            context.add_callback(self.cancelled.set)
            receive(context)
            return self.upload(requests, context)

        def talk(requests: Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
            context.add_callback(self.cancelled.set)
            receive(context)
            yield from self.dialog(requests, context)

        if method.endswith("/UploadFile"):
            return grpc.stream_unary_rpc_method_handler(take)
        if method.endswith("/RunProgram"):
            return grpc.stream_stream_rpc_method_handler(talk)
        if method.endswith("/WatchGateway"):
            return grpc.unary_stream_rpc_method_handler(stream)
        return grpc.unary_unary_rpc_method_handler(answer)

    def abort(
        self, context: grpc.ServicerContext, code: grpc.StatusCode, message: str, details: list[Message] | bytes | None
    ) -> None:
        """Ends a call with an error."""
        encoded = encode(code, message, details) if isinstance(details, list) else details
        if encoded is not None:
            context.set_trailing_metadata((("grpc-status-details-bin", encoded),))
        context.abort(code, message)


def encode(code: grpc.StatusCode, message: str, details: list[Message]) -> bytes:
    """What `grpc-status-details-bin` has."""
    status = Status(code=code.value[0], message=message)
    for detail in details:
        status.details.add().Pack(detail)
    encoded: bytes = status.SerializeToString()
    return encoded


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    """A gateway in plain text on a loopback address."""
    fake = FakeGateway()
    server = grpc.server(ThreadPoolExecutor(2), handlers=[fake], options=[("grpc.max_send_message_length", -1)])
    fake.target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield fake
    server.stop(None).wait()


class Call(Protocol):
    """Connects, makes one call and returns its response."""

    def __call__(
        self,
        target: str,
        stub: Any,
        method: str,
        request: Any,
        timeout: float | None = None,
        metadata: tuple[tuple[str, str], ...] | None = None,
        **options: Any,
    ) -> Any:
        """The options are those of `connect`."""


def call_blocking(
    target: str, stub: Any, method: str, request: Any, timeout: Any = None, metadata: Any = None, **options: Any
) -> Any:
    """Calls with `connect`."""
    with connect(target, **options) as channel:
        return getattr(stub(channel), method)(request, timeout=timeout, metadata=metadata)


def call_aio(
    target: str, stub: Any, method: str, request: Any, timeout: Any = None, metadata: Any = None, **options: Any
) -> Any:
    """Calls with `aio.connect`."""

    async def run() -> Any:
        async with aio.connect(target, **options) as channel:
            return await getattr(stub(channel), method)(request, timeout=timeout, metadata=metadata)

    return asyncio.run(run())


@pytest.fixture(params=[call_blocking, call_aio], ids=["blocking", "aio"])
def call(request: pytest.FixtureRequest) -> Call:
    """Both ways of calling, one after the other."""
    way: Call = request.param
    return way


class Watch(Protocol):
    """Opens a stream of WatchGateway and returns its messages when it has ended."""

    def __call__(
        self,
        target: str,
        on_message: Callable[[int, Callable[[], Any]], None] = lambda number, cancel: None,
        timeout: float | None = None,
        metadata: tuple[tuple[str, str], ...] | None = None,
        **options: Any,
    ) -> list[WatchGatewayResponse]:
        """`on_message` is called with the number of each message that arrives, from 1, and what cancels the stream."""


def watch_blocking(
    target: str,
    on_message: Callable[[int, Callable[[], Any]], None] = lambda number, cancel: None,
    timeout: float | None = None,
    metadata: Any = None,
    **options: Any,
) -> list[WatchGatewayResponse]:
    """Watches with `connect`."""
    messages = []
    with connect(target, **options) as channel:
        stream: Any = GatewayServiceStub(channel).WatchGateway(
            WatchGatewayRequest(), timeout=timeout, metadata=metadata
        )
        for message in stream:
            messages.append(message)
            on_message(len(messages), stream.cancel)
    return messages


def watch_aio(
    target: str,
    on_message: Callable[[int, Callable[[], Any]], None] = lambda number, cancel: None,
    timeout: float | None = None,
    metadata: Any = None,
    **options: Any,
) -> list[WatchGatewayResponse]:
    """Watches with `aio.connect`."""

    async def run() -> list[WatchGatewayResponse]:
        messages = []
        async with aio.connect(target, **options) as channel:
            stub: Any = GatewayServiceStub(channel)
            stream = stub.WatchGateway(WatchGatewayRequest(), timeout=timeout, metadata=metadata)
            async for message in stream:
                messages.append(message)
                on_message(len(messages), stream.cancel)
        return messages

    return asyncio.run(run())


@pytest.fixture(params=[watch_blocking, watch_aio], ids=["blocking", "aio"])
def watch(request: pytest.FixtureRequest) -> Watch:
    """Both ways of watching, one after the other."""
    way: Watch = request.param
    return way
