"""com.vmware.content.library.subscribed_item: the items of subscribed libraries."""

from gateway.simulator import errors
from gateway.simulator.library import Item, Library
from gateway.simulator.registry import Call, operation
from gateway.simulator.subscriptions import synchronize_item

__all__ = ["evict", "sync"]

_SERVICE = "com.vmware.content.library.subscribed_item"
_MESSAGES = "com.vmware.vdcs.cls-main"


@operation(_SERVICE, "evict")
def evict(call: Call) -> None:
    """Removes the files of an item that is synchronized on demand."""
    item, library = _item(call)
    if library.subscription is None or not library.subscription.on_demand:
        raise errors.of_type(
            "INVALID_ELEMENT_CONFIGURATION",
            f"{_MESSAGES}.library_not_on_demand",
            "The library '{0}' is not synchronized on demand.",
            library.library,
        )
    call.inventory.libraries.cache(item, cached=False)


@operation(_SERVICE, "sync")
def sync(call: Call) -> None:
    """Starts to synchronize an item; if its publisher has deleted it, it is deleted here too."""
    item, library = _item(call)
    synchronize_item(call, library, item, force=call.spec["force_sync_content"])


def _item(call: Call) -> tuple[Item, Library]:
    libraries = call.inventory.libraries
    item = libraries.item(call.path["library_item_id"])
    library = libraries.library_of(item)
    library.require_subscribed()
    library.require_contents()
    return item, library
