"""The values that travel together: a call, and who makes it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from google.protobuf.message import Message

from gateway.calls.credential import Credential
from gateway.calls.identity import CallerIdentity
from gateway.tracing.context import Trace
from gateway.transcoding import Binding

__all__ = ["Call", "Caller"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls, and with what vCenter is called on their behalf."""

    identity: CallerIdentity
    """Who it is to policy, logs and audit log."""
    credential: Credential
    peer: str = ""
    """The connection that the call came on, as gRPC names it: `ipv4:192.0.2.7:40312`. The caller cannot make it up."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Call:
    """One rpc that a caller makes. Two calls are equal when they are one."""

    binding: Binding = field(repr=False)
    message: Message = field(repr=False)
    caller: Caller
    deadline: float
    """When the answer must be there, in the event loop's time; infinite for a stream without a deadline."""
    request_id: str
    max_age: int | None = None
    """How many seconds old an answer may be; None where the caller did not accept a shared one."""
    trace: Trace | None = field(default=None, repr=False)
    requests: AsyncIterator[Message] | None = field(default=None, repr=False)
    """The messages after the first one, where the caller streams its requests. Raises GatewayError."""
