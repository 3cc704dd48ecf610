"""Follows vCenter's events: one collector, polled once a second, for all streams with one credential and one folder."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime

from google.rpc import code_pb2

from gateway.errors import Failure, GatewayError, failure_of
from gateway.live.newest import Newest
from gateway.live.occurrences.history import EventHistory, Occurrence, Place
from gateway.vcenter.retry import RetryPolicy

__all__ = ["EventFeed"]

_PERIOD_SECONDS = 1.0
_KEPT = 2000
_HOPELESS = frozenset({code_pb2.UNAUTHENTICATED, code_pb2.PERMISSION_DENIED, code_pb2.UNIMPLEMENTED})

_NO_EVENTS = Place(0, datetime.fromtimestamp(0, UTC))
_ENDED = Place(-1, datetime.fromtimestamp(0, UTC))


class EventFeed:
    """The latest events, and their followers."""

    def __init__(self, history: EventHistory, period: float = _PERIOD_SECONDS) -> None:
        self.newest: Newest[Place | None] = Newest(None)
        """The position of the latest event that was read; None until it is known."""
        self.failure: Failure | None = None
        """The failure that ended the feed."""
        self._history = history
        self._period = period
        self._kept: deque[Occurrence] = deque(maxlen=_KEPT)
        self._known_since = 0
        """Every event with a larger key is kept."""
        self._followers = 0
        self._task: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether the feed has no followers."""
        return not self._followers

    @contextlib.contextmanager
    def followed(self) -> Iterator[None]:
        """Follows vCenter as long as there are followers."""
        self._followers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._followers -= 1
            if not self._followers:
                self._task.cancel()

    def after(self, key: int) -> list[Occurrence] | None:
        """The events after the one with this key; None if some of them are not kept."""
        if key < self._known_since:
            return None
        found = []
        for occurrence in reversed(self._kept):
            if occurrence.place.key <= key:
                break
            found.append(occurrence)
        return found[::-1]

    def end(self, failure: Failure) -> None:
        """Ends the feed and, with `failure`, its followers."""
        self.failure = failure
        if self._task is not None:
            self._task.cancel()
        self.newest.set(_ENDED)

    async def _run(self) -> None:
        place: Place | None = None
        is_started = is_current = False
        failures = 0
        while True:
            is_resumed = is_current
            try:
                if not is_current:
                    place = await self._history.newest()
                    self._kept.clear()
                    self._known_since = place.key if place else 0
                    is_started = is_current = True
                    self.newest.set(place or _NO_EVENTS)
                async with contextlib.aclosing(self._history.forward(place)) as pages:
                    async for page in pages:
                        failures = 0
                        # The first page begins with the event that was read last, unless vCenter was restored, or
                        # counts its events anew.
                        if is_resumed and place is not None and all(event["key"] != place.key for event in page):
                            is_current = False
                            break
                        is_resumed = False
                        for event in page:
                            if place is not None and event["key"] <= place.key:
                                continue
                            place = Place(event["key"], event["createdTime"])
                            self._keep(self._history.occurrence(event))
                        if place is not None:
                            self.newest.set(place)
                        if not page:
                            await asyncio.sleep(self._period)
            except Exception as error:
                failure = failure_of(error, "the watch of events")
                if not isinstance(error, GatewayError) or failure.code in _HOPELESS or not is_started:
                    self.end(failure)
                    return
                # A new collector continues at the position of the old one.
                failures += 1
                await asyncio.sleep(RetryPolicy.next_watch(failures, failure.retry_delay))

    def _keep(self, occurrence: Occurrence | None) -> None:
        if occurrence is None:
            return
        if len(self._kept) == self._kept.maxlen:
            self._known_since = self._kept[0].place.key
        self._kept.append(occurrence)
