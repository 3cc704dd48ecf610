"""Reflection: lists the services for tools such as grpcurl, from the contract's own descriptors.

In both versions: new tools request v1 first, the library has only v1alpha. They differ only in the name.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from gateway.contract import Contract
from gateway.server.connections import Places, abort, read, write
from gateway.server.health import SERVICE as HEALTH

__all__ = ["MAX_STREAMS", "MAX_STREAMS_OF_A_CONNECTION", "add_reflection"]

MAX_STREAMS = 100
"""Maximum number of concurrent streams, each of which may occupy a response of some 100 KiB. Additional ones are
refused."""
MAX_STREAMS_OF_A_CONNECTION = 10

_V1 = "grpc.reflection.v1.ServerReflection"
# What is not in the contract's descriptors: gRPC's own services.
_FURTHER_FILES = (health_pb2, reflection_pb2)

IDLE_SECONDS = 60.0

# The asyncio half of the library is not in its type information.
_ReflectionServicer: Any = reflection.aio.ReflectionServicer  # type: ignore[attr-defined]


class _Pool:
    """The contract's descriptors, which also finds rpcs: protobuf's own pool finds the file of every other symbol."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, name: str) -> Any:  # noqa: N802 - protobuf's name
        try:
            return self._pool.FindFileContainingSymbol(name)
        except KeyError:
            return self._pool.FindMethodByName(name).containing_service.file


class _MalformedError(Exception):
    """Bytes that are not a request."""


class _Reflection:
    """Responds to streams of requests as bytes, because gRPC would log a traceback for an invalid message."""

    def __init__(self, servicer: Any) -> None:
        self._answers = servicer.ServerReflectionInfo
        self._places = Places(MAX_STREAMS, MAX_STREAMS_OF_A_CONNECTION)

    async def handle(self, requests: Any, context: Any) -> None:
        with self._places.take(context.peer()) as refusal:
            if refusal:
                await abort(context, grpc.StatusCode.RESOURCE_EXHAUSTED, refusal)
            try:
                async for answer in self._answers(_requests(context), context):
                    if not await write(context, answer.SerializeToString()):
                        return
            except _MalformedError:
                await abort(
                    context, grpc.StatusCode.INVALID_ARGUMENT, "the request is not a valid ServerReflectionRequest"
                )
            except TimeoutError:
                await abort(context, grpc.StatusCode.DEADLINE_EXCEEDED, "no request has arrived for too long")


async def _requests(context: Any) -> AsyncIterator[Any]:
    while True:
        async with asyncio.timeout(IDLE_SECONDS):
            data = await read(context)
        if data is None:
            return
        try:
            request = reflection_pb2.ServerReflectionRequest.FromString(data)
        except DecodeError:
            raise _MalformedError from None
        yield request


def add_reflection(server: grpc.aio.Server, contract: Contract) -> None:
    """Adds the reflection service of both versions to a server that has not been started."""
    for module in _FURTHER_FILES:
        contract.pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    pool: Any = _Pool(contract.pool)
    names = (*contract.services, HEALTH, reflection.SERVICE_NAME)
    handler = grpc.stream_stream_rpc_method_handler(_Reflection(_ReflectionServicer(names, pool=pool)).handle)
    server.add_generic_rpc_handlers(
        tuple(
            grpc.method_handlers_generic_handler(service, {"ServerReflectionInfo": handler})
            for service in (_V1, reflection.SERVICE_NAME)
        )
    )
