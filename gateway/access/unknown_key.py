"""A token whose key is not known, or not yet: apart from the rest of JWTs, which takes megabytes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.errors import Failure, GatewayError

__all__ = ["UnknownKeyError"]


class UnknownKeyError(GatewayError):
    """The token's key is not known: `refreshed` waits for newer keys, and raises GatewayError where none can be had or
    the key is not among them."""

    def __init__(self, failure: Failure, refreshed: Callable[[], Awaitable[None]]) -> None:
        super().__init__(failure)
        self.refreshed = refreshed
