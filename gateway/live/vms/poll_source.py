"""Machines by polling vCenter's REST API if VIM cannot be used: once per period, with the fields of the REST list."""

from __future__ import annotations

import asyncio
import random
from typing import Any

from google.rpc import code_pb2

from gateway.calls.credential import Credential
from gateway.errors import Failure, GatewayError, Reason
from gateway.live.rest_calls import RestCalls
from gateway.live.vms.fields import VmFields
from gateway.live.vms.hub import Hub
from gateway.live.vms.machine import Machine
from gateway.live.vms.rest_inventory import RestInventory
from gateway.live.wire import number, text

__all__ = ["PollSource", "machine_of"]

_HOPELESS = frozenset({code_pb2.UNAUTHENTICATED, code_pb2.PERMISSION_DENIED, code_pb2.NOT_FOUND})
_JITTER = 0.1


class PollSource:
    """The machines that a credential can see in certain places."""

    name = "SOURCE_POLL"

    def __init__(
        self,
        calls: RestCalls,
        credential: Credential,
        places: Any,
        fields: VmFields,
        period: float,
    ) -> None:
        self._inventory = RestInventory(calls)
        self._ask = lambda rpc, request: calls.with_credential(credential, rpc, request)
        self._places = places
        self._fields = fields
        self.period: float | None = period
        self._seconds = period

    async def run(self, hub: Hub) -> None:
        """Polls repeatedly. Raises GatewayError if vCenter rejects the credential, or does not know the place."""
        while True:
            try:
                await self._look(hub)
            except GatewayError as error:
                if error.failure.code in _HOPELESS:
                    raise
                hub.lose(error.failure)
            # A rollout starts all replicas at the same time. Jitter spreads their polls.
            await asyncio.sleep(self._seconds * random.uniform(1 - _JITTER, 1 + _JITTER))  # noqa: S311 - no secret

    async def _look(self, hub: Hub) -> None:
        seen: set[str] = set()
        is_complete = True
        async for page in self._inventory.pages(self._ask, self._places):
            hub.heard()
            if page is None:
                is_complete = False
            for summary in page or ():
                seen.add(summary.vm)
                hub.put(summary.vm, machine_of(summary, self._fields))
        if not is_complete:
            text = "vCenter's REST API cannot list all machines: one part has more than a single call can list"
            raise GatewayError(Failure.of(Reason.VCENTER_RESPONSE_TOO_LARGE, text))
        for vm in set(hub.history.newest_ids()) - seen:
            hub.put(vm, None)
        hub.synced()


def machine_of(summary: Any, fields: VmFields) -> Machine:
    """A machine from an entry of the list of machines."""
    parts = [b""] * len(fields.names)

    def put(name: str, encode: Any, value: Any) -> None:
        index = fields.index[name]
        parts[index] = encode(fields.numbers[index], value)

    put("vm", text, summary.vm)
    if summary.HasField("name"):
        put("name", text, summary.name)
    if summary.HasField("power_state"):
        put("power_state", number, summary.power_state)
    if summary.HasField("cpu_count"):
        put("cpu_count", number, summary.cpu_count)
    if summary.HasField("memory_size_mib"):
        put("memory_size_mib", number, summary.memory_size_mib)
    return Machine(summary.vm, tuple(parts), summary.name, summary.power_state)
