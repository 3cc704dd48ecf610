"""com.vmware.vcenter.ovf.import_flag: flags for deploying OVF packages."""

from gateway.simulator.ovf import IMPORT_FLAGS, flags
from gateway.simulator.placement import find
from gateway.simulator.registry import Call, Json, operation

__all__ = ["list_"]

_RENAMED_SINCE = "9.0.0.0"


@operation("com.vmware.vcenter.ovf.import_flag", "list")
def list_(call: Call) -> Json:
    """All flags, whatever the hosts of the pool. vCenter 9 has another name for the parameter."""
    name = "resource_pool" if call.inventory.release.has(_RENAMED_SINCE) else "rp"
    find(call.inventory.places.resource_pools, "resource_pool", call.query[name][0])
    return flags(IMPORT_FLAGS)
