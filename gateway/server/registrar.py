"""Makes gRPC's handlers of all rpcs from their bindings, unary and streaming, vCenter's and the gateway's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import grpc
from google.protobuf.message import Message

from gateway.calls import Call, Layer, Reply, Stream, Unary
from gateway.calls.admission import admitted
from gateway.contract import Rest, Streaming
from gateway.events import Events
from gateway.server.arrival import Door
from gateway.server.calls import unary_handler
from gateway.server.drain import Drain
from gateway.server.peers import Peers
from gateway.server.streams import OpenStreams, stream_handler
from gateway.transcoding import Binding

__all__ = ["service_handlers"]


def service_handlers(
    bindings: Mapping[str, Binding],
    door: Door,
    rest: Unary,
    local: Mapping[str, Callable[..., Any]],
    changing: Layer,
    events: Events,
    streams: OpenStreams,
    drain: Drain,
    peers: Peers,
    max_response_bytes: int,
) -> list[Any]:
    """One generic handler a service. `rest` answers the rpcs that stand for a REST call, `local` has the others;
    `changing` goes around those of them that are unary.

    All are registered with a stream of requests, since gRPC itself never answers a unary call without a message.
    """
    services: dict[str, dict[str, Any]] = {}
    for name, binding in bindings.items():
        method = binding.method
        if method.streaming is not Streaming.UNARY:
            answer = _single(local[name]) if method.streaming is Streaming.CLIENT else local[name]
            stream = stream_handler(door, binding, answer, events, streams)
            handler = grpc.stream_stream_rpc_method_handler(stream)
        else:
            unary = rest if isinstance(method.backing, Rest) else changing(_serializing(local[name]))
            unary = admitted(door.admit, unary, events)
            room = peers.take_room if method.is_read_only else None
            handle = unary_handler(door, binding, unary, events, max_response_bytes, room)
            handler = grpc.stream_unary_rpc_method_handler(peers.bounded(drain.watched(handle)))
        services.setdefault(method.service, {})[method.name] = handler
    return [grpc.method_handlers_generic_handler(service, methods) for service, methods in services.items()]


def _serializing(answer: Callable[..., Any]) -> Unary:
    async def serialize(call: Call) -> Reply:
        message = await answer(call)
        return Reply(message.SerializeToString())

    return serialize


def _single(answer: Callable[..., Any]) -> Stream:
    """A single response as a stream of one: so an rpc that streams its requests is limited, watched and ended as any
    other stream."""

    async def stream(call: Call) -> AsyncIterator[Message]:
        yield await answer(call)

    return stream
