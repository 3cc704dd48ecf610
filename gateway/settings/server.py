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
        "HOST:PORT, for instance 127.0.0.1:50051, 0.0.0.0:50051 or [::1]:50051",
    )
    workers: int = setting(
        1,
        "Processes that share the port. One uses about one processor core.",
        "a whole number from 1 to 64",
        ge=1,
        le=64,
    )
    worker_timeout_seconds: float = setting(
        15.0,
        "With several workers, a worker that is silent for this long is replaced. After a third of the time, the "
        "gateway is not ready.",
        f"{SECONDS}; 6 or more",
        ge=6,
        le=3600,
    )
    max_request_bytes: ByteSize = setting(4 * 1024**2, "Largest request that is accepted.", BYTES, ge=1024, lt=2**31)
    max_response_bytes: ByteSize = setting(32 * 1024**2, "Largest response that is sent.", BYTES, ge=1024, lt=2**31)
    max_metadata_bytes: ByteSize = setting(
        32 * 1024,
        "Largest metadata of a call: the sum of names and values, plus 32 bytes for each field. gRPC itself refuses a "
        "call that exceeds it, with RESOURCE_EXHAUSTED and no details.",
        BYTES,
        ge=8 * 1024,
        le=16 * 1024**2,
    )
    max_unsent_bytes: ByteSize = setting(
        128 * 1024**2,
        "Most bytes of responses that callers have not read yet. One connection may hold half of it.",
        BYTES,
        ge=1024**2,
        lt=2**40,
    )
    max_concurrent_streams: int = setting(
        1000,
        "Concurrent calls on one connection. Clients hold further calls back.",
        "a whole number from 1 to 100000",
        ge=1,
        le=100_000,
    )
    max_connections: int = setting(
        10_000,
        "Concurrent connections for each worker. Further connections are closed.",
        "a whole number from 1 to 1000000",
        ge=1,
        le=1_000_000,
    )
    max_streams: int = setting(
        1000,
        "Concurrent rpcs that stream their responses, such as WatchGateway, for each worker. Further ones are refused "
        "with TOO_MANY_STREAMS.",
        "a whole number from 1 to 100000",
        ge=1,
        le=100_000,
    )
    max_streams_per_caller: int = setting(
        100,
        "The same limit for one caller: for one identity, and for one connection.",
        "a whole number from 1 to 100000",
        ge=1,
        le=100_000,
    )
    keepalive_seconds: float = setting(
        60.0, "An idle connection is probed this often.", f"{SECONDS}; 1 or more", ge=1, le=86400
    )
    max_connection_age_seconds: float | None = setting(
        None,
        "Connections are closed gracefully after about this time, so that clients find new replicas. Unlimited when "
        "unset.",
        f"{SECONDS}; 1 or more",
        ge=1,
        le=86400 * 365,
    )
    settle_seconds: float = setting(
        0.0,
        "How long the gateway still accepts new calls after the stop began, until load balancers have noticed. Clients "
        "that watch the health service `clients` leave at the end of this time.",
        SECONDS,
        ge=0,
        le=3600,
    )
    grace_seconds: float = setting(
        30.0, "How long calls in flight may take to finish after the stop began.", SECONDS, ge=0, le=3600
    )
    reflection: bool = setting(True, "Lets tools such as grpcurl list the services. Needs no credentials.", SWITCH)
    health: bool = setting(True, "Answers health checks (grpc.health.v1), which need no credentials either.", SWITCH)


class TlsSettings(Section):
    """TLS towards the callers. Renewed files are in use within a second, for new connections."""

    cert_file: ReadableFile | None = setting(
        None,
        "The gateway's certificate, followed by the intermediate certificates. Plain text when unset.",
        "a PEM file",
    )
    key_file: ReadableFile | None = setting(None, "The key of the certificate, without a passphrase.", "a PEM file")
    client_ca_file: ReadableFile | None = setting(
        None, "Callers must present a certificate of one of these authorities.", "a PEM file"
    )


class LogSettings(Section):
    """What is logged, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = setting(
        "info", "Lowest level of lines that are written.", "debug, info, warning or error"
    )
    format: Literal["auto", "json", "console"] = setting(
        "auto", "Format of lines. `auto`: readable lines on a terminal, JSON elsewhere.", "auto, json or console"
    )
    audit_file: str | None = setting(
        None,
        "File for the audit log: a line of JSON for each change and each stream, with who, what, on which machine, and "
        "how it ended. When unset, these lines are part of the general log.",
        "a file to append to",
    )
    audit_on_failure: Literal["continue", "refuse"] = setting(
        "continue",
        "What happens to changes while the audit file cannot be written, for instance on a full disk. `continue`: they "
        "are executed, and lost records are counted. `refuse`: they fail before vCenter is called.",
        "continue or refuse",
    )
