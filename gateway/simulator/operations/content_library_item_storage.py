"""com.vmware.content.library.item.storage: where the files of library items are stored."""

from typing import Any

from gateway.simulator.library import VM_TEMPLATE, File, Item
from gateway.simulator.operations.content_library import storage_backing
from gateway.simulator.operations.content_library_item_file import file_info, find_file
from gateway.simulator.registry import Call, Json, operation

__all__ = ["get", "list_"]

_SERVICE = "com.vmware.content.library.item.storage"


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """All files of an item, each with its location."""
    item = call.inventory.libraries.item(call.path["library_item_id"])
    return [_info(call, item, file) for file in item.files.values()]


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """One file of an item; it has one location, but the result is a list."""
    item = call.inventory.libraries.item(call.path["library_item_id"])
    return [_info(call, item, find_file(item, call.query["file_name"][0]))]


def _info(call: Call, item: Item, file: File) -> dict[str, Any]:
    library = call.inventory.libraries.library_of(item)
    backing = storage_backing(library)
    path = f"contentlib-{item.library}/{item.item}/{file.name}"
    uri = f"{backing.get('storage_uri')}/{item.item}/{file.name}"
    template = call.inventory.machines.get(item.template or "") if item.type == VM_TEMPLATE else None
    if template is not None:
        # A template is stored where its machine is, not where the library has its files.
        path = f"{template.directory.partition('] ')[2]}/{file.name}"
        datastore = call.inventory.places.datastore_of(template.directory)
        if datastore is not None:
            backing = {"type": "DATASTORE", "datastore_id": datastore.datastore}
    if backing["type"] == "DATASTORE":
        uri = f"ds:///vmfs/volumes/{_volume(backing['datastore_id'])}/{path}"
    return {**file_info(item, file), "storage_backing": backing, "storage_uris": [uri] if file.cached else []}


def _volume(datastore: str) -> str:
    """The hosts' UUID of the datastore."""
    number = int(datastore.rpartition("-")[2])
    return f"65a4c1d2-{number:08x}-7f3e-005056{number:06x}"
