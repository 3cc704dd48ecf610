"""How long a stream may be silent: the interval in its request, within limits."""

from __future__ import annotations

from typing import Any

from gateway.errors import Failure, GatewayError
from gateway.transcoding.encoder import Violation

__all__ = ["heartbeat_seconds", "seconds_in"]

_SECONDS = 15.0
_MIN_SECONDS, _MAX_SECONDS = 1.0, 300.0


def heartbeat_seconds(request: Any) -> float:
    """Seconds after which a silent stream sends a heartbeat. Raises GatewayError (INVALID_ARGUMENT)."""
    return seconds_in(request, "heartbeat_interval", _MIN_SECONDS, _MAX_SECONDS) or _SECONDS


def seconds_in(request: Any, field: str, least: float, most: float) -> float | None:
    """The seconds of a Duration, None if it is not set. Raises GatewayError (INVALID_ARGUMENT) outside the limits."""
    if not request.HasField(field):
        return None
    duration = getattr(request, field)
    seconds = float(duration.seconds + duration.nanos / 1e9)
    if least <= seconds <= most:
        return seconds
    text = f"must be from {least:g} to {most:g} seconds"
    raise GatewayError(Failure.of_request([Violation(field, text)]))
