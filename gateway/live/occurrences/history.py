"""Reads vCenter's events by its event history collectors: forward from a moment, or back from one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from gateway.live.messages import Messages
from gateway.vim.client import Vim, VimClient
from gateway.vim.values import Data, Ref

__all__ = ["EventHistory", "Occurrence", "Place"]

_PAGE = 100
_MAX_PAGE = 1000
_OF_RESOURCES = {
    "host": ("host", "HostSystem"),
    "computeResource": ("computeResource", "ClusterComputeResource"),
    "datacenter": ("datacenter", "Datacenter"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the order of events something is."""

    key: int
    time: datetime


@dataclass(frozen=True, slots=True)
class Occurrence:
    """An event about a machine."""

    place: Place
    type: str
    """For instance `VmPoweredOnEvent`."""
    vm: str
    about: Mapping[str, Sequence[str]]
    """Identifiers of what it is about, by resource type."""
    message: Any
    """An `Event`."""


class EventHistory:
    """The events that one credential may see of everything below an object, the root folder by default."""

    def __init__(self, vim: Vim, client: VimClient, messages: Messages, below: Ref | None = None) -> None:
        self._vim = vim
        self._client = client
        self._messages = messages
        self._below = below

    async def newest(self) -> Place | None:
        """The newest event of any kind, None where there is none. Raises GatewayError."""
        collector = await self._collector()
        try:
            page = await self._latest(collector, 1)
        finally:
            self._destroy(collector)
        return max((_place(event) for event in page), key=lambda place: place.key, default=None)

    async def forward(self, since: Place | None) -> AsyncGenerator[list[Data], None]:
        """Events of any kind in their order, from the moment of `since` on, in pages. An empty page means that vCenter
        has no further event yet. Raises GatewayError."""
        collector = await self._collector(begin=since.time if since else None)
        try:
            while True:
                page: list[Data] = await self._client.call_own(collector, "ReadNextEvents", {"maxCount": _PAGE}) or []
                yield sorted(page, key=lambda event: int(event["key"]))
        finally:
            self._destroy(collector)

    async def back(self, begin: datetime | None, end: datetime | None) -> AsyncGenerator[list[Data], None]:
        """Events of any kind between two times, the newest first, in pages. Raises GatewayError."""
        collector = await self._collector(begin=begin, end=end)
        try:
            page = await self._latest(collector, _MAX_PAGE)
            yield _newest_first(page)
            if len(page) < _MAX_PAGE:
                return
            await self._client.call_own(collector, "ResetCollector")
            while page:
                page = await self._client.call_own(collector, "ReadPreviousEvents", {"maxCount": _MAX_PAGE}) or []
                yield _newest_first(page)
        finally:
            self._destroy(collector)

    def occurrence(self, event: Data) -> Occurrence | None:
        """What an event says of a machine, None where it is about none."""
        argument = event.get("vm")
        if argument is None or "vm" not in argument:
            return None
        vm: Ref = argument["vm"]
        of_type = event.get("eventTypeId") or event.type
        message = self._messages("Event", key=event["key"], type=of_type, vm=vm.value, vm_name=argument.get("name", ""))
        message.created.FromDatetime(event["createdTime"])
        for field, member in (("user", "userName"), ("message", "fullFormattedMessage"), ("chain", "chainId")):
            if event.get(member):
                setattr(message, field, event[member])
        about = {"VirtualMachine": (vm.value,)}
        for member, (reference, resource) in _OF_RESOURCES.items():
            found = (event.get(member) or {}).get(reference)
            if isinstance(found, Ref):
                about[resource] = (found.value,)
        if "HostSystem" in about:
            message.host = about["HostSystem"][0]
        return Occurrence(_place(event), of_type, vm.value, about, message)

    async def _collector(self, begin: datetime | None = None, end: datetime | None = None) -> Ref:
        content = await self._client.content()
        entity = Data("EventFilterSpecByEntity", entity=self._below or content["rootFolder"], recursion="all")
        spec = Data("EventFilterSpec", entity=entity)
        if begin is not None or end is not None:
            times = {"beginTime": begin, "endTime": end}
            spec["time"] = Data("EventFilterSpecByTime", **{name: time for name, time in times.items() if time})
        made: Ref = await self._client.call(content["eventManager"], "CreateCollectorForEvents", {"filter": spec})
        return made

    async def _latest(self, collector: Ref, size: int) -> list[Data]:
        await self._client.call_own(collector, "SetCollectorPageSize", {"maxCount": size})
        found = await self._client.properties([collector], ["latestPage"])
        if not found:
            raise self._client.session_ended()
        return [event for content in found for event in content.values.get("latestPage", [])]

    def _destroy(self, collector: Ref) -> None:
        self._vim.finish(self._client.call(collector, "DestroyCollector"))


def _place(event: Data) -> Place:
    return Place(event["key"], event["createdTime"])


def _newest_first(page: list[Data]) -> list[Data]:
    return sorted(page, key=lambda event: int(event["key"]), reverse=True)
