"""com.vmware.content.local_library: libraries that own their items, from creation to deletion."""

from typing import Any

from gateway.simulator import errors
from gateway.simulator.client_tokens import once
from gateway.simulator.library import SECURITY_POLICY, Library, require_texts
from gateway.simulator.operations import content_library
from gateway.simulator.registry import Call, Json, operation

__all__ = ["create", "delete", "get", "list_", "publish", "update"]

_SERVICE = "com.vmware.content.local_library"
_MESSAGES = "com.vmware.vdcs.cls-main"


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """The identifiers of the local libraries."""
    return [key for key, library in call.inventory.libraries.libraries.items() if library.local]


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """One local library."""
    return content_library.library_model(_library(call))


@operation(_SERVICE, "create")
def create(call: Call) -> Json:
    """Adds an empty library on one datastore; with a client token only once."""
    return once(call, lambda: _create(call).library)


def _create(call: Call) -> Library:
    libraries, spec = call.inventory.libraries, call.spec
    require_texts(spec)
    if spec.get("name") is None:
        raise errors.invalid_argument(
            f"{_MESSAGES}.field_missing", "The field '{0}' of the library is missing.", "name"
        )
    if spec.get("type") not in (None, "LOCAL"):
        text = "A library of the type '{0}' cannot be created as a local library."
        raise errors.invalid_argument(f"{_MESSAGES}.invalid_library_type", text, spec["type"])
    backings = spec.get("storage_backings") or []
    if len(backings) > 1:
        raise errors.unsupported(f"{_MESSAGES}.several_storage_backings", "A library has one storage backing.")
    if not backings or backings[0].get("datastore_id") is None:
        raise errors.invalid_argument(f"{_MESSAGES}.invalid_storage_backing", "One datastore has to be named.")
    datastore = backings[0]["datastore_id"]
    if datastore not in call.inventory.places.datastores:
        raise errors.invalid_argument(
            f"{_MESSAGES}.invalid_storage_backing", "The datastore '{0}' does not exist.", datastore
        )
    policy = spec.get("security_policy_id")
    if policy not in (None, SECURITY_POLICY):
        text = "The security policy '{0}' does not exist."
        raise errors.invalid_argument(f"{_MESSAGES}.security_policy_not_found", text, policy)
    library = Library(libraries.new_id(), spec["name"], "LOCAL", datastore, call.now())
    library.description, library.security_policy = spec.get("description") or "", policy
    _publish(library, spec.get("publish_info") or {})
    libraries.libraries[library.library] = library
    return library


@operation(_SERVICE, "update")
def update(call: Call) -> None:
    """Changes the attributes that both kinds of libraries have, and the publication of the library."""
    library, spec = _library(call), call.spec
    if spec.get("version") not in (None, str(library.version)):
        text = "The library has version '{0}', not '{1}'."
        raise errors.of_type(
            "CONCURRENT_CHANGE", f"{_MESSAGES}.library_version_mismatch", text, str(library.version), spec["version"]
        )
    content_library.update(call)
    _publish(library, spec.get("publish_info") or {})


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Deletes an unused local library, with everything in it."""
    _library(call)
    content_library.delete(call)


@operation(_SERVICE, "publish")
def publish(call: Call) -> None:
    """Tells subscribers to synchronize; they are elsewhere, so this has no visible effect here."""
    library = _library(call)
    for destination in call.spec.get("subscriptions") or ():
        if destination["subscription"] not in library.subscriptions:
            text = "The library '{0}' has no subscription '{1}'."
            raise errors.invalid_argument(
                f"{_MESSAGES}.subscription_not_found", text, library.library, destination["subscription"]
            )
    if not library.published:
        text = "The library '{0}' is not published."
        raise errors.not_allowed(f"{_MESSAGES}.library_not_published", text, library.library)


def _library(call: Call) -> Library:
    library = call.inventory.libraries.library(call.path["library_id"])
    library.require_local()
    return library


def _publish(library: Library, info: dict[str, Any]) -> None:
    """Unset fields remain unchanged."""
    library.published = library.published if info.get("published") is None else info["published"]
    library.authentication = info.get("authentication_method") or library.authentication
    persists = info.get("persist_json_enabled")
    library.persist_json = library.persist_json if persists is None else persists
