"""The values that are passed together: a call and its caller."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import NamedTuple

from google.protobuf.message import Message

from gateway.calls.credential import Credential
from gateway.calls.identity import CallerIdentity
from gateway.tracing.context import Trace
from gateway.transcoding import Binding

__all__ = ["Call", "Caller"]


class Caller(NamedTuple):
    """The caller, and the credential with which vCenter is called on its behalf."""

    identity: CallerIdentity
    """The caller's identity for the policy, logs and audit log."""
    credential: Credential
    peer: str = ""
    """The connection of the call, as gRPC names it: `ipv4:192.0.2.7:40312`. The caller cannot forge it."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Call:
    """One rpc of a caller. Calls are compared by identity."""

    binding: Binding = field(repr=False)
    message: Message = field(repr=False)
    caller: Caller
    deadline: float
    """The deadline in the event loop's time; infinite for a stream without a deadline."""
    request_id: str
    max_age: int | None = None
    """Maximum age of the response in seconds; None if the caller accepts no shared one."""
    trace: Trace | None = field(default=None, repr=False)
    requests: AsyncIterator[Message] | None = field(default=None, repr=False)
    """The messages after the first, if the caller streams its requests. Raises GatewayError."""
