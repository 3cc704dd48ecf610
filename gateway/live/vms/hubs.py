"""The hubs of one process: one for each credential that is used for watching, and never one for two credentials.

A hub knows what vCenter shows to its credential. A hub stays for a while after its last watcher leaves, so that a
watcher that comes back with a resume token finds the history.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Hashable
from dataclasses import dataclass
from typing import Any

from gateway.calls import Call
from gateway.contract import Contract
from gateway.errors import Failure, GatewayError, Reason
from gateway.live.rest_calls import RestCalls
from gateway.live.vms.fields import VmFields
from gateway.live.vms.hub import Hub
from gateway.live.vms.poll_source import PollSource
from gateway.live.vms.responses import VmResponses
from gateway.live.vms.rest_inventory import places_in
from gateway.live.vms.vim_source import MACHINE, VimSource
from gateway.settings.live import LiveSettings
from gateway.vcenter.client import VCenter
from gateway.vcenter.retry import TOO_MANY_STREAMS_SECONDS
from gateway.vim.values import Ref

__all__ = ["HubLimits", "Hubs", "vim_is_usable"]

_LIST_VMS = "vcenter.v1.VmService/ListVms"
_DEFAULTS = LiveSettings()
_NOT_SERVED = frozenset({"HTTP_404", "HTTP_405", "HTTP_501"})


@dataclass(frozen=True, slots=True)
class HubLimits:
    """How many hubs there may be, how often they poll, and how long they stay without a watcher. Times are in
    seconds."""

    max_hubs: int = _DEFAULTS.max_hubs
    poll_seconds: float = _DEFAULTS.poll_seconds
    linger: float = 60.0


async def vim_is_usable(vcenter: VCenter, call: Call) -> bool:
    """Whether the VIM API accepts the credential of a call. Raises GatewayError if that cannot be determined."""
    credential = call.caller.credential
    try:
        await vcenter.vim.release()
        vcenter.vim.session_pool(credential)
        await vcenter.vim.client(credential).content()
    except GatewayError as error:
        if error.failure.reason == Reason.VCENTER_TOO_OLD or error.failure.reason in _NOT_SERVED:
            return False
        raise
    return True


class Hubs:
    """Used by one event loop."""

    def __init__(
        self,
        vcenter: VCenter,
        contract: Contract,
        fields: VmFields,
        calls: RestCalls,
        limits: HubLimits,
    ) -> None:
        self._vcenter = vcenter
        self._contract = contract
        self._fields = fields
        self._responses = VmResponses(contract, fields)
        self._calls = calls
        self._limits = limits
        self._hubs: dict[Hashable, Hub] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._hubs)

    @contextlib.asynccontextmanager
    async def using(self, call: Call, filter: Any = None) -> AsyncIterator[Hub]:  # noqa: A002 - the API's word
        """The hub of a call's credential, started if necessary, and kept as long as it is used. `filter` is the
        watcher's VmFilter: where machines are polled, machines in different places are polled separately.

        Raises GatewayError (RESOURCE_EXHAUSTED) if there are too many hubs.
        """
        with (await self._get(call, filter)).used() as hub:
            yield hub

    async def _get(self, call: Call, filter: Any) -> Hub:  # noqa: A002
        await self._vcenter.authenticate(call)
        is_vim = await vim_is_usable(self._vcenter, call)
        credential = call.caller.credential
        places = places_in(self._contract, None if is_vim else filter)
        within = places.SerializeToString(deterministic=True)
        key = (type(credential), credential.digest, is_vim, within)
        hub = self._hubs.get(key)
        if hub is not None and hub.failure is None:
            return hub
        self._make_room()
        if is_vim:
            hub = Hub(VimSource(self._vcenter, credential, self._contract, self._fields), self._responses)
        else:
            source = PollSource(self._calls, credential, places, self._fields, self._limits.poll_seconds)
            hub = Hub(source, self._responses)
        self._hubs[key] = hub
        hub.start()
        self._sweep_later()
        return hub

    async def has_machine(self, call: Call, vm: str) -> bool:
        """Whether vCenter currently has a machine. Raises GatewayError."""
        if not await vim_is_usable(self._vcenter, call):
            request = self._calls.new(_LIST_VMS, vms=[vm])
            return bool((await self._calls.on_behalf_of(call, _LIST_VMS, request)).vms)
        client = self._vcenter.vim.client(call.caller.credential)
        return any(found.values for found in await client.properties([Ref(MACHINE, vm)], ["name"]))

    async def close(self, failure: Failure) -> None:
        """Ends all hubs, and fails their watchers with `failure`."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        hubs = list(self._hubs.values())
        self._hubs.clear()
        await asyncio.gather(*(hub.close(failure) for hub in hubs), *self._closing)

    def _make_room(self) -> None:
        """Ends hubs that are unused. Raises GatewayError if all are in use."""
        self._sweep(linger=self._limits.linger)
        if len(self._hubs) < self._limits.max_hubs:
            return
        idle = [(hub.idle_since, key) for key, hub in self._hubs.items() if hub.idle_since is not None]
        if not idle:
            text = f"the gateway watches vCenter with {len(self._hubs)} credentials, which is the limit"
            raise GatewayError(Failure.of(Reason.TOO_MANY_STREAMS, text, retry_delay=TOO_MANY_STREAMS_SECONDS))
        self._end(min(idle, key=lambda each: each[0])[1])

    def _sweep_later(self) -> None:
        if self._sweeper is None and self._hubs:
            self._sweeper = asyncio.get_running_loop().call_later(self._limits.linger / 4, self._swept)

    def _swept(self) -> None:
        self._sweeper = None
        self._sweep(linger=self._limits.linger)
        self._sweep_later()

    def _sweep(self, *, linger: float) -> None:
        """Ends hubs that have been unused for too long, and forgets those that have ended."""
        before = time.monotonic() - linger
        for key, hub in list(self._hubs.items()):
            if hub.failure is not None or (hub.idle_since is not None and hub.idle_since <= before):
                self._end(key)

    def _end(self, key: Hashable) -> None:
        hub = self._hubs.pop(key)
        failure = Failure.of(
            Reason.OVERLOADED, "the watch was ended to make room", retry_delay=TOO_MANY_STREAMS_SECONDS
        )
        task = asyncio.ensure_future(hub.close(failure))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
