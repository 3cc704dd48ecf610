"""com.vmware.vcenter.storage.policies.compliance: virtual machines by their compliance with storage policies."""

from collections.abc import Collection, Iterator
from typing import Any

from gateway.simulator import errors
from gateway.simulator.catalogue import load
from gateway.simulator.registry import Call, Json, operation
from gateway.simulator.storage_policies import HOME

__all__ = ["as_json", "compliant_parts", "list_", "require_statuses"]

# This service has its own word for what the others call UNKNOWN_COMPLIANCE.
_UNKNOWN = {"UNKNOWN_COMPLIANCE": "UNKNOWN"}


@operation("com.vmware.vcenter.storage.policies.compliance", "list")
def list_(call: Call) -> Json:
    """The machines with a part that has one of the statuses, with the statuses of all their parts."""
    wanted = require_statuses(call, "VcenterStoragePoliciesComplianceStatus")
    found = []
    for vm, parts in compliant_parts(call):
        statuses = {part: _UNKNOWN.get(status, status) for part, status in parts.items()}
        if not wanted or not wanted.isdisjoint(statuses.values()):
            found.append({"vm": vm, **as_json(statuses)})
    return found


def require_statuses(call: Call, enumeration: str) -> frozenset[str]:
    """The statuses in the filter; INVALID_ARGUMENT for an unknown one."""
    statuses = frozenset(call.query.get("status", ()))
    for status in sorted(statuses - load().enumerations[enumeration].values):
        text = "Value {0} is not one of the values of the enumeration {1}."
        raise errors.invalid_argument("vapi.bindings.typeconverter.enum.unknown.value", text, status, enumeration)
    return statuses


def compliant_parts(call: Call, vms: Collection[str] | None = None) -> Iterator[tuple[str, dict[str, str]]]:
    """The statuses of the parts by machine; machines without a policy are left out."""
    machines = call.inventory.machines
    for vm in machines if vms is None else [vm for vm in vms if vm in machines]:
        results = call.inventory.storage_policies.compliance_of(machines[vm], call.now())
        if results:
            yield vm, {part: checked.status for part, checked in results.items()}


def as_json(parts: dict[str, str]) -> dict[str, Any]:
    """The statuses of the home directory and of the disks."""
    disks = {part: status for part, status in parts.items() if part != HOME}
    return {"vm_home": parts[HOME], "disks": disks} if HOME in parts else {"disks": disks}
