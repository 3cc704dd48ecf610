"""com.vmware.vcenter.storage.policies: the storage policies, and the compatible datastores."""

import re

from gateway.simulator import errors
from gateway.simulator.registry import Call, Json, operation
from gateway.simulator.storage_policies import StoragePolicy

__all__ = ["check_compatibility", "list_", "policy_of"]

_SERVICE = "com.vmware.vcenter.storage.policies"
_MESSAGES = "com.vmware.api.vcenter.storage.policies"
_MOST = 1024
_IDENTIFIER = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """The policies with one of the identifiers of the filter, or all."""
    wanted = call.query.get("policies")
    for identifier in wanted or ():
        if _IDENTIFIER.fullmatch(identifier) is None:
            raise errors.invalid_argument(
                f"{_MESSAGES}.invalid_identifier", "'{0}' is not the identifier of a storage policy.", identifier
            )
    found = [item for key, item in call.inventory.storage_policies.items() if wanted is None or key in wanted]
    if len(found) > _MOST:
        raise errors.unable_to_allocate(
            f"{_MESSAGES}.too_many_matches", "More than {0} storage policies match the filter.", str(_MOST)
        )
    return [{"policy": item.policy, "name": item.name, "description": item.description} for item in found]


@operation(_SERVICE, "check_compatibility")
def check_compatibility(call: Call) -> Json:
    """Those of the datastores that are compatible with the policy."""
    policy, datastores = policy_of(call), call.spec["datastores"]
    if len(datastores) > _MOST:
        raise errors.unable_to_allocate(
            f"{_MESSAGES}.too_many_datastores", "More than {0} datastores cannot be checked in one call.", str(_MOST)
        )
    places = call.inventory.places.datastores
    for key in datastores:
        if key not in places:
            # NOT_FOUND is reserved for the policy.
            text = "Datastore with identifier '{0}' does not exist."
            raise errors.error("com.vmware.api.vcenter.datastore.not_found", text, key)
    compatible = [key for key in datastores if policy.status_on(places[key]) == "COMPLIANT"]
    return {"compatible_datastores": [{"datastore": key} for key in compatible]}


def policy_of(call: Call) -> StoragePolicy:
    """The policy in the path; NOT_FOUND if it does not exist."""
    identifier = call.path["policy"]
    policy = call.inventory.storage_policies.get(identifier)
    if policy is None:
        raise errors.not_found("storage_policy", identifier)
    return policy
