"""Which machines have a tag. vCenter does not report changes of tags, so the gateway polls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable
from typing import Any

from gateway.calls import Call
from gateway.errors import GatewayError
from gateway.live.rest_calls import RestCalls

__all__ = ["TaggedMachines"]

_ATTACHED = "cis.tagging.v1.TagAssociationService/ListAttachedObjectsOnTags"
_MACHINE = "VirtualMachine"
_FRESH_SECONDS = 60.0


class TaggedMachines:
    """Polls once a minute for all watchers with one credential and the same tags."""

    def __init__(self, calls: RestCalls) -> None:
        self._calls = calls
        self._known: dict[Hashable, tuple[float, frozenset[str]]] = {}
        self._asking = asyncio.Lock()

    async def of(self, call: Call, tags: Any) -> frozenset[str]:
        """The machines with one of the tags, at most a minute old. Raises GatewayError if they were never read
        successfully."""
        wanted = frozenset(tags)
        key = (call.caller.credential.digest, wanted)
        async with self._asking:
            now = time.monotonic()
            known = self._known.get(key)
            if known is None or now >= known[0]:
                try:
                    found = await self._ask(call, wanted)
                except GatewayError:
                    if known is None:
                        raise
                    found = known[1]
                self._known = {each: value for each, value in self._known.items() if value[0] > now - _FRESH_SECONDS}
                known = self._known[key] = (now + _FRESH_SECONDS, found)
        return known[1]

    async def _ask(self, call: Call, tags: frozenset[str]) -> frozenset[str]:
        request = self._calls.new(_ATTACHED, tag_ids=sorted(tags))
        response = await self._calls.on_behalf_of(call, _ATTACHED, request)
        objects = (found for each in response.objects for found in each.object_ids)
        return frozenset(found.id for found in objects if found.type == _MACHINE)
