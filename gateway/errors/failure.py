"""The outcome of a failed call: one frozen value, and the exception that carries it."""

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
    """All information in the status of a failed call."""

    code: int
    """Of google.rpc.Code."""
    reason: str
    """Of the ErrorInfo: a `Reason`, vCenter's error type, or HTTP_<status>."""
    message: str
    domain: str = GATEWAY_DOMAIN
    """The source of the reason: the gateway or vCenter."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Of the ErrorInfo."""
    details: tuple[Message, ...] = field(default=(), repr=False)
    """Additional google.rpc or own messages, including the vAPI error."""
    retry_delay: float | None = None
    """Seconds after which the same call may succeed, None if unknown."""
    is_lasting: bool = False
    """Whether vCenter reports that retrying soon does not help."""
    cause: str = ""
    """The cause, for the operator's log: for example, the operating system's error."""

    @classmethod
    def of(cls, reason: Reason, message: str, **more: Any) -> Failure:
        """The gateway's own failure, with the code of its reason unless `more` contains `code`."""
        return cls(more.pop("code", BY_REASON[reason]), reason, message, **more)

    @classmethod
    def of_request(cls, violations: Iterable[_Violation]) -> Failure:
        """The failure of a request that violates the contract. vCenter is not called."""
        entry = error_details_pb2.BadRequest.FieldViolation
        found = [entry(field=violation.field, description=violation.description) for violation in violations]
        listed = "; ".join(f"{violation.field} {violation.description}" for violation in found)
        return cls.of(Reason.REQUEST_INVALID, listed, details=(error_details_pb2.BadRequest(field_violations=found),))

    @property
    def code_name(self) -> str:
        """For example `UNAVAILABLE`."""
        return str(code_pb2.Code.Name(self.code))

    @property
    def is_servers_fault(self) -> bool:
        """Whether the gateway or vCenter failed, and not the caller."""
        return self.code_name in SERVER_FAULTS

    @property
    def may_have_executed(self) -> bool:
        """Whether vCenter may have executed the change anyway."""
        return _MAY_HAVE_EXECUTED in self.metadata

    def with_(self, **changes: Any) -> Failure:
        """The same failure with other values; entries of `metadata` are added to the existing ones."""
        if "metadata" in changes:
            changes["metadata"] = {**self.metadata, **changes["metadata"]}
        return replace(self, **changes)

    def leaving_open(self) -> Failure:
        """The same failure for a call that vCenter may have executed anyway."""
        return self.with_(metadata={_MAY_HAVE_EXECUTED: "true"})

    def without_doubt(self) -> Failure:
        """The same failure for a call that has certainly changed nothing, although one of its steps may have run."""
        return replace(
            self, metadata={name: value for name, value in self.metadata.items() if name != _MAY_HAVE_EXECUTED}
        )


class GatewayError(Exception):
    """A call failed. Several calls may end in the same failure."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure

    def __repr__(self) -> str:
        return f"GatewayError({self.failure.code_name}, {self.failure.reason}, {self.failure.message!r})"
