"""The events of the inventory: what happened to machines, started tasks, logins and logouts.

Events of machines are derived from the record of changes, so it does not matter by which API a change was made. Events
before the start of the simulator are made up when they are first requested.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, count
from typing import Any

from gateway.simulator.changes import Change, Changes, MachineState
from gateway.simulator.places import Places
from gateway.simulator.vim.values import account_name

__all__ = ["FORMATS", "Event", "EventLog"]

_KEPT = 100_000
_EARLIER_EACH = 3

FORMATS = {
    "TaskEvent": "Task: {task}",
    "UserLoginSessionEvent": "User {user}@127.0.0.1 logged in",
    "UserLogoutSessionEvent": "User {user} logged out",
    "VmCreatedEvent": "Created virtual machine {vm} on {host} in {datacenter}",
    "VmMigratedEvent": "Migration of virtual machine {vm} from {source} to {host} completed",
    "VmPoweredOffEvent": "{vm} on {host} in {datacenter} is powered off",
    "VmPoweredOnEvent": "{vm} on {host} in {datacenter} has powered on",
    "VmReconfiguredEvent": "Reconfigured {vm} on {host} in {datacenter}",
    "VmRelocatedEvent": "Completed the relocation of the virtual machine {vm}",
    "VmRemovedEvent": "Removed {vm} on {host} from {datacenter}",
    "VmRenamedEvent": "Renamed {vm} from {old} to {vm} in {datacenter}",
    "VmResourcePoolMovedEvent": "Moved {vm} to another resource pool in {datacenter}",
    "VmResumingEvent": "{vm} on {host} in {datacenter} is resumed",
    "VmStartingEvent": "{vm} on host {host} in {datacenter} is starting",
    "VmStoppingEvent": "{vm} on {host} in {datacenter} is stopping",
    "VmSuspendedEvent": "{vm} on {host} in {datacenter} is suspended",
    "VmSuspendingEvent": "{vm} on {host} in {datacenter} is being suspended",
}
"""Every type of event, with its text."""

_POWER = {
    ("POWERED_OFF", "POWERED_ON"): ("VmStartingEvent", "VmPoweredOnEvent"),
    ("SUSPENDED", "POWERED_ON"): ("VmResumingEvent", "VmPoweredOnEvent"),
    ("POWERED_ON", "POWERED_OFF"): ("VmStoppingEvent", "VmPoweredOffEvent"),
    ("SUSPENDED", "POWERED_OFF"): ("VmPoweredOffEvent",),
    ("POWERED_ON", "SUSPENDED"): ("VmSuspendingEvent", "VmSuspendedEvent"),
}


@dataclass(frozen=True, slots=True)
class Event:
    """An event; `state` is the machine at that time."""

    key: int
    type: str
    created: datetime
    user: str
    vm: str | None = None
    state: MachineState | None = None
    chain: int = 0
    members: Mapping[str, Any] = field(default_factory=dict)
    """Members of this type of event, in addition to those of all events, by the names in the text."""


class EventLog:
    """All events, oldest first."""

    def __init__(self, changes: Changes, places: Places, started: datetime) -> None:
        self._places = places
        self._started = started
        self._changes = changes
        self._first = changes.states()
        self._keys = count(_EARLIER_EACH * len(self._first) + 1)
        self._earlier: list[Event] | None = None
        self._live: deque[Event] = deque(maxlen=_KEPT)
        self.followers: dict[str, tuple[str, str]] = {}
        """Type and identifier of the objects that show the latest events, by identifier."""
        changes.listeners.append(self._changed)

    @property
    def latest(self) -> Event | None:
        """The latest one."""
        if self._live:
            return self._live[-1]
        return self._before()[-1] if self._before() else None

    def __iter__(self) -> Iterator[Event]:
        return chain(self._before(), list(self._live))

    def __reversed__(self) -> Iterator[Event]:
        return chain(reversed(self._live), reversed(self._before()))

    def add(
        self, kind: str, user: str, vm: str | None = None, state: MachineState | None = None, **members: Any
    ) -> None:
        """Adds an event that happens now."""
        key = next(self._keys)
        self._live.append(Event(key, kind, self._changes.now, user, vm, state, key, members))
        for type_, identifier in list(self.followers.values()):
            self._changes.touched(type_, identifier)

    def text(self, event: Event) -> str:
        """The readable text of an event."""
        state, places = event.state, self._places
        host = None if state is None else places.hosts.get(state.placement.host)
        datacenter = None if state is None else places.datacenters.get(state.placement.datacenter)
        return FORMATS[event.type].format_map(
            {
                "vm": "" if state is None else state.name,
                "host": "a host that is gone" if host is None else host.name,
                "datacenter": "a datacenter that is gone" if datacenter is None else datacenter.name,
                "user": account_name(event.user),
                **event.members,
            }
        )

    def _changed(self, change: Change) -> None:
        before, after, user = change.before, change.after, change.user
        if after is None:
            self.add("VmRemovedEvent", user, change.vm, before)
            return
        if before is None:
            self.add("VmCreatedEvent", user, change.vm, after)
            return
        if before.name != after.name:
            self.add("VmRenamedEvent", user, change.vm, after, old=before.name)
        if before.placement.host != after.placement.host:
            source = self._places.hosts.get(before.placement.host)
            name = before.placement.host if source is None else source.name
            self.add("VmMigratedEvent", user, change.vm, after, source=name, source_host=before.placement.host)
        elif before.datastore != after.datastore:
            self.add("VmRelocatedEvent", user, change.vm, after, source_host=before.placement.host)
        elif before.placement.resource_pool != after.placement.resource_pool:
            self.add("VmResourcePoolMovedEvent", user, change.vm, after)
        if change.reconfigured:
            self.add("VmReconfiguredEvent", user, change.vm, after)
        for kind in _POWER.get((before.power_state, after.power_state), ()):
            self.add(kind, user, change.vm, after)

    def _before(self) -> list[Event]:
        if self._earlier is None:
            keys = count(1)
            made = self._started - timedelta(days=30)
            begun = self._started - timedelta(days=1)
            self._earlier = [
                Event(next(keys), "VmCreatedEvent", made, "", vm, state) for vm, state in self._first.items()
            ]
            on = [(vm, state) for vm, state in self._first.items() if state.power_state == "POWERED_ON"]
            for kind in ("VmStartingEvent", "VmPoweredOnEvent"):
                self._earlier += [Event(next(keys), kind, begun, "", vm, state) for vm, state in on]
        return self._earlier
