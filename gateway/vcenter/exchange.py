"""One HTTP exchange with vCenter as a value, and what carries it out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from gateway.calls import Call
from gateway.transcoding import RestRequest, RestResponse

__all__ = ["Exchange", "Send", "SendLayer"]


class Exchange(NamedTuple):
    """A request that is to be sent once."""

    request: RestRequest
    headers: Mapping[str, str]
    deadline: float
    """When the answer must be there, in the event loop's time."""
    call: Call | None = None
    """The call it is for; None for what the gateway does on its own account."""
    is_quick: bool = True
    """Whether vCenter answers it soon when it is well, as anything that changes nothing."""
    read: Callable[[RestResponse], Awaitable[None] | None] | None = None
    """Begins to read a large answer. The place of its call is given to another one when that has ended: so that large
    answers which have come, and wait to be read, are never more than there are places."""

    def with_headers(self, headers: Mapping[str, str]) -> Exchange:
        """The same exchange with further header fields."""
        return Exchange(self.request, {**self.headers, **headers}, *self[2:])


Send = Callable[[Exchange], Awaitable[RestResponse]]
"""Carries out an exchange. Raises TransportError, or GatewayError where the gateway itself refuses it."""
SendLayer = Callable[[Send], Send]
"""Adds one concern to sending."""
