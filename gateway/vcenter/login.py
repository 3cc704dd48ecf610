"""Logins: when one may be tried, what its response means, and the error that callers get.

A password that vCenter rejected is not tried again for a while, because five rejections lock the account; a login that
failed for another reason is not retried immediately either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from gateway.calls import Basic, Call, Kind
from gateway.errors import BY_REASON, Failure, GatewayError, Reason
from gateway.transcoding import RestResponse
from gateway.vcenter.exchange import Exchange, Send
from gateway.vcenter.failures import TransportError
from gateway.vcenter.lockout import LockoutGuard
from gateway.vcenter.retry import RetryPolicy
from gateway.vcenter.session_api import SessionApi, SessionRequest

__all__ = ["LoginState", "Logins", "as_told"]


@dataclass(slots=True)
class LoginState:
    """The state of one credential's logins."""

    is_proven: bool = False
    """Whether the password has opened a session."""
    failures: int = 0
    """How many logins in a row failed for a reason other than the password."""
    failure: Failure | None = None
    """The failure of the last of them."""
    not_before: float = 0.0
    """Time of the next attempt."""


class Logins:
    """Makes the logins of one vCenter, each within `max_call` seconds."""

    def __init__(
        self,
        send: Send,
        api: SessionApi,
        policy: RetryPolicy,
        clock: Callable[[], float],
        max_call: float,
        guard: LockoutGuard,
    ) -> None:
        self._send = send
        self._api = api
        self._policy = policy
        self._clock = clock
        self._max_call = max_call
        self._guard = guard
        self._everybody = LoginState()
        """Of logins that failed for a reason that applies to all users."""

    def require_leave(self, state: LoginState, credential: Basic) -> None:
        """Raises GatewayError if no login may be tried now."""
        for put_off in (state, self._everybody):
            remaining = put_off.not_before - self._clock()
            if put_off.failure is not None and remaining > 0:
                raise GatewayError(put_off.failure.with_(retry_delay=remaining))
        if refused := self._guard.seconds_refused(credential):
            raise GatewayError(_rejected(refused))
        if wait := self._guard.seconds_to_wait(credential, is_proven=state.is_proven):
            raise GatewayError(_not_tried(wait))

    async def log_in(self, state: LoginState, credential: Basic, call: Call | None) -> str:
        """One login, which returns the session id. Raises GatewayError, or TransportError.

        The guard is notified before anything else runs: no matter how many passwords of a user arrive together, each
        counts for the next one.
        """
        attempt = self._guard.begins(credential, is_proven=state.is_proven)
        try:
            response = await self.send(self._api.login(credential), call)
        except TransportError as error:
            if not error.was_sent:
                attempt.ended()
                raise
            attempt.unanswered()
            failure = Failure.of(error.reason, str(error), metadata={"operation": self._api.login_operation})
            raise GatewayError(self._put_off(state, failure, was_answered=False)) from None
        except GatewayError:
            attempt.ended()  # The gateway itself refused to send it.
            raise
        except BaseException:
            attempt.unanswered()
            raise
        if 200 <= response.status < 300:
            attempt.accepted()
            self._everybody = LoginState()
            try:
                return self._api.session_id(response)
            except GatewayError as error:
                raise GatewayError(self._put_off(state, error.failure)) from None
        failure = self._api.login_refused(response)
        if failure.reason == Reason.CREDENTIALS_REJECTED:
            rejected = _rejected(attempt.refused())
            raise GatewayError(rejected.with_(metadata=failure.metadata, details=failure.details))
        if self._api.has_judged(response):
            attempt.ended()
        else:
            attempt.unanswered()
        raise GatewayError(self._put_off(self._everybody if self._api.is_full(response) else state, failure))

    def _put_off(self, state: LoginState, failure: Failure, *, was_answered: bool = True) -> Failure:
        """The login failed for a reason other than the password: no other login is tried for a moment."""
        state.failures += 1
        wait = self._policy.next_login(state.failures, failure.retry_delay, was_answered=was_answered)
        state.not_before = self._clock() + wait
        state.failure = failure.with_(retry_delay=wait, is_lasting=False)  # Another login is the only way to know.
        return state.failure

    async def send(self, asked: SessionRequest, call: Call | None) -> RestResponse:
        """One call about a session, on behalf of `call`. Raises TransportError."""
        deadline = asyncio.get_running_loop().time() + self._max_call
        return await self._send(Exchange(asked.request, asked.headers, deadline, call))


def as_told(failure: Failure, call: Call | None) -> Failure:
    """The failure of a login for the caller of `call`, who must know whose password was rejected."""
    if failure.reason != Reason.CREDENTIALS_REJECTED or call is None or call.caller.identity.kind is Kind.VCENTER:
        return failure
    text = (
        "not your fault: the gateway's service account cannot log in, which its operator must fix; " + failure.message
    )
    code = BY_REASON[Reason.SERVICE_ACCOUNT_REJECTED]
    return failure.with_(code=code, reason=Reason.SERVICE_ACCOUNT_REJECTED, message=text, is_lasting=True)


def _rejected(seconds: float) -> Failure:
    """The password was rejected, and is tried again after this time."""
    text = (
        f"vCenter rejected the user name or the password; the gateway tries them again in "
        f"{max(1, round(seconds))} s, so that the account is not locked"
    )
    return Failure.of(Reason.CREDENTIALS_REJECTED, text, retry_delay=seconds)


def _not_tried(seconds: float) -> Failure:
    """Other passwords of the user were rejected, and one more rejection might lock the account."""
    text = (
        "vCenter rejected other passwords of this user within the last minutes; the gateway tries this one in "
        f"{max(1, round(seconds))} s, so that the account is not locked"
    )
    return Failure.of(Reason.CREDENTIALS_REJECTED, text, retry_delay=seconds)
