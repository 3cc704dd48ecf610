"""A way to vCenter on which each call waits until the test has it answered: for orders that no real one keeps to."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from dataclasses import dataclass, field

from google.protobuf.message import Message

from gateway.transcoding import Binding
from gateway.vcenter import Identity

__all__ = ["Clock", "HeldCall", "HeldVCenter", "idle"]


@dataclass(eq=False)
class HeldCall:
    """One call that has come."""

    binding: Binding = field(repr=False)
    message: Message = field(repr=False)
    identity: Identity
    timeout: float | None
    request_id: str
    answer: asyncio.Future[Message]
    """To be set by the test; cancelled when the gateway has given the call up."""


class HeldVCenter:
    """Takes the place of `VCenter.call`."""

    def __init__(self) -> None:
        self.calls: list[HeldCall] = []

    async def __call__(
        self,
        binding: Binding,
        message: Message,
        identity: Identity,
        timeout: float | None,
        request_id: str,
        caller: Hashable,
    ) -> Message:
        answer = asyncio.get_running_loop().create_future()
        self.calls.append(HeldCall(binding, message, identity, timeout, request_id, answer))
        return await answer


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def idle() -> None:
    """Lets every task run until it has to wait."""
    for _ in range(10):
        await asyncio.sleep(0)
