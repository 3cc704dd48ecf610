"""com.vmware.vcenter.datacenter: the top-level containers of the inventory."""

from collections.abc import Callable, Collection, Mapping

from gateway.simulator import errors
from gateway.simulator.hosts import remove_datacenter
from gateway.simulator.inventory import Inventory
from gateway.simulator.listing import listed
from gateway.simulator.places import Datacenter
from gateway.simulator.registry import Call, Json, operation

__all__ = ["create", "delete", "get", "list_datacenters"]

_SERVICE = "com.vmware.vcenter.datacenter"
_LONGEST_NAME = 80

_FILTERS: Mapping[str, Callable[[Datacenter], Collection[str | None]]] = {
    "datacenters": lambda datacenter: [datacenter.datacenter],
    "names": lambda datacenter: [datacenter.name],
    "folders": lambda datacenter: [datacenter.parent],
}


def _datacenter(call: Call) -> Datacenter:
    datacenter = call.inventory.places.datacenters.get(call.path["datacenter"])
    if datacenter is None:
        raise errors.not_found("datacenter", call.path["datacenter"])
    return datacenter


@operation(_SERVICE, "list")
def list_datacenters(call: Call) -> Json:
    """The datacenters that pass every filter."""
    datacenters = call.inventory.places.datacenters.values()
    return [
        {"datacenter": datacenter.datacenter, "name": datacenter.name}
        for datacenter in listed(call, datacenters, _FILTERS, kind="datacenter")
    ]


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """The name of a datacenter and its root folders."""
    datacenter = _datacenter(call)
    return {
        "name": datacenter.name,
        "datastore_folder": datacenter.datastore_folder,
        "host_folder": datacenter.host_folder,
        "network_folder": datacenter.network_folder,
        "vm_folder": datacenter.vm_folder,
    }


@operation(_SERVICE, "create")
def create(call: Call) -> Json:
    """An empty datacenter; returns its identifier."""
    places, name, folder = call.inventory.places, call.spec["name"], call.spec.get("folder")
    if not 1 <= len(name.strip()) <= _LONGEST_NAME:
        raise errors.invalid_argument("vmsg.InvalidName.summary", "The name '{0}' is invalid.", name)
    if folder is None:
        text = "A folder of datacenters must be specified."
        raise errors.invalid_argument("com.vmware.api.vcenter.datacenter.folder_required", text)
    if folder not in places.folders:
        raise errors.not_found("folder", folder)
    if places.folders[folder].type != "DATACENTER":
        text = "Folder {0} cannot contain datacenters."
        raise errors.invalid_argument("com.vmware.api.vcenter.datacenter.folder_type", text, folder)
    beside = [item.name for item in places.datacenters.values() if item.parent == folder]
    beside += [item.name for item in places.folders.values() if item.parent == folder]
    if name in beside:
        text = "The name '{0}' already exists."
        raise errors.of_type("ALREADY_EXISTS", "vmsg.DuplicateName.summary", text, name)
    return places.new_datacenter(name, folder).datacenter


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Deletes an empty datacenter, or any datacenter with force."""
    datacenter = _datacenter(call)
    force = call.query.get("force", ["false"])[0].lower() == "true"
    if not force and not _is_empty(call.inventory, datacenter):
        text = "Datacenter {0} is not empty."
        raise errors.resource_in_use("com.vmware.api.vcenter.datacenter.not_empty", text, datacenter.datacenter)
    remove_datacenter(call.inventory, datacenter)


def _is_empty(inventory: Inventory, datacenter: Datacenter) -> bool:
    """Whether it contains only the root folders. Machines are always on hosts."""
    places = inventory.places
    kinds = (places.hosts, places.clusters, places.datastores, places.networks)
    roots = {datacenter.vm_folder, datacenter.host_folder, datacenter.datastore_folder, datacenter.network_folder}
    return all(item.datacenter != datacenter.datacenter for kind in kinds for item in kind.values()) and all(
        folder.folder in roots for folder in places.folders.values() if folder.datacenter == datacenter.datacenter
    )
