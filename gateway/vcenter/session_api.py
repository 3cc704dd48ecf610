"""How a session is opened, probed and closed: what the pool of sessions needs from one of vCenter's APIs.

vCenter has two APIs, REST and VIM, and before release 8.0.3 each has its own sessions. The rules for sessions are the
same for both; only the requests and the responses differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol, cast

from google.rpc import code_pb2

from gateway.calls.credential import SESSION_HEADER, Basic, is_session_id
from gateway.errors import Failure, GatewayError, Reason
from gateway.transcoding import RestRequest, RestResponse
from gateway.transcoding.answer_json import NotJsonError, TooManyElementsError, parse
from gateway.transcoding.error_response import ErrorReader, leaves_open

__all__ = [
    "LOGIN",
    "LOGOUT",
    "PROBE",
    "RestSessions",
    "SessionApi",
    "SessionRequest",
    "login_refused",
    "read_session_id",
]

LOGIN, PROBE, LOGOUT = (
    RestRequest(verb, "/api/session", None, f"{verb} /api/session") for verb in ("POST", "GET", "DELETE")
)
_TOO_MANY_OF_USER = b"failedToLoginMaxUserSessionCountReached"
_TOO_MANY = b"failedToLoginMaxSessionCountReached"
"""vCenter has reached its total limit of sessions."""


class SessionRequest(NamedTuple):
    """A request about a session, and the headers that contain its secrets."""

    request: RestRequest
    headers: Mapping[str, str]


class SessionApi(Protocol):
    """The session operations of one of vCenter's APIs. A 2xx response to a login means that the password was
    accepted."""

    login_operation: str

    def header(self, session_id: str) -> Mapping[str, str]:
        """The headers that identify the session of a request."""

    def login(self, credential: Basic) -> SessionRequest:
        """Opens a session."""

    def probe(self, session_id: str) -> SessionRequest:
        """Checks whether a session is alive, without side effects."""

    def logout(self, session_id: str) -> SessionRequest:
        """Closes a session."""

    def session_id(self, response: RestResponse) -> str:
        """The session that a login opened. Raises GatewayError if the response has no usable one."""

    def login_refused(self, response: RestResponse) -> Failure:
        """Why a login was refused; with the reason CREDENTIALS_REJECTED if the password was rejected."""

    def has_judged(self, response: RestResponse) -> bool:
        """Whether the response to a refused login shows that vCenter checked the password."""

    def is_full(self, response: RestResponse) -> bool:
        """Whether the response to a refused login means that no user can log in, because vCenter has reached its limit
        of sessions."""

    def is_alive(self, response: RestResponse) -> bool:
        """Whether the response to a probe shows that the session is alive."""

    def was_refused(self, response: RestResponse) -> bool:
        """Whether a response means that the session is not accepted."""


class RestSessions:
    """The sessions of the REST API."""

    login_operation = LOGIN.operation

    def __init__(self, errors: ErrorReader) -> None:
        self._errors = errors

    def header(self, session_id: str) -> Mapping[str, str]:
        return {SESSION_HEADER: session_id}

    def login(self, credential: Basic) -> SessionRequest:
        return SessionRequest(LOGIN, {"authorization": credential.header})

    def probe(self, session_id: str) -> SessionRequest:
        return SessionRequest(PROBE, self.header(session_id))

    def logout(self, session_id: str) -> SessionRequest:
        return SessionRequest(LOGOUT, self.header(session_id))

    def session_id(self, response: RestResponse) -> str:
        return read_session_id(response)

    def login_refused(self, response: RestResponse) -> Failure:
        return login_refused(self._errors, response)

    def has_judged(self, response: RestResponse) -> bool:
        return response.is_json or not leaves_open(response.status, response.body)

    def is_full(self, response: RestResponse) -> bool:
        return _TOO_MANY in response.body

    def is_alive(self, response: RestResponse) -> bool:
        return 200 <= response.status < 300

    def was_refused(self, response: RestResponse) -> bool:
        # vCenter's error type decides; the HTTP status only without one. Most errors are parsed only once, where they
        # are translated.
        if response.status < 400 or (response.status != 401 and b"unauthenticated" not in response.body.lower()):
            return False
        read = self._errors.read("", response.status, response.headers, response.body)
        return bool(read.code == code_pb2.UNAUTHENTICATED)


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
    """The session id in the response to a successful login. Raises GatewayError if there is no usable one."""
    try:
        session_id, _ = parse(response.body)
    except (NotJsonError, TooManyElementsError):
        session_id = None
    if not is_session_id(session_id):
        text = "vCenter's response to the login has no session id"
        raise GatewayError(Failure.of(Reason.VCENTER_RESPONSE_INVALID, text))
    return cast(str, session_id)
