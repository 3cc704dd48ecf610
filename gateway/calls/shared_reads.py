"""Shares reads between callers that accept a response of a certain age.

A caller that sends `cache-control: max-age=N` gets a response whose read started at most N seconds before the call: a
cached one, one in flight, or else a new one. One task calls vCenter for all waiting callers; it belongs to none of
them, and ends when the last one has cancelled. A change invalidates the reads that it may affect, before it runs and
afterwards: cached responses were read after the last change, and a read that was in flight at that time is neither
cached nor joined. `read_index` determines which reads these are.

    key -> slot: the newest answer, and the newest read on its way

Responses are shared between all callers with the same vCenter credential: whether a caller may make the call is decided
before, for each call. Errors reach the callers that wait for them and are not cached.
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
"""Seconds. No caller gets an older response, no matter which age it accepts: this is how long a response can outlive
the session, the password or the permission with which it was read."""
_MAX_DIGITS = 9


def accepted_age(cache_control: str) -> int | None:
    """The maximum age in seconds from a call's `cache-control`; None if nothing may be shared. The strictest directive
    counts, and unknown ones are ignored. Raises GatewayError (INVALID_ARGUMENT) for a `max-age` that is not a number.
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
    """The size of the cache. Beyond it, the least recently used responses are evicted."""

    slots: int = 4096
    total_bytes: int = 32 * 1024**2
    answer_bytes: int = 4 * 1024**2
    """A larger response is returned to all waiting callers, but not cached."""


@dataclass(slots=True)
class SharedReadCounts:
    """Outcomes of the reads whose callers accept an age."""

    hit: int = 0
    """Answered from the cache."""
    joined: int = 0
    """Waited for a read in flight."""
    miss: int = 0
    """Asked vCenter."""


@dataclass(slots=True, eq=False)
class _Flight:
    """A read in flight, and how many calls wait for it; at zero, it is being cancelled."""

    call: Call
    started: float
    task: asyncio.Task[Reply]
    waiting: int = 0

    @property
    def has_failed(self) -> bool:
        """Whether it ended without a response."""
        return self.task.done() and (self.task.cancelled() or self.task.exception() is not None)


@dataclass(slots=True, eq=False)
class _Slot:
    """The state of one read since the last change that affects it. No longer used once it is not in the map."""

    key: bytes
    subject: Subject
    response: bytes | None = field(default=None, repr=False)
    started: float = -math.inf
    """When the read of the response started."""
    flight: _Flight | None = None


class SharedReads:
    """A layer: `call` answers a read that may be shared, and passes on every other call. `unary` executes calls. A read
    belongs to no caller, so it may take `longest` seconds; `lend` gives it the turn of each call that waits for it.
    `clock` returns the time in seconds that determines the age of responses. Belongs to one event loop.
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
        """Size of the cached responses."""
        self._limits = limits or SharedReadLimits()
        self._clock = clock
        self._digest_key = os.urandom(32)
        self._slots: OrderedDict[bytes, _Slot] = OrderedDict()
        """The least recently used first."""
        self._index = ReadIndex()

    async def call(self, call: Call) -> Reply:
        """Answers a call. Raises GatewayError."""
        if not call.binding.is_read_only:
            return await self._change(call, self._unary)
        if call.max_age is None:
            return await self._unary(call)
        return await self._read(call, call.max_age)

    async def _read(self, call: Call, max_age: int) -> Reply:
        """The response, and how many seconds before this call its read started: rounded up, at most `max_age`, and 0
        only for the call's own read. A `max_age` of 0 always causes a new read."""
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
        # Longer than any caller waits: when the last deadline expires, the flight ends.
        read = replace(call, deadline=asyncio.get_running_loop().time() + self._longest)
        flight = slot.flight = _Flight(read, now, asyncio.ensure_future(self._unary(read)))
        flight.task.add_done_callback(lambda task: self._landed(slot, flight))
        return await self._wait(flight, call, 0)

    def around(self, unary: Unary) -> Unary:
        """A layer around a different endpoint than the one whose reads are shared: its changes also invalidate
        reads."""

        async def answer(call: Call) -> Reply:
            return await (unary(call) if call.binding.is_read_only else self._change(call, unary))

        return answer

    async def _change(self, call: Call, unary: Unary) -> Reply:
        """Makes a call that changes something, and invalidates reads of its resources, however the call ends."""
        self._drop(call)
        try:
            return await unary(call)
        finally:
            self._drop(call)

    def _key(self, call: Call) -> bytes:
        """Identifies a read of a credential. A digest, because requests contain passwords of guests."""
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
        # Always retrieved: asyncio complains about an exception that was never retrieved.
        answered = not flight.has_failed
        if self._slots.get(slot.key) is not slot:
            return
        # A read that started earlier may end later.
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
        """Evicts responses that are too old for every caller, and those beyond the limits."""
        oldest = self._clock() - MAX_AGE
        while self._slots:
            slot = next(iter(self._slots.values()))
            is_old = slot.response is not None and slot.flight is None and slot.started < oldest
            is_too_much = len(self._slots) > self._limits.slots or self.kept_bytes > self._limits.total_bytes
            if not is_old and not is_too_much:
                return
            self._remove(slot)

    def _drop(self, call: Call) -> None:
        """Removes the reads that a change may affect."""
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
    """Rounded up, so that no response is older than its age, and never 0, which means that nothing was shared."""
    return max(1, math.ceil(age))
