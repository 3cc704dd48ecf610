"""Work at vCenter that must be completed even if the caller no longer waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from logging import getLogger
from typing import Any, TypeVar

from gateway.calls import Call
from gateway.outliving import outlived

__all__ = ["Endings", "afterwards"]

_SECONDS = 10.0
"""How long the stop of the gateway waits, and how long what is put in order may take."""

_log = getLogger(__name__)

T = TypeVar("T")


class Endings:
    """What is under way. Belongs to one event loop."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    async def whole(self, work: Coroutine[Any, Any, T] | asyncio.Task[T]) -> T:
        """Does the work and returns its result. It continues if the waiting task is cancelled."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return await outlived(task)

    async def close(self, seconds: float = _SECONDS) -> None:
        """Returns when everything has ended; abandons what takes too long."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=seconds)
            if late:
                _log.warning("the gateway is stopping before it cleaned up %d guests or datastores", len(late))
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # Somebody has looked at it, also where nobody waits any more.


def afterwards(call: Call) -> Call:
    """The same call with time of its own, for putting things in order when that of the call may be over."""
    return replace(call, deadline=asyncio.get_running_loop().time() + _SECONDS)
