"""com.vmware.vcenter.vm.compute.policies: whether virtual machines comply with compute policies."""

from gateway.simulator.registry import Call, Json, operation

__all__ = ["get"]


@operation("com.vmware.vcenter.vm.compute.policies", "get")
def get(call: Call) -> Json:
    """The compliance of a machine with a policy, whether or not the policy is for this machine."""
    machine, policy = call.vm, call.path["policy"]
    policies = call.inventory.compute_policies
    found = policies.existing(policy)
    if policy not in machine.compute_policies and not policies.is_about(found, machine.vm):
        return {"status": "NOT_APPLICABLE"}
    # Not an error here: this operation has no error for an inaccessible machine.
    return {"status": "UNKNOWN" if machine.inaccessible else machine.compute_policies.get(policy, "COMPLIANT")}
