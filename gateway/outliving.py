"""Waits for work that continues if the waiting task is cancelled.

`asyncio.shield` does the same up to Python 3.13. From 3.14 on, it also logs the exception of such work, even if another
task retrieves it.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

__all__ = ["outlived"]

T = TypeVar("T")


async def outlived(work: asyncio.Future[T]) -> T:
    """Returns the work's result, or raises its exception. The work is not cancelled with the caller."""
    try:
        await asyncio.wait([work])
    except asyncio.CancelledError:
        work.add_done_callback(_seen)
        raise
    return work.result()


def _seen(work: asyncio.Future[Any]) -> None:
    if not work.cancelled():
        work.exception()  # Otherwise, asyncio logs it as never retrieved.
