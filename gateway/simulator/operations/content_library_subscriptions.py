"""com.vmware.content.library.subscriptions: the subscribed libraries that a published library knows."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from gateway.simulator import errors
from gateway.simulator.client_tokens import once
from gateway.simulator.evc import PEERS
from gateway.simulator.library import Library, Subscriber, Subscription
from gateway.simulator.library_creation import new_library
from gateway.simulator.registry import Call, Json, operation
from gateway.simulator.subscriptions import publish_url, synchronize

__all__ = ["create", "delete", "get", "list_", "update"]

_SERVICE = "com.vmware.content.library.subscriptions"
_MESSAGES = "com.vmware.vdcs.cls-main"
_OTHERS = {urlsplit(url).hostname for url in PEERS}
_GUID_OF_OTHERS = "b81f4f0e-36c2-4b59-8f0a-7a95d2e4c613"
_PLACES = {
    "folder": "folders",
    "cluster": "clusters",
    "resource_pool": "resource_pools",
    "host": "hosts",
    "network": "networks",
}


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """The subscriptions of a library."""
    return [_summary(key, subscriber) for key, subscriber in _library(call).subscribers.items()]


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """One subscription."""
    subscriber = _subscriber(call, _library(call))
    info: dict[str, Any] = {
        "subscribed_library": subscriber.library,
        "subscribed_library_name": subscriber.name,
        "subscribed_library_location": "LOCAL" if subscriber.vcenter is None else "REMOTE",
        "subscribed_library_placement": dict(subscriber.placement),
    }
    if subscriber.vcenter is not None:
        info["subscribed_library_vcenter"] = {**subscriber.vcenter, "server_guid": _GUID_OF_OTHERS}
    return info


@operation(_SERVICE, "create")
def create(call: Call) -> Json:
    """Adds a subscription, and with it a subscribed library if none is named; with a client token only once."""
    library = _library(call)
    return once(call, lambda: _create(call, library))


def _create(call: Call, library: Library) -> str:
    libraries, spec = call.inventory.libraries, call.spec["subscribed_library"]
    placement = _placement(call, spec.get("placement"))
    vcenter = _vcenter(spec["vcenter"]) if spec["location"] == "REMOTE" else None
    identifier = spec.get("subscribed_library")
    if spec["target"] == "USE_EXISTING":
        # The other vCenter has no libraries of its own.
        existing = libraries.libraries.get(identifier) if vcenter is None else None
        if existing is None:
            text = "The library with identifier '{0}' does not exist."
            raise errors.of_type("NOT_FOUND", f"{_MESSAGES}.library_not_found", text, identifier)
        _require_subscriber(library, existing)
        subscriber = Subscriber(existing.library, existing.name, None, placement)
    else:
        subscribed = _new_library(call, library, spec["new_subscribed_library"], here=vcenter is None)
        subscriber = Subscriber(subscribed.library, subscribed.name, vcenter, placement)
    key = libraries.new_id()
    library.subscribers[key] = subscriber
    return key


@operation(_SERVICE, "update")
def update(call: Call) -> None:
    """Changes where the subscriber is, and where its machines are; the whole placement is replaced."""
    library = _library(call)
    subscriber = _subscriber(call, library)
    vcenter, placement = call.spec.get("subscribed_library_vcenter"), call.spec.get("subscribed_library_placement")
    if vcenter is not None:
        if subscriber.vcenter is None:
            text = "The library '{0}' is in this vCenter."
            raise errors.invalid_argument(f"{_MESSAGES}.subscriber_is_local", text, subscriber.library)
        known = {name: value for name, value in vcenter.items() if value is not None}
        subscriber = replace(subscriber, vcenter=_vcenter({**subscriber.vcenter, **known}))
    if placement is not None:
        subscriber = replace(subscriber, placement=_placement(call, placement))
    library.subscribers[call.path["subscription"]] = subscriber


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Removes a subscription; the subscribed library remains."""
    library = _library(call)
    _subscriber(call, library)
    del library.subscribers[call.path["subscription"]]


def _library(call: Call) -> Library:
    library = call.inventory.libraries.library(call.path["library"])
    library.require_local()
    library.require_published()
    return library


def _subscriber(call: Call, library: Library) -> Subscriber:
    identifier = call.path["subscription"]
    subscriber = library.subscribers.get(identifier)
    if subscriber is None:
        text = "The library '{0}' has no subscription '{1}'."
        raise errors.of_type("NOT_FOUND", f"{_MESSAGES}.subscription_not_found", text, library.library, identifier)
    return subscriber


def _summary(identifier: str, subscriber: Subscriber) -> dict[str, Any]:
    summary = {
        "subscription": identifier,
        "subscribed_library": subscriber.library,
        "subscribed_library_name": subscriber.name,
    }
    if subscriber.vcenter is not None:
        summary["subscribed_library_vcenter_hostname"] = subscriber.vcenter["hostname"]
    return summary


def _new_library(call: Call, publisher: Library, spec: Mapping[str, Any], *, here: bool) -> Library:
    """The new subscribed library; one in another vCenter is only known by name and identifier."""
    library = new_library(replace(call, body=spec), "SUBSCRIBED")
    if here:
        library.subscription = Subscription(
            publish_url(publisher),
            publisher.authentication,
            password=publisher.password,
            automatic=spec["automatic_sync_enabled"],
            on_demand=spec["on_demand"],
        )
        call.inventory.libraries.libraries[library.library] = library
        synchronize(call, library)
    return library


def _require_subscriber(publisher: Library, library: Library) -> None:
    if library.subscription is None or library.subscription.url != publish_url(publisher):
        text = "The library '{0}' is not subscribed to the library '{1}'."
        raise errors.invalid_argument(f"{_MESSAGES}.library_not_subscribed", text, library.library, publisher.library)
    if any(subscriber.library == library.library for subscriber in publisher.subscribers.values()):
        text = "The library '{0}' has a subscription already."
        raise errors.of_type("ALREADY_EXISTS", f"{_MESSAGES}.subscription_exists", text, library.library)


def _vcenter(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Another vCenter; RESOURCE_INACCESSIBLE if it does not respond."""
    if spec["hostname"] not in _OTHERS:
        raise errors.resource_inaccessible(
            f"{_MESSAGES}.vcenter_inaccessible", "The vCenter '{0}' cannot be accessed.", spec["hostname"]
        )
    return {name: spec[name] for name in ("hostname", "https_port") if spec.get(name) is not None}


def _placement(call: Call, spec: Mapping[str, Any] | None) -> dict[str, str]:
    """The places of a specification; INVALID_ARGUMENT for one that does not exist."""
    given = {name: value for name, value in (spec or {}).items() if value is not None}
    for name, identifier in given.items():
        if identifier not in getattr(call.inventory.places, _PLACES[name]):
            raise errors.invalid_argument(
                f"{_MESSAGES}.invalid_placement", "The {0} '{1}' does not exist.", name, identifier
            )
    return given
