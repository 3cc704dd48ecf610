"""All types of objects with their properties, and the properties that a client requests."""

from dataclasses import dataclass

from gateway.simulator.vim import machine_properties, place_properties, service_properties
from gateway.simulator.vim.faults import VimError
from gateway.simulator.vim.kinds import is_a
from gateway.simulator.vim.session_properties import SESSION_OBJECTS
from gateway.simulator.vim.structures import Member, Structure, at_path, names

__all__ = ["TYPES", "Properties"]

TYPES: dict[str, Structure] = {
    "VirtualMachine": machine_properties.VIRTUAL_MACHINE,
    "VirtualMachineSnapshot": machine_properties.SNAPSHOT,
    "Folder": place_properties.FOLDER,
    "Datacenter": place_properties.DATACENTER,
    "ComputeResource": place_properties.COMPUTE_RESOURCE,
    "ClusterComputeResource": place_properties.CLUSTER,
    "HostSystem": place_properties.HOST,
    "ResourcePool": place_properties.RESOURCE_POOL,
    "Datastore": place_properties.DATASTORE,
    "Network": place_properties.NETWORK,
    "OpaqueNetwork": place_properties.NETWORK,
    "DistributedVirtualPortgroup": place_properties.PORT_GROUP,
    "Task": service_properties.TASK,
    **service_properties.MANAGERS,
    **SESSION_OBJECTS,
}
"""The properties of each type of objects."""

# Abstract types, with a type that has at least their properties.
_ABSTRACT = {"ManagedEntity": "Folder"}


@dataclass(frozen=True, slots=True)
class Properties:
    """The requested properties of objects, by type: a PropertySpec each."""

    specs: tuple[tuple[str, bool, tuple[str, ...]], ...]
    """Type, whether all are requested, and the paths."""

    def of(self, type: str) -> tuple[tuple[str, Member], ...]:  # noqa: A002
        """The paths for objects of a type, with their members. InvalidProperty for an unknown path."""
        found: dict[str, Member] = {}
        structure = TYPES.get(type)
        for wanted, everything, paths in self.specs:
            if structure is None or not is_a(type, wanted):
                continue
            for path in structure.members if everything else paths:
                if path not in found:
                    found[path] = at_path(structure, path)
        return tuple(found.items())

    def check(self) -> None:
        """InvalidType for an unknown type, InvalidProperty for an unknown path."""
        for wanted, _, paths in self.specs:
            structure = TYPES.get(wanted) or TYPES.get(_ABSTRACT.get(wanted, ""))
            if structure is None:
                if wanted in _KNOWN_ELSEWHERE:
                    continue
                raise VimError("InvalidType", f"The type {wanted} does not exist.", argument=wanted)
            for path in paths:
                at_path(structure, path)


# Types of which the simulator has no objects, but which clients request.
_KNOWN_ELSEWHERE = names(
    "VirtualApp DistributedVirtualSwitch VmwareDistributedVirtualSwitch StoragePod ManagedObject "
    "ExtensibleManagedObject View ManagedObjectView HistoryCollector InventoryView"
)
