"""Closes a gRPC server without losing a call that it has taken.

Two things of grpc's stand in the way. When it closes a listener, it cancels without a word the calls that it has
received and not handed over yet: on a busy server, those of nearly every client. And it waits for streams that never
end by themselves, such as those that watch the health, as if they were calls under way.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc.aio

from gateway.server.calls import Handler

__all__ = ["Drain"]

_PAUSE_SECONDS = 0.01
_MAX_PAUSES = 10
_LAST_ANSWER_SECONDS = 1.0


class Drain:
    """Counts the calls under way, and holds new ones back while the listener closes."""

    def __init__(self) -> None:
        self._active = 0
        self._taken = 0
        self._idle = asyncio.Event()
        self._admitted = asyncio.Event()
        self._idle.set()
        self._admitted.set()

    @property
    def active(self) -> int:
        """Calls under way."""
        return self._active

    def watched(self, handle: Handler) -> Handler:
        """The same handler, which `close` then waits for."""

        async def handle_watched(data: bytes, context: Any) -> bytes:
            self._active += 1
            self._taken += 1
            self._idle.clear()
            try:
                if not self._admitted.is_set():
                    await self._admitted.wait()
                return await handle(data, context)
            finally:
                self._active -= 1
                if not self._active:
                    self._idle.set()

        return handle_watched

    async def close(self, server: grpc.aio.Server, grace: float) -> None:
        """Closes the listener at once, and the server when no call is under way, after `grace` seconds at the latest.

        What comes in that moment is taken before the listener closes and goes on after it, like every call under way.
        """
        self._admitted.clear()
        try:
            # Clients that wait for an answer before their next call fall silent soon.
            for _ in range(_MAX_PAUSES):
                taken = self._taken
                await asyncio.sleep(_PAUSE_SECONDS)
                if self._taken == taken:
                    break
            stopping = asyncio.ensure_future(server.stop(grace))
            await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            self._admitted.set()
        idle = asyncio.ensure_future(self._idle.wait())
        await asyncio.wait([stopping, idle], return_when=asyncio.FIRST_COMPLETED)
        idle.cancel()
        # The last answers are on their way, and only streams without an end are left.
        await server.stop(min(grace, _LAST_ANSWER_SECONDS))
        await stopping
