"""How long a stream of the gateway's own may be silent before it says that it lives."""

from __future__ import annotations

from typing import Any

from gateway.live.required import refuse

__all__ = ["heartbeat_seconds"]

_SECONDS = 15.0
_LEAST, _MOST = 1.0, 300.0


def heartbeat_seconds(request: Any) -> float:
    """What a request asks for in its `heartbeat_interval`. Raises GatewayError (INVALID_ARGUMENT)."""
    if not request.HasField("heartbeat_interval"):
        return _SECONDS
    interval = request.heartbeat_interval
    seconds = interval.seconds + interval.nanos / 1e9
    if _LEAST <= seconds <= _MOST:
        return float(seconds)
    raise refuse("heartbeat_interval", f"must be from {_LEAST:g} to {_MOST:g} seconds")
