"""Faults on demand: what happens to the next calls instead of, or in addition to, their normal processing.

A fault is added for one operation, or for every request, and for a number of calls; the first one that applies is used
up first. Latency is the only fault that lets the call proceed normally.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from gateway.simulator import errors, pages
from gateway.simulator.catalogue import load
from gateway.simulator.exchange import Response, failure_response
from gateway.simulator.vim import envelope
from gateway.simulator.vim.faults import VimError
from gateway.simulator.vim.registry import find_method

__all__ = ["KINDS", "Fault", "Faults"]

KINDS = {
    "latency": "the answer comes this many `seconds` later",
    "error": "the vAPI error `error_type`, and the operation does not run",
    "vim_fault": "the fault `fault` of the VIM API, and the operation does not run",
    "unavailable": "HTTP 503 with the proxy's HTML page, as when the service behind it is down",
    "answer": "HTTP `status` with `body`, any JSON, as a newer vCenter may send it; the operation does not run",
    "reset_before": "the connection is reset and the operation does not run",
    "reset_after": "the operation runs, then the connection is reset in place of an answer",
    "cut_body": "the operation runs, and the connection ends in the middle of the answer",
    "hang": "the operation does not run and there is no answer until the client gives up",
}
"""Every kind of fault, with its effect."""

# The message of vCenter's endpoint while the service behind it is down. Other ids describe a permanent state.
_OUTAGE = "com.vmware.vapi.endpoint.cis.ServiceUnavailable"


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault. Created by the class methods, which raise ValueError for invalid arguments."""

    kind: str
    seconds: float = 0.0
    response: Response | None = None
    """The response instead of the operation's, None if it runs or there is no response."""
    failure: errors.VapiError | None = None
    """The error of the call instead of a response; each API has its own representation of it."""
    arguments: dict[str, Any] = field(default_factory=dict)
    """The arguments that the fault was created with, for display."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"there is no fault {self.kind!r}; it is one of {', '.join(KINDS)}")
        if not 0 <= self.seconds < math.inf:
            raise ValueError("a latency is in seconds, 0 or more")
        if self.seconds and self.kind != "latency":
            raise ValueError("only a latency has seconds")
        if (self.kind in ("unavailable", "answer")) != (self.response is not None):
            raise ValueError(f"the fault {self.kind!r} is made by Fault.{self.kind}")
        if (self.kind in ("error", "vim_fault")) != (self.failure is not None):
            raise ValueError(f"the fault {self.kind!r} is made by Fault.{self.kind}")

    def response_to(self, *, soap: bool) -> Response | None:
        """The response to a call of the REST API, or of the VIM API; None if the fault does not determine it."""
        if self.failure is None:
            return self.response
        return envelope.failure(self.failure) if soap else failure_response(self.failure)

    @classmethod
    def latency(cls, seconds: float) -> Self:
        """The call takes this much longer."""
        return cls("latency", seconds, arguments={"seconds": seconds})

    @classmethod
    def error(
        cls, error_type: str, messages: Sequence[errors.Message] = (), *, data: dict[str, Any] | None = None
    ) -> Self:
        """The call ends in this vAPI error. A type outside the 25 is used unchanged, because a newer vCenter may send
        it."""
        if not error_type or not isinstance(error_type, str):
            raise ValueError("the fault 'error' needs an error_type, for example RESOURCE_BUSY")
        if not messages:
            text = f"The fault that was asked for: {error_type}."
            message_id = _OUTAGE if error_type == "SERVICE_UNAVAILABLE" else "com.vmware.vcenter.simulator.fault"
            messages = [errors.Message(message_id, text, (error_type,))]
        failure = errors.VapiError(error_type, messages, data=data)
        return cls("error", failure=failure, arguments={"error_type": error_type})

    @classmethod
    def vim_fault(cls, fault: str, text: str = "", /, **members: Any) -> Self:
        """The call ends in this fault of the VIM API, which may have members: `task=Ref("Task", "task-7")`."""
        if not fault or not isinstance(fault, str):
            raise ValueError("the fault 'vim_fault' needs the name of a fault, for example TaskInProgress")
        return cls("vim_fault", failure=VimError(fault, text, **members), arguments={"fault": fault})

    @classmethod
    def unavailable(cls) -> Self:
        """The response is the page of the proxy in front of a vCenter that is down."""
        return cls("unavailable", response=pages.service_unavailable())

    @classmethod
    def answer(cls, body: Any, status: int = 200) -> Self:
        """The response is this JSON value."""
        if not isinstance(status, int) or not 200 <= status <= 599:
            raise ValueError("a status is a number from 200 to 599")
        response = Response(status, json.dumps(body).encode())
        return cls("answer", response=response, arguments={"status": status, "body": body})

    @classmethod
    def of(cls, kind: str, arguments: dict[str, Any]) -> Self:
        """A fault by the name of its kind, with the arguments of the class method that creates it."""
        makers: dict[str, Callable[..., Self]] = {
            "latency": cls.latency,
            "error": cls.error,
            "unavailable": cls.unavailable,
            "answer": cls.answer,
            "vim_fault": lambda fault: cls.vim_fault(fault),
        }
        make = makers.get(kind, lambda: cls(kind))
        try:
            return make(**arguments)
        except TypeError:
            taken = ", ".join(f"{name!r}" for name in arguments) or "no further keys"
            raise ValueError(f"the fault {kind!r} does not go with {taken}: {KINDS.get(kind, '')}") from None


@dataclass(slots=True)
class _Entry:
    fault: Fault
    operation: str | None
    remaining: int | None


class Faults:
    """The active faults, in the order in which they were added."""

    def __init__(self) -> None:
        self._entries: list[_Entry] = []

    def add(self, fault: Fault, *, operation: str | None = None, times: int | None = 1) -> None:
        """Activates a fault: for `times` calls, or until `clear` if that is None.

        `operation` is an operation's id (`com.vmware.vcenter.vm.power.start`), or a method of the VIM API
        (`vim.VirtualMachine.PowerOnVM_Task`); None is every request, including logins. Raises ValueError for an
        operation that does not exist.
        """
        if operation is not None and operation not in load().operations and not _is_method(operation):
            raise ValueError(f"there is no operation {operation!r}")
        if times is not None and (not isinstance(times, int) or times < 1):
            raise ValueError("a fault is for one call or more")
        self._entries.append(_Entry(fault, operation, times))

    def take(self, operation: str | None) -> list[Fault]:
        """Consumes the faults of one call: all latencies, and the first fault of another kind."""
        taken: list[Fault] = []
        for entry in list(self._entries):
            if entry.operation not in (None, operation):
                continue
            if entry.fault.kind != "latency" and any(fault.kind != "latency" for fault in taken):
                continue
            taken.append(entry.fault)
            if entry.remaining is not None:
                entry.remaining -= 1
                if not entry.remaining:
                    self._entries.remove(entry)
        return taken

    def clear(self) -> None:
        """Deactivates all faults."""
        self._entries.clear()

    def to_json(self) -> list[dict[str, Any]]:
        """The active faults."""
        return [
            {
                "kind": entry.fault.kind,
                "operation": entry.operation,
                "times": entry.remaining,
                **entry.fault.arguments,
            }
            for entry in self._entries
        ]


def _is_method(operation: str) -> bool:
    api, _, rest = operation.partition(".")
    kind, _, name = rest.partition(".")
    return api == "vim" and find_method(kind, name) is not None
