"""The state of all machines, and what it was before each of the last changes.

The history gives a watcher that knows the state after one change what it has missed since: for each machine that
changed, the state that the watcher knows and the current one. So a watcher is only a number, whether it waits for the
next change, reads slowly, or comes back with a resume token, and its result is right however many changes are merged.
"""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from gateway.live.vms.machine import Machine

__all__ = ["History"]

_CHANGE_BYTES = 700
"""The size of a change besides the bytes that it replaced: the machine's previous value."""


class _Change(NamedTuple):
    """A change, and the time after which it is dropped."""

    vm: str
    before: Machine | None
    size: int
    time: float


class History:
    """The history of one hub. Changes wait for `commit`, so that all watchers see the same moments."""

    def __init__(
        self,
        *,
        max_bytes: int = 16 * 1024 * 1024,
        max_seconds: float = 300.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.epoch = os.urandom(8)
        """Distinguishes this history from every other one."""
        self.sequence = 0
        """Number of the newest change."""
        self.machines: dict[str, Machine] = {}
        """The current state, by identifier."""
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._clock = clock
        self._changes: deque[_Change] = deque()
        """The last changes; the newest one has the number `sequence`."""
        self._bytes = 0
        self._pending: dict[str, Machine | None] = {}
        self._missed: dict[int, Mapping[str, Machine | None] | None] = {}
        """The results of `missed` since the last commit."""

    @property
    def has_pending(self) -> bool:
        """Whether changes wait for `commit`."""
        return bool(self._pending)

    def newest(self, vm: str) -> Machine | None:
        """A machine, including changes that wait for `commit`."""
        return self._pending[vm] if vm in self._pending else self.machines.get(vm)

    def newest_ids(self) -> Iterable[str]:
        """The identifiers of all machines, including changes that wait for `commit`."""
        gone = {vm for vm, machine in self._pending.items() if machine is None}
        return (self.machines.keys() | self._pending.keys()) - gone

    def put(self, vm: str, machine: Machine | None) -> None:
        """Adds the new state of a machine, None for a machine that is gone."""
        self._pending[vm] = machine

    def begin(self) -> None:
        """Makes the pending changes the first state, of which no watcher has missed anything."""
        self._apply()
        self.sequence += 1

    def commit(self) -> Mapping[str, Machine | None]:
        """Makes the pending changes the current state. Returns the machines that changed, with their previous
        states."""
        now = self._clock()
        befores: dict[str, Machine | None] = {}
        for vm, machine in self._pending.items():
            before = self.machines.get(vm)
            if machine != before:
                befores[vm] = before
                size = _CHANGE_BYTES + (_size(before, machine) if before is not None else 0)
                self._changes.append(_Change(vm, before, size, now))
                self._bytes += size
        self._apply()
        self.sequence += len(befores)
        while self._changes and (self._bytes > self._max_bytes or self._changes[0].time < now - self._max_seconds):
            self._bytes -= self._changes.popleft().size
        return befores

    def missed(self, since: int) -> Mapping[str, Machine | None] | None:
        """The machines that changed after the change with this number, with their states at that time; None if that is
        no longer known, or never was."""
        if since not in self._missed:
            count = self.sequence - since
            befores: dict[str, Machine | None] | None = None
            if 0 <= count <= len(self._changes):
                befores = {}
                for change in reversed(self._changes):
                    if not count:
                        break
                    befores[change.vm] = change.before
                    count -= 1
            self._missed[since] = befores
        return self._missed[since]

    def _apply(self) -> None:
        for vm, machine in self._pending.items():
            if machine is None:
                self.machines.pop(vm, None)
            else:
                self.machines[vm] = machine
        self._pending.clear()
        self._missed.clear()


def _size(before: Machine, after: Machine | None) -> int:
    """The number of bytes of a machine that its new state does not share."""
    if after is None:
        return sum(map(len, before.parts))
    return sum(len(old) for old, new in zip(before.parts, after.parts, strict=True) if old is not new)
