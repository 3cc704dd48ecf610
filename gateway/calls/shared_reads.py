"""Reads that many callers share, for those who say how old an answer may be.

A caller who sends `cache-control: max-age=N` gets an answer whose read began at most N seconds before the call: one
that is kept, one that is on its way, or else a new one. One task asks vCenter for all who wait; it belongs to none of
them, and ends when the last one has given up. A call that changes something drops the reads that may show it, before it
runs and after: what is kept was read after the last change, and a read that was under way at that time is neither kept
nor joined any more. Which reads these are, `read_index` tells.

    key -> slot: the newest answer, and the newest read on its way

What is shared is what vCenter answers to one credential, whoever calls with it: whether a caller may ask at all
is decided before, for each call. Errors reach those who wait for them and are not kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
import os
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from gateway.calls.call import Call
from gateway.calls.endpoint import Reply, Unary
from gateway.calls.read_index import ReadIndex, Subject, subject_of
from gateway.errors import Failure, GatewayError, Reason

__all__ = ["MAX_AGE", "SharedReadCounts", "SharedReadLimits", "SharedReads", "accepted_age"]

MAX_AGE = 60
"""Seconds. Older answers are given to nobody, whatever age they accept: so long at most does an answer outlive the
session, the password or the permission with which it was read."""
_MAX_DIGITS = 9


def accepted_age(cache_control: str) -> int | None:
    """How old an answer may be, in seconds, by a call's `cache-control`; None where nothing is to be shared.

    The strictest directive counts, and unknown ones do not. Raises GatewayError (INVALID_ARGUMENT) for a `max-age` that
    is no number.
    """
    ages = []
    shared = True
    for directive in cache_control.lower().split(","):
        name, _, value = map(str.strip, directive.partition("="))
        if name == "no-store":
            shared = False
        elif name == "no-cache":
            ages.append(0)
        elif name == "max-age":
            if not (value.isascii() and value.isdigit() and len(value) <= _MAX_DIGITS):
                text = f"max-age in cache-control must be a whole number of seconds with at most {_MAX_DIGITS} digits"
                raise GatewayError(Failure.of(Reason.REQUEST_INVALID, text))
            ages.append(min(int(value), MAX_AGE))
    return min(ages, default=None) if shared else None


@dataclass(frozen=True, slots=True)
class SharedReadLimits:
    """How much is kept. Beyond it, the answers that were not used for the longest time go."""

    slots: int = 4096
    total_bytes: int = 32 * 1024**2
    answer_bytes: int = 4 * 1024**2
    """A larger answer is given to all who wait for it, and not kept."""


@dataclass(slots=True)
class SharedReadCounts:
    """What came of the reads whose callers accept an age."""

    hit: int = 0
    """Answered from what is kept."""
    joined: int = 0
    """Waited for a read that was on its way."""
    miss: int = 0
    """Asked vCenter."""


@dataclass(slots=True, eq=False)
class _Flight:
    """A read on its way, and how many calls wait for it; without any it is being cancelled."""

    call: Call
    started: float
    task: asyncio.Task[Reply]
    waiting: int = 0

    @property
    def has_failed(self) -> bool:
        """Whether it ended without an answer."""
        return self.task.done() and (self.task.cancelled() or self.task.exception() is not None)


@dataclass(slots=True, eq=False)
class _Slot:
    """What is known of one read since the last change that it can show. Out of use as soon as it is not in the map."""

    key: bytes
    subject: Subject
    response: bytes | None = field(default=None, repr=False)
    started: float = -math.inf
    """When the read began that the response came from."""
    flight: _Flight | None = None


class SharedReads:
    """A layer: `call` answers a read that may be shared, and passes on every other call.

    `unary` carries calls out. A read belongs to nobody, so it may take `longest` seconds; `lend` lets it have the turn
    of each call that waits for it. `clock` is the time, in seconds, by which answers grow old. Belongs to one event
    loop.
    """

    def __init__(
        self,
        unary: Unary,
        *,
        longest: float,
        lend: Callable[[Call, Call], None] = lambda read, call: None,
        limits: SharedReadLimits | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._unary = unary
        self._longest = longest
        self._lend = lend
        self.counts = SharedReadCounts()
        self.kept_bytes = 0
        """Size of the answers that are kept."""
        self._limits = limits or SharedReadLimits()
        self._clock = clock
        self._digest_key = os.urandom(32)
        self._slots: OrderedDict[bytes, _Slot] = OrderedDict()
        """The longest unused first."""
        self._index = ReadIndex()

    async def call(self, call: Call) -> Reply:
        """Answers a call. Raises GatewayError."""
        if not call.binding.is_read_only:
            return await self._change(call, self._unary)
        if call.max_age is None:
            return await self._unary(call)
        return await self._read(call, call.max_age)

    async def _read(self, call: Call, max_age: int) -> Reply:
        """The response, and how many seconds before this call its read began: rounded up, at most `max_age`, and 0 only
        for a read of its own. A `max_age` of 0 never gets anything else."""
        now = self._clock()
        key = self._key(call)
        slot = self._slots.get(key)
        if slot is not None and max_age > 0:
            age = now - slot.started
            if slot.response is not None and age <= max_age:
                self.counts.hit += 1
                self._slots.move_to_end(key)
                return Reply(slot.response, _whole_seconds(age))
            flight = slot.flight
            if flight is not None and flight.waiting and not flight.has_failed:
                age = now - flight.started
                if age <= max_age:
                    self.counts.joined += 1
                    self._lend(flight.call, call)
                    return await self._wait(flight, call, _whole_seconds(age))
        self.counts.miss += 1
        if slot is None:
            slot = self._add(key, subject_of(call.binding.method.resources(call.message)))
        # Longer than any caller waits: the end of the last one's time is the end of the flight.
        read = replace(call, deadline=asyncio.get_running_loop().time() + self._longest)
        flight = slot.flight = _Flight(read, now, asyncio.ensure_future(self._unary(read)))
        flight.task.add_done_callback(lambda task: self._landed(slot, flight))
        return await self._wait(flight, call, 0)

    def around(self, unary: Unary) -> Unary:
        """A layer around another endpoint than the one whose reads are shared: its changes drop reads too."""

        async def answer(call: Call) -> Reply:
            return await (unary(call) if call.binding.is_read_only else self._change(call, unary))

        return answer

    async def _change(self, call: Call, unary: Unary) -> Reply:
        """Makes a call that changes something, and drops what is known of its resources however the call ends."""
        self._drop(call)
        try:
            return await unary(call)
        finally:
            self._drop(call)

    def _key(self, call: Call) -> bytes:
        """Tells one read of one credential from another. A digest, since requests hold passwords of guests."""
        credential = call.caller.credential
        rpc = f"{type(credential).__name__} {call.binding.method.full_name}\n".encode()
        request = call.message.SerializeToString(deterministic=True)
        return hmac.digest(self._digest_key, credential.digest + rpc + request, hashlib.sha256)

    async def _wait(self, flight: _Flight, call: Call, age: int) -> Reply:
        flight.waiting += 1
        try:
            left = call.deadline - asyncio.get_running_loop().time()
            await asyncio.wait((flight.task,), timeout=max(0.0, left))
            if flight.task.done():
                return Reply(flight.task.result().response, age)
        finally:
            flight.waiting -= 1
            if not flight.waiting:
                flight.task.cancel()
        metadata = {"operation": call.binding.method.operation}
        raise GatewayError(Failure.of(Reason.VCENTER_TIMEOUT, "vCenter did not answer in time", metadata=metadata))

    def _landed(self, slot: _Slot, flight: _Flight) -> None:
        if slot.flight is flight:
            slot.flight = None
        # Asked for in any case: an exception that nobody has looked at is complained about.
        answered = not flight.has_failed
        if self._slots.get(slot.key) is not slot:
            return
        # A read that began earlier may end later.
        if answered and flight.started > slot.started:
            response = flight.task.result().response
            if len(response) <= self._limits.answer_bytes:
                self.kept_bytes += len(response) - len(slot.response or b"")
                slot.response, slot.started = response, flight.started
                self._slots.move_to_end(slot.key)
                self._trim()
        if slot.response is None and slot.flight is None:
            self._remove(slot)

    def _add(self, key: bytes, subject: Subject) -> _Slot:
        slot = self._slots[key] = _Slot(key, subject)
        self._index.add(key, subject)
        self._trim()
        return slot

    def _trim(self) -> None:
        """Removes what is too old for everybody, and what is too much."""
        oldest = self._clock() - MAX_AGE
        while self._slots:
            slot = next(iter(self._slots.values()))
            is_old = slot.response is not None and slot.flight is None and slot.started < oldest
            is_too_much = len(self._slots) > self._limits.slots or self.kept_bytes > self._limits.total_bytes
            if not is_old and not is_too_much:
                return
            self._remove(slot)

    def _drop(self, call: Call) -> None:
        """Forgets the reads that may show a change."""
        if not self._slots:
            return
        change = subject_of(call.binding.method.resources(call.message))
        for key in self._index.touched(change):
            self._remove(self._slots[key])

    def _remove(self, slot: _Slot) -> None:
        del self._slots[slot.key]
        self.kept_bytes -= len(slot.response or b"")
        self._index.remove(slot.key, slot.subject)


def _whole_seconds(age: float) -> int:
    """Rounded up, so that no answer is older than it says, and never 0, which says that nothing was shared."""
    return max(1, math.ceil(age))
