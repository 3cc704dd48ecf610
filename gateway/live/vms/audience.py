"""Watchers, grouped into audiences: all watchers with the same selection and fields get the same bytes.

A watcher holds no messages, only a position in the history. What it has missed is assembled when it asks for it, once
for all watchers at the same position. A slow watcher gets more changes merged into one message, and costs nothing
extra.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple
from weakref import WeakValueDictionary

from gateway.live.vms.history import History
from gateway.live.vms.machine import Machine
from gateway.live.vms.responses import VmResponses
from gateway.live.vms.selection import Selection

__all__ = ["Audience", "Batch", "Watcher"]

_PAGE = 200


class Batch(NamedTuple):
    """What a watcher gets in one read."""

    messages: Iterable[bytes]
    is_reset: bool
    """Whether it is the full state."""
    machines: int
    """How many machines the watcher knows after a full state."""


class _FullState:
    """The machines at one moment in pages, each serialized when the first watcher reaches it."""

    def __init__(self, responses: VmResponses, machines: Sequence[Machine], fields: int) -> None:
        self.machines = machines
        self._responses = responses
        self._fields = fields
        self._pages: list[bytes] = []

    def __iter__(self) -> Iterator[bytes]:
        for number, start in enumerate(range(0, len(self.machines), _PAGE)):
            if number == len(self._pages):
                page = self.machines[start : start + _PAGE]
                self._pages.extend(self._responses.added(page, self._fields))
            yield self._pages[number]


class Audience:
    """The watchers with one selection and one set of fields."""

    def __init__(self, history: History, responses: VmResponses, selection: Selection, fields: int) -> None:
        self.selection = selection
        self.fields = fields
        self.watchers: set[Watcher] = set()
        self.sequence = history.sequence
        """The last change that was checked for whether it concerns these watchers."""
        self.concerned: list[Watcher] = []
        """Watchers that must be woken."""
        self._history = history
        self._responses = responses
        self._batches: dict[int, Sequence[bytes]] = {}
        self._size = (-1, 0)
        self._states: WeakValueDictionary[int, _FullState] = WeakValueDictionary()

    def look(self) -> None:
        """Processes the changes since the last look."""
        history, before = self._history, self.sequence
        if before == history.sequence:
            return
        self.sequence = history.sequence
        self._batches.clear()
        befores = history.missed(before)
        if befores is None or self._responses.concerns(befores, history.machines, self.selection, self.fields):
            for watcher in self.watchers:
                if watcher.at is None and not watcher.is_fresh:
                    watcher.at = before
                    self.concerned.append(watcher)

    def full_state(self) -> _FullState:
        """All machines that the watchers currently see."""
        sequence = self._history.sequence
        state = self._states.get(sequence)
        if state is None:
            machines = list(filter(self.selection.matches, self._history.machines.values()))
            state = self._states[sequence] = _FullState(self._responses, machines, self.fields)
        return state

    def size(self) -> int:
        """How many machines the watchers currently see."""
        sequence = self._history.sequence
        if self._size[0] != sequence:
            self._size = (sequence, sum(map(self.selection.matches, self._history.machines.values())))
        return self._size[1]

    def missed(self, since: int) -> Sequence[bytes] | None:
        """What a watcher has missed since a change, None if that is no longer known."""
        messages = self._batches.get(since)
        if messages is None:
            befores = self._history.missed(since)
            if befores is None:
                return None
            messages = self._difference(befores, self.selection)
            self._batches[since] = messages
        return messages

    def moved(self, since: int, known: Selection) -> Sequence[bytes] | None:
        """The same for a watcher that saw other machines at that time."""
        befores = self._history.missed(since)
        return None if befores is None else self._difference({**self._history.machines, **befores}, known)

    def _difference(self, befores: Mapping[str, Machine | None], known: Selection) -> Sequence[bytes]:
        machines = self._history.machines
        return self._responses.difference(befores, machines, known, self.selection, self.fields)


class Watcher:
    """A stream, or a waiting call."""

    __slots__ = ("_known", "_wake", "at", "audience", "is_fresh")

    def __init__(self, audience: Audience, position: int | None) -> None:
        self.audience = audience
        self.at = position
        """The last change that it knows; None if it knows everything that concerns its audience."""
        self.is_fresh = position is None
        """Whether it does not know any state yet."""
        self._known: Selection | None = None
        self._wake: asyncio.Future[None] | None = None

    @property
    def position(self) -> int:
        """The number of the last change that it knows."""
        return self.audience.sequence if self.at is None else self.at

    def join(self, audience: Audience) -> None:
        """Switches to other machines or other fields."""
        self.audience.look()
        audience.look()
        self.at, self._known = self.position, self._known or self.audience.selection
        self.audience.watchers.discard(self)
        self.audience = audience
        audience.watchers.add(self)

    def take(self) -> Batch | None:
        """What it does not know yet; None if it is up to date."""
        self.audience.look()
        at, known = self.at, self._known
        if not self.is_fresh:
            if at is None:
                return None
            messages = self.audience.missed(at) if known is None else self.audience.moved(at, known)
            if messages is not None:
                self._is_up_to_date()
                return Batch(messages, False, 0) if messages else None
        state = self.audience.full_state()
        self._is_up_to_date()
        return Batch(state, True, len(state.machines))

    def skip(self) -> None:
        """Skips everything that it does not know yet."""
        self.audience.look()
        self._is_up_to_date()

    def wake(self) -> None:
        """Ends the wait."""
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    async def wait(self, seconds: float | None) -> bool:
        """Returns when it is woken, or after this many seconds; reports whether it was woken."""
        self._wake = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._wake
        except TimeoutError:
            return False
        finally:
            self._wake = None
        return True

    def _is_up_to_date(self) -> None:
        self.at, self._known, self.is_fresh = None, None, False
