"""A token whose key is unknown, or not known yet; separate from the other JWT modules, which need megabytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.errors import Failure, GatewayError

__all__ = ["UnknownKeyError"]


class UnknownKeyError(GatewayError):
    """The token's key is unknown: `refreshed` waits for newer keys, and raises GatewayError if they cannot be fetched
    or do not contain the key."""

    def __init__(self, failure: Failure, refreshed: Callable[[], Awaitable[None]]) -> None:
        super().__init__(failure)
        self.refreshed = refreshed
