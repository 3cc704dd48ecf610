"""Work that outlives whoever waits for it, and says nothing in the log when nobody is left."""

from __future__ import annotations

import asyncio
import gc

import pytest

from gateway.outliving import outlived


async def work(go: asyncio.Event, error: Exception | None) -> str:
    await go.wait()
    if error:
        raise error
    return "done"


@pytest.mark.parametrize("error", [None, OSError("no")], ids=["a result", "an error"])
async def test_whoever_waits_gets_it(error: Exception | None) -> None:
    """All who wait get the result or the error, also after another one gave up."""
    go = asyncio.Event()
    task = asyncio.ensure_future(work(go, error))
    first, second = asyncio.ensure_future(outlived(task)), asyncio.ensure_future(outlived(task))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    assert first.cancelled()
    assert not task.done()
    go.set()
    [outcome] = await asyncio.gather(second, return_exceptions=True)
    assert outcome is (error or task.result())


async def test_an_error_that_nobody_waits_for(caplog: pytest.LogCaptureFixture) -> None:
    """It is not logged: not as one of a shielded future, and not as one that was never retrieved."""
    go = asyncio.Event()
    task = asyncio.ensure_future(work(go, OSError("no")))
    waiting = asyncio.ensure_future(outlived(task))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    go.set()
    await asyncio.wait([task])
    del task
    gc.collect()
    assert not caplog.records


async def test_work_that_is_cancelled() -> None:
    """Whoever waits is told so."""
    task = asyncio.ensure_future(work(asyncio.Event(), None))
    waiting = asyncio.ensure_future(outlived(task))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
