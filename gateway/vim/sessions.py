"""Sessions of the VIM API: how they are opened, probed and closed over SOAP.

The two required objects have the same ids in every vCenter. They are not looked up, because vCenter opens a session for
a request without one, and nothing would close it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from gateway.calls.credential import Basic, is_session_id
from gateway.errors import Failure, GatewayError, Reason
from gateway.transcoding import RestRequest, RestResponse
from gateway.transcoding.error_response import leaves_open
from gateway.vcenter.session_api import SessionRequest
from gateway.vim.codec import Codec
from gateway.vim.filters import of_objects
from gateway.vim.values import Fault, Ref, objects_in

__all__ = ["PROPERTY_COLLECTOR", "SESSION_MANAGER", "VimSessions", "is_cookie"]

SESSION_MANAGER = Ref("SessionManager", "SessionManager")
PROPERTY_COLLECTOR = Ref("PropertyCollector", "propertyCollector")
_LOCALE = "en_US"
_COOKIE = "vmware_soap_session"
_SET_COOKIE = re.compile(rf'(?:^|[\s,]){_COOKIE}="?([^";,\s\\]+)')
_NOT_AUTHENTICATED = "NotAuthenticated"


class VimSessions:
    """The sessions of the VIM API. `release` returns the API release of requests."""

    def __init__(self, codec: Codec, release: Callable[[], str]) -> None:
        self._codec = codec
        self._release = release
        self._login = codec.method(SESSION_MANAGER, "Login")
        self._logout = codec.method(SESSION_MANAGER, "Logout")
        self._probe = codec.method(PROPERTY_COLLECTOR, "RetrievePropertiesEx")
        self.login_operation = self._login.operation

    def header(self, session_id: str) -> Mapping[str, str]:
        """The cookie with the session."""
        return {"Cookie": f'{_COOKIE}="{session_id}"'}

    def login(self, credential: Basic) -> SessionRequest:
        arguments = {"userName": credential.user, "password": credential.password, "locale": _LOCALE}
        release = self._release()
        request = self._codec.encode(self._login, SESSION_MANAGER, arguments, release)
        return SessionRequest(request, self.soap_action(release))

    def probe(self, session_id: str) -> SessionRequest:
        """Requests the current session: this needs no privilege, and without a session there is none."""
        arguments = {"specSet": [of_objects([SESSION_MANAGER], ["currentSession"])], "options": {}}
        request = self._codec.encode(self._probe, PROPERTY_COLLECTOR, arguments, self._release())
        return self._about(request, session_id)

    def logout(self, session_id: str) -> SessionRequest:
        request = self._codec.encode(self._logout, SESSION_MANAGER, {}, self._release())
        return self._about(request, session_id)

    def session_id(self, response: RestResponse) -> str:
        found = _SET_COOKIE.search(response.headers.get("set-cookie", ""))
        if found is None or not is_cookie(found[1]):
            text = "vCenter's response to the login has no session"
            raise GatewayError(Failure.of(Reason.VCENTER_RESPONSE_INVALID, text))
        return found[1]

    def login_refused(self, response: RestResponse) -> Failure:
        fault = self._codec.fault(response)
        if fault is None:
            return self._codec.page(self.login_operation, response)
        failure = self._codec.failure(self.login_operation, fault)
        if "InvalidLogin" not in self._codec.schema.lineage(fault.type):
            return failure
        text = "vCenter rejected the user name or the password"
        return Failure.of(Reason.CREDENTIALS_REJECTED, text, metadata=failure.metadata, details=failure.details)

    def has_judged(self, response: RestResponse) -> bool:
        return not leaves_open(response.status, response.body) or self._codec.fault(response) is not None

    def is_full(self, response: RestResponse) -> bool:
        return False  # No fault distinguishes it from the limit of a single user.

    def is_alive(self, response: RestResponse) -> bool:
        try:
            result = self._codec.decode(self._probe, response)
        except GatewayError:
            return False
        return any("currentSession" in found.values for found in objects_in(result))

    def was_refused(self, response: RestResponse) -> bool:
        # Most responses are parsed only once, where they are translated.
        if _NOT_AUTHENTICATED.encode() not in response.body:
            return False
        if not 200 <= response.status < 300:
            fault = self._codec.fault(response)
            return fault is not None and _is_about_session(fault)
        # The property collector also responds without a session: then each property is missing.
        try:
            result = self._codec.decode(self._probe, response)
        except GatewayError:
            return False
        return any(_is_about_session(fault) for found in objects_in(result) for fault in found.missing.values())

    def soap_action(self, release: str) -> Mapping[str, str]:
        """The header with the release."""
        return {"SOAPAction": f'"urn:vim25/{release}"'}

    def _about(self, request: RestRequest, session_id: str) -> SessionRequest:
        return SessionRequest(request, {**self.soap_action(self._release()), **self.header(session_id)})


def is_cookie(value: str) -> bool:
    """Whether a session id can be the value of a cookie unchanged."""
    return is_session_id(value) and not set('";,\\') & set(value)


def _is_about_session(fault: Fault) -> bool:
    return fault.type == _NOT_AUTHENTICATED
