"""com.vmware.vcenter.compute.policies.tag_usage: which tags the compute policies use."""

from gateway.simulator.registry import Call, Json, operation

__all__ = ["list_"]

_TYPES = {"vm_tag": "com.vmware.cis.tagging.Tag:VirtualMachine", "host_tag": "com.vmware.cis.tagging.Tag:HostSystem"}


@operation("com.vmware.vcenter.compute.policies.tag_usage", "list")
def list_(call: Call) -> Json:
    """Each tag of each policy that passes all filters, except for deleted tags."""
    tags = call.inventory.tagging.tags
    found = []
    for policy in call.inventory.compute_policies.values():
        for name, identifier in policy.tags.items():
            values = {"policies": policy.policy, "tags": identifier, "tag_types": _TYPES[name]}
            wanted = all(values[key] in allowed for key, allowed in call.query.items() if key in values)
            if wanted and identifier in tags:
                usage = {
                    "policy": policy.policy,
                    "tag_type": _TYPES[name],
                    "tag": identifier,
                    "tag_name": tags[identifier].name,
                    "category_name": tags[identifier].category.name,
                }
                newer = {
                    "policy_name": policy.name,
                    "policy_description": policy.description,
                    "capability": policy.capability.capability,
                }
                found.append(usage | newer)
    return found
