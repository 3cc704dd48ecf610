"""Screenshots of a machine.

vCenter writes the image to a file on the machine's datastore and leaves it there. The gateway reads and removes it,
whatever happens in between.
"""

from __future__ import annotations

import re
from logging import getLogger
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote, urlencode

from gateway.calls import Call
from gateway.errors import Failure, GatewayError, Reason
from gateway.live.endings import afterwards
from gateway.live.vim_objects import Opened, finished, machine, read
from gateway.vim import Ref

if TYPE_CHECKING:
    from gateway.vim.client import VimClient

__all__ = ["Screenshot", "take_screenshot"]

_ON_DATASTORE = re.compile(r"\[(?P<datastore>[^\]]+)\] ?(?P<path>.+)", re.DOTALL)
_MAX_DEPTH = 64
"""Maximum number of folders above a datastore."""
_OPERATION = "vim.VirtualMachine.CreateScreenshot_Task"
_REMOVAL = "vim.FileManager.DeleteDatastoreFile_Task"

_log = getLogger(__name__)


class Screenshot(NamedTuple):
    """A picture in PNG format."""

    png: bytes
    left_over: str | None
    """The file on the datastore, if it could not be removed."""


async def take_screenshot(vim: Opened, call: Call, vm: str) -> Screenshot:
    """Takes a screenshot of a machine. Do not cancel it, because the file would stay. Raises GatewayError."""
    client = vim(call)
    task = await client.call(machine(vm), "CreateScreenshot_Task")
    file = await finished(client, call, task, _OPERATION)
    found = _ON_DATASTORE.fullmatch(file) if isinstance(file, str) else None
    if found is None:
        text = "vCenter did not report where it stored the screenshot"
        raise GatewayError(Failure.of(Reason.VCENTER_RESPONSE_INVALID, text, metadata={"operation": _OPERATION}))
    datacenter: Ref | None = None
    try:
        datacenter, inventory_path = await _datacenter(client, vm, found["datastore"])
        query = urlencode({"dcPath": inventory_path, "dsName": found["datastore"]}, quote_via=quote)
        png = await client.file(f"/folder/{quote(found['path'])}?{query}")
    finally:
        is_removed = await _remove(vim, afterwards(call), file, datacenter)
    return Screenshot(png, None if is_removed else file)


async def _remove(vim: Opened, call: Call, file: str, datacenter: Ref | None) -> bool:
    """Whether the file is gone."""
    client = vim(call)
    try:
        manager = (await client.content())["fileManager"]
        arguments = {"name": file} if datacenter is None else {"name": file, "datacenter": datacenter}
        task = await client.call(manager, "DeleteDatastoreFile_Task", arguments)
        await finished(client, call, task, _REMOVAL)
    except GatewayError as error:
        _log.warning("a screenshot was left on the datastore, request %s: %s", call.request_id, error)
        return False
    return True


async def _datacenter(client: VimClient, vm: str, datastore: str) -> tuple[Ref, str]:
    """The datacenter of one of the machine's datastores, and its path in the inventory."""
    stores = (await read(client, machine(vm), "datastore")).get("datastore", [])
    for content in await client.properties(stores, ["name", "parent"]) if stores else ():
        if content.values.get("name") == datastore:
            return await _above(client, content.values.get("parent"))
    text = "the machine has no datastore with the name that vCenter reported for the screenshot"
    raise GatewayError(Failure.of(Reason.VCENTER_RESPONSE_INVALID, text, metadata={"operation": _OPERATION}))


async def _above(client: VimClient, obj: Ref | None) -> tuple[Ref, str]:
    """The datacenter that an object is in, and its path."""
    datacenter: Ref | None = None
    names: list[str] = []
    for _ in range(_MAX_DEPTH):
        if obj is None:
            break
        values = await read(client, obj, "name", "parent")
        if obj.type == "Datacenter":
            datacenter = obj
        # The root folder has a name, but is not part of paths.
        if datacenter is not None and values.get("parent") is not None:
            names.insert(0, values["name"])
        obj = values.get("parent")
    if datacenter is None:
        text = "the machine's datastore does not belong to a datacenter"
        raise GatewayError(Failure.of(Reason.VCENTER_RESPONSE_INVALID, text, metadata={"operation": _OPERATION}))
    return datacenter, "/".join(names)
