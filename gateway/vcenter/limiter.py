"""Bounds how many calls are with vCenter at once, and shares the places fairly between callers.

vCenter is easily overrun: beyond a few dozen calls at a time, all of them get slower. Further calls wait here, each
within its own deadline. Places are given to the waiting identities in turn, so that one caller with a thousand calls
delays another's single call by one place and not by a thousand. When too many wait, further calls are refused at once:
a queue that nobody will be served from only wastes everybody's time.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Hashable

from google.rpc import code_pb2

from gateway.transcoding import GatewayError, Reason

__all__ = ["Limiter"]

_RETRY_DELAY = 1.0


class Limiter:
    """`limit` places, and room for `max_waiting` calls that wait for one. Belongs to one event loop."""

    def __init__(self, limit: int, max_waiting: int) -> None:
        self.limit = limit
        self.max_waiting = max_waiting
        self.active = 0
        """Calls that have a place."""
        self.waiting = 0
        """Calls that wait for one."""
        self.refused = 0
        """Calls that were refused so far."""
        self._queues: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()

    async def enter(self, identity: Hashable, deadline: float) -> None:
        """Takes a place, which `leave` gives back. `deadline` is in the event loop's time.

        Raises TimeoutError when the deadline passes before there is a place, and GatewayError (RESOURCE_EXHAUSTED, with
        the time after which to try again) when too many wait already.
        """
        if self.active < self.limit and not self.waiting:
            self.active += 1
        else:
            await self._wait(identity, deadline)

    def leave(self) -> None:
        """Gives a place that is free to the identity whose turn it is, or keeps it for the next call that comes."""
        while self._queues:
            identity, queue = next(iter(self._queues.items()))
            turn = queue.popleft()
            if queue:
                self._queues.move_to_end(identity)
            else:
                del self._queues[identity]
            self.waiting -= 1
            if not turn.done():  # Else its call has given up, and has not run since.
                turn.set_result(None)
                return
        self.active -= 1

    async def _wait(self, identity: Hashable, deadline: float) -> None:
        if self.waiting >= self.max_waiting:
            self.refused += 1
            raise GatewayError(
                code_pb2.RESOURCE_EXHAUSTED,
                Reason.OVERLOADED,
                f"{self.active} calls are with vCenter and {self.waiting} wait for their turn, which is the limit",
                retry_delay=_RETRY_DELAY,
            )
        turn = asyncio.get_running_loop().create_future()
        self._queues.setdefault(identity, deque()).append(turn)
        self.waiting += 1
        try:
            async with asyncio.timeout_at(deadline):
                await turn
        except BaseException:
            if turn.done() and not turn.cancelled():
                self.leave()  # The place came in the same moment in which the call gave up: it goes to the next.
            else:
                self._forget(identity, turn)
            raise

    def _forget(self, identity: Hashable, turn: asyncio.Future[None]) -> None:
        queue = self._queues.get(identity)
        if queue is None or turn not in queue:
            return  # A place became free in the same moment, and went past the call that gave up.
        queue.remove(turn)
        if not queue:
            del self._queues[identity]
        self.waiting -= 1
