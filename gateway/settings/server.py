"""Settings of the gRPC side, of its TLS, and of the logs."""

from __future__ import annotations

from typing import Literal

from pydantic import ByteSize

from gateway.address import DEFAULT_LISTEN
from gateway.settings.section import BYTES, SECONDS, SWITCH, Address, ReadableFile, Section, setting

__all__ = ["LogSettings", "ServerSettings", "TlsSettings"]


class ServerSettings(Section):
    """The gRPC side."""

    listen: Address = setting(
        DEFAULT_LISTEN,
        "Address that gRPC clients connect to. Port 0 picks a free port.",
        "HOST:PORT, for example 127.0.0.1:50051, 0.0.0.0:50051 or [::1]:50051",
    )
    workers: int = setting(
        1,
        "Number of processes that share the port. Each uses about one processor core.",
        "a whole number from 1 to 64",
        ge=1,
        le=64,
    )
    worker_timeout_seconds: float = setting(
        15.0,
        "With several workers, the gateway replaces a worker that does not respond for this long. After a third of the "
        "time, the gateway is not ready.",
        f"{SECONDS}; 6 or more",
        ge=6,
        le=3600,
    )
    max_request_bytes: ByteSize = setting(4 * 1024**2, "Maximum size of a request.", BYTES, ge=1024, lt=2**31)
    max_response_bytes: ByteSize = setting(32 * 1024**2, "Maximum size of a response.", BYTES, ge=1024, lt=2**31)
    max_metadata_bytes: ByteSize = setting(
        32 * 1024,
        "Maximum size of a call's metadata: the sum of names and values, plus 32 bytes for each field. gRPC itself "
        "refuses a call that exceeds it, with RESOURCE_EXHAUSTED and no details.",
        BYTES,
        ge=8 * 1024,
        le=16 * 1024**2,
    )
    max_unsent_bytes: ByteSize = setting(
        128 * 1024**2,
        "Maximum size of all responses that callers have not read yet. One connection may use half of it.",
        BYTES,
        ge=1024**2,
        lt=2**40,
    )
    max_concurrent_streams: int = setting(
        1000,
        "Maximum number of concurrent calls on one connection. Clients hold back additional calls.",
        "a whole number from 1 to 100000",
        ge=1,
        le=100_000,
    )
    max_connections: int = setting(
        10_000,
        "Maximum number of concurrent connections of each worker. The gateway closes additional connections.",
        "a whole number from 1 to 1000000",
        ge=1,
        le=1_000_000,
    )
    max_streams: int = setting(
        1000,
        "Maximum number of concurrent rpcs of each worker that stream their responses, such as WatchGateway. "
        "Additional ones are refused with TOO_MANY_STREAMS.",
        "a whole number from 1 to 100000",
        ge=1,
        le=100_000,
    )
    max_streams_per_caller: int = setting(
        100,
        "The same limit for one caller: for each identity and for each connection.",
        "a whole number from 1 to 100000",
        ge=1,
        le=100_000,
    )
    keepalive_seconds: float = setting(
        60.0, "How often the gateway probes an idle connection.", f"{SECONDS}; 1 or more", ge=1, le=86400
    )
    max_connection_age_seconds: float | None = setting(
        None,
        "The gateway closes a connection gracefully after about this time, so that clients find new replicas. "
        "Unlimited when unset.",
        f"{SECONDS}; 1 or more",
        ge=1,
        le=86400 * 365,
    )
    settle_seconds: float = setting(
        0.0,
        "How long the gateway still accepts new calls after it is told to stop, until load balancers have noticed. "
        "Clients that watch the health service `clients` disconnect at the end of this time.",
        SECONDS,
        ge=0,
        le=3600,
    )
    grace_seconds: float = setting(
        30.0,
        "How long calls in flight may take to finish after the gateway stops accepting calls.",
        SECONDS,
        ge=0,
        le=3600,
    )
    reflection: bool = setting(True, "Lets tools such as grpcurl list the services. Needs no credentials.", SWITCH)
    health: bool = setting(True, "Answers health checks (grpc.health.v1), which need no credentials either.", SWITCH)


class TlsSettings(Section):
    """TLS for callers. Renewed files are in use within a second, for new connections."""

    cert_file: ReadableFile | None = setting(
        None,
        "The gateway's certificate, followed by the intermediate certificates. When unset, the gateway serves plain "
        "text.",
        "a PEM file",
    )
    key_file: ReadableFile | None = setting(
        None, "The private key of the certificate, without a passphrase.", "a PEM file"
    )
    client_ca_file: ReadableFile | None = setting(
        None,
        "Authorities of client certificates. When set, callers must present a certificate from one of them.",
        "a PEM file",
    )


class LogSettings(Section):
    """The log, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = setting(
        "info", "Lowest level of the lines that the gateway writes.", "debug, info, warning or error"
    )
    format: Literal["auto", "json", "console"] = setting(
        "auto", "Format of lines. `auto`: readable lines on a terminal, JSON elsewhere.", "auto, json or console"
    )
    audit_file: str | None = setting(
        None,
        "File for the audit log: a line of JSON for each change and each stream, with the caller, the rpc, the machine "
        "and the outcome. When unset, these lines are part of the general log.",
        "a file to append to",
    )
    audit_on_failure: Literal["continue", "refuse"] = setting(
        "continue",
        "What happens to changes while the audit file cannot be written, for example on a full disk. `continue`: the "
        "gateway executes them and counts lost records. `refuse`: they fail before the gateway calls vCenter.",
        "continue or refuse",
    )
