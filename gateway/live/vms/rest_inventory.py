"""All machines over REST, whatever their number.

vCenter refuses to list more than 4,000 machines. A refused list is split: into parts of its longest filter, or by
datacenter, host, folder and power state, until no part is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from typing import Any

from gateway.contract import Contract
from gateway.errors import VCENTER_DOMAIN, GatewayError
from gateway.live.rest_calls import RestCalls

__all__ = ["Ask", "RestInventory", "places_in"]

Ask = Callable[[str, Any], Awaitable[Any]]
"""Calls an rpc with a request; returns its response."""

_LIST_VMS = "vcenter.v1.VmService/ListVms"
_LIST_DATACENTERS = "vcenter.v1.DatacenterService/ListDatacenters"
_LIST_HOSTS = "vcenter.v1.HostService/ListHosts"
_LIST_FOLDERS = "vcenter.v1.FolderService/ListFolders"
_LIST_POOLS = "vcenter.v1.ResourcePoolService/ListResourcePools"
_PLACES = ("folders", "datacenters", "hosts", "clusters", "resource_pools")
_LISTS = ("vms", "names", *_PLACES)
_POWER_STATES = ("POWER_STATE_POWERED_ON", "POWER_STATE_POWERED_OFF", "POWER_STATE_SUSPENDED")
_TOO_MANY = "UNABLE_TO_ALLOCATE_RESOURCE"
_MAX_VALUES = 100
"""Maximum number of values of one filter in a request: they must fit into a URL."""
_AT_ONCE = 4
_MAX_DEPTH = 64


def places_in(contract: Contract, filter: Any) -> Any:  # noqa: A002 - the API's word
    """A VmFilter with only the places of another one; None means a filter without places."""
    places: Any = contract.message_class("vcenter.gateway.v1.VmFilter")()
    for name in _PLACES if filter is not None else ():
        getattr(places, name).extend(sorted(set(getattr(filter, name))))
    return places


class RestInventory:
    """Reads machines over REST."""

    def __init__(self, calls: RestCalls) -> None:
        self._calls = calls

    async def pages(self, ask: Ask, filter: Any) -> AsyncGenerator[list[Any] | None, None]:  # noqa: A002
        """The `VmSummary` of all machines that match a VmFilter, ignoring its tags; None for a part that cannot be
        read.

        Machines that move during the read may occur twice, or not at all. Raises GatewayError.
        """
        states = filter.DESCRIPTOR.fields_by_name["power_states"].enum_type.values_by_number
        wanted = [states[value].name for value in filter.power_states if value in states]
        request = self._calls.new(_LIST_VMS, power_states=wanted)
        for name in _LISTS:
            getattr(request, name).extend(getattr(filter, name))
        if request.folders:
            await self._with_inner(ask, request.folders, _LIST_FOLDERS, "parent_folders", "folders", "folder")
        if request.resource_pools:
            await self._with_inner(
                ask, request.resource_pools, _LIST_POOLS, "parent_resource_pools", "resource_pools", "resource_pool"
            )
        waiting = [request]
        while waiting:
            now, waiting = waiting[:_AT_ONCE], waiting[_AT_ONCE:]
            found = await asyncio.gather(*(self._read(ask, each) for each in now))
            for each, machines in zip(now, found, strict=True):
                if machines is not None:
                    yield machines
                elif parts := await self._split(ask, each):
                    waiting = parts + waiting
                else:
                    yield None

    async def _read(self, ask: Ask, request: Any) -> list[Any] | None:
        """The machines of a list; None if it must be split."""
        if any(len(getattr(request, name)) > _MAX_VALUES for name in _LISTS):
            return None
        return await _unless_too_many(ask, _LIST_VMS, request, "vms")

    async def _split(self, ask: Ask, request: Any) -> list[Any]:
        """Requests that together select what one request selects, empty if it cannot be split."""
        longest = max(_LISTS, key=lambda name: len(getattr(request, name)))
        values = list(getattr(request, longest))
        if len(values) > 1:
            return [_with(request, longest, part) for part in _parts(values)]
        for name, values_of in (
            ("datacenters", self._datacenters),
            ("hosts", self._hosts),
            ("folders", self._folders),
        ):
            if not getattr(request, name):
                found = await values_of(ask, request)
                if len(found) > 1:
                    return [_with(request, name, part) for part in _parts(found)]
        if not request.power_states:
            return [_with(request, "power_states", [state]) for state in _POWER_STATES]
        return []

    async def _datacenters(self, ask: Ask, request: Any) -> list[str]:
        if request.hosts or request.clusters or request.folders or request.resource_pools:
            return []
        found = await _unless_too_many(ask, _LIST_DATACENTERS, self._calls.new(_LIST_DATACENTERS), "datacenters")
        return [each.datacenter for each in found or ()]

    async def _hosts(self, ask: Ask, request: Any) -> list[str]:
        wanted = self._calls.new(_LIST_HOSTS, datacenters=request.datacenters, clusters=request.clusters)
        return [each.host for each in await _unless_too_many(ask, _LIST_HOSTS, wanted, "hosts") or ()]

    async def _folders(self, ask: Ask, request: Any) -> list[str]:
        wanted = self._calls.new(_LIST_FOLDERS, datacenters=request.datacenters, type="VIRTUAL_MACHINE")
        return [each.folder for each in await _unless_too_many(ask, _LIST_FOLDERS, wanted, "folders") or ()]

    async def _with_inner(self, ask: Ask, found: Any, rpc: str, parents: str, result: str, identifier: str) -> None:
        """Adds what is nested in folders or resource pools, because the list of machines looks only at the outermost
        ones."""
        known, todo = set(found), list(found)
        for _ in range(_MAX_DEPTH):
            if not todo:
                return
            inner: list[str] = []
            for part in _parts(todo) if len(todo) > 1 else [todo]:
                response = await ask(rpc, self._calls.new(rpc, **{parents: part}))
                inner += [getattr(each, identifier) for each in getattr(response, result)]
            todo = [each for each in inner if each not in known]
            known.update(todo)
            found.extend(todo)


async def _unless_too_many(ask: Ask, rpc: str, request: Any, result: str) -> list[Any] | None:
    """The result of a list; None if vCenter refuses it because it is too long."""
    try:
        response = await ask(rpc, request)
    except GatewayError as error:
        if error.failure.reason == _TOO_MANY and error.failure.domain == VCENTER_DOMAIN:
            return None
        raise
    return list(getattr(response, result))


def _with(request: Any, name: str, values: Iterable[str]) -> Any:
    part = type(request)()
    part.CopyFrom(request)
    part.ClearField(name)
    getattr(part, name).extend(values)
    return part


def _parts(values: list[str]) -> list[list[str]]:
    """At least two parts, none of which has too many values for one request."""
    size = min(_MAX_VALUES, -(-len(values) // 2))
    return [values[start : start + size] for start in range(0, len(values), size)]
