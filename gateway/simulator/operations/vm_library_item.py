"""com.vmware.vcenter.vm.library_item: whether a machine is checked out from a library item."""

from gateway.simulator.registry import Call, Json, operation

__all__ = ["get"]

_SERVICE = "com.vmware.vcenter.vm.library_item"


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """The item that the machine is checked out from; empty for all other machines."""
    item = call.inventory.libraries.check_outs.get(call.vm.vm)
    return {} if item is None else {"check_out": {"library_item": item}}
