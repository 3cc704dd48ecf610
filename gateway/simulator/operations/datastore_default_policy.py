"""com.vmware.vcenter.datastore.default_policy: the default storage policy of a datastore."""

from gateway.simulator.operations.datastore import datastore_of
from gateway.simulator.registry import Call, Json, operation

__all__ = ["get"]


@operation("com.vmware.vcenter.datastore.default_policy", "get")
def get(call: Call) -> Json:
    """The policy's identifier; null for a datastore without one."""
    return datastore_of(call).default_policy
