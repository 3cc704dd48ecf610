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
    """Whether several processes may listen on the same port. Off, a second gateway on the port fails to start."""
    max_request_bytes: int = _DEFAULTS.max_request_bytes
    max_response_bytes: int = _DEFAULTS.max_response_bytes
    max_metadata_bytes: int = _DEFAULTS.max_metadata_bytes
    """Of a call's metadata, counted as HTTP/2 does: each field with 32 bytes more than its name and value."""
    max_unsent_bytes: int = _DEFAULTS.max_unsent_bytes
    """Of answers that callers have not taken yet, over all connections. One connection may hold half of it."""
    max_concurrent_streams: int = _DEFAULTS.max_concurrent_streams
    """Calls at once on one connection; clients hold further ones back until one has ended."""
    max_connections: int = _DEFAULTS.max_connections
    """Further connections are closed immediately."""
    keepalive_seconds: float = _DEFAULTS.keepalive_seconds
    """An idle connection is probed this often, and closed when the client does not answer within 20 seconds."""
    max_connection_age_seconds: float | None = _DEFAULTS.max_connection_age_seconds
    """Connections are closed in an orderly way after about this long, so that clients find new replicas."""
    settle_seconds: float = _DEFAULTS.settle_seconds
    """How long new calls are still taken after a stop began, until load balancers have noticed."""
    grace_seconds: float = _DEFAULTS.grace_seconds
    """How long calls under way may take to finish after a stop began."""
    reflection: bool = _DEFAULTS.reflection
    health: bool = _DEFAULTS.health
    streams: StreamLimits = field(default_factory=StreamLimits)
