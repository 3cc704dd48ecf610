"""What published libraries offer, and how subscribed libraries follow them.

A subscribed library knows its publisher by URL. The publishers that respond are the published libraries of this vCenter
and the library in another vCenter that `mirror` follows. Virtual machine templates are not offered: vCenter copies
these only to subscribers that have a place for them.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from gateway.simulator import errors
from gateway.simulator.inventory import Inventory
from gateway.simulator.libraries import PUBLISHED, PUBLISHER, Libraries
from gateway.simulator.library import VM_TEMPLATE, Item, Library, Subscription
from gateway.simulator.registry import Call
from gateway.simulator.templates import remove_item

__all__ = [
    "THUMBPRINT",
    "PublisherError",
    "fetch",
    "offers",
    "publish",
    "publish_url",
    "require_complete",
    "require_publisher",
    "subscription_of",
    "synchronize",
    "synchronize_item",
]

THUMBPRINT = "7D:20:4E:B1:96:C3:58:0A:EF:41:2B:9C:D7:63:85:1E:F0:3A:B4:6C"
"""The thumbprint of the publishers' certificates."""

_MESSAGES = "com.vmware.vdcs.cls-main"
_HERE = "vcenter.vsphere.local"
_PATH, _FILE = "/cls/vcsp/lib/", "/lib.json"
_INVALID = ("INVALID_URL", "INVALID_CREDENTIALS", "CERTIFICATE_ERROR")
_FIELDS = {
    "subscription_url": "url",
    "authentication_method": "authentication",
    "user_name": "user",
    "password": "password",
    "ssl_thumbprint": "thumbprint",
    "automatic_sync_enabled": "automatic",
    "on_demand": "on_demand",
}
_REQUIRED = ("subscription_url", "authentication_method", "automatic_sync_enabled", "on_demand")


class PublisherError(Exception):
    """A subscription that does not work. `status` is one of those of a probe."""

    def __init__(self, status: str, text: str, *args: str) -> None:
        self.status = status
        self.message = errors.Message(f"{_MESSAGES}.subscription_{status.lower()}", text.format(*args), args)
        super().__init__(self.message.default_message)


def publish_url(library: Library) -> str:
    """The URL that subscribers of a library use."""
    return f"https://{_HERE}{_PATH}{library.library}{_FILE}"


def subscription_of(info: Mapping[str, Any], current: Subscription | None = None) -> Subscription:
    """The subscription that a request describes; what it omits remains as it is, or is empty."""
    values = {_FIELDS[name]: value for name, value in info.items() if name in _FIELDS and value is not None}
    return replace(current or Subscription(""), **values)


def require_complete(info: Mapping[str, Any]) -> None:
    """INVALID_ARGUMENT if the description of a new subscription lacks a field."""
    for name in _REQUIRED:
        if info.get(name) is None:
            text = "The field '{0}' of the subscription is missing."
            raise errors.invalid_argument(f"{_MESSAGES}.field_missing", text, name)


def offers(libraries: Libraries, subscription: Subscription) -> list[Item]:
    """The items that the publisher of a subscription offers. Raises `PublisherError`."""
    url = subscription.url
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise PublisherError("INVALID_URL", "The URL '{0}' is invalid.", url)
    if parts.hostname not in (_HERE, urlsplit(PUBLISHER).hostname):
        raise PublisherError("HOST_NOT_FOUND", "The host '{0}' cannot be found.", parts.hostname)
    if parts.scheme == "https" and subscription.thumbprint not in (None, "", THUMBPRINT):
        raise PublisherError("CERTIFICATE_ERROR", "The certificate of '{0}' has another thumbprint.", parts.hostname)
    if subscription.authentication == "BASIC" and not subscription.password:
        raise PublisherError("INVALID_CREDENTIALS", "The password is missing.")
    if url == PUBLISHER:
        return list(PUBLISHED)
    identifier = parts.path.removeprefix(_PATH).removesuffix(_FILE)
    library = libraries.libraries.get(identifier)
    if library is None or not library.published or url != publish_url(library):
        raise PublisherError("RESOURCE_NOT_FOUND", "There is no published library at '{0}'.", url)
    if library.authentication == "BASIC" and (
        subscription.authentication != "BASIC" or subscription.password != library.password
    ):
        raise PublisherError("INVALID_CREDENTIALS", "The publisher rejects the credentials.")
    return [item for item in libraries.items_of(library) if item.type != VM_TEMPLATE]


def require_publisher(libraries: Libraries, subscription: Subscription) -> None:
    """INVALID_ARGUMENT for an invalid subscription, RESOURCE_INACCESSIBLE for a publisher that does not respond."""
    try:
        offers(libraries, subscription)
    except PublisherError as failure:
        kind = "INVALID_ARGUMENT" if failure.status in _INVALID else "RESOURCE_INACCESSIBLE"
        raise errors.VapiError(kind, (failure.message,)) from None


def synchronize(call: Call, library: Library) -> None:
    """Starts to synchronize a library with its publisher, unless that is already happening."""
    if library.synchronizing or library.subscription is None:
        return
    library.synchronizing = True

    def release() -> None:
        library.synchronizing = False

    _start(call, lambda: _follow(call.inventory, library, call.now()), library, release=release)


def synchronize_item(call: Call, library: Library, item: Item, *, force: bool) -> None:
    """Starts to synchronize one item; with `force`, also the files of an item that is synchronized on demand."""

    def finish() -> None:
        offered = {source.item: source for source in _offers(call.inventory, library)}
        if item.item not in call.inventory.libraries.items:
            return
        if item.source not in offered:
            remove_item(call.inventory, item)
        else:
            _follow_item(call.inventory.libraries, library, offered[item.source], call.now(), force=force)

    _start(call, finish, library)


def publish(call: Call, library: Library, subscriptions: list[Mapping[str, str]] | None) -> None:
    """Tells the subscribers of a library, or some of them, to synchronize.

    INVALID_ARGUMENT for an unknown subscription, NOT_ALLOWED_IN_CURRENT_STATE if the library is not published.
    """
    chosen = [destination["subscription"] for destination in subscriptions or ()]
    for identifier in chosen:
        if identifier not in library.subscribers:
            text = "The library '{0}' has no subscription '{1}'."
            raise errors.invalid_argument(f"{_MESSAGES}.subscription_not_found", text, library.library, identifier)
    library.require_published()
    libraries = call.inventory.libraries.libraries
    for identifier in chosen or library.subscribers:
        subscriber = libraries.get(library.subscribers[identifier].library)
        if subscriber is not None:
            synchronize(call, subscriber)


def fetch(inventory: Inventory, item: Item) -> None:
    """Copies the files of an item that is synchronized on demand, if its publisher responds."""
    libraries = inventory.libraries
    subscription = libraries.library_of(item).subscription
    if not item.cached and subscription is not None and subscription.on_demand:
        with suppress(PublisherError):
            offers(libraries, subscription)
            _cache(libraries, item)


def _start(call: Call, work: Callable[[], None], library: Library, **more: Any) -> None:
    inventory = call.inventory
    target = ("com.vmware.content.Library", library.library)
    inventory.tasks.start(
        call.operation, call.user.name, call.now(), inventory.transition, work, target=target, cancelable=False, **more
    )


def _offers(inventory: Inventory, library: Library) -> list[Item]:
    """What the publisher of a library offers; an error of the vAPI runtime if it does not respond."""
    subscription = library.subscription
    if subscription is None:
        return []
    require_publisher(inventory.libraries, subscription)
    return offers(inventory.libraries, subscription)


def _follow(inventory: Inventory, library: Library, now: datetime) -> None:
    libraries = inventory.libraries
    if library.library not in libraries.libraries or library.subscription is None:
        return
    offered = {item.item: item for item in _offers(inventory, library)}
    for item in libraries.items_of(library):
        if item.source not in offered:
            remove_item(inventory, item)
    for source in offered.values():
        _follow_item(libraries, library, source, now)
    library.synchronized = now


def _follow_item(libraries: Libraries, library: Library, source: Item, now: datetime, *, force: bool = False) -> None:
    item = next((found for found in libraries.items_of(library) if found.source == source.item), None)
    is_new = item is None
    if item is None:
        item = libraries.add_item(library, source.name, source.type, now, source=source.item)
    item.name, item.description, item.type, item.package = source.name, source.description, source.type, source.package
    if is_new or item.content_version != source.content_version:
        # The content has the publisher's version, which replacing the files adds one to.
        item.content_version = source.content_version - 1
        libraries.replace_files(item, [replace(file, cached=False) for file in source.files.values()], now)
    if force or (library.subscription is not None and not library.subscription.on_demand):
        _cache(libraries, item)


def _cache(libraries: Libraries, item: Item) -> None:
    """Copies the files, unless there is not enough space."""
    datastore = libraries.datastore_of(libraries.library_of(item))
    missing = sum(file.size for file in item.files.values() if not file.cached)
    if datastore is not None and datastore.accessible and missing <= datastore.free:
        libraries.cache(item, cached=True)
