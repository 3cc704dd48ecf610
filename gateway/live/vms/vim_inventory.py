"""Reads machines over VIM once, in pages: all of them, or given ones."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Iterable, Sequence
from typing import Any

from gateway.contract import Contract
from gateway.live.vms.fields import VmFields
from gateway.live.vms.machine import Machine
from gateway.live.vms.places import PLACE_TYPES, Places
from gateway.live.vms.properties import VmProperties
from gateway.live.vms.selection import Selection
from gateway.live.vms.vim_source import MACHINE, inventory_filter, inventory_view
from gateway.vim.client import Vim, VimClient
from gateway.vim.values import Data, ObjectContent, Ref

__all__ = ["VimInventory"]

_PAGE = 250
_MOST_NAMED = 1000
"""Up to this many machines are read individually; for more, all machines are read."""
_FIELD_MANAGER = "customFieldsManager"


class VimInventory:
    """The machines that one credential can see."""

    def __init__(self, vim: Vim, client: VimClient, contract: Contract, fields: VmFields) -> None:
        self._vim = vim
        self._client = client
        self._contract = contract
        self._fields = fields
        self._properties = VmProperties(contract, fields)

    async def pages(self, selection: Selection, fields: int) -> AsyncGenerator[list[Machine], None]:
        """The machines of a selection with these fields, in pages as vCenter sends them. Raises GatewayError; never
        leaves machines out because the connection to vCenter was lost."""
        places = await self._places_for(selection, fields)
        attributes = await self._attributes(fields)
        paths = self._properties.paths(fields)
        async with contextlib.aclosing(self._contents(selection, paths)) as pages:
            async for page in pages:
                machines = (self._machine(content, places, attributes) for content in page)
                yield [machine for machine in machines if selection.matches(machine)]

    async def machines(self, refs: Sequence[Ref], selection: Selection, fields: int) -> list[Machine]:
        """The given machines of a selection. Those that no longer exist are left out. Raises GatewayError."""
        if not refs:
            return []
        places = await self._places_for(selection, fields)
        attributes = await self._attributes(fields)
        found = await self._client.properties(refs, self._properties.paths(fields))
        machines = (self._machine(content, places, attributes) for content in found if content.values)
        return [machine for machine in machines if selection.matches(machine)]

    async def places(self, root: Ref | None = None, types: Sequence[str] = PLACE_TYPES) -> Places:
        """A folder or datacenter, the root folder by default, and all places below it. Raises GatewayError."""
        places = Places(self._contract)
        content = await self._client.content()
        start = root or content["rootFolder"]
        for found in await self._client.properties([start], ["name", "parent"]):
            if found.values:
                places.put(found.obj, found.values)
        view = await inventory_view(self._client, content, types, root)
        try:
            async with contextlib.aclosing(self._client.retrieve([inventory_filter(view, {})])) as pages:
                async for page in pages:
                    for found in page:
                        places.put(found.obj, found.values)
        finally:
            self._vim.finish(self._client.call(view, "DestroyView"))
        return places

    async def _places_for(self, selection: Selection, fields: int) -> Places:
        """The places, if they are requested or decide which machines are visible."""
        needs_places = fields & self._fields.named(["placement"]) & ~1 or selection.holders
        return await self.places() if needs_places or not selection.scope.is_unlimited else Places(self._contract)

    async def _attributes(self, fields: int) -> dict[int, str]:
        """The names of custom attributes by their keys, if they are requested."""
        if not fields & self._fields.named(["custom_attributes"]) & ~1:
            return {}
        manager: Ref | None = (await self._client.content()).get(_FIELD_MANAGER)
        found = await self._client.properties([manager], ["field"]) if manager is not None else []
        definitions: Iterable[Data] = (each for content in found for each in content.values.get("field", ()))
        return {each["key"]: each.get("name", "") for each in definitions}

    async def _contents(
        self, selection: Selection, paths: Sequence[str]
    ) -> AsyncGenerator[Iterable[ObjectContent], None]:
        if selection.vms is not None and len(selection.vms) <= _MOST_NAMED:
            named = [Ref(MACHINE, vm) for vm in sorted(selection.vms)]
            for start in range(0, len(named), _PAGE):
                found = await self._client.properties(named[start : start + _PAGE], paths)
                yield [content for content in found if content.values]
            return
        content = await self._client.content()
        view = await inventory_view(self._client, content, [MACHINE])
        try:
            filters = [inventory_filter(view, {MACHINE: paths})]
            async with contextlib.aclosing(self._client.retrieve(filters, page_size=_PAGE)) as pages:
                async for page in pages:
                    yield page
        finally:
            self._vim.finish(self._client.call(view, "DestroyView"))

    def _machine(self, content: ObjectContent, places: Places, attributes: Any) -> Machine:
        draft = self._properties.draft(content.obj.value)
        self._properties.update(draft, content.values)
        return self._properties.machine(draft, places, attributes)
