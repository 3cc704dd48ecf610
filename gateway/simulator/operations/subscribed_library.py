"""com.vmware.content.subscribed_library: libraries that follow a published one."""

from gateway.simulator import errors
from gateway.simulator.client_tokens import once
from gateway.simulator.library import Library, Subscription
from gateway.simulator.library_creation import new_library
from gateway.simulator.operations import content_library
from gateway.simulator.registry import Call, Json, operation
from gateway.simulator.subscriptions import (
    THUMBPRINT,
    PublisherError,
    offers,
    require_complete,
    require_publisher,
    subscription_of,
    synchronize,
)

__all__ = ["create", "delete", "evict", "force_delete", "get", "list_", "probe", "sync", "update"]

_SERVICE = "com.vmware.content.subscribed_library"
_MESSAGES = "com.vmware.vdcs.cls-main"
# A publisher that was reached has shown its certificate, also if it rejects the rest.
_REACHED = ("SUCCESS", "RESOURCE_NOT_FOUND", "INVALID_CREDENTIALS", "CERTIFICATE_ERROR")


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """The identifiers of the subscribed libraries."""
    return [key for key, library in call.inventory.libraries.libraries.items() if not library.local]


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """One subscribed library."""
    return content_library.library_model(_library(call))


@operation(_SERVICE, "create")
def create(call: Call) -> Json:
    """Adds a library and starts to synchronize it; with a client token only once."""
    return once(call, lambda: _create(call).library)


def _create(call: Call) -> Library:
    library, info = new_library(call, "SUBSCRIBED"), call.spec.get("subscription_info")
    if info is not None:
        require_complete(info)
        library.subscription = subscription_of(info)
        require_publisher(call.inventory.libraries, library.subscription)
    call.inventory.libraries.libraries[library.library] = library
    synchronize(call, library)
    return library


@operation(_SERVICE, "update")
def update(call: Call) -> None:
    """Changes the attributes that both kinds of libraries have, and the subscription."""
    library, spec = _library(call), call.spec
    library.require_version(spec.get("version"))
    info, subscription = spec.get("subscription_info"), library.subscription
    if info is not None:
        subscription = subscription_of(info, subscription)
        if library.subscription is None or subscription.url != library.subscription.url:
            library.require_contents()
        require_publisher(call.inventory.libraries, subscription)
    content_library.update(call)
    library.subscription = subscription


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Deletes an unused subscribed library, with everything in it."""
    _library(call)
    content_library.delete(call)


@operation(_SERVICE, "force_delete")
def force_delete(call: Call) -> None:
    """Deletes a subscribed library, even if it is used or being migrated."""
    _library(call).migrating = False
    content_library.force_delete(call)


@operation(_SERVICE, "sync")
def sync(call: Call) -> None:
    """Starts to synchronize a library."""
    library = _library(call)
    library.require_contents()
    require_publisher(call.inventory.libraries, library.subscription or Subscription(""))
    synchronize(call, library)


@operation(_SERVICE, "evict")
def evict(call: Call) -> None:
    """Removes all files of a library that is synchronized on demand."""
    libraries, library = call.inventory.libraries, _library(call)
    library.require_contents()
    if library.subscription is None or not library.subscription.on_demand:
        text = "The library '{0}' is not synchronized on demand."
        raise errors.not_allowed(f"{_MESSAGES}.library_not_on_demand", text, library.library)
    for item in libraries.items_of(library):
        libraries.cache(item, cached=False)


@operation(_SERVICE, "probe")
def probe(call: Call) -> Json:
    """Whether a subscription would work."""
    subscription = subscription_of(call.spec["subscription_info"])
    status, messages = "SUCCESS", []
    try:
        offers(call.inventory.libraries, subscription)
    except PublisherError as failure:
        status, messages = failure.status, [failure.message.to_json()]
    result: dict[str, Json] = {"status": status, "error_messages": messages}
    if status in _REACHED and subscription.url.startswith("https:"):
        result["ssl_thumbprint"] = THUMBPRINT
    return result


def _library(call: Call) -> Library:
    library = call.inventory.libraries.library(call.path["library_id"])
    library.require_subscribed()
    return library
