"""The form of the cases that the integration tests run: one row for each behaviour of an rpc, over real connections.

A family of services has a module `<family>_cases.py` with two tuples, `SUCCESSES` and `ERRORS`. test_operations.py
runs all of them; it also holds against the contract that no rpc and no documented error is left out. What every
operation has in common (no session, no privilege, no such machine, busy, inaccessible, a failure of vCenter itself) is
derived there from the successes and need not be written down.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.simulator import Simulator

__all__ = ["ADMINISTRATOR", "FAILED", "ErrorCase", "Json", "Setup", "Success"]

ADMINISTRATOR = "administrator@vsphere.local"
FAILED = "com.vmware.api.vcenter.error"

Json = Mapping[str, Any]
"""A message in JSON form with the field names of the protos, as `call` takes and prints it."""
Setup = Callable[[Simulator], object]
"""Brings the simulator into the state that a case needs, directly or by its clock (a `ManualClock`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """A call that succeeds."""

    id: str
    """What the case shows, in a few words; unique for the rpc."""
    rpc: str
    """Full name, for example `vcenter.v1.VmService/ListVms`."""
    request: Json
    response: Json | None = None
    """The whole expected response; None where `check` looks at parts of it."""
    check: Callable[[Any, Simulator], object] | None = None
    """Gets the response in JSON form and the simulator after the call; asserts what is expected of both."""
    setup: Setup | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorCase:
    """A call that vCenter refuses."""

    rpc: str
    error: str
    """The vAPI error type, which is the reason of the status."""
    request: Json
    messages: tuple[str, ...]
    """The ids of the expected messages in their order; `all_messages` adds one where it follows from the others."""
    setup: Setup | None = None
    user: str = ADMINISTRATOR
    id: str = ""
    """Tells cases of the same rpc and error apart."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Expected typed details by full name of the message, in JSON form (`vcenter.vm...ProcessErrorDetails`)."""

    @property
    def all_messages(self) -> tuple[str, ...]:
        """With the message that vCenter puts before a fault of the VIM API where that has no error type of its own."""
        is_fault = self.error == "ERROR" and self.messages[0].startswith("vmsg.")
        return (FAILED, *self.messages) if is_fault else self.messages
