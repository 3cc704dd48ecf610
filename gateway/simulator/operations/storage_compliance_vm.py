"""com.vmware.vcenter.storage.policies.compliance.VM: whether virtual machines comply with storage policies."""

from gateway.simulator import errors
from gateway.simulator.operations.storage_compliance import as_json, compliant_parts, require_statuses
from gateway.simulator.registry import Call, Json, operation

__all__ = ["list_"]

_MESSAGES = "com.vmware.api.vcenter.storage.policies.compliance.vm"
_MOST = 1000


@operation("com.vmware.vcenter.storage.policies.compliance.VM", "list")
def list_(call: Call) -> Json:
    """The machines with a part that has one of the statuses; more than 1,000 are an error, because there are no
    pages."""
    wanted = require_statuses(call, "VcenterStoragePoliciesComplianceVMStatus")
    if not wanted:
        raise errors.invalid_argument(f"{_MESSAGES}.no_status", "At least one status must be specified.")
    found = {}
    for vm, parts in compliant_parts(call, call.query.get("vms")):
        if not wanted.isdisjoint(parts.values()):
            found[vm] = as_json(parts)
        if len(found) > _MOST:
            raise errors.unable_to_allocate(
                f"{_MESSAGES}.too_many_matches", "More than {0} virtual machines match the filter.", str(_MOST)
            )
    return found
