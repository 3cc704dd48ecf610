"""Calls for tests of layers: made without a server."""

from __future__ import annotations

import asyncio
from typing import Any

from gateway.calls import Basic, Call, Caller, CallerIdentity, Credential, Kind
from gateway.events import CallEnded, Events
from gateway.transcoding import Binding

__all__ = ["ALICE", "Ended", "call_of"]

ALICE = Basic("alice", "secret-of-alice")


def call_of(
    binding: Binding,
    request: dict[str, Any] | None = None,
    *,
    credential: Credential = ALICE,
    identity: str = "alice",
    peer: str = "ipv4:192.0.2.7:40312",
    timeout: float = 60.0,
    request_id: str = "request",
    max_age: int | None = None,
) -> Call:
    """A call of `binding` that has `timeout` seconds left. To be made within a running event loop."""
    message = binding.request_class(**(request or {}))
    deadline = asyncio.get_running_loop().time() + timeout
    return Call(
        binding,
        message,
        Caller(CallerIdentity(Kind.VCENTER, identity), credential, peer),
        deadline,
        request_id,
        max_age,
    )


class Ended(Events):
    """Keeps the calls that have ended."""

    def __init__(self, calls: list[CallEnded] | None = None) -> None:
        self.calls: list[CallEnded] = [] if calls is None else calls

    def call_ended(self, ended: CallEnded) -> None:
        self.calls.append(ended)
