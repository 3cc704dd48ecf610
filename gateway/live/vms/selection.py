"""Which machines a watcher sees: those that match its filter, and that the policy allows it to see.

Compiled once for all watchers with the same filter. Checking a machine costs a few set lookups, however long the
filter's lists are.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.access.scope import EVERYTHING, Scope
from gateway.errors import Failure, GatewayError
from gateway.live.vms.machine import Machine
from gateway.transcoding.encoder import Violation

__all__ = ["Selection", "select"]

MAX_VALUES = 10_000
"""Maximum number of values in all lists of a filter."""
_HOLDERS = {
    "folders": "Folder",
    "datacenters": "Datacenter",
    "hosts": "HostSystem",
    "clusters": "ClusterComputeResource",
    "resource_pools": "ResourcePool",
}


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """A compiled filter. Two selections are equal if their keys are."""

    key: bytes
    scope: Scope = EVERYTHING
    vms: frozenset[str] | None = None
    """The only machines that can match, by their identifiers; None if any can."""
    names: frozenset[str] | None = None
    holders: tuple[tuple[str, frozenset[str]], ...] = ()
    """For each resource type, identifiers of which one must contain the machine."""
    power_states: frozenset[int] | None = None
    tagged: frozenset[str] | None = None
    """The machines that have one of the filter's tags."""
    templates: bool = False

    def matches(self, machine: Machine | None) -> bool:
        """Whether a watcher sees this machine. None is a machine that does not exist."""
        if machine is None or (machine.is_template and not self.templates):
            return False
        if self.vms is not None and machine.vm not in self.vms:
            return False
        if self.tagged is not None and machine.vm not in self.tagged:
            return False
        if self.names is not None and machine.name not in self.names:
            return False
        if self.power_states is not None and machine.power_state not in self.power_states:
            return False
        holders = machine.whereabouts.holders
        for of_type, identifiers in self.holders:
            if identifiers.isdisjoint(holders.get(of_type, ())):
                return False
        return self.scope.is_unlimited or self.scope.allows({**holders, "VirtualMachine": (machine.vm,)})


def select(
    message: Any, scope: Scope, tagged: frozenset[str] | None = None, *, places_are_known: bool = True
) -> Selection:
    """Compiles a `VmFilter`. `tagged` are the machines that have one of its tags.

    Without known places, the code that reads the machines must apply the filters by place. Raises GatewayError
    (INVALID_ARGUMENT).
    """
    lists: Mapping[str, Any] = {each.name: value for each, value in message.ListFields() if each.is_repeated}
    if sum(map(len, lists.values())) > MAX_VALUES:
        text = f"has more than {MAX_VALUES:,} values in all"
        raise GatewayError(Failure.of_request([Violation("filter", text)]))
    members = "" if tagged is None else "\n".join(sorted(tagged))
    parts = (message.SerializeToString(deterministic=True), scope.text.encode(), members.encode())
    key = hashlib.sha256(b"".join(b"%d:%b" % (len(part), part) for part in parts)).digest()
    holders = tuple((of_type, frozenset(lists[name])) for name, of_type in _HOLDERS.items() if name in lists)
    return Selection(
        key,
        scope,
        # Many watchers name the same machines. A copied set needs half the memory of one that grew.
        vms=frozenset(set(map(sys.intern, lists["vms"]))) if "vms" in lists else None,
        names=frozenset(lists["names"]) if "names" in lists else None,
        holders=holders if places_are_known else (),
        power_states=frozenset(lists["power_states"]) if "power_states" in lists else None,
        tagged=tagged if message.tags else None,
        templates=message.templates,
    )
