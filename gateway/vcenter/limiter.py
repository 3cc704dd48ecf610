"""Limits the concurrent calls to vCenter, and shares the places fairly between callers.

vCenter is easily overloaded: beyond a few dozen concurrent calls, all of them get slower. Additional calls wait here,
each within its own deadline. The connections whose calls wait get places in turn, and within a connection its
identities: a caller can make up any number of users, but pays for each connection. Therefore, one caller with a
thousand calls delays another's single call by one place, not by a thousand. If too many calls wait, additional calls
are refused immediately: waiting in a queue that is never served only wastes time. The queue is shared like the places:
a call that finds it full displaces the last call of the connection, or else the identity, with the most waiting calls.
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
    """`limit` places, and a queue of `max_waiting` calls. Belongs to one event loop."""

    def __init__(self, limit: int, max_waiting: int) -> None:
        self.limit = limit
        self.max_waiting = max_waiting
        self.active = 0
        """Number of calls that have a place."""
        self.waiting = 0
        """Number of calls that wait for one."""
        self.refused = 0
        """Number of calls refused so far."""
        self._queues = _Queues()
        self._turns: WeakKeyDictionary[Call, _Turn] = WeakKeyDictionary()
        """The queues of waiting calls."""
        self._lent: WeakKeyDictionary[Call, list[Path]] = WeakKeyDictionary()
        """Turns lent to calls that do not wait yet."""

    async def enter(self, path: Path, deadline: float, call: Call | None = None) -> None:
        """Takes a place, which `leave` returns. `deadline` is in the event loop's time; other calls may lend their turn
        to `call`. Raises TimeoutError if the deadline expires before there is a place, and GatewayError
        (RESOURCE_EXHAUSTED, with the retry delay) if too many calls wait.
        """
        if not self.take():
            await self._wait(path, deadline, call)

    def take(self) -> bool:
        """Takes a place if one is free and no call waits for it. Returns whether it did."""
        if self.active < self.limit and not self.waiting:
            self.active += 1
            return True
        return False

    def leave(self) -> None:
        """Gives a free place to the call whose turn it is, or keeps it for the next call."""
        while self._queues:
            turn = self._queues.pop()
            self.waiting -= 1
            if not turn.came.done():  # Else its call has given up, and has not run since.
                turn.came.set_result(None)
                return
        self.active -= 1

    def lend(self, call: Call, path: Path) -> None:
        """Lets `call` use the turn of `path` too: a call that others wait for runs when the first of them could."""
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
                self.leave()  # The place became free at the moment when the call gave up: the next call gets it.
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
    """A waiting call, in one queue or, if others lent it their turn, in several."""

    __slots__ = ("came", "paths")

    def __init__(self, came: asyncio.Future[None]) -> None:
        self.came = came
        self.paths: list[Path] = []


_NO_CALLS: deque[_Turn] = deque()
_NO_IDENTITIES: OrderedDict[Hashable, deque[_Turn]] = OrderedDict()


class _Queues:
    """Connections in the order of their turns, with their identities in turn, and the calls of each identity."""

    def __init__(self) -> None:
        self._connections: OrderedDict[Hashable, OrderedDict[Hashable, deque[_Turn]]] = OrderedDict()
        self._sizes: dict[Hashable, int] = {}
        """Number of waiting calls of each connection."""

    def __bool__(self) -> bool:
        return bool(self._connections)

    def add(self, turn: _Turn, path: Path) -> None:
        connection, identity = path
        identities = self._connections.setdefault(connection, OrderedDict())
        identities.setdefault(identity, deque()).append(turn)
        self._sizes[connection] = self._sizes.get(connection, 0) + 1
        turn.paths.append(path)

    def pop(self) -> _Turn:
        """Removes and returns the call whose turn it is."""
        connection, identities = next(iter(self._connections.items()))
        identity, calls = next(iter(identities.items()))
        turn = calls[0]
        self._connections.move_to_end(connection)
        identities.move_to_end(identity)
        self.remove(turn)
        return turn

    def displaced_by(self, path: Path) -> _Turn | None:
        """The call that must make room for a new one in the queue of `path`; None if no other queue is longer."""
        own, identity = path
        longest = max(self._sizes, key=self._sizes.__getitem__, default=own)
        if self._sizes.get(longest, 0) <= self._sizes.get(own, 0) + 1:
            longest = own
        identities = self._connections.get(longest, _NO_IDENTITIES)
        calls = max(reversed(identities.values()), key=len, default=_NO_CALLS)
        if longest == own and len(calls) <= len(identities.get(identity, _NO_CALLS)) + 1:
            return None
        # A call that several wait for stays for the others.
        return next((turn for turn in reversed(calls) if len(turn.paths) == 1), None)

    def remove(self, turn: _Turn) -> None:
        """Removes a waiting call from all its queues."""
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
    """Sends each exchange once it has a place, which it keeps until its response has been read."""

    def layer(send: Send) -> Send:
        async def enter(exchange: Exchange) -> RestResponse:
            deadline, call = exchange.deadline, exchange.call
            if not limiter.take():  # Checked first, because nearly every call finds a place.
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
    """The queue of a call."""
    return call.caller.peer, call.caller.identity
