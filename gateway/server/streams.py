"""Handles streaming rpcs, and keeps track of the open streams.

A stream ends early at the shutdown of the gateway, when its credentials are no longer accepted, and when the policy no
longer allows it. At its deadline, gRPC cancels it, as if its caller had disconnected: neither counts as a failure. A
stream whose caller does not read waits; the source of its messages must not wait for it. Requests are read one by one,
when the method needs the next one, so that gRPC slows down a caller that sends faster.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.message import Message

from gateway.calls import Call, Kind, Stream
from gateway.errors import Failure, GatewayError, Reason
from gateway.events import Events
from gateway.outliving import outlived
from gateway.server.arrival import REQUEST_ID_HEADER, Arrival, Door, parsed, refuse
from gateway.server.calls import CANCELLED
from gateway.server.connections import Places, read, taken, write
from gateway.server.peers import NO_REQUEST
from gateway.settings import ServerSettings
from gateway.transcoding import Binding
from gateway.vcenter.retry import TOO_MANY_STREAMS_SECONDS

__all__ = ["OpenStreams", "StreamHandler", "StreamLimits", "stream_handler"]

_LAST_WRITE_SECONDS = 1.0
"""How long the end of a stream waits for a message in flight; a peer that does not read gets no status."""
_NOT_READ = Failure.of(Reason.OVERLOADED, "the messages of the stream have not been read")
_STOPPING = Failure.of(Reason.GATEWAY_STOPPING, "this replica of the gateway is stopping; open the stream again")

_REQUEST_SECONDS = 30.0
"""How long the first message may take."""
NEXT_REQUEST_SECONDS = 60.0
"""How long each additional one may take."""

# Each default is stated once, where it is documented.
_DEFAULTS = ServerSettings()

StreamHandler = Callable[[Any, Any], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """How many streams may be open, and how often the credentials of a caller are checked again."""

    max_streams: int = _DEFAULTS.max_streams
    """Of all callers together."""
    max_streams_per_caller: int = _DEFAULTS.max_streams_per_caller
    """Of one identity, and on one connection."""
    check_seconds: float = 10.0
    """Maximum time until a stream ends whose caller is no longer accepted."""


class _OpenStream:
    """A stream under way."""

    __slots__ = ("ended_by", "opened", "pump")

    def __init__(self, pump: asyncio.Future[None]) -> None:
        self.pump = pump
        self.ended_by: Failure | None = None
        self.opened = time.monotonic()

    def end(self, failure: Failure) -> None:
        """Ends it with this failure, wherever it is."""
        if self.ended_by is None:
            self.ended_by = failure
            self.pump.cancel()


class OpenStreams:
    """The streams of one process."""

    def __init__(self, limits: StreamLimits | None = None) -> None:
        self.limits = limits or StreamLimits()
        self._open: set[_OpenStream] = set()
        self._places = Places(self.limits.max_streams, self.limits.max_streams_per_caller)
        self._is_stopping = False

    def __len__(self) -> int:
        return len(self._open)

    @property
    def oldest_seconds(self) -> float:
        """How long the oldest one has been open, 0 without any."""
        now = time.monotonic()
        return now - min((stream.opened for stream in self._open), default=now)

    def end_all(self) -> None:
        """Ends all streams because the gateway stops, and every later one."""
        self._is_stopping = True
        for stream in list(self._open):
            stream.end(_STOPPING)

    @contextlib.contextmanager
    def opened(self, call: Call, pump: Callable[[], Awaitable[None]]) -> Iterator[_OpenStream]:
        """Starts `pump`, which sends the messages, as one of the open streams. Raises GatewayError (RESOURCE_EXHAUSTED)
        if there are too many, and (UNAVAILABLE) while the gateway stops."""
        if self._is_stopping:
            raise GatewayError(_STOPPING)
        with self._places.take(*_callers_of(call)) as refusal:
            if refusal:
                raise GatewayError(Failure.of(Reason.TOO_MANY_STREAMS, refusal, retry_delay=TOO_MANY_STREAMS_SECONDS))
            stream = _OpenStream(asyncio.ensure_future(pump()))
            self._open.add(stream)
            try:
                yield stream
            finally:
                stream.pump.cancel()
                self._open.discard(stream)


def _callers_of(call: Call) -> list[Hashable]:
    """The owners for which a stream counts. A caller can make up identities, but not connections; and callers without a
    known name must not use up each other's streams."""
    identity = call.caller.identity
    connection = ("connection", call.caller.peer)
    return [connection] if identity.kind is Kind.GATEWAY else [connection, ("identity", identity)]


def stream_handler(
    door: Door,
    binding: Binding,
    stream: Stream,
    events: Events,
    streams: OpenStreams,
) -> StreamHandler:
    """The handler of one rpc that streams. It reads the serialized requests from its context."""
    takes_requests, _ = binding.method.streaming.value

    async def handle(_: Any, context: Any) -> None:
        arrival = Arrival(door, binding, context)
        failure: Failure | None = CANCELLED
        sent = 0
        writing: asyncio.Future[bool] | None = None
        try:
            call = await arrival.call(await _request(context), _Further(context, binding) if takes_requests else None)
            door.admission.authorize(call)
            events.call_started(call)

            async def pump() -> None:
                nonlocal sent, writing
                messages = stream(call)
                try:
                    async for message in messages:
                        # Always completed, even if the stream is ended meanwhile: gRPC sends no status during a
                        # message.
                        writing = asyncio.ensure_future(write(context, _serialized(message)))
                        # If the stream is ended meanwhile, nothing retrieves its exception.
                        writing.add_done_callback(_looked_at)
                        if not await outlived(writing):
                            raise GatewayError(_NOT_READ)
                        sent += 1
                        events.message_sent(call)
                        del message  # May be a MiB of a file, and the next one may take a while.
                finally:
                    await messages.aclose()  # type: ignore[attr-defined] # an async generator's

            with streams.opened(call, pump) as opened:
                await arrival.while_allowed(call, opened.pump)
                if opened.ended_by is not None:
                    raise GatewayError(opened.ended_by)
                await opened.pump
            context.set_trailing_metadata(((REQUEST_ID_HEADER, arrival.request_id),))
            failure = None
        except GatewayError as error:
            failure = error.failure
        except Exception as error:
            failure = arrival.bug(error)
        finally:
            events.call_ended(arrival.ended(_as_counted(failure), messages=sent))
        if writing is not None and not writing.done():
            await asyncio.wait((writing,), timeout=_LAST_WRITE_SECONDS)
        if failure is not None:
            # The status waits for a message that the caller does not read.
            await taken(context, refuse(context, failure, arrival.request_id))

    return handle


async def _request(context: Any) -> bytes | Failure:
    """The serialized request, or the reason why it does not arrive."""
    data = None
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_REQUEST_SECONDS):
            data = await read(context)
    return NO_REQUEST if data is None else data


class _Further:
    """The messages after the first. Reading raises GatewayError (INVALID_ARGUMENT) if a message is invalid, or does not
    arrive. Not a generator, which would keep each message until it has the next one."""

    def __init__(self, context: Any, binding: Binding) -> None:
        self._context = context
        self._binding = binding

    def __aiter__(self) -> _Further:
        return self

    async def __anext__(self) -> Message:
        try:
            async with asyncio.timeout(NEXT_REQUEST_SECONDS):
                data = await read(self._context)
        except TimeoutError:
            text = f"the next message of the request has not arrived within {NEXT_REQUEST_SECONDS:g} seconds"
            raise GatewayError(Failure.of(Reason.REQUEST_INVALID, text)) from None
        if data is None:
            raise StopAsyncIteration
        return parsed(self._binding, data)


def _as_counted(failure: Failure | None) -> Failure | None:
    """The outcome of a stream for log, metrics, audit log and traces. During a graceful shutdown, its caller gets
    UNAVAILABLE and moves to another replica, but nothing has failed, as for a stream at its deadline."""
    if failure is not None and failure.reason == Reason.GATEWAY_STOPPING:
        return failure.with_(code=CANCELLED.code)
    return failure


def _looked_at(writing: asyncio.Future[bool]) -> None:
    """Retrieves the outcome of a write that is no longer awaited."""
    if not writing.cancelled():
        writing.exception()


def _serialized(message: Message | bytes) -> bytes:
    return message if isinstance(message, bytes) else message.SerializeToString()
