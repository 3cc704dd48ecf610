"""`vcenter.gateway.v1.InventoryService`: inventories of any size, and search for machines."""

from __future__ import annotations

import contextlib
import ipaddress
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

from google.protobuf.message import Message
from google.rpc import code_pb2

from gateway.calls import Call
from gateway.contract import Contract
from gateway.errors import VCENTER_DOMAIN, Failure, GatewayError
from gateway.live.messages import Messages
from gateway.live.rest_calls import RestCalls
from gateway.live.serves import serves
from gateway.live.vm_watching import Selector
from gateway.live.vms.fields import VmFields
from gateway.live.vms.hubs import vim_is_usable
from gateway.live.vms.machine import Machine
from gateway.live.vms.places import Place, Places
from gateway.live.vms.poll_source import machine_of
from gateway.live.vms.responses import VmResponses
from gateway.live.vms.rest_inventory import RestInventory
from gateway.live.vms.vim_inventory import VimInventory
from gateway.transcoding.encoder import Violation
from gateway.vcenter.client import VCenter
from gateway.vim.values import Ref

__all__ = ["InventoryService"]

_DEFAULT_PAGE, _MAX_PAGE = 100, 1000
_TREE_TYPES = ("Folder", "Datacenter")
_FOLDER_KINDS = {
    "Datacenter": "DATACENTER_FOLDER",
    "VirtualMachine": "VM_FOLDER",
    "ComputeResource": "HOST_FOLDER",
    "Datastore": "DATASTORE_FOLDER",
    "Network": "NETWORK_FOLDER",
}
_AT_ONCE = 500


class InventoryService:
    """Serves its rpcs."""

    def __init__(
        self,
        contract: Contract,
        messages: Messages,
        vcenter: VCenter,
        calls: RestCalls,
        fields: VmFields,
        responses: VmResponses,
        selector: Selector,
    ) -> None:
        self._contract = contract
        self._messages = messages
        self._vcenter = vcenter
        self._calls = calls
        self._rest = RestInventory(calls)
        self._fields = fields
        self._responses = responses
        self._selector = selector

    @serves("vcenter.gateway.v1.InventoryService/StreamVms")
    async def stream_vms(self, call: Call) -> AsyncIterator[Message | bytes]:
        """All machines that match, in pages. Raises GatewayError."""
        request: Any = call.message
        size = request.page_size if request.HasField("page_size") else _DEFAULT_PAGE
        if not 1 <= size <= _MAX_PAGE:
            raise GatewayError(Failure.of_request([Violation("page_size", f"must be from 1 to {_MAX_PAGE:,}")]))
        fields = self._fields.of(request.fields)
        await self._vcenter.authenticate(call)
        is_vim = await vim_is_usable(self._vcenter, call)
        started = self._messages("StreamVmsStarted", source="SOURCE_VIM" if is_vim else "SOURCE_POLL")
        started.observed_at.GetCurrentTime()
        yield self._messages("StreamVmsResponse", started=started)
        count, problem = 0, ""
        waiting: list[Machine] = []
        async with contextlib.aclosing(self._pages(call, fields, is_vim=is_vim)) as pages:
            async for page in pages:
                if page is None:
                    problem = (
                        "vCenter's REST API cannot list all machines: one part has more than a single call can list"
                    )
                    continue
                waiting += page
                while len(waiting) >= size:
                    now, waiting = waiting[:size], waiting[size:]
                    count += size
                    yield self._responses.page(now, fields)
        if waiting:
            count += len(waiting)
            yield self._responses.page(waiting, fields)
        ended = self._messages("StreamVmsEnded", vms=count, complete=not problem)
        if problem:
            ended.problem = problem
        yield self._messages("StreamVmsResponse", ended=ended)

    @serves("vcenter.gateway.v1.InventoryService/FindVms")
    async def find_vms(self, call: Call) -> Any:
        """The machines with a UUID, an address, a DNS name or a path. Raises GatewayError."""
        request: Any = call.message
        fields = self._fields.of(request.fields)
        method, arguments = _search(request)
        await self._vcenter.authenticate(call)
        client = self._vcenter.vim.client(call.caller.credential, call)
        content = await client.content()
        found = await client.call(content["searchIndex"], method, arguments)
        refs = found if isinstance(found, list) else [found]
        vms = [ref for ref in refs if isinstance(ref, Ref) and ref.type == "VirtualMachine"]
        selection = await self._selector.select(call, self._messages("VmFilter", templates=True))
        machines = await self._inventory(call).machines(vms, selection, fields)
        state = self._messages.type("VmState")
        states = [state.FromString(self._fields.select(each.parts, fields)) for each in machines]
        return self._messages("FindVmsResponse", vms=states)

    @serves("vcenter.gateway.v1.InventoryService/GetInventoryTree")
    async def get_inventory_tree(self, call: Call) -> Any:
        """Folders and datacenters, each after its parent. Raises GatewayError."""
        request: Any = call.message
        await self._vcenter.authenticate(call)
        client = self._vcenter.vim.client(call.caller.credential, call)
        root: Ref = (await client.content())["rootFolder"]
        inventory = self._inventory(call)
        start = root
        if request.root:
            kind = "Datacenter" if request.root.startswith("datacenter") else "Folder"
            start = Ref(kind, request.root)
        places = await inventory.places(start, _TREE_TYPES)
        if start.value not in places:
            text = f"there is no folder or datacenter {request.root[:100]!r}, or these credentials may not see it"
            raise GatewayError(Failure(code_pb2.NOT_FOUND, "NOT_FOUND", text, domain=VCENTER_DOMAIN))
        above = await self._path_above(call, places, start) if start != root else ""
        folders = [Ref("Folder", node) for node, place in places if place.type == "Folder"]
        kinds: dict[str, str] = {}
        for first in range(0, len(folders), _AT_ONCE):
            for found in await client.properties(folders[first : first + _AT_ONCE], ["childType"]):
                kinds[found.obj.value] = _folder_kind(found.values.get("childType", ()))
        return self._messages("GetInventoryTreeResponse", nodes=self._nodes(places, start, above, kinds))

    async def _pages(self, call: Call, fields: int, *, is_vim: bool) -> AsyncGenerator[list[Machine] | None, None]:
        request: Any = call.message
        selection = await self._selector.select(call, request.filter, places_are_known=is_vim)
        if is_vim:
            async with contextlib.aclosing(self._inventory(call).pages(selection, fields)) as pages:
                async for page in pages:
                    yield page
            return
        seen: set[str] = set()

        async def ask(rpc: str, request: Any) -> Any:
            return await self._calls.on_behalf_of(call, rpc, request)

        async with contextlib.aclosing(self._rest.pages(ask, request.filter)) as summaries:
            async for summary in summaries:
                if summary is None:
                    yield None
                    continue
                new = [each for each in summary if each.vm not in seen]
                seen.update(each.vm for each in new)
                machines = (machine_of(each, self._fields) for each in new)
                yield [machine for machine in machines if selection.matches(machine)]

    def _inventory(self, call: Call) -> VimInventory:
        vim = self._vcenter.vim
        return VimInventory(vim, vim.client(call.caller.credential, call), self._contract, self._fields)

    async def _path_above(self, call: Call, places: Places, start: Ref) -> str:
        """The path of the parent of a tree's root."""
        client = self._vcenter.vim.client(call.caller.credential, call)
        place, names = places.get(start.value), []
        while place is not None and place.parent is not None:
            holder = place.parent
            found = await client.properties([holder], ["name", "parent"])
            if not found or not found[0].values:
                break  # The credentials may not see it.
            places.put(holder, found[0].values)
            place = places.get(holder.value)
            if place is not None and place.parent is not None:
                names.append(_escaped(place.name))
        return "".join(f"/{name}" for name in reversed(names))

    def _nodes(self, places: Places, start: Ref, above: str, kinds: dict[str, str]) -> Sequence[Any]:
        children: dict[str, list[str]] = {}
        for node, place in places:
            if place.parent is not None and node != start.value:
                children.setdefault(place.parent.value, []).append(node)
        nodes: list[Any] = []
        todo = [(start.value, above)]
        while todo:
            node, path_above = todo.pop()
            place = places.get(node) or Place("", "", None)
            path = path_above if place.parent is None else f"{path_above}/{_escaped(place.name)}"
            kind = "DATACENTER" if place.type == "Datacenter" else kinds.get(node, "UNSPECIFIED")
            message = self._messages(
                "InventoryNode", node=node, name=place.name, path=path or "/", type=f"INVENTORY_NODE_TYPE_{kind}"
            )
            if place.parent is not None:
                message.parent = place.parent.value
            nodes.append(message)
            todo += [(child, path) for child in sorted(children.get(node, ()), key=_name_in(places), reverse=True)]
        return nodes


def _search(request: Any) -> tuple[str, dict[str, Any]]:
    """The method of VIM's search index for a request, and its arguments. Raises GatewayError (INVALID_ARGUMENT)."""
    by = request.WhichOneof("by")
    if by is None or not getattr(request, by):
        raise GatewayError(Failure.of_request([Violation(by or "by", "is required: set one of its fields")]))
    value = getattr(request, by)
    if by == "ip_address":
        try:
            value = str(ipaddress.ip_address(value))
        except ValueError:
            raise GatewayError(Failure.of_request([Violation(by, "must be an IPv4 or IPv6 address")])) from None
    methods: dict[str, tuple[str, dict[str, Any]]] = {
        "bios_uuid": ("FindAllByUuid", {"uuid": value, "vmSearch": True, "instanceUuid": False}),
        "instance_uuid": ("FindAllByUuid", {"uuid": value, "vmSearch": True, "instanceUuid": True}),
        "ip_address": ("FindAllByIp", {"ip": value, "vmSearch": True}),
        "dns_name": ("FindAllByDnsName", {"dnsName": value, "vmSearch": True}),
        "inventory_path": ("FindByInventoryPath", {"inventoryPath": value}),
    }
    return methods[by]


def _folder_kind(child_types: Sequence[str]) -> str:
    return next((kind for of_type, kind in _FOLDER_KINDS.items() if of_type in child_types), "UNSPECIFIED")


def _escaped(name: str) -> str:
    return name.replace("%", "%25").replace("/", "%2f").replace("\\", "%5c")


def _name_in(places: Places) -> Any:
    def name(node: str) -> tuple[str, str]:
        place = places.get(node)
        return (place.name if place else "", node)

    return name
