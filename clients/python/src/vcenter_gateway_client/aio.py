"""Connections for asyncio."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from grpc import aio

from vcenter_gateway_client._credentials import Credentials, identified
from vcenter_gateway_client._transport import DEFAULT_TIMEOUT, Tls, prepare

__all__ = ["connect"]


def connect(
    target: str,
    *,
    tls: Tls | None = None,
    credentials: Credentials | None = None,
    default_timeout: float | None = DEFAULT_TIMEOUT,
    allow_plaintext_credentials: bool = False,
    options: Iterable[tuple[str, Any]] = (),
) -> aio.Channel:
    """Makes a channel to the gateway for asyncio, on which all stubs work; their calls are then awaited.

    Takes and raises what `vcenter_gateway_client.connect` does. To be called, and used, in a running event loop; close
    the channel, or use it in an `async with` statement.
    """
    transport = prepare(target, tls, credentials, allow_plaintext_credentials, options)
    interceptors = [_Defaults(default_timeout, credentials)]
    if transport.credentials is None:
        return aio.insecure_channel(target, options=transport.options, interceptors=interceptors)
    return aio.secure_channel(target, transport.credentials, options=transport.options, interceptors=interceptors)


class _Defaults(aio.UnaryUnaryClientInterceptor):
    """Adds to each call what it does not bring itself."""

    def __init__(self, timeout: float | None, credentials: Credentials | None) -> None:
        self._timeout = timeout
        self._credentials = credentials

    async def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: aio.ClientCallDetails, request: Any
    ) -> Any:
        details = client_call_details
        completed = aio.ClientCallDetails(
            method=details.method,
            timeout=self._timeout if details.timeout is None else details.timeout,
            metadata=aio.Metadata(*identified(details.metadata, self._credentials)),
            credentials=details.credentials,
            wait_for_ready=details.wait_for_ready,
        )
        return await continuation(completed, request)
