"""Which types of objects are kinds of others."""

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
    """Whether objects of a type are of the wanted one as well."""
    return type == wanted or wanted in _BASES.get(type, ()) or wanted in _EVERYTHING
