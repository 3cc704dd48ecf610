"""Closes a gRPC server without losing an accepted call.

Three properties of grpc get in the way. When it closes a listener, it silently cancels the calls that it has received
but not passed on yet: on a busy server, those of nearly every client. It waits for streams that never end, such as
health watches, as if they were calls in flight. And it waits for peers that do not read: therefore, each step has a
time limit, and the sessions with vCenter are closed before any step that a peer can delay.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import grpc.aio

from gateway.errors import Failure
from gateway.server.peers import Handler

__all__ = ["Drain"]

_PAUSE_SECONDS = 0.01
_MAX_PAUSES = 10
_LAST_ANSWER_SECONDS = 1.0
_END_SECONDS = 5.0

_log = logging.getLogger(__name__)


class Drain:
    """Counts the calls in flight, and holds back new ones while the listener closes."""

    def __init__(self) -> None:
        self._active = 0
        self._taken = 0
        self._idle: asyncio.Event | None = None
        """Set when no call is in flight; exists only during shutdown."""
        self._admitted: asyncio.Event | None = None
        """Released for new calls after the listener has closed; exists only while it closes."""

    @property
    def active(self) -> int:
        """Calls under way."""
        return self._active

    def watched(self, handle: Handler) -> Handler:
        """The same handler, which `close` then waits for."""

        async def handle_watched(data: bytes | Failure, context: Any) -> bytes:
            self._active += 1
            self._taken += 1
            try:
                if self._admitted is not None:
                    await self._admitted.wait()
                return await handle(data, context)
            finally:
                self._active -= 1
                if not self._active and self._idle is not None:
                    self._idle.set()

        return handle_watched

    async def close(
        self, server: grpc.aio.Server, grace: float, log_out: Callable[[], Awaitable[None]], taken: Awaitable[None]
    ) -> None:
        """Closes the listener immediately, and the server when no call is in flight and all responses are `taken`, at
        the latest a few seconds after `grace` seconds.

        Calls that arrive at that moment are accepted before the listener closes and continue afterwards, like every
        call in flight. `log_out` runs as soon as no call needs vCenter, whether or not peers read their responses.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + grace
        admitted = self._admitted = asyncio.Event()
        try:
            # Clients that wait for a response before their next call soon stop calling.
            for _ in range(_MAX_PAUSES):
                before = self._taken
                await asyncio.sleep(_PAUSE_SECONDS)
                if self._taken == before:
                    break
            stopping = asyncio.ensure_future(server.stop(grace))
            await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            self._admitted = None
            admitted.set()
        idle = self._idle = asyncio.Event()
        if not self._active:
            idle.set()
        if not await _within(idle.wait(), end - loop.time()):
            # They are cancelled now. A cancelled call ends, and its request to vCenter with it.
            await _within(idle.wait(), _LAST_ANSWER_SECONDS)
        logging_out = asyncio.ensure_future(log_out())
        await _within(taken, end - loop.time())
        # The last responses are in flight, and only endless streams are left.
        stopped = asyncio.gather(stopping, server.stop(min(grace, _LAST_ANSWER_SECONDS)))
        if not await _within(stopped, _LAST_ANSWER_SECONDS + _END_SECONDS):
            _log.error("the gRPC server does not stop; continuing without it")
        await logging_out


async def _within(action: Awaitable[Any], seconds: float) -> bool:
    """Whether it finished in time. Otherwise, it is left running, because gRPC does not tolerate cancellation."""
    task = asyncio.ensure_future(action)
    done, _ = await asyncio.wait([task], timeout=max(seconds, 0.0))
    if done:
        task.result()
    return bool(done)
