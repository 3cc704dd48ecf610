"""com.vmware.vcenter.compute.policies.capabilities: the kinds of compute policies."""

from gateway.simulator import errors
from gateway.simulator.compute_policies import CAPABILITIES
from gateway.simulator.registry import Call, Json, operation

__all__ = ["get", "list_"]

_SERVICE = "com.vmware.vcenter.compute.policies.capabilities"


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """All capabilities."""
    return [
        {"capability": item.capability, "name": item.name, "description": item.description}
        for item in CAPABILITIES.values()
    ]


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """One capability, with the structures of its policies."""
    identifier = call.path["capability"]
    item = CAPABILITIES.get(identifier)
    if item is None:
        raise errors.not_found("compute_policy_capability", identifier)
    return {
        "name": item.name,
        "description": item.description,
        "create_spec_type": item.create_spec_type,
        "info_type": item.info_type,
    }
