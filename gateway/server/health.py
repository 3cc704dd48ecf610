"""The health service of gRPC, `grpc.health.v1.Health`.

The library's own writes to all watchers while it holds a lock: a watcher that does not read stops all others, and
whoever sets a status, such as the stop. Here setting a status waits for nobody. Each watcher's stream writes the newest
status when it has written the one before.
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
"""Watchers at once, each of which costs about 20 KiB. Further ones are refused."""
MAX_WATCHERS_OF_A_CONNECTION = 100

_REQUEST_SECONDS = 10.0

_Status = health_pb2.HealthCheckResponse


class Health:
    """What the health service says about each name."""

    def __init__(self) -> None:
        self._statuses: dict[str, int] = {}
        self._places = Places(MAX_WATCHERS, MAX_WATCHERS_OF_A_CONNECTION)
        self._changed = asyncio.Event()
        self._shut_down = False

    @property
    def watchers(self) -> int:
        """Streams that watch."""
        return self._places.taken

    def set(self, status: int, services: Iterable[str]) -> None:
        """Sets what is said about some names, unless the service was shut down."""
        if not self._shut_down:
            self._statuses.update(dict.fromkeys(services, status))
            self._wake()

    def shut_down(self) -> None:
        """Says NOT_SERVING about every name from now on."""
        self.set(_Status.NOT_SERVING, list(self._statuses))
        self._shut_down = True

    def handler(self) -> Any:
        """What a gRPC server takes to serve this."""
        # With streams of bytes, since gRPC would never answer a call without a message, nor one with a wrong message
        # without a traceback in the log.
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
                # A name that is not known may be so later; that is what the protocol says.
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
    """The name in the request; ends the call with INVALID_ARGUMENT when there is none to read."""
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
