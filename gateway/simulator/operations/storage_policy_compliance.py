"""com.vmware.vcenter.vm.storage.policy.compliance: whether a virtual machine complies with its storage policies."""

from typing import Any

from gateway.simulator import errors
from gateway.simulator.clock import timestamp
from gateway.simulator.machine import Checked
from gateway.simulator.registry import Call, Json, operation
from gateway.simulator.storage_policies import HOME, overall

__all__ = ["check", "get"]

_SERVICE = "com.vmware.vcenter.vm.storage.policy.compliance"


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """The results of the last checks; empty for a machine without policies."""
    return _info(call.inventory.storage_policies.compliance_of(call.vm, call.now()))


@operation(_SERVICE, "check")
def check(call: Call) -> Json:
    """Checks the parts in the spec, and returns all results."""
    machine, spec = call.vm, call.spec
    disks = set(spec.get("disks") or machine.disks)
    for key in sorted(disks - machine.disks.keys()):
        # The operation has no separate type for this.
        raise errors.error(
            "com.vmware.api.vcenter.vm.storage.policy.invalid_disk",
            "The virtual machine {0} has no disk with identifier '{1}'.",
            machine.vm,
            key,
        )
    call.inventory.storage_policies.check(machine, disks | ({HOME} if spec["vm_home"] else set()), call.now())
    return get(call)


def _info(results: dict[str, Checked]) -> Json:
    if not results:
        return None
    parts = {part: _part(checked) for part, checked in results.items()}
    home = parts.pop(HOME, None)
    info: dict[str, Any] = {
        "overall_compliance": overall([checked.status for checked in results.values()]),
        "disks": parts,
    }
    return info if home is None else {**info, "vm_home": home}


def _part(checked: Checked) -> dict[str, Any]:
    cause = errors.Message("vmsg.InaccessibleDatastore.summary", "The datastore is not accessible.")
    return {
        "status": checked.status,
        "check_time": timestamp(checked.time),
        "policy": checked.policy,
        "failure_cause": [cause.to_json()] if checked.status == "UNKNOWN_COMPLIANCE" else [],
    }
