"""Blocking connections."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import grpc

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
) -> grpc.Channel:
    """Makes a channel to the gateway, on which all stubs work. It connects with the first call, and anew when needed.

    A channel may be used by several threads and should live as long as the program; close it, or use it in a `with`
    statement. Calls that only read are repeated while the gateway or vCenter is unavailable, all others are sent once.

    Args:
        target: The gateway, for instance `gateway.example.com:50051`. Calls are spread over all its addresses.
        tls: TLS, `Tls()` for the usual roots. Plain text when None.
        credentials: The identity that every call carries which brings none in its own metadata.
        default_timeout: Seconds after which a call gives up that has no `timeout` of its own. None for never.
        allow_plaintext_credentials: Lets credentials travel to another machine in plain text, where anyone on the way
            can read them. Only for networks that encrypt on their own.
        options: Further channel arguments of gRPC; they win over the ones set here.

    Raises:
        ValueError: Credentials would travel to another machine in plain text.
        OSError: A file of `tls` cannot be read.
    """
    transport = prepare(target, tls, credentials, allow_plaintext_credentials, options)
    if transport.credentials is None:
        channel = grpc.insecure_channel(target, options=transport.options)
    else:
        channel = grpc.secure_channel(target, transport.credentials, options=transport.options)
    return grpc.intercept_channel(channel, _Defaults(default_timeout, credentials))


@dataclass(frozen=True, repr=False)
class _CallDetails(grpc.ClientCallDetails):
    method: str
    timeout: float | None
    metadata: Any
    credentials: grpc.CallCredentials | None
    wait_for_ready: bool | None
    compression: grpc.Compression | None


class _Defaults(grpc.UnaryUnaryClientInterceptor):
    """Adds to each call what it does not bring itself."""

    def __init__(self, timeout: float | None, credentials: Credentials | None) -> None:
        self._timeout = timeout
        self._credentials = credentials

    def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: grpc.ClientCallDetails, request: Any
    ) -> Any:
        details: Any = client_call_details
        completed = _CallDetails(
            details.method,
            self._timeout if details.timeout is None else details.timeout,
            identified(details.metadata, self._credentials),
            details.credentials,
            details.wait_for_ready,
            details.compression,
        )
        return continuation(completed, request)
