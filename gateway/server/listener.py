"""Arguments of gRPC's listener: what the core allows a peer before any code of the gateway runs.

Anyone who reaches the port can open connections and streams without credentials. gRPC's own defaults limit neither, so
each limit is set here, with its reason. Python cannot limit two things: the total memory of the core (its resource
quota needs a C pointer), and the bytes of incomplete requests, other than by their size and number.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from gateway.server.connections import is_gone

if TYPE_CHECKING:
    from gateway.server.options import ServerOptions

__all__ = ["channel_arguments", "quiet_library"]

_MAX_PENDING = 100_000
_HANDSHAKE_SECONDS = 20
_WINDOW_BYTES = 16 * 1024


def channel_arguments(options: ServerOptions) -> list[tuple[str, int]]:
    """The channel arguments of a server with these options."""
    arguments = [
        ("grpc.so_reuseport", int(options.reuse_port)),
        ("grpc.max_receive_message_length", options.max_request_bytes),
        ("grpc.max_send_message_length", options.max_response_bytes),
        # The core refuses at random between its soft and its hard limit, call by call; with both equal, it does not.
        # Its limit is the first size that it refuses.
        ("grpc.max_metadata_size", options.max_metadata_bytes + 1),
        ("grpc.absolute_max_metadata_size", options.max_metadata_bytes + 1),
        # A stream uses about 20 KiB as soon as its headers arrive, and nothing else limits their number.
        ("grpc.max_concurrent_streams", options.max_concurrent_streams),
        # Streams that have ended count until their memory is free, which bounds floods of streams that are reset. A
        # client that uses all its streams opens the next one a moment earlier than that, and must not be refused.
        ("grpc.http2.max_deallocating_streams", options.max_concurrent_streams),
        # Additional connections are closed as soon as they are accepted.
        ("grpc.max_allowed_incoming_connections", options.max_connections),
        # A fast peer would get ever larger windows, for requests that are not read yet. Requests are small, and
        # responses do not depend on it.
        ("grpc.http2.bdp_probe", 0),
        # Maximum size of the part of an unread request that may arrive.
        ("grpc.http2.lookahead_bytes", _WINDOW_BYTES),
        # How long a new connection may take for TLS and the first frame; the default is two minutes.
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_SECONDS * 1000),
        # Beyond about 1,000 calls that wait for the event loop, grpcio would silently cancel additional ones. The
        # limits of streams and connections limit the waiting calls.
        ("grpc.server.max_pending_requests", _MAX_PENDING),
        ("grpc.server.max_pending_requests_hard_limit", _MAX_PENDING),
        ("grpc.keepalive_time_ms", int(options.keepalive_seconds * 1000)),
        ("grpc.keepalive_timeout_ms", 20_000),
        ("grpc.keepalive_permit_without_calls", 1),
        # Clients may send pings every 10 seconds without being disconnected.
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    ]
    if options.max_connection_age_seconds is not None:
        arguments += [
            ("grpc.max_connection_age_ms", int(options.max_connection_age_seconds * 1000)),
            ("grpc.max_connection_age_grace_ms", int(options.grace_seconds * 1000)),
        ]
    return arguments


def quiet_library() -> None:
    """Keeps gRPC from logging a traceback for each response whose caller disconnected at the moment when it was
    sent."""
    logging.getLogger("grpc._cython.cygrpc").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    return not is_gone(error)
