"""Creates gRPC's handlers for the bindings of all rpcs, unary and streaming, vCenter's and the gateway's own.

gRPC queries each generic handler in turn for every call, so all rpcs are in one: with one per service, as the library
creates them, finding the method took 4 % of a call's instructions, and more with each additional service.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import grpc
from google.protobuf.message import Message

from gateway.calls import Call, Layer, Reply, Stream, Unary
from gateway.contract import Rest, Streaming
from gateway.events import Events
from gateway.server.arrival import Door
from gateway.server.calls import unary_handler
from gateway.server.drain import Drain
from gateway.server.peers import Peers
from gateway.server.streams import OpenStreams, stream_handler
from gateway.transcoding import Binding

__all__ = ["rpc_handler"]


class _Rpcs(grpc.GenericRpcHandler):  # type: ignore[type-arg] # has arguments in its type information only
    """Finds the handler of an rpc by its path."""

    def __init__(self, handlers: Mapping[str, grpc.RpcMethodHandler[Any, Any]]) -> None:
        self._find = handlers.get

    def service(self, handler_call_details: Any) -> grpc.RpcMethodHandler[Any, Any] | None:
        return self._find(handler_call_details.method)


def rpc_handler(
    bindings: Mapping[str, Binding],
    door: Door,
    rest: Unary,
    enter: Layer,
    local: Mapping[str, Callable[..., Any]],
    changing: Layer,
    events: Events,
    streams: OpenStreams,
    drain: Drain,
    peers: Peers,
    max_response_bytes: int,
) -> grpc.GenericRpcHandler[Any, Any]:
    """The handler of all rpcs. `rest` answers the rpcs with a REST call. `local` has the others, to which `enter`
    admits calls; `changing` wraps the unary ones. All are registered as client-streaming, because gRPC itself never
    responds to a unary call without a message.
    """
    handlers: dict[str, Any] = {}
    for name, binding in bindings.items():
        method = binding.method
        if not method.is_unary:
            answer = _single(local[name]) if method.streaming is Streaming.CLIENT else local[name]
            stream = stream_handler(door, binding, answer, events, streams)
            handlers[f"/{name}"] = grpc.stream_stream_rpc_method_handler(stream)
        else:
            unary = rest if isinstance(method.backing, Rest) else enter(changing(_serializing(local[name])))
            room = peers.take_room if method.is_read_only else None
            handle = unary_handler(door, binding, unary, events, max_response_bytes, room)
            handlers[f"/{name}"] = grpc.stream_unary_rpc_method_handler(peers.bounded(drain.watched(handle)))
    return _Rpcs(handlers)


def _serializing(answer: Callable[..., Any]) -> Unary:
    async def serialize(call: Call) -> Reply:
        message = await answer(call)
        return Reply(message.SerializeToString())

    return serialize


def _single(answer: Callable[..., Any]) -> Stream:
    """A single response as a stream of one, so that a client-streaming rpc is limited, watched and ended like any other
    stream."""

    async def stream(call: Call) -> AsyncIterator[Message]:
        yield await answer(call)

    return stream
