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
        "Address that gRPC clients connect to. Port 0 takes a free one.",
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
        "A worker that gives no sign of life for so long is replaced; after a third of it the gateway is not ready. "
        "Where there are several workers.",
        f"{SECONDS}; 6 or more",
        ge=6,
        le=3600,
    )
    max_request_bytes: ByteSize = setting(4 * 1024**2, "Largest request that is accepted.", BYTES, ge=1024, lt=2**31)
    max_response_bytes: ByteSize = setting(32 * 1024**2, "Largest response that is sent.", BYTES, ge=1024, lt=2**31)
    max_metadata_bytes: ByteSize = setting(
        32 * 1024,
        "Largest metadata of a call: all its names and values, with 32 bytes more for each. gRPC itself refuses a call "
        "beyond it, with RESOURCE_EXHAUSTED and no details.",
        BYTES,
        ge=8 * 1024,
        le=16 * 1024**2,
    )
    max_unsent_bytes: ByteSize = setting(
        128 * 1024**2,
        "Most bytes of responses that callers have not taken yet. Half of it for one connection.",
        BYTES,
        ge=1024**2,
        lt=2**40,
    )
    max_concurrent_streams: int = setting(
        1000,
        "Calls at once on one connection. Clients hold further ones back by themselves.",
        "a whole number from 1 to 100000",
        ge=1,
        le=100_000,
    )
    max_connections: int = setting(
        10_000,
        "Connections at once, for each worker. Further ones are closed.",
        "a whole number from 1 to 1000000",
        ge=1,
        le=1_000_000,
    )
    max_streams: int = setting(
        1000,
        "Rpcs that stream their responses, such as WatchGateway, at once, for each worker. Further ones are refused "
        "with TOO_MANY_STREAMS.",
        "a whole number from 1 to 100000",
        ge=1,
        le=100_000,
    )
    max_streams_per_caller: int = setting(
        100,
        "The same of one caller: of one identity, and on one connection.",
        "a whole number from 1 to 100000",
        ge=1,
        le=100_000,
    )
    keepalive_seconds: float = setting(
        60.0, "An idle connection is probed this often.", f"{SECONDS}; 1 or more", ge=1, le=86400
    )
    max_connection_age_seconds: float | None = setting(
        None,
        "Connections are closed in an orderly way after about this time, so that clients find new replicas. "
        "Unlimited when unset.",
        f"{SECONDS}; 1 or more",
        ge=1,
        le=86400 * 365,
    )
    settle_seconds: float = setting(
        0.0,
        "How long new calls are still taken after the stop began, until load balancers have noticed; clients that "
        "watch the health service `clients` leave at its end.",
        SECONDS,
        ge=0,
        le=3600,
    )
    grace_seconds: float = setting(
        30.0, "How long calls under way may take to finish after the stop began.", SECONDS, ge=0, le=3600
    )
    reflection: bool = setting(
        True, "Lets tools such as grpcurl ask for the services. It needs no credentials.", SWITCH
    )
    health: bool = setting(True, "Answers health checks (grpc.health.v1), which need no credentials either.", SWITCH)


class TlsSettings(Section):
    """TLS towards the callers. Renewed files are in use within a second, for new connections."""

    cert_file: ReadableFile | None = setting(
        None, "The gateway's certificate, and those that lead to its authority. Plain text when unset.", "a PEM file"
    )
    key_file: ReadableFile | None = setting(None, "The key of the certificate, without a passphrase.", "a PEM file")
    client_ca_file: ReadableFile | None = setting(
        None, "Callers must show a certificate of one of these authorities.", "a PEM file"
    )


class LogSettings(Section):
    """What is logged, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = setting(
        "info", "The least important lines that are written.", "debug, info, warning or error"
    )
    format: Literal["auto", "json", "console"] = setting(
        "auto", "How lines look. `auto`: for people on a terminal, JSON elsewhere.", "auto, json or console"
    )
    audit_file: str | None = setting(
        None,
        "A line of JSON for each call that changes something and for each stream: who, what, on which machine, and how "
        "it ended. Appended to this file; among the other lines when unset.",
        "a file to append to",
    )
    audit_on_failure: Literal["continue", "refuse"] = setting(
        "continue",
        "What becomes of changes while the audit file cannot be written, for instance on a full disk. `continue`: they "
        "are made, and the records that are lost are counted. `refuse`: they fail before vCenter is asked.",
        "continue or refuse",
    )
