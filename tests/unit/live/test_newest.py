"""A value that many watch: who is slow misses values, and holds up nobody."""

from __future__ import annotations

import asyncio

import pytest

from gateway.live.newest import Newest
from tests.held_vcenter import idle

LONG = 60.0


async def test_the_value_comes_first() -> None:
    """A watcher gets the value that there is, then each newer one."""
    newest = Newest(1)
    watch = newest.watch(LONG)
    assert await anext(watch) == 1
    newest.set(2)
    assert await anext(watch) == 2
    waiting = asyncio.ensure_future(anext(watch))
    await idle()
    assert not waiting.done()
    newest.set(3)
    assert await waiting == 3


async def test_an_equal_value_is_no_change() -> None:
    """Nobody is told of a value that is as before."""
    newest = Newest("a")
    watch = newest.watch(LONG)
    await anext(watch)
    waiting = asyncio.ensure_future(anext(watch))
    await idle()
    newest.set("a")
    await idle()
    assert not waiting.done()
    newest.set("b")
    assert await waiting == "b"


async def test_the_newest_wins() -> None:
    """Values that came while a watcher was busy are passed over but for the last one; a fast watcher has them all."""
    newest = Newest(0)
    slow, fast = newest.watch(LONG), newest.watch(LONG)
    assert await anext(slow) == await anext(fast) == 0
    for value in range(1, 1001):
        newest.set(value)
        assert await anext(fast) == value
    assert await anext(slow) == 1000


async def test_silence() -> None:
    """After so many seconds without a newer value a watcher gets None, again and again, and still the next value."""
    newest = Newest(0)
    watch = newest.watch(0.01)
    assert [await anext(watch) for _ in range(3)] == [0, None, None]
    newest.set(1)
    assert await anext(watch) == 1


async def test_watchers_that_leave() -> None:
    """A watcher that is cancelled takes nothing from the others."""
    newest = Newest(0)
    leaving, staying = newest.watch(LONG), newest.watch(LONG)
    await anext(leaving)
    await anext(staying)
    gone, waiting = asyncio.ensure_future(anext(leaving)), asyncio.ensure_future(anext(staying))
    await idle()
    gone.cancel()
    with pytest.raises(asyncio.CancelledError):
        await gone
    newest.set(1)
    assert await waiting == 1
