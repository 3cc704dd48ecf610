"""com.vmware.vcenter.vm.storage.policy: the storage policies of a virtual machine's home and disks."""

from collections.abc import Mapping
from typing import Any

from gateway.simulator import errors
from gateway.simulator.inventory import Inventory
from gateway.simulator.registry import Call, Json, operation

__all__ = ["get", "update"]

_SERVICE = "com.vmware.vcenter.vm.storage.policy"


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """The policy of the home and those of the disks; parts without a policy are left out."""
    machine = call.vm
    disks = {key: disk.storage_policy for key, disk in machine.disks.items() if disk.storage_policy is not None}
    if machine.home_storage_policy is None:
        return {"disks": disks}
    return {"vm_home": machine.home_storage_policy, "disks": disks}


@operation(_SERVICE, "update")
def update(call: Call) -> None:
    """Changes the policies that the spec names and retains all others; changes nothing if one of them is invalid."""
    machine = call.vm
    home: Mapping[str, Any] | None = call.spec.get("vm_home")
    disks = {key: _policy(call.inventory, spec) for key, spec in (call.spec.get("disks") or {}).items()}
    for key in disks:
        if key not in machine.disks:
            raise errors.invalid_argument(
                "com.vmware.api.vcenter.vm.storage.policy.invalid_disk",
                "The virtual machine {0} has no disk with identifier '{1}'.",
                machine.vm,
                key,
            )
    if home is not None:
        machine.home_storage_policy = _policy(call.inventory, home)
    for key, policy in disks.items():
        machine.disks[key].storage_policy = policy


def _policy(inventory: Inventory, spec: Mapping[str, Any]) -> str | None:
    """The policy for a spec. The datastore is not an object store, so its default is no policy."""
    if spec["type"] == "USE_DEFAULT_POLICY":
        return None
    policy: str = spec["policy"]
    if policy not in inventory.storage_policies:
        raise errors.invalid_argument(
            "com.vmware.api.vcenter.vm.storage.policy.invalid_policy",
            "Storage policy with identifier '{0}' does not exist.",
            policy,
        )
    return policy
