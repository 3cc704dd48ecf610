"""com.vmware.vcenter.storage.policies.VM: which virtual machines follow a storage policy."""

from gateway.simulator import errors
from gateway.simulator.operations.storage_policies import policy_of
from gateway.simulator.registry import Call, Json, operation
from gateway.simulator.storage_policies import HOME

__all__ = ["list_"]

_MOST = 1000


@operation("com.vmware.vcenter.storage.policies.VM", "list")
def list_(call: Call) -> Json:
    """The parts that follow it by machine; more than 1,000 machines are an error, because there are no pages."""
    policy = policy_of(call).policy
    found: dict[str, Json] = {}
    for machine in call.inventory.machines.values():
        following = [part for part, own in call.inventory.storage_policies.parts_of(machine).items() if own == policy]
        if following:
            found[machine.vm] = {"vm_home": HOME in following, "disks": [part for part in following if part != HOME]}
        if len(found) > _MOST:
            raise errors.unable_to_allocate(
                "com.vmware.api.vcenter.storage.policies.vm.too_many_matches",
                "More than {0} virtual machines follow the storage policy.",
                str(_MOST),
            )
    return found
