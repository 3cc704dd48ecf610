"""What a call that failed ends in: one frozen value, and the one exception that carries it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from google.protobuf.message import Message
from google.rpc import code_pb2, error_details_pb2

from gateway.errors.tables import BY_REASON, SERVER_FAULTS, Reason

__all__ = ["GATEWAY_DOMAIN", "VCENTER_DOMAIN", "Failure", "GatewayError"]

VCENTER_DOMAIN = "vcenter.vmware.com"
GATEWAY_DOMAIN = "vcenter-gateway"
_MAY_HAVE_EXECUTED = "may_have_executed"


class _Violation(Protocol):
    @property
    def field(self) -> str: ...
    @property
    def description(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Failure:
    """Everything that the status of a failed call says."""

    code: int
    """Of google.rpc.Code."""
    reason: str
    """Of the ErrorInfo: a `Reason`, vCenter's error type, or HTTP_<status>."""
    message: str
    domain: str = GATEWAY_DOMAIN
    """Whose reason it is: the gateway's, or vCenter's."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Of the ErrorInfo."""
    details: tuple[Message, ...] = field(default=(), repr=False)
    """Further google.rpc or own messages, the vAPI error among them."""
    retry_delay: float | None = None
    """Seconds after which the same call may succeed, None where nothing is known."""
    is_lasting: bool = False
    """Whether vCenter itself says that trying again soon does not help."""
    cause: str = ""
    """What led to it, for the operator's log: the error of the operating system, for instance."""

    @classmethod
    def of(cls, reason: Reason, message: str, **more: Any) -> Failure:
        """A failure of the gateway's own, with the code that belongs to its reason unless `code` is among `more`."""
        return cls(more.pop("code", BY_REASON[reason]), reason, message, **more)

    @classmethod
    def of_request(cls, violations: Iterable[_Violation]) -> Failure:
        """A request breaks the contract. vCenter is not called."""
        entry = error_details_pb2.BadRequest.FieldViolation
        found = [entry(field=violation.field, description=violation.description) for violation in violations]
        listed = "; ".join(f"{violation.field} {violation.description}" for violation in found)
        return cls.of(Reason.REQUEST_INVALID, listed, details=(error_details_pb2.BadRequest(field_violations=found),))

    @property
    def code_name(self) -> str:
        """For instance `UNAVAILABLE`."""
        return str(code_pb2.Code.Name(self.code))

    @property
    def is_servers_fault(self) -> bool:
        """Whether the gateway or vCenter failed, and not the caller."""
        return self.code_name in SERVER_FAULTS

    @property
    def may_have_executed(self) -> bool:
        """Whether vCenter may have carried out a change all the same."""
        return _MAY_HAVE_EXECUTED in self.metadata

    def with_(self, **changes: Any) -> Failure:
        """The same failure with other values; entries of `metadata` are added to those that there are."""
        if "metadata" in changes:
            changes["metadata"] = {**self.metadata, **changes["metadata"]}
        return replace(self, **changes)

    def leaving_open(self) -> Failure:
        """The same failure of a call that vCenter may have carried out all the same."""
        return self.with_(metadata={_MAY_HAVE_EXECUTED: "true"})


class GatewayError(Exception):
    """A call failed. Several calls may end in the same failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure

    def __repr__(self) -> str:
        return f"GatewayError({self.failure.code_name}, {self.failure.reason}, {self.failure.message!r})"
