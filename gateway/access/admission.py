"""Decides about each call before vCenter is asked: who calls, whether they may, and as whom vCenter is called."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from google.protobuf.message import Message
from google.rpc import code_pb2

from gateway.access.callers import AuthContext, Callers
from gateway.access.policy import Policy
from gateway.transcoding import Binding, GatewayError, Reason
from gateway.vcenter.identity import Basic, Identity, SessionId, identity_from_metadata

__all__ = ["ANONYMOUS", "Admission", "Admitted", "passthrough", "service_account"]

ANONYMOUS = "anonymous"
"""The identity of callers who need not prove who they are."""
SESSION = "vcenter-session"
"""The identity of callers who bring a session of their own, whose user the gateway does not know."""

Metadata = Iterable[tuple[str, str | bytes]]
_MACHINE = "vm"


@dataclass(frozen=True, slots=True)
class Admitted:
    """A call that may go on."""

    identity: str
    """The caller, as policy and audit log know them."""
    vcenter: Identity
    """As whom vCenter is called."""


Identify = Callable[[Metadata, Callable[[], AuthContext]], Admitted]
"""Finds out who calls. The second argument gives what is known of the connection. Raises GatewayError."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Whom to let in. Without a policy, everybody whose identity is known may call everything."""

    identify: Identify
    policy: Callable[[], Policy] | None = None

    def admit(
        self, binding: Binding, message: Message, metadata: Metadata, connection: Callable[[], AuthContext]
    ) -> Admitted:
        """Lets a call in. Raises GatewayError: UNAUTHENTICATED, or PERMISSION_DENIED by the policy."""
        admitted = self.identify(metadata, connection)
        if self.policy is not None:
            machine = getattr(message, _MACHINE, None)
            rpc = binding.method.full_name
            if not self.policy().allows(admitted.identity, rpc, machine if isinstance(machine, str) else None):
                raise GatewayError(
                    code_pb2.PERMISSION_DENIED,
                    Reason.POLICY_DENIED,
                    f"the gateway's policy does not allow {admitted.identity} to call {rpc}"
                    + (f" on {machine}" if machine else ""),
                )
        return admitted


def passthrough(anonymous: Basic | None = None) -> Identify:
    """Callers bring their own vCenter identity; `anonymous` is that of callers who bring none."""

    def identify(metadata: Metadata, connection: Callable[[], AuthContext]) -> Admitted:
        identity = identity_from_metadata(metadata)
        if isinstance(identity, SessionId):
            return Admitted(SESSION, identity)
        if identity is not None:
            return Admitted(identity.user, identity)
        if anonymous is not None:
            return Admitted(ANONYMOUS, anonymous)
        raise GatewayError(
            code_pb2.UNAUTHENTICATED,
            Reason.CREDENTIALS_MISSING,
            "the call carries no identity: send vmware-api-session-id, or authorization: Basic ... in the metadata",
        )

    return identify


def service_account(account: Callable[[], Basic], callers: Callers | None) -> Identify:
    """vCenter is called as `account`, on behalf of callers who prove who they are; of anybody where that is None."""

    def identify(metadata: Metadata, connection: Callable[[], AuthContext]) -> Admitted:
        identity = ANONYMOUS if callers is None else callers.identify(metadata, connection()).identity
        return Admitted(identity, account())

    return identify
