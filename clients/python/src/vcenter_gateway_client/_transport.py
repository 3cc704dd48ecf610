"""What blocking and asyncio connections have in common: TLS and the channel options."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import grpc

from vcenter_gateway_client._credentials import Credentials
from vcenter_gateway_client._target import is_local

__all__ = ["DEFAULT_TIMEOUT", "Tls", "Transport", "prepare"]

DEFAULT_TIMEOUT = 60.0

_KEEPALIVE = {
    # A connection that was cut in silence is noticed although nobody answers. The gateway allows one ping in 10 s.
    "grpc.keepalive_time_ms": 60_000,
    "grpc.keepalive_timeout_ms": 20_000,
}


_MAX_RESPONSE_BYTES = 32 << 20
"""The gateway's default limit; gRPC's default is 4 MiB."""


@dataclass(frozen=True)
class Tls:
    """TLS settings. All files are in PEM format."""

    ca_file: str | os.PathLike[str] | None = None
    """CA certificates to trust. Those of the system if None."""

    certificate_file: str | os.PathLike[str] | None = None
    """Client certificate chain, for a gateway that requires one (mTLS)."""

    key_file: str | os.PathLike[str] | None = None
    """Private key of the client's certificate."""

    server_name: str | None = None
    """Name in the gateway's certificate, if it differs from the target."""

    def __post_init__(self) -> None:
        if (self.certificate_file is None) != (self.key_file is None):
            raise ValueError("certificate_file and key_file require each other: set both")


@dataclass(frozen=True, repr=False)
class Transport:
    """Everything that defines a channel."""

    credentials: grpc.ChannelCredentials | None
    """None for plain text."""

    options: tuple[tuple[str, Any], ...]


def prepare(
    target: str,
    tls: Tls | None,
    credentials: Credentials | None,
    allow_plaintext_credentials: bool,
    options: Iterable[tuple[str, Any]],
) -> Transport:
    """Prepares the channel to a target.

    Raises ValueError if credentials would be sent over the network in plain text, and OSError if a file cannot be read.
    """
    channel_options: dict[str, Any] = {
        **_KEEPALIVE,
        "grpc.service_config": _service_config(),
        "grpc.max_receive_message_length": _MAX_RESPONSE_BYTES,
    }
    if tls is None:
        local = is_local(target)
        if credentials is not None and not local and not allow_plaintext_credentials:
            raise ValueError(f"credentials are not sent to {target} in plain text; use tls=Tls()")
        if local:
            # A proxy from the environment is not this machine.
            channel_options["grpc.enable_http_proxy"] = 0
        return Transport(None, _items(channel_options, options))
    channel_credentials = grpc.ssl_channel_credentials(
        _system_roots() if tls.ca_file is None else _read(tls.ca_file), _read(tls.key_file), _read(tls.certificate_file)
    )
    if tls.server_name is not None:
        channel_options["grpc.ssl_target_name_override"] = tls.server_name
    return Transport(channel_credentials, _items(channel_options, options))


def _items(defaults: dict[str, Any], options: Iterable[tuple[str, Any]]) -> tuple[tuple[str, Any], ...]:
    return tuple({**defaults, **dict(options)}.items())


def _read(path: str | os.PathLike[str] | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()


def _system_roots() -> bytes | None:
    """The CA certificates that the system trusts, or $SSL_CERT_FILE. None if it has none: gRPC includes its own."""
    certificates = ssl.create_default_context().get_ca_certs(binary_form=True)
    return "".join(map(ssl.DER_cert_to_PEM_cert, certificates)).encode() or None


def _service_config() -> str:
    """Retries and load balancing of the gateway's clients, as a gRPC service config."""
    return resources.files("vcenter_gateway_client").joinpath("service_config.json").read_text(encoding="utf-8")
