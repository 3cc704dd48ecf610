"""com.vmware.content.local_library: libraries that own their items, from creation to deletion."""

from typing import Any

from gateway.simulator import subscriptions
from gateway.simulator.client_tokens import once
from gateway.simulator.library import Library
from gateway.simulator.library_creation import new_library
from gateway.simulator.operations import content_library
from gateway.simulator.registry import Call, Json, operation

__all__ = ["create", "delete", "force_delete", "get", "list_", "publish", "update"]

_SERVICE = "com.vmware.content.local_library"


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
    library = new_library(call, "LOCAL")
    _publish(library, call.spec.get("publish_info") or {})
    call.inventory.libraries.libraries[library.library] = library
    return library


@operation(_SERVICE, "update")
def update(call: Call) -> None:
    """Changes the attributes that both kinds of libraries have, and the publication of the library."""
    library, spec = _library(call), call.spec
    library.require_version(spec.get("version"))
    content_library.update(call)
    _publish(library, spec.get("publish_info") or {})


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Deletes an unused local library, with everything in it."""
    _library(call)
    content_library.delete(call)


@operation(_SERVICE, "force_delete")
def force_delete(call: Call) -> None:
    """Deletes a local library, even if it is used."""
    _library(call)
    content_library.force_delete(call)


@operation(_SERVICE, "publish")
def publish(call: Call) -> None:
    """Tells subscribers to synchronize."""
    subscriptions.publish(call, _library(call), call.spec.get("subscriptions"))


def _library(call: Call) -> Library:
    library = call.inventory.libraries.library(call.path["library_id"])
    library.require_local()
    return library


def _publish(library: Library, info: dict[str, Any]) -> None:
    """Unset fields remain unchanged."""
    library.published = library.published if info.get("published") is None else info["published"]
    library.authentication = info.get("authentication_method") or library.authentication
    library.password = info.get("password") or library.password
    persists = info.get("persist_json_enabled")
    library.persist_json = library.persist_json if persists is None else persists
