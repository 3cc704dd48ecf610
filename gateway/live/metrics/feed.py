"""Live samples for all streams of the same metrics and machines with one credential: one query for all."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Hashable, Iterator, Sequence
from datetime import datetime

from google.rpc import code_pb2

from gateway.errors import Failure, GatewayError, failure_of
from gateway.live.metrics.queries import Series

__all__ = ["Feed", "Feeds"]

_MOST_FAILURES = 3
"""Number of failed queries in a row before the feed ends."""
_PASSING = frozenset(
    {code_pb2.UNAVAILABLE, code_pb2.DEADLINE_EXCEEDED, code_pb2.RESOURCE_EXHAUSTED, code_pb2.NOT_FOUND}
)
"""Codes of temporary failures. A machine that is not found was removed a moment ago."""

Ask = Callable[[], Awaitable[Sequence[Series]]]


class Feed:
    """Queries as long as there are watchers, and keeps only the last page: a slow watcher misses samples, and delays no
    other. Samples are not repeated.
    """

    def __init__(self, ask: Ask, seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._told: dict[tuple[str, str, str], datetime] = {}
        self._page: tuple[int, Sequence[Series]] = (0, ())
        self._failure: Failure | None = None
        self._changed = asyncio.Condition()
        self.watchers = 0
        self._task = asyncio.ensure_future(self._run())

    async def newer(self, than: int) -> tuple[int, Sequence[Series]]:
        """The latest page, once it is newer than the page with this number. Raises GatewayError if the feed ended."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._page[0] > than or self._failure is not None)
        if self._page[0] > than:
            return self._page
        assert self._failure is not None  # noqa: S101 - by the condition
        raise GatewayError(self._failure)

    def close(self) -> None:
        """Ends it."""
        self._task.cancel()

    async def _run(self) -> None:
        failures = 0
        while True:
            try:
                series = await self._ask()
                failures = 0
                if new := [each for each in map(self._new, series) if each.samples]:
                    self._page = (self._page[0] + 1, new)
                    async with self._changed:
                        self._changed.notify_all()
            except Exception as error:
                failure = failure_of(error, "the stream of metrics")
                failures += 1
                if failure.code not in _PASSING or failures >= _MOST_FAILURES:
                    self._failure = failure
                    async with self._changed:
                        self._changed.notify_all()
                    return
            await asyncio.sleep(self._seconds)

    def _new(self, series: Series) -> Series:
        key = (series.vm, series.counter.name, series.instance)
        last = self._told.get(key)
        samples = [sample for sample in series.samples if last is None or sample[0] > last]
        if samples:
            self._told[key] = samples[-1][0]
        return Series(series.vm, series.counter, series.instance, samples)


class Feeds:
    """The feeds of one process, by credential and subject."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        """Between two queries."""
        self._feeds: dict[Hashable, Feed] = {}

    def __len__(self) -> int:
        return len(self._feeds)

    @contextlib.contextmanager
    def watched(self, key: Hashable, ask: Ask) -> Iterator[Feed]:
        """The feed with this key, which `ask` serves if it is new."""
        feed = self._feeds.get(key)
        if feed is None or feed._failure is not None:
            feed = self._feeds[key] = Feed(ask, self.seconds)
        feed.watchers += 1
        try:
            yield feed
        finally:
            feed.watchers -= 1
            if not feed.watchers:
                feed.close()
                if self._feeds.get(key) is feed:
                    del self._feeds[key]
