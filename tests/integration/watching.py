"""What tests of streams about machines share: a stream that is followed, and changes at the simulator."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from gateway.simulator import Simulator
from tests.integration.cases import Json
from tests.integration.harness import Client, Stream
from tests.machines import Follower

__all__ = ["WATCH", "Following", "annotate", "follow", "source_of"]

WATCH = "vcenter.gateway.v1.WatchService/WatchVms"
_SECONDS = 60.0


class Following(Follower):
    """Keeps the state that a stream tells."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self.stream = stream
        self.messages: list[Json] = []

    async def until(self, condition: Callable[[], Any]) -> None:
        """Reads until the condition holds."""
        async with asyncio.timeout(_SECONDS):
            while not condition():
                await self.next()

    async def next(self) -> Json:
        """Reads one message."""
        message = await self.stream.next()
        self.messages.append(message)
        self.take(message)
        return message

    async def until_synced(self) -> Following:
        """Reads until the stream is up to date, once more than before."""
        before = self.synced
        await self.until(lambda: self.synced > before)
        return self


async def follow(client: Client, request: Json | None = None, **how: Any) -> Following:
    """Opens a stream, and reads until it is up to date."""
    return await Following(client.stream(WATCH, request or {}, **how)).until_synced()


def annotate(simulator: Simulator, vm: str, text: str) -> None:
    """Gives a machine a new note, as somebody else does it."""
    simulator.inventory.machines[vm].annotation = text
    simulator.inventory.changes.touched("VirtualMachine", vm)


def source_of(following: Following) -> str:
    """Where the state of a stream comes from."""
    return str(following.messages[0]["started"]["source"])
