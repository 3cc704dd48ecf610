"""Endpoints, which accept calls, and the layers around them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

from google.protobuf.message import Message

from gateway.calls.call import Call

__all__ = ["Layer", "Reply", "Stream", "Unary"]


class Reply(NamedTuple):
    """The response to a unary call."""

    response: bytes
    """The serialized response message."""
    age: int | None = None
    """How many seconds before the call its read started; None if the caller accepts no age."""


Unary = Callable[[Call], Awaitable[Reply]]
"""Answers a call. Raises GatewayError."""
Stream = Callable[[Call], AsyncIterator[Message | bytes]]
"""Responds to a call with any number of messages, each as an object or serialized. Raises GatewayError."""
Layer = Callable[[Unary], Unary]
"""Adds one concern to an endpoint."""
