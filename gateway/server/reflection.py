"""Reflection: tells tools such as grpcurl what there is to call, from the contract's own descriptors.

In both versions: new tools ask for v1 first, the library has v1alpha only. They are the same but for the name.
"""

from __future__ import annotations

from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from gateway.contract import Contract

__all__ = ["add_reflection"]

_V1 = "grpc.reflection.v1.ServerReflection"
# What is not in the contract's descriptors: gRPC's own services.
_FURTHER_FILES = (health_pb2, reflection_pb2)

# The asyncio half of the library is not in its type information.
_ReflectionServicer: Any = reflection.aio.ReflectionServicer  # type: ignore[attr-defined]


class _Pool:
    """The contract's descriptors, among which rpcs can be found too: protobuf's own pool knows the file of every other
    symbol."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pool, name)

    def FindFileContainingSymbol(self, name: str) -> Any:  # noqa: N802 - protobuf's name
        try:
            return self._pool.FindFileContainingSymbol(name)
        except KeyError:
            return self._pool.FindMethodByName(name).containing_service.file


def add_reflection(server: grpc.aio.Server, contract: Contract) -> None:
    """Adds the reflection service of both versions to a server that has not been started."""
    for module in _FURTHER_FILES:
        contract.pool.AddSerializedFile(module.DESCRIPTOR.serialized_pb)
    pool: Any = _Pool(contract.pool)
    names = (*contract.services, health.SERVICE_NAME, reflection.SERVICE_NAME)
    reflection.enable_server_reflection(names, server, pool)
    handler = grpc.stream_stream_rpc_method_handler(
        _ReflectionServicer(names, pool=pool).ServerReflectionInfo,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_V1, {"ServerReflectionInfo": handler}),))
