"""What the gateway holds for a peer whose connection takes nothing any more, not even headers."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, NoReturn

import pytest
from grpc._cython import cygrpc

from gateway.access import Admission, passthrough
from gateway.calls import Call, Reply
from gateway.contract import load_contract
from gateway.errors import Failure, GatewayError, Reason
from gateway.events import Events
from gateway.server.arrival import Door
from gateway.server.calls import unary_handler
from gateway.server.connections import taken
from gateway.server.peers import Peers
from gateway.transcoding import compile_bindings
from tests.held_vcenter import idle
from tests.integration.harness import READ

SIZE = 100_000


class _Answer(bytes):
    """An answer that says when it is freed."""

    on_free: Callable[[], None]

    def __del__(self) -> None:
        self.on_free()


class _StuckContext:
    """A call whose peer takes nothing until the test says so."""

    def __init__(self) -> None:
        self.reads = asyncio.Event()

    def invocation_metadata(self) -> Any:
        return (("vmware-api-session-id", "session"),)

    def auth_context(self) -> Any:
        return {}

    def peer(self) -> str:
        return "ipv4:192.0.2.7:40312"

    def time_remaining(self) -> float:
        return 60.0

    def set_trailing_metadata(self, metadata: Any) -> None: ...

    async def read(self) -> bytes:
        return b""

    async def send_initial_metadata(self, metadata: Any) -> None:
        await self.reads.wait()

    async def abort(self, code: Any, details: str) -> NoReturn:
        await self.reads.wait()
        raise asyncio.CancelledError


def door() -> Door:
    return Door(Admission(passthrough()), lambda is_read_only, remaining: 60.0)


async def test_an_answer_counts_before_its_headers_are_taken() -> None:
    """The age of an answer goes before it: meanwhile the answer is held, and counts."""
    peers, context = Peers(1_000_000, 1_000_000), _StuckContext()

    async def unary(call: Call) -> Reply:
        return Reply(bytes(SIZE), 3)

    binding = compile_bindings(load_contract())[READ]
    handle = peers.bounded(unary_handler(door(), binding, unary, Events(), SIZE, peers.take_room))
    call = asyncio.create_task(handle(None, context))  # type: ignore[arg-type]
    await idle()
    assert peers.unsent_bytes == SIZE
    context.reads.set()
    assert len(await call) == SIZE
    await idle()
    assert peers.unsent_bytes == 0


async def test_a_refused_answer_is_not_held() -> None:
    """An answer for which there is no room is free while its status waits for the peer."""
    context = _StuckContext()
    freed = asyncio.Event()

    async def unary(call: Call) -> Reply:
        answer = _Answer(SIZE)
        answer.on_free = freed.set
        return Reply(answer)

    def refuse(context: Any, size: int) -> None:
        raise GatewayError(Failure.of(Reason.OVERLOADED, "too many bytes"))

    binding = compile_bindings(load_contract())[READ]
    call = asyncio.create_task(unary_handler(door(), binding, unary, Events(), SIZE, refuse)(b"", context))  # type: ignore[arg-type]
    await idle()
    assert not call.done()
    assert freed.is_set()
    context.reads.set()
    with pytest.raises(asyncio.CancelledError):
        await call


async def test_a_connection_that_goes_while_a_message_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """gRPC cannot send the message, which is nobody's fault: the stream ends as one whose caller has left."""
    monkeypatch.setattr("gateway.server.connections._CLOSE_SECONDS", 0)

    async def send() -> None:
        raise cygrpc.ExecuteBatchError("Failed execute_batch")

    assert not await taken(_StuckContext(), send())
