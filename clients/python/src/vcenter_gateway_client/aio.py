"""Connections for asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import grpc
from grpc import aio

from vcenter_gateway_client._credentials import Caller, Credentials, completed
from vcenter_gateway_client._error import typed_errors
from vcenter_gateway_client._transport import DEFAULT_TIMEOUT, Tls, prepare

__all__ = ["connect"]

_Requests = AsyncIterable[Any] | Iterable[Any]


def connect(
    target: str,
    *,
    tls: Tls | None = None,
    credentials: Credentials | None = None,
    vcenter: str | None = None,
    default_timeout: float | None = DEFAULT_TIMEOUT,
    allow_plaintext_credentials: bool = False,
    options: Iterable[tuple[str, Any]] = (),
) -> aio.Channel:
    """Creates a channel to the gateway for asyncio and all stubs.

    Await calls, and iterate over streams with `async for`. The parameters and exceptions are those of
    `vcenter_gateway_client.connect`. Call it and use the channel in a running event loop. Close the channel, or use it
    in an `async with` statement.
    """
    caller = Caller(credentials, vcenter)
    transport = prepare(target, tls, credentials, allow_plaintext_credentials, options)
    if transport.credentials is None:
        channel = aio.insecure_channel(target, options=transport.options)
    else:
        channel = aio.secure_channel(target, transport.credentials, options=transport.options)
    return _Channel(channel, default_timeout, caller)


class _Channel(aio.Channel):
    """Adds the defaults to each call, and converts its errors to VCenterErrors."""

    def __init__(self, channel: aio.Channel, timeout: float | None, caller: Caller) -> None:
        self._channel: Any = channel
        self._timeout = timeout
        self._caller = caller

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._completed(self._channel.unary_unary(method, *args, **kwargs), method, _UnaryCall, self._timeout)

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._completed_sending(self._channel.stream_unary(method, *args, **kwargs), method, _UnaryCall)

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._completed(self._channel.unary_stream(method, *args, **kwargs), method, _StreamCall, None)

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._completed_sending(self._channel.stream_stream(method, *args, **kwargs), method, _StreamCall)

    def _completed(self, rpc: Any, method: str, call: type[_Call], default_timeout: float | None) -> Any:
        """The function that a stub calls."""

        def start(request: Any = None, timeout: float | None = None, metadata: Any = None, **options: Any) -> _Call:
            timeout = default_timeout if timeout is None else timeout
            metadata = aio.Metadata(*completed(metadata, self._caller))
            return call(rpc(request, timeout=timeout, metadata=metadata, **options), method)

        return start

    def _completed_sending(self, rpc: Any, method: str, call: type[_Call]) -> Any:
        """The function that a stub calls with a stream of requests."""

        def start(
            request_iterator: _Requests | None = None,
            timeout: float | None = None,
            metadata: Any = None,
            **options: Any,
        ) -> _Call:
            metadata = aio.Metadata(*completed(metadata, self._caller))
            return call(rpc(None, timeout=timeout, metadata=metadata, **options), method, request_iterator)

        return start

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        state: grpc.ChannelConnectivity = self._channel.get_state(try_to_connect)
        return state

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        await self._channel.channel_ready()

    async def close(self, grace: float | None = None) -> None:
        await self._channel.close(grace)

    async def __aenter__(self) -> _Channel:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()


class _Call:
    """A grpc call in flight. Everything except its failures is passed through."""

    _failed_requests: Exception | None = None

    def __init__(self, call: Any, method: str, requests: _Requests | None = None) -> None:
        self._call = call
        self._method = method
        if requests is not None:
            sending = asyncio.get_running_loop().create_task(self._send(requests))
            call.add_done_callback(lambda _: sending.cancel())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        self._call.add_done_callback(lambda _: callback(self))

    async def write(self, request: Any) -> None:
        with self._errors():
            await self._call.write(request)

    async def _send(self, requests: _Requests) -> None:
        """Sends the requests and closes the client's side of the stream.

        gRPC could do this, but it cancels a call that ends at the same time as its requests, and the status is lost.
        """
        try:
            async for request in _asynchronous(requests):
                try:
                    await self._call.write(request)
                except (aio.AioRpcError, asyncio.InvalidStateError):
                    return  # the call has ended, and tells why
        except Exception as error:
            self._failed_requests = error
            self._call.cancel()
            return
        # What fails here has no public class: the call has ended, and tells why.
        with suppress(Exception):
            await self._call.done_writing()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Raises the call's error: a VCenterError, or the exception of the iterator of its requests."""
        with typed_errors(self._method):
            try:
                yield
            except asyncio.CancelledError:
                if self._failed_requests is None:
                    raise
                raise self._failed_requests from None


class _UnaryCall(_Call):
    def __await__(self) -> Generator[Any, None, Any]:
        with self._errors():
            return (yield from self._call.__await__())


class _StreamCall(_Call):
    _responses: Any = None

    def __aiter__(self) -> _StreamCall:
        self._responses = self._call.__aiter__()
        return self

    async def __anext__(self) -> Any:
        with self._errors():
            return await self._responses.__anext__()

    async def read(self) -> Any:
        with self._errors():
            return await self._call.read()


async def _asynchronous(requests: _Requests) -> AsyncIterator[Any]:
    if isinstance(requests, AsyncIterable):
        async for request in requests:
            yield request
    else:
        for request in requests:
            yield request


aio.Call.register(_Call)
