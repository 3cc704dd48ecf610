"""com.vmware.content.library.item: the items of content libraries."""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.simulator import errors, subscriptions
from gateway.simulator.client_tokens import once
from gateway.simulator.clock import timestamp
from gateway.simulator.library import VM_TEMPLATE, File, Item, Library, require_texts
from gateway.simulator.registry import Call, Json, operation
from gateway.simulator.templates import copy_template, machine_of, remove_item, require_not_checked_out

__all__ = ["copy", "create", "delete", "find", "get", "list_", "publish", "update"]

_SERVICE = "com.vmware.content.library.item"
_MESSAGES = "com.vmware.vdcs.cls-main"

# The attribute that each search criterion is compared with.
_CRITERIA: dict[str, Callable[[Item], Any]] = {
    "name": lambda item: item.name.casefold(),
    "library_id": lambda item: item.library,
    "source_id": lambda item: item.source,
    "type": lambda item: item.type.casefold(),
    "cached": lambda item: item.cached,
}
_ANY_CASE = ("name", "type")


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """The identifiers of the items of one library."""
    libraries = call.inventory.libraries
    return [item.item for item in libraries.items_of(libraries.library(call.query["library_id"][0]))]


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """One item."""
    return _model(_item(call))


@operation(_SERVICE, "find")
def find(call: Call) -> Json:
    """The items that match all criteria of the spec."""
    wanted = {
        name: value.casefold() if name in _ANY_CASE else value for name, value in call.spec.items() if value is not None
    }
    if not wanted:
        raise errors.invalid_argument(f"{_MESSAGES}.empty_find_spec", "The search has no criteria.")
    return [
        item.item
        for item in call.inventory.libraries.items.values()
        if all(_CRITERIA[name](item) == value for name, value in wanted.items())
    ]


@operation(_SERVICE, "create")
def create(call: Call) -> Json:
    """Adds an item without files to a local library; with a client token only once."""
    return once(call, lambda: _create(call).item)


def _create(call: Call) -> Item:
    libraries, spec = call.inventory.libraries, call.spec
    library, name = _target(call, spec)
    if libraries.is_named(library, name):
        raise errors.of_type("ALREADY_EXISTS", *_name_taken(library, name))
    return libraries.add_item(
        library,
        name,
        spec.get("type") or "",
        call.now(),
        description=spec.get("description") or "",
        source=spec.get("source_id"),
    )


@operation(_SERVICE, "copy")
def copy(call: Call) -> Json:
    """Adds an item to a local library, and starts to copy the files; with a client token only once."""
    source = call.inventory.libraries.item(call.path["source_library_item_id"])
    return once(call, lambda: _copy(call, source).item)


def _copy(call: Call, source: Item) -> Item:
    libraries, spec = call.inventory.libraries, call.spec
    target, name = _target(call, spec)
    if libraries.is_named(target, name):
        raise errors.invalid_argument(*_name_taken(target, name))
    libraries.library_of(source).require_contents()
    for library in (libraries.library_of(source), target):
        libraries.usable_datastore_of(library)
    if source.type == VM_TEMPLATE:
        machine_of(call.inventory, source)
    item = libraries.add_item(
        target,
        name,
        source.type,
        call.now(),
        description=source.description if spec.get("description") is None else spec["description"],
        source=source.source or source.item,
        package=source.package,
    )
    call.inventory.tasks.start(
        call.operation,
        call.user.name,
        call.now(),
        call.inventory.transition,
        lambda: _copy_contents(call, source, item),
        target=("com.vmware.content.library.Item", item.item),
        cancelable=False,
    )
    return item


def _copy_contents(call: Call, source: Item, item: Item) -> str:
    """Fills a copy; if that fails, removes it."""
    libraries = call.inventory.libraries
    libraries.item(item.item)
    try:
        if source.type == VM_TEMPLATE:
            copy_template(call.inventory, source, item)
        else:
            _copy_files(call, source, item)
    except errors.VapiError:
        libraries.remove_item(item)
        raise
    return item.item


def _copy_files(call: Call, source: Item, item: Item) -> None:
    libraries = call.inventory.libraries
    datastore = libraries.usable_datastore_of(libraries.library_of(item))
    if source.size > datastore.free:
        raise errors.unable_to_allocate(
            f"{_MESSAGES}.storage_full", "The datastore '{0}' has not enough free space.", datastore.datastore
        )
    libraries.add_files(item, [File(file.name, file.size, content=file.content) for file in source.files.values()])
    item.content_changed(call.now(), call.user.name)


@operation(_SERVICE, "update")
def update(call: Call) -> None:
    """Changes name, description and type; changes nothing if one of them is invalid."""
    libraries, item, spec = call.inventory.libraries, _item(call), call.spec
    library = libraries.library_of(item)
    library.require_local()
    require_texts(spec)
    if spec.get("version") not in (None, str(item.version)):
        raise errors.invalid_argument(
            f"{_MESSAGES}.library_item_version_mismatch",
            "The library item has version '{0}', not '{1}'.",
            str(item.version),
            spec["version"],
        )
    library.require_active()
    if library.persist_json:
        library.require_contents()
    name = spec.get("name") or item.name
    if name.casefold() != item.name.casefold() and libraries.is_named(library, name):
        raise errors.of_type("ALREADY_EXISTS", *_name_taken(library, name))
    item.name = name
    for field in ("description", "type"):
        if spec.get(field) is not None:
            setattr(item, field, spec[field])
    item.changed(call.now())


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Deletes an item of a local library, with its files and its machines."""
    libraries, item = call.inventory.libraries, _item(call)
    library = libraries.library_of(item)
    library.require_local()
    library.require_active()
    require_not_checked_out(item)
    if library.usage_protects_items and library.usages:
        text = "The library '{0}' of the item is in use."
        raise errors.not_allowed(f"{_MESSAGES}.library_in_use", text, library.library)
    remove_item(call.inventory, item)


@operation(_SERVICE, "publish")
def publish(call: Call) -> None:
    """Tells subscribers to synchronize; they synchronize the whole library."""
    library = call.inventory.libraries.library_of(_item(call))
    library.require_local()
    library.require_active()
    subscriptions.publish(call, library, call.spec.get("subscriptions"))


def _item(call: Call) -> Item:
    return call.inventory.libraries.item(call.path["library_item_id"])


def _target(call: Call, spec: Mapping[str, Any]) -> tuple[Library, str]:
    """The target library of a new item, and its name; both are required."""
    require_texts(spec)
    for field in ("name", "library_id"):
        if spec.get(field) is None:
            text = "The field '{0}' of the library item is missing."
            raise errors.invalid_argument(f"{_MESSAGES}.field_missing", text, field)
    library = call.inventory.libraries.library(spec["library_id"])
    library.require_local()
    library.require_active()
    library.require_contents()
    return library, spec["name"]


def _name_taken(library: Library, name: str) -> tuple[str, str, str, str]:
    """Message and arguments for a name that is taken by another item."""
    text = "The library '{0}' has an item of the name '{1}' already."
    message = f"{_MESSAGES}.duplicate_library_item_name_unsupported_in_library"
    return message, text, library.library, name


def _model(item: Item) -> dict[str, Any]:
    model: dict[str, Any] = {
        "id": item.item,
        "library_id": item.library,
        "name": item.name,
        "description": item.description,
        "type": item.type,
        "creation_time": timestamp(item.created),
        "last_modified_time": timestamp(item.modified or item.created),
        "content_version": str(item.content_version),
        "metadata_version": str(item.version),
        "version": str(item.version),
        "cached": item.cached,
        "size": item.size,
        "security_compliance": True,
    }
    if item.type == "ovf":
        model["certificate_verification_info"] = {"status": "NOT_AVAILABLE", "cert_chain": []}
    if item.source is not None:
        model["source_id"] = item.source
    return model
