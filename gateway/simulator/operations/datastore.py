"""com.vmware.vcenter.datastore: storage for files, and its free space."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from gateway.simulator import errors
from gateway.simulator.listing import listed
from gateway.simulator.places import Datastore
from gateway.simulator.registry import Call, Json, operation

__all__ = ["MOST", "datastore_of", "get", "list_datastores"]

_SERVICE = "com.vmware.vcenter.datastore"

MOST = 2500
"""Maximum number of datastores in a list."""

_FILTERS: Mapping[str, Callable[[Datastore], Collection[str | None]]] = {
    "datastores": lambda datastore: [datastore.datastore],
    "names": lambda datastore: [datastore.name],
    "types": lambda datastore: [datastore.type],
    "folders": lambda datastore: [datastore.folder],
    "datacenters": lambda datastore: [datastore.datacenter],
}


def datastore_of(call: Call) -> Datastore:
    """The datastore in the path; NOT_FOUND if it does not exist."""
    datastore = call.inventory.places.datastores.get(call.path["datastore"])
    if datastore is None:
        raise errors.not_found("datastore", call.path["datastore"])
    return datastore


@operation(_SERVICE, "list")
def list_datastores(call: Call) -> Json:
    """The datastores that pass every filter."""
    datastores = call.inventory.places.datastores.values()
    enumerations = {"types": "VcenterDatastoreType"}
    found = listed(call, datastores, _FILTERS, kind="datastore", most=MOST, enumerations=enumerations)
    return [_summary(datastore) for datastore in found]


def _summary(datastore: Datastore) -> dict[str, Any]:
    summary: dict[str, Any] = {"datastore": datastore.datastore, "name": datastore.name, "type": datastore.type}
    if datastore.accessible:
        summary["free_space"] = datastore.free
        summary["capacity"] = datastore.capacity
    return summary


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """The properties of one datastore. Its capacity is only in the list."""
    datastore = datastore_of(call)
    info: dict[str, Any] = {
        "name": datastore.name,
        "type": datastore.type,
        "accessible": datastore.accessible,
        "multiple_host_access": len(datastore.hosts) > 1,
        "thin_provisioning_supported": datastore.thin_provisioning,
    }
    if datastore.accessible:
        info["free_space"] = datastore.free
    return info
