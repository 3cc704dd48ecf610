"""Decides about each call before vCenter is asked: who calls, as whom vCenter is called, and whether they may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.message import Message
from google.rpc import code_pb2

from gateway.access.callers import AuthContext, Callers, Metadata
from gateway.access.policy import Policy
from gateway.transcoding import Binding, GatewayError, Reason
from gateway.vcenter.identity import Basic, Identity, SessionId, identity_from_metadata

__all__ = ["ANONYMOUS", "SESSION", "Admission", "Caller", "Identify", "passthrough", "service_account"]

ANONYMOUS = "anonymous"
"""The identity of callers who need not prove who they are."""
SESSION = "vcenter-session"
"""The identity of callers who bring a session of their own, whose user the gateway does not know."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who is known."""

    identity: str
    """The name that policy and audit log use."""
    vcenter: Identity
    """As whom vCenter is called."""


Identify = Callable[[Metadata, Callable[[], AuthContext]], Caller]
"""Finds out who calls, from the metadata and what is known of the connection. Raises GatewayError (UNAUTHENTICATED)."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Whom to let in, and to what. Without a policy, everybody who is known may call everything."""

    identify: Identify
    policy: Callable[[], Policy] | None = None

    def authorize(self, caller: Caller, binding: Binding, message: Message) -> None:
        """Lets the call through, or raises GatewayError (PERMISSION_DENIED, POLICY_DENIED)."""
        if self.policy is None:
            return
        method = binding.method
        denied = self.policy().denial(caller.identity, method.full_name, lambda: method.resources(message))
        if denied is not None:
            text = f"the gateway's policy does not allow {caller.identity} to call {method.full_name}{denied}"
            raise GatewayError(code_pb2.PERMISSION_DENIED, Reason.POLICY_DENIED, text)


def passthrough(anonymous: Basic | None = None) -> Identify:
    """Callers bring their own vCenter identity; `anonymous` is that of callers who bring none."""

    def identify(metadata: Metadata, connection: Callable[[], AuthContext]) -> Caller:
        identity = identity_from_metadata(metadata)
        if isinstance(identity, SessionId):
            return Caller(SESSION, identity)
        if identity is not None:
            return Caller(identity.user, identity)
        if anonymous is not None:
            return Caller(ANONYMOUS, anonymous)
        raise GatewayError(
            code_pb2.UNAUTHENTICATED,
            Reason.CREDENTIALS_MISSING,
            "the call carries no identity: send vmware-api-session-id, or authorization: Basic ... in the metadata",
        )

    return identify


def service_account(account: Callable[[], Basic], callers: Callers | None) -> Identify:
    """vCenter is called as `account`, on behalf of callers who prove who they are; of anybody where that is None."""

    def identify(metadata: Metadata, connection: Callable[[], AuthContext]) -> Caller:
        identity = ANONYMOUS if callers is None else callers.identify(metadata, connection())
        return Caller(identity, account())

    return identify
