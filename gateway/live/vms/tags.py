"""Which machines have a tag. vCenter does not report changes of tags, so the gateway polls."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable
from typing import Any
from weakref import WeakValueDictionary

from gateway.calls import Call
from gateway.errors import GatewayError
from gateway.live.rest_calls import RestCalls

__all__ = ["TaggedMachines"]

_ATTACHED = "cis.tagging.v1.TagAssociationService/ListAttachedObjectsOnTags"
_MACHINE = "VirtualMachine"
_FRESH_SECONDS = 60.0
_PATIENCE_SECONDS = 2.0
"""How long a stream waits for vCenter if it can continue with what was known before."""


class TaggedMachines:
    """Polls once a minute for all watchers with one credential and the same tags."""

    def __init__(self, calls: RestCalls) -> None:
        self._calls = calls
        self._known: dict[Hashable, tuple[float, frozenset[str]]] = {}
        self._asking: WeakValueDictionary[Hashable, asyncio.Lock] = WeakValueDictionary()

    async def of(self, call: Call, tags: Any) -> frozenset[str]:
        """The machines with one of the tags, at most a minute old if vCenter responds. Raises GatewayError if they were
        never read successfully."""
        wanted = frozenset(tags)
        key = (call.caller.credential.digest, wanted)
        before = self._known.get(key)
        if before is not None and time.monotonic() < before[0]:
            return before[1]
        # Watchers of other tags, or with other credentials, do not wait.
        lock = self._asking.setdefault(key, asyncio.Lock())
        try:
            async with asyncio.timeout(None if before is None else _PATIENCE_SECONDS), lock:
                known = self._known.get(key)
                if known is not None and known is not before:
                    return known[1]  # Another watcher has asked meanwhile.
                found = await self._ask(call, wanted)
        except (GatewayError, TimeoutError):
            if before is None:
                raise
            found = before[1]
        now = time.monotonic()
        self._known = {each: value for each, value in self._known.items() if value[0] > now - _FRESH_SECONDS}
        self._known[key] = (now + _FRESH_SECONDS, found)
        return found

    async def _ask(self, call: Call, tags: frozenset[str]) -> frozenset[str]:
        request = self._calls.new(_ATTACHED, tag_ids=sorted(tags))
        response = await self._calls.on_behalf_of(call, _ATTACHED, request)
        objects = (found for each in response.objects for found in each.object_ids)
        return frozenset(found.id for found in objects if found.type == _MACHINE)
