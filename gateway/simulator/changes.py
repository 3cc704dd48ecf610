"""What changed in the inventory, and when: the only source from which watchers, events and tests learn about changes.

Everything that executes a change (an operation of the REST API, a method of the VIM API, a task that ends) reports
which object it may have touched. For machines, the part of their state that is cheap to compute is compared with the
previous state; a difference is a `Change`. Watchers are woken, and look only at what was touched since they last
looked.

A guest also changes over time: its tools start, its customization ends. The next such moment is scheduled in the
inventory, so that it counts as a touch like any other.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from gateway.simulator.guest import PowerState
from gateway.simulator.machine import Placement, VirtualMachine

__all__ = ["Change", "Changes", "MachineState", "ObjectKey"]

_RECORDED = 100_000
_JOURNAL = 200_000


class ObjectKey(NamedTuple):
    """Type and identifier of an object, for example `ObjectKey("VirtualMachine", "vm-1001")`."""

    type: str
    id: str


class MachineState(NamedTuple):
    """The part of a machine's state that is compared after each touch."""

    name: str
    placement: Placement
    datastore: str
    power_state: PowerState
    cpu_count: int
    memory_mib: int
    template: bool
    annotation: str

    @classmethod
    def of(cls, machine: VirtualMachine) -> "MachineState":
        """The current state of a machine."""
        return cls(
            machine.name,
            machine.placement,
            machine.datastore,
            machine.power_state,
            machine.cpu.count,
            machine.memory.size_mib,
            machine.template,
            machine.annotation,
        )


@dataclass(frozen=True, slots=True)
class Change:
    """A machine that was added (no `before`), removed (no `after`), or changed."""

    revision: int
    """The inventory's revision after the change. Revisions grow, and not every revision is a change."""
    moment: datetime
    vm: str
    before: MachineState | None
    after: MachineState | None
    reconfigured: bool
    """Whether an operation on its configuration succeeded, even if it set the same values."""
    user: str
    """The user who caused it; empty if the simulator itself did."""


class Changes:
    """The journal of touched objects, the record of changes, and the waiters."""

    def __init__(
        self,
        machines: Mapping[str, VirtualMachine],
        schedule: Callable[[datetime, Callable[[], None]], None],
        now: datetime,
    ) -> None:
        self.now = now
        """The time that touches are recorded with; the inventory keeps it current."""
        self.revision = 0
        self.structure = 0
        """How often something other than a machine may have been added, removed or moved."""
        self.record: deque[Change] = deque(maxlen=_RECORDED)
        """The last 100,000 changes, oldest first."""
        self.listeners: list[Callable[[Change], None]] = []
        self._machines = machines
        self._schedule = schedule
        self._states = {vm: MachineState.of(machine) for vm, machine in machines.items()}
        self._journal: OrderedDict[ObjectKey, int] = OrderedDict()
        self._forgotten = 0
        self._expected: dict[str, datetime] = {}
        self._waiters: set[asyncio.Future[None]] = set()

    def states(self) -> dict[str, MachineState]:
        """The current states of all machines, by identifier."""
        return dict(self._states)

    def state_of(self, vm: str) -> MachineState | None:
        """The state of a machine when it was last touched."""
        return self._states.get(vm)

    def touched(self, type: str, identifier: str, *, user: str = "", reconfigured: bool = False) -> None:  # noqa: A002
        """Records that an object may have changed."""
        self.revision += 1
        key = ObjectKey(type, identifier)
        self._journal[key] = self.revision
        self._journal.move_to_end(key)
        if len(self._journal) > _JOURNAL:
            self._forgotten = self._journal.popitem(last=False)[1]
        if type == "VirtualMachine":
            self._compare(identifier, user, reconfigured=reconfigured)
        self.wake()

    def restructured(self) -> None:
        """Records that places may have been added, removed or moved."""
        self.structure += 1
        self.revision += 1
        self.wake()

    def since(self, revision: int) -> Iterator[ObjectKey] | None:
        """What was touched after that revision, newest first; None if the journal does not reach back that far."""
        if revision < self._forgotten:
            return None
        return self._newer(revision)

    def _newer(self, revision: int) -> Iterator[ObjectKey]:
        for key in reversed(self._journal):
            if self._journal[key] <= revision:
                return
            yield key

    def wake(self) -> None:
        """Wakes all waiters."""
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    @property
    def waiting(self) -> int:
        """The number of current waiters."""
        return len(self._waiters)

    async def wait(self, seconds: float) -> None:
        """Returns at the next touch, or after the timeout."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.add(waiter)
        try:
            await asyncio.wait((waiter,), timeout=max(0.0, seconds))
        finally:
            self._waiters.discard(waiter)

    def _compare(self, vm: str, user: str, *, reconfigured: bool) -> None:
        machine = self._machines.get(vm)
        before = self._states.pop(vm, None)
        after = None
        if machine is not None:
            if reconfigured:
                machine.modified = self.now
                machine.reconfigurations += 1
            after = self._states[vm] = MachineState.of(machine)
            self._expect(machine)
        if before == after and not (reconfigured and after):
            return
        change = Change(self.revision, self.now, vm, before, after, reconfigured, user)
        self.record.append(change)
        for listener in self.listeners:
            listener(change)

    def _expect(self, machine: VirtualMachine) -> None:
        """Schedules the next moment at which the guest changes without a request."""
        moment = machine.guest.next_change(self.now)
        if moment is None or self._expected.get(machine.vm) == moment:
            return
        self._expected[machine.vm] = moment
        vm = machine.vm

        def look() -> None:
            if self._expected.get(vm) == moment:
                del self._expected[vm]
                self.touched("VirtualMachine", vm)

        self._schedule(moment, look)
