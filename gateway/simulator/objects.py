"""Which objects there are, whatever their type: for tags, which go onto everything."""

from collections.abc import Callable, Mapping
from typing import Protocol

from gateway.simulator.machine import VirtualMachine
from gateway.simulator.places import Places

__all__ = ["existing"]


class _World(Protocol):
    """The part of the inventory that is looked at, which makes use of this module itself."""

    @property
    def places(self) -> Places: ...

    @property
    def machines(self) -> Mapping[str, VirtualMachine]: ...


def existing(world: _World) -> dict[str, Callable[[str], bool]]:
    """By type of object, what reports whether an identifier stands for one. Services may add types of their own."""
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
