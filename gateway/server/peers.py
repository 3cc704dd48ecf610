"""Bounds what a peer can make this process hold: requests that it does not finish, answers that it does not take.

gRPC's server waits for both without an end, and without counting. A handler is started once the headers of a call are
there, and reads the request itself, so that one that never comes is answered all the same; and the bytes of an answer
count from when the handler has returned it until the peer has taken it.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from typing import Any, cast

import grpc
from google.rpc import code_pb2

from gateway.server.connections import close_connections, read
from gateway.transcoding import GatewayError, Reason

__all__ = ["BoundedHandler", "Peers"]

_REQUEST_SECONDS = 30.0
_MAX_LATE_REQUESTS = 100
_ANSWER_SECONDS = 60.0
# Under pressure, what is stuck for so long has to go.
_STUCK_SECONDS = 5.0
_SWEEP_SECONDS = 1.0
_CODES = {code.value[0]: code for code in grpc.StatusCode}

_log = logging.getLogger(__name__)

BoundedHandler = Callable[[Any, Any], Awaitable[bytes]]
"""The handler of an rpc that gRPC takes for one with a stream of requests."""


@dataclass(slots=True, eq=False)
class _Answer:
    """An answer on its way to the peer."""

    peer: str
    size: int
    since: float


class Peers:
    """What all peers hold at the moment."""

    def __init__(
        self,
        max_unsent_bytes: int,
        *,
        request_seconds: float = _REQUEST_SECONDS,
        answer_seconds: float = _ANSWER_SECONDS,
    ) -> None:
        """`max_unsent_bytes` is that of all connections together, one may hold half of it."""
        self._max_unsent = max_unsent_bytes
        self._request_seconds = request_seconds
        self._answer_seconds = answer_seconds
        self._requests: dict[asyncio.Task[Any], float] = {}
        """The calls whose request has not arrived, with the time of their headers, the oldest first."""
        self._late: dict[asyncio.Task[Any], str] = {}
        """Those that are being refused, and why."""
        self._answers: dict[asyncio.Task[Any], _Answer] = {}
        self._unsent: defaultdict[str, int] = defaultdict(int)
        """Bytes by peer."""
        self._total = 0
        self._refused = 0
        """Calls since the last look."""
        self._closed: set[str] = set()
        """Peers whose connections were closed, until the last of their answers is gone."""
        self._sweeping = False
        self._taken = asyncio.Event()
        self._taken.set()

    @property
    def unsent_bytes(self) -> int:
        """Bytes of answers that peers have not taken."""
        return self._total

    def bounded(self, handle: Callable[[bytes, Any], Awaitable[bytes]], *, is_read_only: bool) -> BoundedHandler:
        """The same handler, for a registration with a stream of requests of which it reads the first.

        The answer to a change is never refused, since it tells how the change ended.
        """

        async def handle_bounded(requests: Any, context: Any) -> bytes:
            data = await self._request(context)
            peer = context.peer()
            if self._is_full(peer, 0):
                await self._refuse_answer(context)
            answer = await handle(data, context)
            if is_read_only and self._is_full(peer, len(answer)):
                await self._refuse_answer(context)
            self._count(peer, len(answer))
            return answer

        return handle_bounded

    async def taken(self) -> None:
        """Returns when no answer is on its way."""
        await self._taken.wait()

    async def _request(self, context: Any) -> bytes:
        """The request of a call; ends the call with INVALID_ARGUMENT when there is none, or none in time."""
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._requests[task] = asyncio.get_running_loop().time()
        self._sweep_later()
        try:
            data = await read(context)
        except asyncio.CancelledError:
            why = self._late.pop(task, None)
            if why is None:
                raise
            task.uncancel()
            await _refuse(context, GatewayError(code_pb2.INVALID_ARGUMENT, Reason.REQUEST_INVALID, why))
        finally:
            del self._requests[task]
        if data is None:
            text = "the call has no complete request message"
            await _refuse(context, GatewayError(code_pb2.INVALID_ARGUMENT, Reason.REQUEST_INVALID, text))
        return cast(bytes, data)

    def _is_full(self, peer: str, size: int) -> bool:
        """Whether the bytes of a further answer would be too many, for one connection or for all. One answer may be as
        large as it likes where nothing else waits. Makes room for later ones where there is none for anybody."""
        if self._total and self._total + size > self._max_unsent:
            self._make_room(size)
            return True
        held = self._unsent.get(peer, 0)
        return held > 0 and held + size > self._max_unsent // 2

    async def _refuse_answer(self, context: Any) -> None:
        self._refused += 1
        text = "too many bytes of earlier answers have not been read; read them, or ask for fewer at once"
        error = GatewayError(code_pb2.RESOURCE_EXHAUSTED, Reason.OVERLOADED, text, retry_delay=_SWEEP_SECONDS)
        await _refuse(context, error)

    def _count(self, peer: str, size: int) -> None:
        """Counts an answer until its call ends, which is when the peer has taken it."""
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        self._answers[task] = _Answer(peer, size, asyncio.get_running_loop().time())
        self._unsent[peer] += size
        self._total += size
        self._taken.clear()
        task.add_done_callback(self._forget)
        self._sweep_later()

    def _forget(self, task: asyncio.Task[Any]) -> None:
        answer = self._answers.pop(task)
        self._total -= answer.size
        self._unsent[answer.peer] -= answer.size
        if not self._unsent[answer.peer]:
            del self._unsent[answer.peer]
            self._closed.discard(answer.peer)
        if not self._answers:
            self._taken.set()

    def _sweep_later(self) -> None:
        if not self._sweeping:
            self._sweeping = True
            asyncio.get_running_loop().call_later(_SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        """Looks for what takes too long, once a second while there is anything."""
        self._sweeping = False
        now = asyncio.get_running_loop().time()
        late = [task for task, since in self._requests.items() if since < now - _SWEEP_SECONDS]
        refused = 0
        for number, task in enumerate(late, _MAX_LATE_REQUESTS - len(late)):
            if number >= 0 and self._requests[task] > now - self._request_seconds:
                break
            if task not in self._late:
                refused += 1
                self._late[task] = f"the request has not arrived completely within {now - self._requests[task]:.0f} s"
                task.cancel()
        if refused:
            _log.warning("refused %d calls whose requests do not arrive", refused)
        if self._refused:
            _log.warning("refused %d calls of peers that do not read their answers", self._refused)
            self._refused = 0
        self._close(self._stuck_for(self._answer_seconds))
        if self._requests or self._answers:
            self._sweep_later()

    def _stuck_for(self, seconds: float) -> set[str]:
        """The peers that have not taken an answer for so long."""
        before = asyncio.get_running_loop().time() - seconds
        old = itertools.takewhile(lambda answer: answer.since <= before, self._answers.values())  # The oldest first.
        return {answer.peer for answer in old}

    def _make_room(self, size: int) -> None:
        """Closes the connections that hold most, of those that are stuck, until there is room for so many bytes."""
        missing = self._total + size - self._max_unsent
        chosen = []
        for peer in sorted(self._stuck_for(_STUCK_SECONDS) - self._closed, key=self._unsent.__getitem__, reverse=True):
            if missing <= 0:
                break
            chosen.append(peer)
            missing -= self._unsent[peer]
        self._close(chosen)

    def _close(self, peers: Collection[str]) -> None:
        if new := set(peers) - self._closed:
            self._closed |= new
            _log.warning("closed %d connections that do not read their answers", close_connections(new))


async def _refuse(context: Any, error: GatewayError) -> None:
    """Ends the call with the error's status, and does not return."""
    status = error.status()
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    await context.abort(_CODES[status.code], status.message)
