"""Limits the memory that a peer can occupy: requests that it does not finish, responses that it does not read.

gRPC's server waits for both without limits. A handler starts when the headers of a call have arrived, and reads the
request itself, so that it can respond to, and report, a call whose request never arrives. The bytes of a response count
from the moment when the handler has it until the peer has read it.

A peer can send a whole request only while it is being read, and before that only a window's size. Therefore, only a few
requests of a connection are read at a time, which limits what a fast peer can send before it is authenticated.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

from gateway.errors import Failure, GatewayError, Reason
from gateway.server.connections import EOF, close_connections

__all__ = ["NO_REQUEST", "BoundedHandler", "Handler", "Peers"]

REQUEST_SECONDS = 30.0
# A request that has not arrived by this time after its headers, as nearly every request has, is late. The received size
# of a late request is unknown, so each counts with the maximum size, and their number is limited.
_LATE_SECONDS = 0.5
_LATE_BYTES = 32 * 1024 * 1024
_MIN_LATE_REQUESTS = 8
# Of the large requests on a connection: those that are being read, and those whose calls are in flight.
CONNECTION_BYTES = 16 * 1024 * 1024
_MIN_READS = 4
_LARGE_REQUEST = 64 * 1024
_ANSWER_SECONDS = 60.0
# Under pressure, a response that is stuck for this long is dropped.
STUCK_SECONDS = 5.0
_SWEEP_SECONDS = 1.0
# Each call has one at a time, so the number of streams limits them.
_SMALL_ANSWER = 16 * 1024

_log = logging.getLogger(__name__)

Handler = Callable[[bytes | Failure, Any], Awaitable[bytes]]
"""Accepts a serialized request, or the reason why there is none, and the call's context; returns the serialized
response."""
BoundedHandler = Callable[[Any, Any], Awaitable[bytes]]
"""The handler of an rpc that is registered with gRPC as client-streaming."""

NO_REQUEST = Failure.of(Reason.REQUEST_INVALID, "the call has no complete request message")
_TOO_MANY = Failure.of(
    Reason.OVERLOADED, "too many requests have not arrived completely, and this is one of the oldest"
)
_TOO_LARGE = Failure.of(
    Reason.OVERLOADED, "the requests in flight on this connection are too large in total; make fewer calls at a time"
)

_Reading = tuple[float, "_Turns | None"]
"""Since when a request is read, and whose turn it uses where it had to wait for one."""
_Answer = tuple[int, float, Any, str]
"""A response in flight: its bytes, its start, the call's context, and the connection that it counts for, empty for a
small one. Not a class, because there is one for each call."""


class Peers:
    """What all peers currently occupy."""

    def __init__(
        self,
        max_unsent_bytes: int,
        max_request_bytes: int,
        *,
        answer_seconds: float = _ANSWER_SECONDS,
    ) -> None:
        """`max_unsent_bytes` applies to all connections together; one may use half of it."""
        self._max_unsent = max_unsent_bytes
        self._max_late = max(_MIN_LATE_REQUESTS, _LATE_BYTES // max_request_bytes)
        self._max_reads = max(_MIN_READS, CONNECTION_BYTES // max_request_bytes)
        self._request_seconds = REQUEST_SECONDS
        self._answer_seconds = answer_seconds
        self._requests: dict[asyncio.Task[Any], _Reading] = {}
        """The calls whose request is being read, the oldest first."""
        self._turns: dict[str, _Turns] = {}
        """Of connections with more of them than are read without waiting for a turn."""
        self._held: defaultdict[str, int] = defaultdict(int)
        """Bytes of large requests whose calls are in flight, by connection."""
        self._late: dict[asyncio.Task[Any], Failure] = {}
        """Those that are being refused, and why."""
        self._looking = False
        self._answers: dict[asyncio.Task[Any], _Answer] = {}
        self._unsent: defaultdict[str, int] = defaultdict(int)
        """Bytes by connection, without small responses."""
        self._total = 0
        self._refused = 0
        """Calls since the last look."""
        self._missing = 0
        """Bytes for which there was no room since the last look."""
        self._sweeping = False

    @property
    def unsent_bytes(self) -> int:
        """Bytes of responses that peers have not read."""
        return self._total

    def take_room(self, context: Any, size: int) -> None:
        """Counts a response of `size` bytes from now on, because earlier responses may already be waiting. Raises
        GatewayError (RESOURCE_EXHAUSTED, OVERLOADED) if it would be too much for a peer that does not read its
        responses. Do not call this for a change, whose response reports its outcome."""
        if size > _SMALL_ANSWER and self._is_full(context.peer(), size):
            self._refused += 1
            text = "too many bytes of earlier responses are unread; read them, or make fewer calls at a time"
            raise GatewayError(Failure.of(Reason.OVERLOADED, text))
        self._count(context, size)

    def bounded(self, handle: Handler) -> BoundedHandler:
        """The same handler, for a registration with a stream of requests of which it reads the first."""

        answers = self._answers

        async def handle_bounded(_: Any, context: Any) -> bytes:
            task = cast("asyncio.Task[Any]", asyncio.current_task())
            if len(self._requests) < self._max_late:
                data = await self._read(task, context)
            else:
                async with self._turn(context.peer()) as turns:
                    data = await self._read(task, context, turns)
            if isinstance(data, bytes) and len(data) > _LARGE_REQUEST and not self._hold(context, len(data)):
                data = _TOO_LARGE
            answer = await handle(data, context)
            if task not in answers:
                self._count(context, len(answer))
            return answer

        return handle_bounded

    async def taken(self) -> None:
        """Returns when no response is in flight."""
        while self._answers:
            await asyncio.wait(list(self._answers))

    async def _read(self, task: asyncio.Task[Any], context: Any, turns: _Turns | None = None) -> bytes | Failure:
        """The request of a call, or why it is refused."""
        self._requests[task] = (time.monotonic(), turns)
        if not self._sweeping:
            self._sweep_later()
        if turns is not None and not self._looking:
            self._look_soon()
        try:
            data = await context.read()
        except asyncio.CancelledError:
            failure = self._late.pop(task, None)
            if failure is None:
                raise
            task.uncancel()
            return failure
        finally:
            del self._requests[task]
        return NO_REQUEST if data is EOF else cast("bytes", data)

    @contextlib.asynccontextmanager
    async def _turn(self, peer: str) -> AsyncIterator[_Turns]:
        """Waits until a request of this connection may be read."""
        turns = self._turns.get(peer)
        if turns is None:
            turns = self._turns[peer] = _Turns(self._max_reads)
        turns.users += 1
        try:
            async with turns.places:
                yield turns
        finally:
            turns.users -= 1
            if not turns.users:
                del self._turns[peer]

    def _hold(self, context: Any, size: int) -> bool:
        """Counts a large request until its call has ended; False if its connection has too many. A single one may have
        any size."""
        peer = context.peer()
        held = self._held.get(peer, 0)
        if held and held + size > CONNECTION_BYTES:
            return False
        self._held[peer] += size
        cast("asyncio.Task[Any]", asyncio.current_task()).add_done_callback(lambda _: self._let_go(peer, size))
        return True

    def _let_go(self, peer: str, size: int) -> None:
        self._held[peer] -= size
        if not self._held[peer]:
            del self._held[peer]

    def _is_full(self, peer: str, size: int) -> bool:
        """Whether the bytes of another response would be too many, for one connection or for all. A single response may
        have any size if nothing else waits."""
        if self._total and self._total + size > self._max_unsent:
            self._missing = max(self._missing, self._total + size - self._max_unsent)
            return True
        held = self._unsent.get(peer, 0)
        return held > 0 and held + size > self._max_unsent // 2

    def _count(self, context: Any, size: int) -> None:
        """Counts the response of the current call until the peer has read it."""
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        peer = ""
        if size > _SMALL_ANSWER:
            peer = context.peer()
            self._unsent[peer] += size
        self._total += size
        self._answers[task] = (size, time.monotonic(), context, peer)
        task.add_done_callback(self._forget)

    def _forget(self, task: asyncio.Task[Any]) -> None:
        size, _, _, peer = self._answers.pop(task)
        self._total -= size
        if peer:
            self._unsent[peer] -= size
            if not self._unsent[peer]:
                del self._unsent[peer]

    def _sweep_later(self) -> None:
        if not self._sweeping:
            self._sweeping = True
            asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        """Checks for timeouts once a second, while there is anything."""
        self._sweeping = False
        now = time.monotonic()
        late = [task for task, (since, _) in self._requests.items() if since <= now - self._request_seconds]
        text = f"the request has not arrived completely within {self._request_seconds:g} seconds"
        self._refuse_requests(late, Failure.of(Reason.REQUEST_INVALID, text))
        if self._refused:
            _log.warning("refused %d calls of peers that do not read their responses", self._refused)
            self._refused = 0
        chosen = self._stuck_since(now - self._answer_seconds)
        if self._missing > 0:
            chosen |= self._largest(self._stuck_since(now - STUCK_SECONDS), self._missing)
            self._missing = 0
        if chosen and (count := close_connections(chosen)):
            _log.warning("closed %d connections that do not read their responses", count)
        if self._requests or self._answers:
            self._sweep_later()

    def _look_soon(self) -> None:
        self._looking = True
        asyncio.get_running_loop().call_later(_LATE_SECONDS, self._look)

    def _look(self) -> None:
        """Selects the oldest of too many late requests, and those that delay others on their connection."""
        self._looking = False
        before = time.monotonic() - _LATE_SECONDS
        late = {task: turns for task, (since, turns) in self._requests.items() if since <= before}
        chosen = dict.fromkeys(list(late)[: -self._max_late])
        chosen |= {task: None for task, turns in late.items() if turns is not None and turns.users > self._max_reads}
        if chosen:
            # Not those that arrived while the event loop was busy: it polls the network once more before.
            loop = asyncio.get_running_loop()
            loop.call_later(0.001, loop.call_soon, self._refuse_oldest, list(chosen))
        if self._turns:
            self._look_soon()

    def _refuse_oldest(self, late: list[asyncio.Task[Any]]) -> None:
        self._refuse_requests(late, _TOO_MANY)

    def _refuse_requests(self, late: list[asyncio.Task[Any]], failure: Failure) -> None:
        if chosen := [task for task in late if task in self._requests and task not in self._late]:
            for task in chosen:
                self._late[task] = failure
                task.cancel()
            _log.warning("refused %d calls whose requests do not arrive", len(chosen))

    def _stuck_since(self, when: float) -> set[str]:
        """The connections with a response that has not been read since then."""
        stuck = itertools.takewhile(lambda answer: answer[1] <= when, self._answers.values())  # The oldest first.
        return {context.peer() for _, _, context, _ in stuck}

    def _largest(self, peers: set[str], size: int) -> set[str]:
        """The connections that occupy most, until their sum is `size` bytes."""
        chosen = set()
        for peer in sorted(peers, key=lambda peer: self._unsent.get(peer, 0), reverse=True):
            if size <= 0:
                break
            chosen.add(peer)
            size -= self._unsent.get(peer, 0)
        return chosen


class _Turns:
    """Whose requests on one connection are read."""

    __slots__ = ("places", "users")

    def __init__(self, places: int) -> None:
        self.places = asyncio.Semaphore(places)
        self.users = 0
        """Calls that have a place or wait for one."""
