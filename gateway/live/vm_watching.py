"""`WatchVms` and `WaitForVm` of `vcenter.gateway.v1.WatchService`: machines, and their changes as they happen."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import math
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from typing import Any

from google.protobuf.message import Message

from gateway.access.scope import Scope
from gateway.calls import Call
from gateway.errors import Failure, GatewayError, Reason
from gateway.live.conditions import Condition, condition_of
from gateway.live.heartbeat import heartbeat_seconds, seconds_in
from gateway.live.messages import Messages
from gateway.live.serves import serves
from gateway.live.vms.audience import Batch, Watcher
from gateway.live.vms.fields import VmFields
from gateway.live.vms.hub import Hub
from gateway.live.vms.hubs import Hubs
from gateway.live.vms.responses import VmResponses
from gateway.live.vms.selection import Selection, select
from gateway.live.vms.tags import TaggedMachines
from gateway.live.vms.tokens import Tokens

__all__ = ["Selector", "VmWatching"]

_LOOK_SECONDS = 10.0
"""How often a stream checks whether the policy or the tags have changed what its caller sees."""
_DEFAULT_WAIT_SECONDS, _MAX_WAIT_SECONDS = 300.0, 3600.0


class Selector:
    """Determines what a caller sees: what its filter selects from what the policy allows."""

    def __init__(self, scope: Callable[[Call], Scope], tagged: TaggedMachines) -> None:
        self._scope = scope
        self._tagged = tagged

    async def select(self, call: Call, filter: Any, *, places_are_known: bool = True) -> Selection:  # noqa: A002
        """The current selection. Raises GatewayError."""
        tagged = await self._tagged.of(call, filter.tags) if filter.tags else None
        return select(filter, self._scope(call), tagged, places_are_known=places_are_known)


class VmWatching:
    """Serves the two rpcs."""

    def __init__(
        self, messages: Messages, fields: VmFields, responses: VmResponses, hubs: Hubs, selector: Selector
    ) -> None:
        self._messages = messages
        self._fields = fields
        self._responses = responses
        self._hubs = hubs
        self._selector = selector
        self._tokens = Tokens()

    @serves("vcenter.gateway.v1.WatchService/WatchVms")
    async def watch_vms(self, call: Call) -> AsyncIterator[Message | bytes]:
        """Machines and their changes, each message with a resume token if the stream can be resumed after it: a client
        that has applied only some messages of a batch knows a state that there never was. Raises GatewayError."""
        request: Any = call.message
        quiet = heartbeat_seconds(request)
        fields = self._fields.of(request.fields)
        async with (
            self._hubs.using(call, request.filter) as hub,
            contextlib.aclosing(self._stream(call, hub, fields, quiet)) as messages,
        ):
            async for message in messages:
                yield message

    @serves("vcenter.gateway.v1.WatchService/WaitForVm")
    async def wait_for_vm(self, call: Call) -> Message:
        """Waits for a condition of a machine. Raises GatewayError."""
        request: Any = call.message
        condition = condition_of(request, self._messages.type("VmState"))
        loop = asyncio.get_running_loop()
        seconds = seconds_in(request, "timeout", 0.0, _MAX_WAIT_SECONDS)
        if seconds is None:
            seconds = _DEFAULT_WAIT_SECONDS if math.isinf(call.deadline) else _MAX_WAIT_SECONDS
        until = min(call.deadline, loop.time() + seconds)
        met: Any = None
        missing = "vCenter has not reported its state"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(until):
                async with self._hubs.using(call) as hub:
                    condition.check_source(hub.source.name)
                    await hub.ready()
                    async with contextlib.aclosing(self._looks(call, hub, condition)) as looks:
                        async for met, missing in looks:  # noqa: B007 - said when time is over
                            if met is not None:
                                break
        if met is None:
            raise GatewayError(Failure.of(Reason.CONDITION_NOT_MET, f"{request.vm}: {missing}"))
        return self._messages("WaitForVmResponse", **met)  # type: ignore[no-any-return]

    async def _looks(self, call: Call, hub: Hub, condition: Condition) -> AsyncGenerator[tuple[Any, str], None]:
        """What there is to say of a machine now, and after each change: the response where the condition is met, else
        what is missing."""
        vm: str = call.message.vm  # type: ignore[attr-defined]
        new_state = self._messages.type("VmState")
        selection = Selection(f"wait {vm}".encode(), vms=frozenset({vm}), templates=True)
        with hub.watched(selection, self._fields.all, hub.history.sequence) as watcher:
            was_there = False
            while True:
                hub.check()
                watcher.skip()
                machine = hub.history.machines.get(vm)
                was_there = was_there or machine is not None
                if hub.lost is not None:
                    # The known state may be outdated.
                    yield None, f"the connection to vCenter is lost: {hub.lost.failure.message}"
                elif machine is not None:
                    yield condition.look(new_state.FromString(b"".join(machine.parts)))
                elif was_there or not await self._hubs.has_machine(call, vm):
                    yield condition.gone(vm)
                else:
                    yield None, "vCenter has not reported its state"
                await watcher.wait(None)

    async def _stream(self, call: Call, hub: Hub, fields: int, quiet: float) -> AsyncGenerator[Message | bytes, None]:
        """The messages of a stream, from the state of a hub."""
        request: Any = call.message
        look_at = time.monotonic() + _LOOK_SECONDS
        selection = await self._select(call, hub)
        stream = _Stream(self._messages, self._responses, self._tokens, hub, f"{call.caller.identity}")
        position = stream.known(selection, fields, request.resume_token)
        yield stream.started(token="" if position is None else request.resume_token)
        if not hub.is_synced:
            async for heartbeat in self._until_ready(hub, quiet):
                yield heartbeat
        with hub.watched(selection, fields, position) as watcher:
            is_told = lost_is_told = False
            silent_until = time.monotonic() + quiet
            while True:
                hub.check()
                # Also while there are changes: a client that reads slowly always finds some.
                if time.monotonic() >= look_at:
                    look_at = time.monotonic() + _LOOK_SECONDS
                    hub.move(watcher, await self._select(call, hub))
                batch = watcher.take()
                if batch is not None and batch.is_reset and (is_told or position is not None):
                    yield stream.started()
                if batch is not None:
                    for message in stream.of(batch, watcher):
                        yield message
                    message = b""  # A stream that waits does not keep a page of machines.
                is_behind = lost_is_told and hub.lost is None
                if not is_told or is_behind or (batch is not None and batch.is_reset):
                    yield stream.synced(watcher)
                    is_told, lost_is_told = True, False
                elif hub.lost is not None and not lost_is_told:
                    yield stream.lost(watcher, hub.lost.failure, hub.lost.since)
                    lost_is_told = True
                elif batch is None:
                    now = time.monotonic()
                    if now < silent_until:
                        await watcher.wait(max(0.0, min(look_at, silent_until) - now))
                        continue
                    yield stream.heartbeat(watcher)
                silent_until = time.monotonic() + quiet

    async def _select(self, call: Call, hub: Hub) -> Selection:
        request: Any = call.message
        return await self._selector.select(call, request.filter, places_are_known=hub.source.period is None)

    async def _until_ready(self, hub: Hub, quiet: float) -> AsyncIterator[Message]:
        """Heartbeats until the hub has a state. Raises GatewayError if it gets none."""
        ready = asyncio.ensure_future(hub.ready())
        try:
            while not (await asyncio.wait((ready,), timeout=quiet))[0]:
                yield self._messages("WatchVmsResponse", heartbeat=self._messages.heartbeat())
            ready.result()
        finally:
            ready.cancel()


class _Stream:
    """Creates the messages of one stream."""

    def __init__(self, messages: Messages, responses: VmResponses, tokens: Tokens, hub: Hub, identity: str) -> None:
        self._messages = messages
        self._responses = responses
        self._tokens = tokens
        self._hub = hub
        self._identity = identity.encode()

    def known(self, selection: Selection, fields: int, token: str) -> int | None:
        """The position in a resume token, None if the stream must start with the full state."""
        history = self._hub.history
        if not token or not self._hub.is_synced:
            return None
        position = self._tokens.read(token, history.epoch, self._whose(selection, fields))
        return None if position is None or history.missed(position) is None else position

    def of(self, batch: Batch, watcher: Watcher) -> Iterator[bytes]:
        """The messages of a batch. The last one has a token, but that of a full state, which `synced` follows."""
        token = b"" if batch.is_reset else self._token(watcher)
        messages = iter(batch.messages)
        held = next(messages, b"")
        for message in messages:
            yield held
            held = message
        if held:
            yield held + token

    def started(self, token: str = "") -> Any:
        """The first message of a stream that continues after a token, or of a full state."""
        started = self._messages("WatchStarted", source=self._hub.source.name, reset=not token)
        started.observed_at.GetCurrentTime()
        if self._hub.source.period is not None:
            started.period.FromNanoseconds(round(self._hub.source.period * 1e9))
        return self._response(started=started, resume_token=token or None)

    def synced(self, watcher: Watcher) -> bytes:
        synced = self._messages("Synced", vms=watcher.audience.size())
        synced.observed_at.GetCurrentTime()
        return self._with_token(watcher, synced=synced)

    def heartbeat(self, watcher: Watcher) -> bytes:
        return self._with_token(watcher, heartbeat=self._messages.heartbeat())

    def lost(self, watcher: Watcher, failure: Failure, since: float) -> bytes:
        lost = self._messages("SourceLost", problem=failure.message)
        lost.since.FromNanoseconds(int(since * 1e9))
        return self._with_token(watcher, lost=lost)

    def _with_token(self, watcher: Watcher, **event: Any) -> bytes:
        return bytes(self._response(**event).SerializeToString()) + self._token(watcher)

    def _response(self, **event: Any) -> Any:
        return self._messages("WatchVmsResponse", **event)

    def _token(self, watcher: Watcher) -> bytes:
        audience = watcher.audience
        whose = self._whose(audience.selection, audience.fields)
        return self._responses.token(self._tokens.make(self._hub.history.epoch, watcher.position, whose))

    def _whose(self, selection: Selection, fields: int) -> bytes:
        """The owner and subject of a token."""
        return hashlib.sha256(b"%b\n%d\n%b" % (selection.key, fields, self._identity)).digest()
