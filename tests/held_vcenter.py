"""A way to vCenter on which each call waits until the test has it answered: for orders that no real one keeps to."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from google.protobuf.message import Message

from gateway.calls import Call, Reply
from gateway.transcoding import Binding

__all__ = ["Clock", "HeldCall", "HeldVCenter", "idle"]


@dataclass(eq=False)
class HeldCall:
    """One call that has come."""

    call: Call
    answer: asyncio.Future[Reply]
    """To be set by the test; cancelled when the gateway has given the call up."""

    @property
    def binding(self) -> Binding:
        return self.call.binding

    @property
    def message(self) -> Message:
        return self.call.message

    def reply(self, response: Message) -> None:
        """Answers the call."""
        self.answer.set_result(Reply(response.SerializeToString()))


class HeldVCenter:
    """An endpoint in the place of `VCenter.call`."""

    def __init__(self) -> None:
        self.calls: list[HeldCall] = []

    async def __call__(self, call: Call) -> Reply:
        answer = asyncio.get_running_loop().create_future()
        self.calls.append(HeldCall(call, answer))
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
