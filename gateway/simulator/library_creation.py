"""New content libraries, of both kinds."""

from gateway.simulator import errors
from gateway.simulator.library import SECURITY_POLICY, Library, require_texts
from gateway.simulator.registry import Call

__all__ = ["new_library"]

_MESSAGES = "com.vmware.vdcs.cls-main"


def new_library(call: Call, kind: str) -> Library:
    """An empty library as the call describes it, on one datastore; the caller adds it.

    INVALID_ARGUMENT for an invalid description, UNSUPPORTED for several storage backings.
    """
    spec = call.spec
    require_texts(spec)
    if spec.get("name") is None:
        text = "The field '{0}' of the library is missing."
        raise errors.invalid_argument(f"{_MESSAGES}.field_missing", text, "name")
    if spec.get("type") not in (None, kind):
        text = "A library of the type '{0}' cannot be created as one of the type '{1}'."
        raise errors.invalid_argument(f"{_MESSAGES}.invalid_library_type", text, spec["type"], kind)
    backings = spec.get("storage_backings") or []
    if len(backings) > 1:
        raise errors.unsupported(f"{_MESSAGES}.several_storage_backings", "A library has one storage backing.")
    if not backings or backings[0].get("datastore_id") is None:
        raise errors.invalid_argument(f"{_MESSAGES}.invalid_storage_backing", "One datastore has to be named.")
    datastore = backings[0]["datastore_id"]
    if datastore not in call.inventory.places.datastores:
        text = "The datastore '{0}' does not exist."
        raise errors.invalid_argument(f"{_MESSAGES}.invalid_storage_backing", text, datastore)
    policy = spec.get("security_policy_id")
    if policy not in (None, SECURITY_POLICY):
        text = "The security policy '{0}' does not exist."
        raise errors.invalid_argument(f"{_MESSAGES}.security_policy_not_found", text, policy)
    library = Library(call.inventory.libraries.new_id(), spec["name"], kind, datastore, call.now())
    library.description, library.security_policy = spec.get("description") or "", policy
    return library
