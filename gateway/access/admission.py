"""Admits or refuses each call before vCenter is called: who calls, with which vCenter credential, and whether they
may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gateway.access.callers import AuthContext, Callers, Metadata
from gateway.access.policy import Policy
from gateway.access.scope import EVERYTHING, Scope
from gateway.calls import Basic, Call, Caller, SessionId, credential_in
from gateway.calls.identity import ANONYMOUS, SESSION, CallerIdentity, Kind
from gateway.errors import Failure, GatewayError, Reason

if TYPE_CHECKING:
    from gateway.access.fetched_keys import Issuers

__all__ = ["Admission", "Identify", "passthrough", "service_account"]

Identify = Callable[[Metadata, Callable[[], AuthContext], str], Caller]
"""Identifies the caller from the metadata, the authentication context of the connection, and the connection's name.
Raises GatewayError (UNAUTHENTICATED), with `refreshed` if the caller may be known a moment later."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Authentication and authorization of calls. Without a policy, every authenticated caller may call everything."""

    identify: Identify
    policy: Callable[[], Policy] | None = None
    issuers: Issuers | None = None
    """The JWT issuers whose keys are fetched. Start and close them with the server."""

    def authorize(self, call: Call) -> None:
        """Returns if the policy allows the call, else raises GatewayError (PERMISSION_DENIED, POLICY_DENIED)."""
        if self.policy is None:
            return
        method, caller = call.binding.method, call.caller
        identity = str(caller.identity)
        if method.is_filtered:
            denied = "" if self.policy().scope(identity, method.full_name) is None else None
        else:
            denied = self.policy().denial(identity, method.full_name, lambda: method.resources(call.message))
        if denied is not None:
            text = f"the gateway's policy does not allow {identity[:200]} to call {method.full_name}{denied}"
            raise GatewayError(Failure.of(Reason.POLICY_DENIED, text))

    def scope(self, call: Call) -> Scope:
        """What the caller may see in filtered responses, by the current policy. Raises like `authorize`."""
        if self.policy is None:
            return EVERYTHING
        scope = self.policy().scope(str(call.caller.identity), call.binding.method.full_name)
        if scope is None:
            self.authorize(call)
            return Scope(())
        return scope


def passthrough(anonymous: Basic | None = None) -> Identify:
    """Callers send their own vCenter credential; `anonymous` is that of callers who send none."""

    def identify(metadata: Metadata, connection: Callable[[], AuthContext], peer: str) -> Caller:
        credential = credential_in(metadata)
        if isinstance(credential, SessionId):
            return Caller(SESSION, credential, peer)
        if credential is not None:
            return Caller(CallerIdentity(Kind.VCENTER, credential.user), credential, peer)
        if anonymous is not None:
            return Caller(ANONYMOUS, anonymous, peer)
        text = (
            "the call carries no credentials: send vmware-api-session-id, or authorization: Basic ... in the metadata"
        )
        raise GatewayError(Failure.of(Reason.CREDENTIALS_MISSING, text))

    return identify


def service_account(account: Callable[[], Basic], callers: Callers | None) -> Identify:
    """vCenter is called as `account`, on behalf of authenticated callers, or of any caller if there is no
    authentication."""

    def identify(metadata: Metadata, connection: Callable[[], AuthContext], peer: str) -> Caller:
        identity = ANONYMOUS if callers is None else callers.identify(metadata, connection())
        return Caller(identity, account(), peer)

    return identify
