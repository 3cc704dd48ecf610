"""The inheritance of object types."""

__all__ = ["is_a"]

_ENTITIES = (
    "VirtualMachine", "Folder", "Datacenter", "ComputeResource", "HostSystem", "ResourcePool", "Datastore", "Network",
)  # fmt: skip
_BASES = {
    **dict.fromkeys(_ENTITIES, ("ManagedEntity",)),
    "ClusterComputeResource": ("ComputeResource", "ManagedEntity"),
    "DistributedVirtualPortgroup": ("Network", "ManagedEntity"),
    "OpaqueNetwork": ("Network", "ManagedEntity"),
    **dict.fromkeys(("ContainerView", "ListView"), ("ManagedObjectView", "View")),
    **dict.fromkeys(("EventHistoryCollector", "TaskHistoryCollector"), ("HistoryCollector",)),
}
_EVERYTHING = frozenset({"ManagedObject", "ExtensibleManagedObject"})


def is_a(type: str, wanted: str) -> bool:  # noqa: A002 - the API's word
    """Whether a type of objects is the wanted one or inherits from it."""
    return type == wanted or wanted in _BASES.get(type, ()) or wanted in _EVERYTHING
