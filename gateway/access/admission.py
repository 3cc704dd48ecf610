"""Decides about each call before vCenter is asked: who calls, as whom vCenter is called, and whether they may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from google.protobuf.message import Message
from google.rpc import code_pb2

from gateway.access.callers import AuthContext, Callers, Metadata
from gateway.access.identities import ANONYMOUS, SESSION, CallerIdentity, Kind
from gateway.access.policy import Policy
from gateway.transcoding import Binding, GatewayError, Reason
from gateway.vcenter.identity import Basic, Identity, SessionId, identity_from_metadata

__all__ = ["Admission", "Caller", "Identify", "passthrough", "service_account"]

_MACHINE = "vm"


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who is known."""

    identity: CallerIdentity
    """Who it is to policy and audit log."""
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
        rpc, machine = binding.method.full_name, getattr(message, _MACHINE, None)
        machine = machine if isinstance(machine, str) else None
        if not self.policy().allows(str(caller.identity), rpc, machine):
            where = f" on {machine[:100]}" if machine else ""
            text = f"the gateway's policy does not allow {str(caller.identity)[:200]} to call {rpc}{where}"
            raise GatewayError(code_pb2.PERMISSION_DENIED, Reason.POLICY_DENIED, text)


def passthrough(anonymous: Basic | None = None) -> Identify:
    """Callers bring their own vCenter identity; `anonymous` is that of callers who bring none."""

    def identify(metadata: Metadata, connection: Callable[[], AuthContext]) -> Caller:
        identity = identity_from_metadata(metadata)
        if isinstance(identity, SessionId):
            return Caller(SESSION, identity)
        if identity is not None:
            return Caller(CallerIdentity(Kind.VCENTER, identity.user), identity)
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
