"""com.vmware.vcenter.compute.policies: the compute policies."""

from typing import Any

from gateway.simulator import errors
from gateway.simulator.compute_policies import require_valid
from gateway.simulator.registry import Call, Json, operation

__all__ = ["create", "create_tags_and_policies", "delete", "delete_tags_and_policies", "get", "list_", "update"]

_SERVICE = "com.vmware.vcenter.compute.policies"


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """All policies."""
    return [
        {
            "policy": item.policy,
            "name": item.name,
            "description": item.description,
            "capability": item.capability.capability,
        }
        for item in call.inventory.compute_policies.values()
    ]


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """One policy, in the structure of its capability."""
    return call.inventory.compute_policies.existing(call.path["policy"]).to_json()


@operation(_SERVICE, "create")
def create(call: Call) -> Json:
    """Creates a policy and returns its identifier."""
    return call.inventory.compute_policies.create(call.body).policy


@operation(_SERVICE, "update")
def update(call: Call) -> None:
    """Changes the description, and the manager of the policy."""
    policy, spec = call.inventory.compute_policies.existing(call.path["policy"]), call.spec
    managed_by = spec.get("managed_by")
    require_valid(spec, managed_by)
    if spec.get("description") is not None:
        policy.description = spec["description"]
    if managed_by is not None:
        policy.managed_by = managed_by["entity"]


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Deletes a policy; its tags remain."""
    call.inventory.compute_policies.pop_existing(call.path["policy"])


@operation(_SERVICE, "create_tags_and_policies")
def create_tags_and_policies(call: Call) -> Json:
    """Creates policies one by one, with the tags that they name; a failure does not stop the others."""
    made: dict[str, Any] = {}
    failed: dict[str, Any] = {}
    for number, item in enumerate(call.spec["policies"]):
        spec = item["spec"]
        try:
            policy = call.inventory.compute_policies.create_with_tags(spec)
        except errors.VapiError as failure:
            name = spec.get("name") if isinstance(spec, dict) else None
            failed[name if isinstance(name, str) else str(number)] = failure.to_json()
        else:
            made[policy.name] = {"policy": policy.policy, "info": policy.to_json()}
    return _result(policies=made, errors=failed)


@operation(_SERVICE, "delete_tags_and_policies")
def delete_tags_and_policies(call: Call) -> Json:
    """Deletes policies one by one, with the tags that were created for them; a failure does not stop the others."""
    failed: dict[str, Any] = {}
    for identifier in call.spec["policies"]:
        try:
            call.inventory.compute_policies.delete_with_tags(identifier)
        except errors.VapiError as failure:
            failed[identifier] = failure.to_json()
    return _result(errors=failed)


def _result(**parts: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in parts.items() if part}
