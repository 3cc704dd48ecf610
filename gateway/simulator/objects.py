"""Which objects exist, whatever their type: for tags, which can be attached to any object."""

from collections.abc import Callable, Mapping
from typing import Protocol

from gateway.simulator.machine import VirtualMachine
from gateway.simulator.places import Places

__all__ = ["existing"]


class _World(Protocol):
    """The part of the inventory that is needed here, because the inventory itself uses this module."""

    @property
    def places(self) -> Places: ...

    @property
    def machines(self) -> Mapping[str, VirtualMachine]: ...


def existing(world: _World) -> dict[str, Callable[[str], bool]]:
    """By type of object, a function that reports whether an identifier exists. Services may add their own types."""
    places = world.places

    def is_network(kind: str) -> Callable[[str], bool]:
        return lambda key: key in places.networks and places.networks[key].object_type == kind

    return {
        "VirtualMachine": lambda key: key in world.machines,
        "HostSystem": lambda key: key in places.hosts,
        "ClusterComputeResource": lambda key: key in places.clusters,
        "Datacenter": lambda key: key in places.datacenters,
        "Datastore": lambda key: key in places.datastores,
        "Folder": lambda key: key in places.folders,
        "ResourcePool": lambda key: key in places.resource_pools,
        **{kind: is_network(kind) for kind in ("Network", "DistributedVirtualPortgroup", "OpaqueNetwork")},
    }
