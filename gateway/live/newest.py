"""A value with many watchers: each gets the latest one, and skips those that it was too slow for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

from gateway.outliving import outlived

__all__ = ["Newest"]

T = TypeVar("T")


class Newest(Generic[T]):
    """Watchers never delay the setter of the value, and use no memory except their own position."""

    def __init__(self, value: T) -> None:
        self.value = value
        self._changed: asyncio.Future[None] | None = None

    def set(self, value: T) -> None:
        """Sets `value` as the latest one; an equal one is not a change."""
        if value == self.value:
            return
        self.value = value
        if self._changed is not None:
            self._changed.set_result(None)
            self._changed = None

    async def watch(self, quiet_seconds: float) -> AsyncIterator[T | None]:
        """The value, and every newer one; None whenever this many seconds have passed without one."""
        while True:
            seen = self.value
            yield seen
            while self.value is seen:
                if self._changed is None:
                    self._changed = asyncio.get_running_loop().create_future()
                try:
                    async with asyncio.timeout(quiet_seconds):
                        await outlived(self._changed)
                except TimeoutError:
                    yield None
