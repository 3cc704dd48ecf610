"""com.vmware.content.library: content libraries of both kinds."""

from typing import Any

from gateway.simulator import errors
from gateway.simulator.clock import timestamp
from gateway.simulator.library import SECURITY_POLICY, VM_TEMPLATE, Library, Subscription, require_texts
from gateway.simulator.registry import Call, Json, operation
from gateway.simulator.subscriptions import publish_url
from gateway.simulator.templates import remove_item, require_not_checked_out

__all__ = ["delete", "find", "get", "library_model", "list_", "storage_backing", "update"]

_SERVICE = "com.vmware.content.library"
_MESSAGES = "com.vmware.vdcs.cls-main"


def _library(call: Call) -> Library:
    return call.inventory.libraries.library(call.path["library_id"])


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """The identifiers of all libraries."""
    return list(call.inventory.libraries.libraries)


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """One library."""
    return library_model(_library(call))


@operation(_SERVICE, "find")
def find(call: Call) -> Json:
    """The libraries that match all criteria of the spec; names are case-insensitive."""
    spec = {name: value for name, value in call.spec.items() if value is not None}
    if not spec:
        raise errors.invalid_argument(f"{_MESSAGES}.empty_find_spec", "The search has no criteria.")
    return [key for key, library in call.inventory.libraries.libraries.items() if _matches(call, library, spec)]


@operation(_SERVICE, "update")
def update(call: Call) -> None:
    """Changes name, description, security policy and configuration; changes nothing if one of them is invalid."""
    library, spec = _library(call), call.spec
    require_texts(spec)
    if spec.get("version") not in (None, str(library.version)):
        raise errors.invalid_argument(
            f"{_MESSAGES}.library_version_mismatch",
            "The library has version '{0}', not '{1}'.",
            str(library.version),
            spec["version"],
        )
    policy = spec.get("security_policy_id") or library.security_policy
    if policy not in (None, SECURITY_POLICY):
        text = "The security policy '{0}' does not exist."
        raise errors.invalid_argument(f"{_MESSAGES}.security_policy_not_found", text, policy)
    library.security_policy = None if spec.get("unset_security_policy_id") else policy
    library.name = spec.get("name") or library.name
    if spec.get("description") is not None:
        library.description = spec["description"]
    protects = (spec.get("configuration_info") or {}).get("apply_library_usage_to_items")
    library.usage_protects_items = library.usage_protects_items if protects is None else protects
    library.changed(call.now())


@operation(_SERVICE, "enter_maintenance")
def enter_maintenance(call: Call) -> None:
    """Starts the maintenance of a library."""
    library = _library(call)
    library.require_active()
    library.state, library.state_message = "MAINTENANCE", f"Put into maintenance by {call.user.name}."


@operation(_SERVICE, "exit_maintenance")
def exit_maintenance(call: Call) -> None:
    """Ends the maintenance of a library, unless it is due to a migration."""
    library = _library(call)
    if library.migrating or library.state == "ACTIVE":
        raise errors.not_allowed(
            f"{_MESSAGES}.library_not_in_maintenance",
            "The maintenance of the library '{0}' cannot be ended.",
            library.library,
        )
    library.state, library.state_message = "ACTIVE", None


@operation(_SERVICE, "migrate")
def migrate(call: Call) -> None:
    """Starts to move the contents to another datastore; the library is in maintenance until that is done."""
    libraries, library, backings = call.inventory.libraries, _library(call), call.spec["storage_backings"]
    datastore = backings[0].get("datastore_id") if len(backings) == 1 else None
    if any(kind != "DATASTORE" for kind in (library.storage_type, *(item.get("type") for item in backings))):
        raise errors.unsupported(
            f"{_MESSAGES}.storage_type_unsupported", "Only datastores can be migrated from and to."
        )
    if datastore not in call.inventory.places.datastores:
        raise errors.invalid_argument(f"{_MESSAGES}.invalid_storage_backing", "One datastore has to be named.")
    if datastore == library.datastore:
        raise errors.already_in_desired_state(
            f"{_MESSAGES}.library_on_storage", "The content is on the datastore '{0}' already.", datastore
        )
    library.require_active()
    library.require_contents()
    if any(item.type == VM_TEMPLATE for item in libraries.items_of(library)):
        text = "The library '{0}' contains virtual machine templates, which cannot be migrated."
        raise errors.not_allowed(f"{_MESSAGES}.library_has_vm_templates", text, library.library)
    if sum(item.size for item in libraries.items_of(library)) > call.inventory.places.datastores[datastore].free:
        raise errors.error(f"{_MESSAGES}.storage_full", "The datastore '{0}' has not enough free space.", datastore)

    def finish() -> None:
        library.state, library.state_message, library.migrating = "ACTIVE", None, False
        libraries.move(library, datastore)

    library.state, library.state_message, library.migrating = "MAINTENANCE", "The library is being migrated.", True
    call.inventory.tasks.start(
        call.operation,
        call.user.name,
        call.now(),
        call.inventory.transition,
        finish,
        target=("com.vmware.content.Library", library.library),
        cancelable=False,
    )


@operation(_SERVICE, "convert")
def convert(call: Call) -> None:
    """Turns a subscribed library that has all of its publisher's contents into a published local library."""
    libraries, library = call.inventory.libraries, _library(call)
    library.require_subscribed()
    if library.subscription is None:
        text = "The library '{0}' has no active subscription."
        raise errors.invalid_argument(f"{_MESSAGES}.library_not_subscribed", text, library.library)
    library.require_active()
    items = libraries.items_of(library)
    if any(item.type == VM_TEMPLATE or not item.cached for item in items):
        text = "The items of the library '{0}' are not synchronized, or are virtual machine templates."
        raise errors.not_allowed(f"{_MESSAGES}.library_not_synchronized", text, library.library)
    library.type, library.published = "LOCAL", True
    library.subscription, library.synchronized = None, None
    library.changed(call.now())


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Deletes an unused library, with everything in it."""
    library = _library(call)
    if library.usages:
        text = "The library '{0}' is in use by {1}."
        raise errors.not_allowed(
            f"{_MESSAGES}.library_in_use",
            text,
            library.library,
            ", ".join(usage.urn for usage in library.usages.values()),
        )
    _remove(call, library)


@operation(_SERVICE, "force_delete")
def force_delete(call: Call) -> None:
    """Deletes a library with everything in it, even if it is used."""
    _remove(call, _library(call))


def _remove(call: Call, library: Library) -> None:
    libraries = call.inventory.libraries
    items = libraries.items_of(library)
    if library.migrating:
        raise errors.not_allowed(
            f"{_MESSAGES}.library_migrating", "The library '{0}' is being migrated.", library.library
        )
    for item in items:
        require_not_checked_out(item)
    for item in items:
        remove_item(call.inventory, item)
    del libraries.libraries[library.library]
    call.inventory.removed("com.vmware.content.Library", library.library)


def _matches(call: Call, library: Library, spec: dict[str, Any]) -> bool:
    model = {"name": library.name.casefold(), "type": library.type, "storage_backing": storage_backing(library)}
    wanted = {**spec, **({"name": spec["name"].casefold()} if "name" in spec else {})}
    return all(model[name] == value for name, value in wanted.items())


def storage_backing(library: Library) -> dict[str, Any]:
    if library.storage_type == "DATASTORE":
        return {"type": "DATASTORE", "datastore_id": library.datastore}
    return {"type": library.storage_type, "storage_uri": f"nfs://files.example.com/{library.library}"}


def library_model(library: Library) -> dict[str, Any]:
    """A library as the services return it."""
    model: dict[str, Any] = {
        "id": library.library,
        "name": library.name,
        "description": library.description,
        "type": library.type,
        "creation_time": timestamp(library.created),
        "last_modified_time": timestamp(library.modified or library.created),
        "version": str(library.version),
        "server_guid": errors.INSTANCE_UUID,
        "storage_backings": [storage_backing(library)],
        "optimization_info": {"optimize_remote_publishing": False},
        "state_info": {"state": library.state},
        "configuration_info": {"apply_library_usage_to_items": library.usage_protects_items},
    }
    if library.state_message is not None:
        model["state_info"]["message"] = library.state_message
    if library.security_policy is not None:
        model["security_policy_id"] = library.security_policy
    if library.synchronized is not None:
        model["last_sync_time"] = timestamp(library.synchronized)
    if library.local:
        model["publish_info"] = {
            "authentication_method": library.authentication,
            "published": library.published,
            "publish_url": publish_url(library),
            "persist_json_enabled": library.persist_json,
        }
    elif library.subscription is not None:
        model["subscription_info"] = _subscription(library.subscription)
    return model


def _subscription(subscription: Subscription) -> dict[str, Any]:
    """A subscription as the services return it, without the password."""
    info = {
        "authentication_method": subscription.authentication,
        "automatic_sync_enabled": subscription.automatic,
        "on_demand": subscription.on_demand,
        "subscription_url": subscription.url,
        "user_name": subscription.user,
        "ssl_thumbprint": subscription.thumbprint,
    }
    return {name: value for name, value in info.items() if value is not None}
