"""com.vmware.vcenter.folder: the tree of folders."""

from collections.abc import Callable, Collection, Mapping

from gateway.simulator.listing import listed
from gateway.simulator.places import Folder
from gateway.simulator.registry import Call, Json, operation

__all__ = ["list_folders"]

_FILTERS: Mapping[str, Callable[[Folder], Collection[str | None]]] = {
    "folders": lambda folder: [folder.folder],
    "names": lambda folder: [folder.name],
    "type": lambda folder: [folder.type],
    # The direct children of a datacenter have no parent folder.
    "parent_folders": lambda folder: [folder.parent],
    "datacenters": lambda folder: [folder.datacenter],
}


@operation("com.vmware.vcenter.folder", "list")
def list_folders(call: Call) -> Json:
    """The folders that pass every filter."""
    folders = call.inventory.places.folders.values()
    found = listed(call, folders, _FILTERS, kind="folder", enumerations={"type": "VcenterFolderType"})
    return [{"folder": folder.folder, "name": folder.name, "type": folder.type} for folder in found]
