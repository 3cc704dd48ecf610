"""The tree that contains the machines: folders, datacenters, clusters, hosts and resource pools with their parents.

A machine's own properties name its folder, host and resource pool. Everything else, such as the datacenter, is derived
from this tree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.contract import Contract
from gateway.live.vms.fields import VM_STATE
from gateway.live.wire import blob, text
from gateway.vim.values import Ref, unescaped_name

__all__ = ["NOWHERE", "PLACE_TYPES", "Place", "Places", "Whereabouts"]

PLACE_TYPES = (
    "Folder",
    "Datacenter",
    "ComputeResource",
    "ClusterComputeResource",
    "HostSystem",
    "ResourcePool",
    "VirtualApp",
)
"""VIM object types that contain machines, directly or indirectly."""
_AS_RESOURCE = {"VirtualApp": "ResourcePool"}
_MAX_DEPTH = 64


class Place(NamedTuple):
    """A node of the tree."""

    type: str
    name: str
    parent: Ref | None


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where a machine is. Machines in the same place share one instance."""

    part: bytes = field(default=b"", repr=False)
    """The serialized field `placement` of VmState."""
    holders: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Identifiers of everything that contains the machine, by resource type."""


NOWHERE = Whereabouts()


class Places:
    """All places that one credential can see."""

    def __init__(self, contract: Contract) -> None:
        self._field = contract.messages[VM_STATE].fields_by_name["placement"].number
        self._numbers = {each.name: each.number for each in contract.messages["vcenter.gateway.v1.VmPlacement"].fields}
        self._places: dict[str, Place] = {}
        self._known: dict[tuple[Ref | None, Ref | None, Ref | None], Whereabouts] = {}

    def __iter__(self) -> Iterator[tuple[str, Place]]:
        return iter(self._places.items())

    def __contains__(self, identifier: str) -> bool:
        return identifier in self._places

    def get(self, identifier: str) -> Place | None:
        """A place, None if it does not exist or the credential cannot see it."""
        return self._places.get(identifier)

    def put(self, obj: Ref, values: Mapping[str, object]) -> bool:
        """Stores the `name` and the `parent` of an object; reports whether anything has changed."""
        before = self._places.get(obj.value)
        name = values.get("name", before.name if before else "")
        parent = values.get("parent", before.parent if before else None)
        place = Place(obj.type, unescaped_name(str(name or "")), parent if isinstance(parent, Ref) else None)
        if place == before:
            return False
        self._places[obj.value] = place
        self._known.clear()
        return True

    def remove(self, identifier: str) -> bool:
        """Removes a place; reports whether it existed."""
        if self._places.pop(identifier, None) is None:
            return False
        self._known.clear()
        return True

    def above(self, identifier: str) -> Iterator[tuple[str, Place]]:
        """The places that contain this one, the closest first."""
        place = self._places.get(identifier)
        for _ in range(_MAX_DEPTH):
            if place is None or place.parent is None:
                return
            identifier = place.parent.value
            # If a parent is not visible, its reference still has its type.
            place = self._places.get(identifier) or Place(place.parent.type, "", None)
            yield identifier, place

    def whereabouts(self, folder: Ref | None, host: Ref | None, pool: Ref | None) -> Whereabouts:
        """Everything that contains a machine in this folder, on this host and in this resource pool."""
        found = self._known.get((folder, host, pool))
        if found is None:
            found = self._known[folder, host, pool] = self._found(folder, host, pool)
        return found

    def _found(self, folder: Ref | None, host: Ref | None, pool: Ref | None) -> Whereabouts:
        holders: dict[str, set[str]] = {}
        closest: dict[str, str] = {}
        for start in (folder, host, pool):
            if start is None:
                continue
            chain = [(start.value, start.type), *((each, place.type) for each, place in self.above(start.value))]
            for identifier, of_type in chain:
                resource = _AS_RESOURCE.get(of_type, of_type)
                holders.setdefault(resource, set()).add(identifier)
                closest.setdefault(resource, identifier)
        named = {
            "folder": folder.value if folder else None,
            "datacenter": closest.get("Datacenter"),
            "host": host.value if host else None,
            "cluster": closest.get("ClusterComputeResource"),
            "resource_pool": pool.value if pool else None,
        }
        content = b"".join(text(self._numbers[name], value) for name, value in named.items() if value)
        part = blob(self._field, content) if content else b""
        return Whereabouts(part, {name: frozenset(found) for name, found in holders.items()})
