"""A gateway in this process that answers as a test wants, and both ways of calling it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status

from vcenter_gateway_client import aio, connect

OWN_HEADERS = ("authorization", "vmware-api-session-id")


@dataclass(frozen=True)
class Received:
    """A call that arrived."""

    method: str
    identity: list[tuple[str, str | bytes]]
    metadata: list[tuple[str, str | bytes]]
    seconds_left: float | None


class FakeGateway(grpc.GenericRpcHandler):
    """Answers every call with an empty message, or fails as it was told.

    It has no health service, so that clients do not watch it.
    """

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.target = ""
        self._failures: list[tuple[grpc.StatusCode, str, bytes | None]] = []

    def fail(
        self,
        code: grpc.StatusCode,
        message: str = "",
        details: list[Message] | bytes | None = None,
        times: int = 1,
    ) -> None:
        """Lets the next calls fail. The details are messages, or whatever bytes stand where they should."""
        if isinstance(details, list):
            status = Status(code=code.value[0], message=message)
            for detail in details:
                status.details.add().Pack(detail)
            self._failures += [(code, message, status.SerializeToString())] * times
        else:
            self._failures += [(code, message, details)] * times

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
        """Takes every call of the gateway's services, whatever its name."""
        method = handler_call_details.method
        if method.startswith("/grpc.health."):
            return None

        def answer(_request: bytes, context: grpc.ServicerContext) -> bytes:
            metadata = [(key, value) for key, value in context.invocation_metadata()]
            identity = [(key, value) for key, value in metadata if key in OWN_HEADERS]
            self.received.append(Received(method, identity, metadata, context.time_remaining()))
            if self._failures:
                code, message, details = self._failures.pop(0)
                if details is not None:
                    context.set_trailing_metadata((("grpc-status-details-bin", details),))
                context.abort(code, message)
            return b""

        return grpc.unary_unary_rpc_method_handler(answer)


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    """A gateway in plain text on a loopback address."""
    fake = FakeGateway()
    server = grpc.server(ThreadPoolExecutor(2), handlers=[fake])
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
