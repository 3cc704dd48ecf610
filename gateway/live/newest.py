"""A value that many watch: each gets the newest one, and none of those that it was too slow for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

from gateway.outliving import outlived

__all__ = ["Newest"]

T = TypeVar("T")


class Newest(Generic[T]):
    """Watchers never hold up who sets the value, and cost no memory but their own place in it."""

    def __init__(self, value: T) -> None:
        self.value = value
        self._changed: asyncio.Future[None] | None = None

    def set(self, value: T) -> None:
        """Makes `value` the newest one; an equal one is no change."""
        if value == self.value:
            return
        self.value = value
        if self._changed is not None:
            self._changed.set_result(None)
            self._changed = None

    async def watch(self, quiet_seconds: float) -> AsyncIterator[T | None]:
        """The value, and every newer one; None whenever so many seconds have passed without."""
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
