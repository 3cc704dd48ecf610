"""Blocking connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import grpc

from vcenter_gateway_client._credentials import Caller, Credentials, completed
from vcenter_gateway_client._error import typed_errors
from vcenter_gateway_client._transport import DEFAULT_TIMEOUT, Tls, prepare

__all__ = ["connect"]


def connect(
    target: str,
    *,
    tls: Tls | None = None,
    credentials: Credentials | None = None,
    vcenter: str | None = None,
    default_timeout: float | None = DEFAULT_TIMEOUT,
    allow_plaintext_credentials: bool = False,
    options: Iterable[tuple[str, Any]] = (),
) -> grpc.Channel:
    """Creates a channel to the gateway for all stubs. It connects with the first call and reconnects automatically.

    Threads can share a channel, and it should live as long as the program. Close it, or use it in a `with` statement.
    Read-only calls are retried while the gateway or vCenter is unavailable; all others are sent once. Failed calls and
    streams raise a `VCenterError`.

    Args:
        target: The gateway, for example `gateway.example.com:50051`. Calls are load-balanced across all its addresses.
        tls: TLS settings; `Tls()` trusts the system's CAs. Plain text if None.
        credentials: The identity of every call that has none in its own metadata.
        vcenter: The vCenter of a fleet to call. A call's own metadata `x-vcenter` takes precedence.
        default_timeout: Timeout in seconds for calls without their own `timeout`. None for no timeout. Streams last
            until one side ends them, or until their own `timeout` expires.
        allow_plaintext_credentials: Allows sending credentials to another machine in plain text, where anyone on the
            network path can read them. Only for networks that are themselves encrypted.
        options: Additional gRPC channel arguments. They take precedence over those set here.

    Raises:
        ValueError: The client would send credentials to another machine in plain text, or `vcenter` is not valid.
        OSError: A file of `tls` cannot be read.
    """
    caller = Caller(credentials, vcenter)
    transport = prepare(target, tls, credentials, allow_plaintext_credentials, options)
    if transport.credentials is None:
        channel = grpc.insecure_channel(target, options=transport.options)
    else:
        channel = grpc.secure_channel(target, transport.credentials, options=transport.options)
    return _Channel(channel, default_timeout, caller)


class _Channel(grpc.Channel):
    """Adds the defaults to each call, and converts its errors to VCenterErrors.

    Does not use interceptors, because grpc handles an error that an interceptor raises differently from that of a call.
    """

    def __init__(self, channel: grpc.Channel, timeout: float | None, caller: Caller) -> None:
        self._channel: Any = channel
        self._timeout = timeout
        self._caller = caller

    def unary_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return _Unary(self._channel.unary_unary(method, *args, **kwargs), method, self._timeout, self._caller)

    def stream_unary(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return _Unary(self._channel.stream_unary(method, *args, **kwargs), method, None, self._caller)

    def unary_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return _Streaming(self._channel.unary_stream(method, *args, **kwargs), method, self._caller)

    def stream_stream(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return _Streaming(self._channel.stream_stream(method, *args, **kwargs), method, self._caller)

    def subscribe(
        self, callback: Callable[[grpc.ChannelConnectivity], None], try_to_connect: bool | None = False
    ) -> None:
        self._channel.subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Callable[[grpc.ChannelConnectivity], None]) -> None:
        self._channel.unsubscribe(callback)

    def close(self) -> None:
        self._channel.close()

    def __enter__(self) -> _Channel:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _Unary:
    """An rpc with one response. Created by a channel, called by a stub."""

    def __init__(self, rpc: Any, method: str, timeout: float | None, caller: Caller) -> None:
        self._rpc = rpc
        self._method = method
        self._timeout = timeout
        self._caller = caller

    def __call__(self, request: Any, timeout: float | None = None, metadata: Any = None, **options: Any) -> Any:
        with typed_errors(self._method):
            return self._rpc(request, *self._completed(timeout, metadata), **options)

    def with_call(self, request: Any, timeout: float | None = None, metadata: Any = None, **options: Any) -> Any:
        with typed_errors(self._method):
            return self._rpc.with_call(request, *self._completed(timeout, metadata), **options)

    def future(self, request: Any, timeout: float | None = None, metadata: Any = None, **options: Any) -> Any:
        return _Future(self._rpc.future(request, *self._completed(timeout, metadata), **options), self._method)

    def _completed(self, timeout: float | None, metadata: Any) -> tuple[float | None, Any]:
        return self._timeout if timeout is None else timeout, completed(metadata, self._caller)


class _Streaming:
    """An rpc with a stream of responses, which has no default timeout."""

    def __init__(self, rpc: Any, method: str, caller: Caller) -> None:
        self._rpc = rpc
        self._method = method
        self._caller = caller

    def __call__(self, request: Any, timeout: float | None = None, metadata: Any = None, **options: Any) -> Any:
        metadata = completed(metadata, self._caller)
        return _Stream(self._rpc(request, timeout, metadata, **options), self._method)


class _Call:
    """A grpc call in flight. Everything except its failures is passed through."""

    def __init__(self, call: Any, method: str) -> None:
        self._call = call
        self._method = method

    def __getattr__(self, name: str) -> Any:
        return getattr(self._call, name)


class _Future(_Call):
    def result(self, timeout: float | None = None) -> Any:
        with typed_errors(self._method):
            return self._call.result(timeout)

    def exception(self, timeout: float | None = None) -> Any:
        try:
            self.result(timeout)
        except grpc.RpcError as error:
            return error
        return self._call.exception(timeout)

    def add_done_callback(self, callback: Callable[[Any], Any]) -> None:
        self._call.add_done_callback(lambda _: callback(self))


class _Stream(_Call):
    def __iter__(self) -> _Stream:
        return self

    def __next__(self) -> Any:
        with typed_errors(self._method):
            return next(self._call)


grpc.Call.register(_Call)
grpc.Future.register(_Future)
