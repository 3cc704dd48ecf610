"""com.vmware.vcenter.inventory.network: the kinds of objects behind identifiers of networks."""

from gateway.simulator import errors
from gateway.simulator.registry import Call, Json, operation

__all__ = ["find"]


@operation("com.vmware.vcenter.inventory.network", "find")
def find(call: Call) -> Json:
    """The kind of each network; NOT_FOUND if one does not exist."""
    networks, wanted = call.inventory.places.networks, call.query["networks"]
    for identifier in wanted:
        if identifier not in networks:
            raise errors.not_found("network", identifier)
    return {identifier: {"type": networks[identifier].object_type} for identifier in wanted}
