"""Logins: when one may be tried, what its answer means, and what callers are told where there is none.

A password that vCenter refused is not tried again for a while, since five refusals lock the account; a login that
failed for another reason is not tried again immediately either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from google.rpc import code_pb2

from gateway.calls import Basic, Call, Kind
from gateway.calls.credential import is_session_id
from gateway.errors import BY_REASON, Failure, GatewayError, Reason
from gateway.transcoding import RestRequest, RestResponse
from gateway.transcoding.answer_json import NotJsonError, TooManyElementsError, parse
from gateway.transcoding.error_response import ErrorReader, leaves_open
from gateway.vcenter.exchange import Exchange, Send
from gateway.vcenter.failures import TransportError
from gateway.vcenter.lockout import LockoutGuard
from gateway.vcenter.retry import RetryPolicy

__all__ = ["LOGIN", "LOGOUT", "PROBE", "LoginState", "Logins", "as_told", "login_refused", "read_session_id"]

LOGIN, PROBE, LOGOUT = (
    RestRequest(verb, "/api/session", None, f"{verb} /api/session") for verb in ("POST", "GET", "DELETE")
)
_TOO_MANY_OF_USER = b"failedToLoginMaxUserSessionCountReached"
_TOO_MANY = b"failedToLoginMaxSessionCountReached"
"""vCenter has as many sessions as it takes, whoever has them."""


@dataclass(slots=True)
class LoginState:
    """What is known of one credential's logins."""

    is_proven: bool = False
    """Whether the password has opened a session."""
    failures: int = 0
    """How many logins in a row failed for another reason than the password."""
    failure: Failure | None = None
    """What the last of them ended in."""
    not_before: float = 0.0
    """When the next one may be tried."""


class Logins:
    """Makes the logins of one vCenter, each within `max_call` seconds."""

    def __init__(
        self, send: Send, errors: ErrorReader, policy: RetryPolicy, clock: Callable[[], float], max_call: float
    ) -> None:
        self._send = send
        self._errors = errors
        self._policy = policy
        self._clock = clock
        self._max_call = max_call
        self._guard = LockoutGuard(clock=clock)
        self._everybody = LoginState()
        """Of logins that failed for a reason that holds for all users."""

    def require_leave(self, state: LoginState, credential: Basic) -> None:
        """Raises GatewayError where no login may be tried now."""
        for put_off in (state, self._everybody):
            remaining = put_off.not_before - self._clock()
            if put_off.failure is not None and remaining > 0:
                raise GatewayError(put_off.failure.with_(retry_delay=remaining))
        if refused := self._guard.seconds_refused(credential):
            raise GatewayError(_rejected(refused))
        if wait := self._guard.seconds_to_wait(credential, is_proven=state.is_proven):
            raise GatewayError(_not_tried(wait))

    async def log_in(self, state: LoginState, credential: Basic, call: Call | None) -> str:
        """One login, which gives the session id. Raises GatewayError, or TransportError.

        The guard learns of its beginning before anything else runs: however many passwords of a user come at once, each
        counts for the next one.
        """
        attempt = self._guard.begins(credential, is_proven=state.is_proven)
        try:
            response = await self.send(LOGIN, {"authorization": credential.header}, call)
        except TransportError as error:
            if not error.was_sent:
                attempt.ended()
                raise
            attempt.unanswered()
            failure = Failure.of(error.reason, str(error), metadata={"operation": LOGIN.operation})
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
                return read_session_id(response)
            except GatewayError as error:
                raise GatewayError(self._put_off(state, error.failure)) from None
        failure = login_refused(self._errors, response)
        if failure.reason == Reason.CREDENTIALS_REJECTED:
            rejected = _rejected(attempt.refused())
            raise GatewayError(rejected.with_(metadata=failure.metadata, details=failure.details))
        if response.is_json or not leaves_open(response.status, response.body):
            attempt.ended()
        else:
            attempt.unanswered()
        raise GatewayError(self._put_off(self._everybody if _TOO_MANY in response.body else state, failure))

    def _put_off(self, state: LoginState, failure: Failure, *, was_answered: bool = True) -> Failure:
        """The login failed for another reason than the password: no further one is tried for a moment."""
        state.failures += 1
        wait = self._policy.next_login(state.failures, failure.retry_delay, was_answered=was_answered)
        state.not_before = self._clock() + wait
        state.failure = failure.with_(retry_delay=wait, is_lasting=False)  # Another login is the only way to know.
        return state.failure

    async def send(self, request: RestRequest, headers: dict[str, str], call: Call | None) -> RestResponse:
        """One call about a session, on behalf of `call`. Raises TransportError."""
        deadline = asyncio.get_running_loop().time() + self._max_call
        return await self._send(Exchange(request, headers, deadline, call))


def login_refused(errors: ErrorReader, response: RestResponse) -> Failure:
    """Why vCenter refused a login."""
    failure = errors.read(LOGIN.operation, response.status, response.headers, response.body)
    if failure.code == code_pb2.UNAUTHENTICATED:
        text = "vCenter rejected the user name or the password"
        return Failure.of(Reason.CREDENTIALS_REJECTED, text, metadata=failure.metadata, details=failure.details)
    if _TOO_MANY_OF_USER in response.body or _TOO_MANY in response.body:
        return failure.with_(code=code_pb2.RESOURCE_EXHAUSTED)
    return failure


def read_session_id(response: RestResponse) -> str:
    """The session id in the answer to a login that succeeded. Raises GatewayError where there is none to work with."""
    try:
        session_id, _ = parse(response.body)
    except (NotJsonError, TooManyElementsError):
        session_id = None
    if not is_session_id(session_id):
        text = "vCenter's answer to the login holds no session id"
        raise GatewayError(Failure.of(Reason.VCENTER_RESPONSE_INVALID, text))
    return cast(str, session_id)


def as_told(failure: Failure, call: Call | None) -> Failure:
    """The failure of a login as the caller of `call` reads it, who has to know whose password was refused."""
    if failure.reason != Reason.CREDENTIALS_REJECTED or call is None or call.caller.identity.kind is Kind.VCENTER:
        return failure
    text = "not your fault: the gateway's own account cannot log in, which its operator has to mend; " + failure.message
    code = BY_REASON[Reason.SERVICE_ACCOUNT_REJECTED]
    return failure.with_(code=code, reason=Reason.SERVICE_ACCOUNT_REJECTED, message=text, is_lasting=True)


def _rejected(seconds: float) -> Failure:
    """The password was refused, and is tried again after this time."""
    text = (
        f"vCenter rejected the user name or the password; they are tried again in {max(1, round(seconds))} s, "
        "so that the account is not locked"
    )
    return Failure.of(Reason.CREDENTIALS_REJECTED, text, retry_delay=seconds)


def _not_tried(seconds: float) -> Failure:
    """Other passwords of the user were refused, so that one more refusal might lock the account."""
    text = (
        "vCenter rejected other passwords of this user within the last minutes; the gateway tries this one in "
        f"{max(1, round(seconds))} s, so that the account is not locked"
    )
    return Failure.of(Reason.CREDENTIALS_REJECTED, text, retry_delay=seconds)
