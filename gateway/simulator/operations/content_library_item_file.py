"""com.vmware.content.library.item.file: the files of library items."""

import re
from typing import Any

from gateway.simulator import errors
from gateway.simulator.library import VM_TEMPLATE, File, Item
from gateway.simulator.registry import Call, Json, operation

__all__ = ["file_info", "find_file", "get", "list_"]

_SERVICE = "com.vmware.content.library.item.file"
_MESSAGES = "com.vmware.vdcs.cls-main"

# The file names that can be used in URLs.
_IN_URL = re.compile(r"[^\\%?#<>{}|^`\"]+")


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """All files of an item."""
    item = call.inventory.libraries.item(call.path["library_item_id"])
    return [_file(item, file) for file in item.files.values()]


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """One file of an item, by name."""
    item = call.inventory.libraries.item(call.path["library_item_id"])
    return _file(item, find_file(item, call.query["name"][0]))


def find_file(item: Item, name: str) -> File:
    """The file with that name; NOT_FOUND if it does not exist."""
    file = item.files.get(name)
    if file is None:
        text = "The library item '{0}' has no file '{1}'."
        raise errors.of_type("NOT_FOUND", f"{_MESSAGES}.library_item_file_not_found", text, item.item, name)
    return file


def _file(item: Item, file: File) -> dict[str, Any]:
    if not _IN_URL.fullmatch(file.name):
        text = "No URL can be made for the file '{0}'."
        raise errors.unsupported(f"{_MESSAGES}.file_name_unsupported", text, file.name)
    return file_info(item, file)


def file_info(item: Item, file: File) -> dict[str, Any]:
    """The attributes that the files and their storage have in common."""
    info: dict[str, Any] = {
        "name": file.name,
        "version": str(file.version),
        "cached": file.cached,
        "size": file.size if file.cached else 0,
    }
    if file.size:
        info["checksum_info"] = {"algorithm": "SHA256", "checksum": file.checksum}
    if file.cached and item.type != VM_TEMPLATE and _IN_URL.fullmatch(file.name):
        place = f"{item.library}/{item.item}/{file.name}?version={file.version}"
        info["file_download_endpoint"] = f"https://vcenter.vsphere.local/cls/static/{place}"
    return info
