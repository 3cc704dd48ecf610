"""One HTTP exchange with vCenter as a value, and the type of what executes it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from gateway.calls import Call
from gateway.transcoding import RestRequest, RestResponse

__all__ = ["Exchange", "Send", "SendLayer"]


class Exchange(NamedTuple):
    """A request to be sent once."""

    request: RestRequest
    headers: Mapping[str, str]
    deadline: float
    """The deadline in the event loop's time."""
    call: Call | None = None
    """The call that caused it; None for the gateway's own requests."""
    is_quick: bool = True
    """Whether a healthy vCenter responds quickly, as for all reads."""
    read: Callable[[RestResponse], Awaitable[None] | None] | None = None
    """Starts reading a large response. The place of its call is passed on only after that has ended, so that there are
    never more large responses waiting to be read than places."""

    def with_headers(self, headers: Mapping[str, str]) -> Exchange:
        """The same exchange with additional headers."""
        return Exchange(self.request, {**self.headers, **headers}, *self[2:])


Send = Callable[[Exchange], Awaitable[RestResponse]]
"""Executes an exchange. Raises TransportError, or GatewayError if the gateway itself refuses it."""
SendLayer = Callable[[Send], Send]
"""Adds one concern to sending."""
