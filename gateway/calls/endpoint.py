"""What takes calls: endpoints, and the layers that are put around them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import NamedTuple

from google.protobuf.message import Message

from gateway.calls.call import Call

__all__ = ["Layer", "Reply", "Stream", "Unary"]


class Reply(NamedTuple):
    """The answer to a unary call."""

    response: bytes
    """The serialized response message."""
    age: int | None = None
    """How many seconds before the call its read began; None where no age was accepted."""


Unary = Callable[[Call], Awaitable[Reply]]
"""Answers a call. Raises GatewayError."""
Stream = Callable[[Call], AsyncIterator[Message | bytes]]
"""Answers a call with any number of messages, each as itself or serialized. Raises GatewayError."""
Layer = Callable[[Unary], Unary]
"""Adds one concern to an endpoint."""
