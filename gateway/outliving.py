"""Waits for work that goes on when whoever waits for it is cancelled.

`asyncio.shield` does the same up to Python 3.13. From 3.14 on it also logs the error that such work fails with, even if
somebody else looks at it.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

__all__ = ["outlived"]

T = TypeVar("T")


async def outlived(work: asyncio.Future[T]) -> T:
    """What the work gives, or raises. The work is not cancelled with the caller."""
    try:
        await asyncio.wait([work])
    except asyncio.CancelledError:
        work.add_done_callback(_seen)
        raise
    return work.result()


def _seen(work: asyncio.Future[Any]) -> None:
    if not work.cancelled():
        work.exception()  # Otherwise it is logged as never retrieved.
