"""A property collector: filters, waits for changes, and pages of results.

Versions count the responses. The next wait begins at the version of the last response. For the version before it, the
same updates are sent again, for a client that has lost the response; a page of a truncated response is sent once.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, count, islice

from gateway.simulator.sessions import Session
from gateway.simulator.vim.faults import VimError, invalid_argument
from gateway.simulator.vim.filters import Filter
from gateway.simulator.vim.selection import Selection
from gateway.simulator.vim.values import Raw, Ref, write
from gateway.simulator.vim.world import World

__all__ = ["DEFAULT", "Collector"]

DEFAULT = "propertyCollector"
"""The identifier of each session's initial collector."""

_MOST_UPDATES = 100
"""Maximum number of object updates in one response of vCenter, whatever the request allows."""
_LONGEST_WAIT = 1800.0
_EVERYTHING = 1 << 30


@dataclass(frozen=True, slots=True)
class _Answer:
    """A response that may be requested again, by the version that it followed."""

    after: str
    updates: Raw


class Collector:
    """A PropertyCollector."""

    type = "PropertyCollector"

    def __init__(self, identifier: str) -> None:
        self.id = identifier
        self.filters: dict[str, Filter] = {}
        self._version = 0
        self._last: _Answer | None = None
        self._turn = asyncio.Lock()
        self._cancellations = 0
        self._tokens = count(1)
        self._rest: tuple[str, Iterator[Raw], int] | None = None

    def cancel(self, world: World) -> None:
        """Cancels a wait in progress."""
        self._cancellations += 1
        world.inventory.changes.wake()

    async def wait(
        self, world: World, session: Session, version: str, seconds: float | None, most: int | None
    ) -> Raw | None:
        """An UpdateSet with the changes after a version; None if there are none within this many seconds.

        InvalidCollectorVersion for a version that is no longer known, RequestCanceled for a wait that is canceled.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(_LONGEST_WAIT, _LONGEST_WAIT if seconds is None else seconds)
        async with self._turn:
            cancellations = self._cancellations
            world.session = session
            repeated = self._begin(world, version)
            if repeated is not None:
                return repeated
            while True:
                world.inventory.settle(world.clock())
                world.session = session
                if world.closed:
                    raise asyncio.CancelledError
                if session.ended or self._cancellations != cancellations:
                    raise VimError("RequestCanceled", "The task was canceled by a user.")
                answer = self._answer(world, version, most)
                if answer is not None:
                    return answer
                remaining = deadline - loop.time()
                if remaining <= 0:
                    return None
                await world.inventory.changes.wait(min(remaining, _until(world.inventory.next_due(), world.clock)))

    def retrieve(self, world: World, selections: list[Selection], most: int | None) -> Raw | None:
        """A RetrieveResult with the first page of the selected objects; None if there are none."""
        return self._page(_contents(world, selections), most or _EVERYTHING)

    def contents(self, world: World, selections: list[Selection]) -> list[Raw]:
        """All selected objects, in one list."""
        return list(_contents(world, selections))

    def proceed(self, token: str) -> Raw | None:
        """The page for a token. InvalidArgument for any but the latest one."""
        if self._rest is None or self._rest[0] != token:
            raise invalid_argument("token")
        _, contents, most = self._rest
        return self._page(contents, most)

    def drop(self, token: str) -> None:
        """Drops the pages for a token. InvalidArgument for any but the latest one."""
        if self._rest is None or self._rest[0] != token:
            raise invalid_argument("token")
        self._rest = None

    def _begin(self, world: World, version: str) -> Raw | None:
        """Prepares updates after a version; returns the response that was already sent for it, if there is one."""
        if not version:
            self._last = None
            for item in self.filters.values():
                item.begin(world)
            return None
        if version == str(self._version):
            return None
        if self._last is not None and version == self._last.after:
            return self._last.updates
        raise VimError("InvalidCollectorVersion", "The version is not one of this collector, or too old.")

    def _answer(self, world: World, version: str, most: int | None) -> Raw | None:
        room = min(most or _MOST_UPDATES, _MOST_UPDATES)
        told, truncated = "", False
        for item in list(self.filters.values()):
            if room <= 0:
                truncated = True
                break
            updates, more = item.updates(world, room)
            room -= len(updates)
            truncated = truncated or more
            if updates or item.has_missing:
                told += item.to_xml(updates)
        if not told and not truncated and (version or not self.filters):
            return None
        self._version += 1
        answer = Raw(write("version", str(self._version)) + told + write("truncated", truncated))
        self._last = None if truncated else _Answer(version, answer)
        return answer

    def _page(self, contents: Iterator[Raw], most: int) -> Raw | None:
        page = list(islice(contents, most))
        following = next(contents, None) if len(page) == most else None
        token = ""
        self._rest = None
        if following is not None:
            token = str(next(self._tokens))
            self._rest = (token, chain((following,), contents), most)
        if not page:
            return None
        return Raw((write("token", token) if token else "") + write("objects", page))


def _contents(world: World, selections: list[Selection]) -> Iterator[Raw]:
    """An ObjectContent of each object, read when it is its turn. ManagedObjectNotFound is raised immediately."""
    objects: dict[Ref, Selection] = {}
    for selection in selections:
        selection.missing(world)
        for ref in selection.objects(world):
            objects.setdefault(ref, selection)
    found = (_content(selection, ref, world) for ref, selection in objects.items())
    return (content for content in found if content is not None)


def _content(selection: Selection, ref: Ref, world: World) -> Raw | None:
    """An ObjectContent; None if the object has been removed in the meantime."""
    values = selection.values(ref, world)
    if values is None:
        return None
    properties = [
        f"<propSet>{write('name', path)}{value}</propSet>"
        for path, value in zip(selection.paths(ref.type), values, strict=True)
        if value is not None
    ]
    return Raw(write("obj", ref) + "".join(properties))


def _until(due: datetime | None, clock: Callable[[], datetime]) -> float:
    return _LONGEST_WAIT if due is None else max(0.0, (due - clock()).total_seconds())
