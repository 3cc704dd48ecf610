"""How the gRPC side of a gateway listens and stops."""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.server.streams import StreamLimits
from gateway.settings import ServerSettings

__all__ = ["ServerOptions"]

# Each default is stated once, where it is documented.
_DEFAULTS = ServerSettings()


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """How the gRPC side listens and stops."""

    listen: str = _DEFAULTS.listen
    """Host and port; port 0 takes a free one."""
    reuse_port: bool = False
    """Whether several processes may listen on the same port. If off, a second gateway on the port fails to start."""
    max_request_bytes: int = _DEFAULTS.max_request_bytes
    max_response_bytes: int = _DEFAULTS.max_response_bytes
    max_metadata_bytes: int = _DEFAULTS.max_metadata_bytes
    """Of a call's metadata, counted as in HTTP/2: each header with 32 bytes more than its name and value."""
    max_unsent_bytes: int = _DEFAULTS.max_unsent_bytes
    """Of responses that callers have not read yet, over all connections. One connection may use half of it."""
    max_concurrent_streams: int = _DEFAULTS.max_concurrent_streams
    """Concurrent calls on one connection; clients hold back additional ones until one has ended."""
    max_connections: int = _DEFAULTS.max_connections
    """Additional connections are closed immediately."""
    keepalive_seconds: float = _DEFAULTS.keepalive_seconds
    """How often an idle connection is probed; it is closed if the client does not respond within 20 seconds."""
    max_connection_age_seconds: float | None = _DEFAULTS.max_connection_age_seconds
    """Connections are closed gracefully after about this time, so that clients find new replicas."""
    settle_seconds: float = _DEFAULTS.settle_seconds
    """How long new calls are still accepted after a shutdown began, until load balancers have noticed."""
    grace_seconds: float = _DEFAULTS.grace_seconds
    """How long calls in flight may take to finish after that."""
    reflection: bool = _DEFAULTS.reflection
    health: bool = _DEFAULTS.health
    streams: StreamLimits = field(default_factory=StreamLimits)
