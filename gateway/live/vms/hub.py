"""A hub: one source of the machines that one credential can see, and all watchers with this credential.

The source puts changes into the history at its own pace. Rounds commit them: a round makes the changes so far the
current state, determines which watchers they concern, and wakes these watchers a few at a time, so that other calls are
served in between. During a round, the next changes accumulate. So the rate of the rounds limits the cost of a thousand
watchers, while a few watchers are notified immediately.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple, Protocol

from gateway.errors import Failure, GatewayError, failure_of
from gateway.live.vms.audience import Audience, Watcher
from gateway.live.vms.history import History
from gateway.live.vms.machine import Machine
from gateway.live.vms.responses import VmResponses
from gateway.live.vms.selection import Selection

__all__ = ["FEW_MACHINES", "Hub", "Lost", "Source"]

_WOKEN_AT_A_TIME = 10
_PAUSE_SECONDS = 0.002
_LOOKS_AT_A_TIME = 1000
"""How many changes an audience checks before other work gets its turn: about a millisecond."""
_WATCH = "the watch of virtual machines"
FEW_MACHINES = 500
"""An audience of more machines than this checks every change; a smaller one is indexed by its machines."""


class Lost(NamedTuple):
    """Why the state may be out of date."""

    failure: Failure
    since: float
    """When vCenter last responded, in seconds since the epoch."""


class Source(Protocol):
    """Where machines come from."""

    name: str
    """A value of `vcenter.gateway.v1.Source`."""
    period: float | None
    """Seconds between two polls; None if changes arrive as they happen."""

    async def run(self, hub: Hub) -> None:
        """Keeps the hub's state up to date until it is cancelled. Raises GatewayError when going on is pointless, for
        example because vCenter rejects the credential."""


class Hub:
    """Used by one event loop. It works from its start until it is closed, or its source fails."""

    def __init__(self, source: Source, responses: VmResponses, history: History | None = None) -> None:
        self.source = source
        self.history = history or History()
        self.lost: Lost | None = None
        """Set while the connection to vCenter is lost."""
        self.failure: Failure | None = None
        """The failure that ended the hub."""
        self.is_synced = False
        """Whether there has been a full state."""
        self.idle_since: float | None = time.monotonic()
        """Since when the hub is unused, None while it is used."""
        self._users = 0
        self._responses = responses
        self._audiences: dict[tuple[bytes, int], Audience] = {}
        self._of_machine: defaultdict[str, list[Audience]] = defaultdict(list)
        """Audiences of few machines, by machine. Lists need a tenth of the memory of sets, and each is short."""
        self._of_any: set[Audience] = set()
        """All other audiences, which check every change."""
        self._heard = time.time()
        self._tell_all = False
        self._work = asyncio.Event()
        self._ready = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    # Called by the registry of hubs.

    def start(self) -> None:
        """Starts the source and the rounds."""
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._rounds())]

    async def close(self, failure: Failure) -> None:
        """Ends the hub, and fails its watchers with `failure`."""
        self._end(failure)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for watcher in self._everybody():
            watcher.wake()

    # Called by the source.

    def put(self, vm: str, machine: Machine | None) -> None:
        """A machine has changed, or is gone."""
        if machine != self.history.newest(vm):
            self.history.put(vm, machine)
            self._work.set()

    def heard(self) -> None:
        """vCenter has responded."""
        self._heard = time.time()

    def synced(self) -> None:
        """Everything up to here is the complete state."""
        self.heard()
        if not self.is_synced:
            self.history.begin()
            self.is_synced = True
        if self.lost is not None:
            self.lost, self._tell_all = None, True
            self._work.set()
        self._ready.set()

    def lose(self, failure: Failure) -> None:
        """vCenter is currently unreachable."""
        if self.lost is None:
            self._tell_all = True
        self.lost = Lost(failure, self.lost.since if self.lost else self._heard)
        self._ready.set()
        self._work.set()

    # Called by watchers.

    @contextlib.contextmanager
    def used(self) -> Iterator[Hub]:
        """Keeps the hub while the context is open."""
        self._users += 1
        self.idle_since = None
        try:
            yield self
        finally:
            self._users -= 1
            if not self._users:
                self.idle_since = time.monotonic()

    async def ready(self) -> None:
        """Returns when there is a state. Raises GatewayError if there is none, because vCenter is unreachable or
        rejects the credential."""
        await self._ready.wait()
        self.check()
        if not self.is_synced and self.lost is not None:
            raise GatewayError(self.lost.failure)

    def check(self) -> None:
        """Raises GatewayError if the hub has ended."""
        if self.failure is not None:
            raise GatewayError(self.failure)

    @property
    def watchers(self) -> int:
        """The number of streams and calls that watch."""
        return sum(len(audience.watchers) for audience in self._audiences.values())

    @contextlib.contextmanager
    def watched(self, selection: Selection, fields: int, position: int | None = None) -> Iterator[Watcher]:
        """A watcher that knows the state after the change number `position`, or no state."""
        audience = self.audience(selection, fields)
        watcher = Watcher(audience, position)
        audience.watchers.add(watcher)
        try:
            yield watcher
        finally:
            watcher.audience.watchers.discard(watcher)
            self._leave(watcher.audience)

    def audience(self, selection: Selection, fields: int) -> Audience:
        """The audience with this selection and these fields."""
        key = (selection.key, fields)
        audience = self._audiences.get(key)
        if audience is None:
            audience = self._audiences[key] = Audience(self.history, self._responses, selection, fields)
            if _is_of_few(selection):
                for vm in selection.vms or ():
                    self._of_machine[vm].append(audience)
            else:
                self._of_any.add(audience)
        return audience

    def move(self, watcher: Watcher, selection: Selection) -> None:
        """Switches a watcher to other machines."""
        left = watcher.audience
        if selection.key != left.selection.key:
            watcher.join(self.audience(selection, left.fields))
            self._leave(left)

    def _leave(self, audience: Audience) -> None:
        if audience.watchers:
            return
        del self._audiences[audience.selection.key, audience.fields]
        if not _is_of_few(audience.selection):
            self._of_any.discard(audience)
            return
        for vm in audience.selection.vms or ():
            self._of_machine[vm].remove(audience)
            if not self._of_machine[vm]:
                del self._of_machine[vm]

    async def _run(self) -> None:
        try:
            await self.source.run(self)
        except Exception as error:
            self._end(failure_of(error, _WATCH))

    def _end(self, failure: Failure) -> None:
        if self.failure is None:
            self.failure = failure
        self._tell_all = True
        self._ready.set()
        self._work.set()

    async def _rounds(self) -> None:
        try:
            await self._endless_rounds()
        except Exception as error:
            self._end(failure_of(error, _WATCH))
            for watcher in self._everybody():
                watcher.wake()

    async def _endless_rounds(self) -> None:
        while True:
            await self._work.wait()
            self._work.clear()
            woken = await self._concerned() if self.is_synced and self.history.has_pending else []
            if self._tell_all:
                self._tell_all = False
                woken = self._everybody()
            for start in range(0, len(woken), _WOKEN_AT_A_TIME):
                if start:
                    await asyncio.sleep(_PAUSE_SECONDS)
                for watcher in woken[start : start + _WOKEN_AT_A_TIME]:
                    watcher.wake()

    def _everybody(self) -> list[Watcher]:
        return [watcher for audience in self._audiences.values() for watcher in audience.watchers]

    async def _concerned(self) -> list[Watcher]:
        """Makes the pending changes the current state; returns the watchers that it concerns."""
        befores = self.history.commit()
        looked_for = {audience for vm in befores for audience in self._of_machine.get(vm, ())} | self._of_any
        for audience in self._audiences.values():
            if audience not in looked_for:
                audience.sequence = self.history.sequence
        woken: list[Watcher] = []
        looks = 0
        for audience in looked_for:
            audience.look()
            woken += audience.concerned
            audience.concerned = []
            looks += len(befores)
            if looks >= _LOOKS_AT_A_TIME:
                looks = 0
                await asyncio.sleep(0)
        return woken


def _is_of_few(selection: Selection) -> bool:
    return selection.vms is not None and len(selection.vms) <= FEW_MACHINES
