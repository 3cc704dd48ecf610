"""com.vmware.content.library.item.changes: when and by whom the content of an item was changed."""

from gateway.simulator import errors
from gateway.simulator.clock import timestamp
from gateway.simulator.library import Change, Item
from gateway.simulator.registry import Call, Json, operation

__all__ = ["get", "list_"]

_SERVICE = "com.vmware.content.library.item.changes"
_SHORT = 80
_FIRST = "1"


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """All changes, oldest first, with the beginning of their messages."""
    return [
        {"version": change.version, **_facts(change, "short_message", _short(change.message))}
        for change in _changes(_item(call))
    ]


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """The change that led to one version."""
    item, version = _item(call), call.path["version"]
    for change in _changes(item):
        if change.version == version:
            return _facts(change, "message", change.message)
    text = "The library item '{0}' has no version '{1}'."
    raise errors.of_type("NOT_FOUND", "com.vmware.vdcs.cls-main.version_not_found", text, item.item, version)


def _item(call: Call) -> Item:
    return call.inventory.libraries.item(call.path["library_item"])


def _changes(item: Item) -> list[Change]:
    """The creation of an item made its first version, unless it has had content since then."""
    is_known = any(change.version == _FIRST for change in item.changes)
    return item.changes if is_known else [Change(_FIRST, item.created), *item.changes]


def _facts(change: Change, field: str, message: str | None) -> dict[str, Json]:
    facts = {"time": timestamp(change.time), "user": change.user, field: message}
    return {name: value for name, value in facts.items() if value is not None}


def _short(message: str | None) -> str | None:
    """The first line of a message, as far as it fits."""
    return None if message is None else message.lstrip("\n").partition("\n")[0][:_SHORT]
