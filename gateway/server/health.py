"""The health service of gRPC, `grpc.health.v1.Health`.

The library's own service writes to all watchers while it holds a lock: a watcher that does not read blocks all others,
and every change of a status, such as the shutdown. Here, setting a status never waits. Each watcher's stream writes the
latest status after it has written the previous one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

from gateway.server.connections import Places, abort, read, write

__all__ = ["MAX_WATCHERS", "MAX_WATCHERS_OF_A_CONNECTION", "SERVICE", "Health"]

SERVICE: str = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
MAX_WATCHERS = 4000
"""Maximum number of concurrent watchers, each of which uses about 20 KiB. Additional ones are refused."""
MAX_WATCHERS_OF_A_CONNECTION = 100

_REQUEST_SECONDS = 10.0

_Status = health_pb2.HealthCheckResponse


class Health:
    """The health service: the status of each name."""

    def __init__(self) -> None:
        self._statuses: dict[str, int] = {}
        self._places = Places(MAX_WATCHERS, MAX_WATCHERS_OF_A_CONNECTION)
        self._changed = asyncio.Event()
        self._shut_down = False

    @property
    def watchers(self) -> int:
        """Number of watching streams."""
        return self._places.taken

    def set(self, status: int, services: Iterable[str]) -> None:
        """Sets the status of some names, unless the service was shut down."""
        if not self._shut_down:
            self._statuses.update(dict.fromkeys(services, status))
            self._wake()

    def shut_down(self) -> None:
        """Reports NOT_SERVING for every name from now on."""
        self.set(_Status.NOT_SERVING, list(self._statuses))
        self._shut_down = True

    def handler(self) -> Any:
        """The generic handler for a gRPC server."""
        # With streams of bytes, because gRPC would never respond to a call without a message, and would log a traceback
        # for an invalid message.
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Check": grpc.stream_unary_rpc_method_handler(self._check),
                "Watch": grpc.stream_stream_rpc_method_handler(self._watch),
            },
        )

    async def _check(self, requests: Any, context: Any) -> bytes:
        service = await _service(context)
        status = self._statuses.get(service)
        if status is None:
            await abort(context, grpc.StatusCode.NOT_FOUND, "there is no service with this name")
        return _answer(status)

    async def _watch(self, requests: Any, context: Any) -> None:
        service = await _service(context)
        with self._places.take(context.peer()) as refusal:
            if refusal:
                await abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, refusal)
            last = None
            while True:
                changed = self._changed
                # An unknown name may become known later, according to the protocol.
                status = self._statuses.get(service, _Status.SERVICE_UNKNOWN)
                if status != last:
                    last = status
                    if not await write(context, _answer(status)):
                        return
                else:
                    await changed.wait()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


async def _service(context: Any) -> str:
    """The name in the request; ends the call with INVALID_ARGUMENT if it cannot be read."""
    data = None
    try:
        async with asyncio.timeout(_REQUEST_SECONDS):
            data = await read(context)
        if data is not None:
            return str(health_pb2.HealthCheckRequest.FromString(data).service)
    except (TimeoutError, DecodeError):
        pass
    return await abort(context, grpc.StatusCode.INVALID_ARGUMENT, "the call has no valid HealthCheckRequest")


def _answer(status: int | None) -> bytes:
    return bytes(_Status(status=status).SerializeToString())
