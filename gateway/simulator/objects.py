"""Which objects there are, whatever their type: for tags and permissions, which go onto everything."""

from collections.abc import Callable, Mapping

from gateway.simulator.machine import VirtualMachine
from gateway.simulator.places import Places

__all__ = ["existing"]


def existing(places: Places, machines: Mapping[str, VirtualMachine]) -> dict[str, Callable[[str], bool]]:
    """By type of object, what tells whether an identifier stands for one. Services may add types of their own."""

    def is_network(kind: str) -> Callable[[str], bool]:
        return lambda key: key in places.networks and places.networks[key].object_type == kind

    return {
        "VirtualMachine": lambda key: key in machines,
        "HostSystem": lambda key: key in places.hosts,
        "ClusterComputeResource": lambda key: key in places.clusters,
        "Datacenter": lambda key: key in places.datacenters,
        "Datastore": lambda key: key in places.datastores,
        "Folder": lambda key: key in places.folders,
        "ResourcePool": lambda key: key in places.resource_pools,
        **{kind: is_network(kind) for kind in ("Network", "DistributedVirtualPortgroup", "OpaqueNetwork")},
    }
