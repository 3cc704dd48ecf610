"""com.vmware.vcenter.inventory.datastore: the kinds of objects behind identifiers of datastores."""

from gateway.simulator import errors
from gateway.simulator.registry import Call, Json, operation

__all__ = ["find"]


@operation("com.vmware.vcenter.inventory.datastore", "find")
def find(call: Call) -> Json:
    """The kind of each datastore; NOT_FOUND if one does not exist."""
    wanted = call.query["datastores"]
    for identifier in wanted:
        if identifier not in call.inventory.places.datastores:
            raise errors.not_found("datastore", identifier)
    return {identifier: {"type": "Datastore"} for identifier in wanted}
