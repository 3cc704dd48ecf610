"""Bounds how many calls are with vCenter at once, and shares the places fairly between callers.

vCenter is easily overrun: beyond a few dozen calls at a time, all of them get slower. Further calls wait here, each
within its own deadline. Places are given in turn to the connections whose calls wait, and within a connection to its
identities: a caller can make up any number of users, but pays for each connection. So one caller with a thousand calls
delays another's single call by one place and not by a thousand. When too many wait, further calls are refused
immediately: a queue that nobody will be served from only wastes everybody's time. The room to wait is shared as the
places are: a call for which there is none takes that of the last call of the connection, or else the identity, of which
the most wait.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Hashable
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from gateway.errors import Failure, GatewayError, Reason
from gateway.vcenter.failures import NotSentTimeoutError
from gateway.vcenter.retry import OVERLOADED_SECONDS

if TYPE_CHECKING:
    from gateway.calls import Call
    from gateway.transcoding import RestResponse
    from gateway.vcenter.exchange import Exchange, Send, SendLayer

__all__ = ["Limiter", "Path", "limited", "path_of"]

Path = tuple[Hashable, Hashable]
"""Whose turn it is: a connection, and an identity on it."""
_OWN: Path = ("", "")


class Limiter:
    """`limit` places, and room for `max_waiting` calls that wait for one. Belongs to one event loop."""

    def __init__(self, limit: int, max_waiting: int) -> None:
        self.limit = limit
        self.max_waiting = max_waiting
        self.active = 0
        """Calls that have a place."""
        self.waiting = 0
        """Calls that wait for one."""
        self.refused = 0
        """Calls that were refused so far."""
        self._queues = _Queues()
        self._turns: WeakKeyDictionary[Call, _Turn] = WeakKeyDictionary()
        """Of the calls that wait."""
        self._lent: WeakKeyDictionary[Call, list[Path]] = WeakKeyDictionary()
        """What others lent to calls that do not wait yet."""

    async def enter(self, path: Path, deadline: float, call: Call | None = None) -> None:
        """Takes a place, which `leave` gives back. `deadline` is in the event loop's time; `call` is what others may
        lend their turn to.

        Raises TimeoutError when the deadline passes before there is a place, and GatewayError (RESOURCE_EXHAUSTED, with
        the time after which to try again) when too many wait.
        """
        if not self.take():
            await self._wait(path, deadline, call)

    def take(self) -> bool:
        """Takes a place where one is free and nobody waits for it, and tells whether it did."""
        if self.active < self.limit and not self.waiting:
            self.active += 1
            return True
        return False

    def leave(self) -> None:
        """Gives a place that is free to whose turn it is, or keeps it for the next call that comes."""
        while self._queues:
            turn = self._queues.pop()
            self.waiting -= 1
            if not turn.came.done():  # Else its call has given up, and has not run since.
                turn.came.set_result(None)
                return
        self.active -= 1

    def lend(self, call: Call, path: Path) -> None:
        """Lets `call` have the turn of `path` too: a call for which others wait runs when the first of them could."""
        turn = self._turns.get(call)
        if turn is None:
            self._lent.setdefault(call, []).append(path)
        elif path not in turn.paths:
            self._queues.add(turn, path)

    async def _wait(self, path: Path, deadline: float, call: Call | None) -> None:
        if self.waiting >= self.max_waiting:
            displaced = self._queues.displaced_by(path)
            if displaced is None:
                raise self._refusal()
            self._queues.remove(displaced)
            self.waiting -= 1
            if not displaced.came.done():  # Else its call has given up, and has not run since.
                displaced.came.set_exception(self._refusal())
        turn = _Turn(asyncio.get_running_loop().create_future())
        for each in dict.fromkeys((path, *(self._lent.pop(call, ()) if call is not None else ()))):
            self._queues.add(turn, each)
        if call is not None:
            self._turns[call] = turn
        self.waiting += 1
        try:
            async with asyncio.timeout_at(deadline):
                await turn.came
        except BaseException:
            if turn.came.done() and not turn.came.cancelled() and not turn.came.exception():
                self.leave()  # The place came in the same moment in which the call gave up: it goes to the next.
            elif turn.paths:
                self._queues.remove(turn)
                self.waiting -= 1
            raise
        finally:
            if call is not None:
                self._turns.pop(call, None)

    def _refusal(self) -> GatewayError:
        self.refused += 1
        text = f"{self.active} calls to vCenter are in flight and {self.waiting} are waiting, which is the limit"
        return GatewayError(Failure.of(Reason.OVERLOADED, text, retry_delay=OVERLOADED_SECONDS))


class _Turn:
    """A call that waits, in one queue or, where others lent it their turn, in several."""

    __slots__ = ("came", "paths")

    def __init__(self, came: asyncio.Future[None]) -> None:
        self.came = came
        self.paths: list[Path] = []


_NO_CALLS: deque[_Turn] = deque()
_NO_IDENTITIES: OrderedDict[Hashable, deque[_Turn]] = OrderedDict()


class _Queues:
    """Connections in the order of their turns; in each its identities, likewise; in each of these its calls."""

    def __init__(self) -> None:
        self._connections: OrderedDict[Hashable, OrderedDict[Hashable, deque[_Turn]]] = OrderedDict()
        self._sizes: dict[Hashable, int] = {}
        """How many calls wait in the queues of each connection."""

    def __bool__(self) -> bool:
        return bool(self._connections)

    def add(self, turn: _Turn, path: Path) -> None:
        connection, identity = path
        identities = self._connections.setdefault(connection, OrderedDict())
        identities.setdefault(identity, deque()).append(turn)
        self._sizes[connection] = self._sizes.get(connection, 0) + 1
        turn.paths.append(path)

    def pop(self) -> _Turn:
        """Whose turn it is; it does not wait any more."""
        connection, identities = next(iter(self._connections.items()))
        identity, calls = next(iter(identities.items()))
        turn = calls[0]
        self._connections.move_to_end(connection)
        identities.move_to_end(identity)
        self.remove(turn)
        return turn

    def displaced_by(self, path: Path) -> _Turn | None:
        """The call that has to make room for one more in the queue of `path`; None where no other queue is longer."""
        own, identity = path
        longest = max(self._sizes, key=self._sizes.__getitem__, default=own)
        if self._sizes.get(longest, 0) <= self._sizes.get(own, 0) + 1:
            longest = own
        identities = self._connections.get(longest, _NO_IDENTITIES)
        calls = max(reversed(identities.values()), key=len, default=_NO_CALLS)
        if longest == own and len(calls) <= len(identities.get(identity, _NO_CALLS)) + 1:
            return None
        # What several wait for is left to them.
        return next((turn for turn in reversed(calls) if len(turn.paths) == 1), None)

    def remove(self, turn: _Turn) -> None:
        """Takes a call that waits out of all its queues."""
        for connection, identity in turn.paths:
            identities = self._connections[connection]
            identities[identity].remove(turn)
            self._sizes[connection] -= 1
            if not identities[identity]:
                del identities[identity]
            if not identities:
                del self._connections[connection], self._sizes[connection]
        turn.paths.clear()


def limited(limiter: Limiter) -> SendLayer:
    """Sends each exchange when it has a place, which it keeps until its answer has been read."""

    def layer(send: Send) -> Send:
        async def enter(exchange: Exchange) -> RestResponse:
            deadline, call = exchange.deadline, exchange.call
            if not limiter.take():  # Asked here first, since nearly every call finds a place.
                try:
                    await limiter.enter(_OWN if call is None else path_of(call), deadline, call)
                except TimeoutError:
                    raise NotSentTimeoutError("the deadline passed while the call waited for its turn") from None
            try:
                if asyncio.get_running_loop().time() >= deadline:
                    raise NotSentTimeoutError("the deadline passed before vCenter was called")
                response = await send(exchange)
                if exchange.read is not None and (reading := exchange.read(response)) is not None:
                    await reading
                return response
            finally:
                limiter.leave()

        return enter

    return layer


def path_of(call: Call) -> Path:
    """In which queue a call waits."""
    return call.caller.peer, call.caller.identity
