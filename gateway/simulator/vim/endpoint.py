"""The VIM API without a network: one SOAP request in, one response out, some of them deferred.

Without a session, everything but a few methods is NotAuthenticated, and the property collector, like vCenter's, returns
nothing. Every error of a method is a fault with the HTTP status 500.
"""

import inspect
import logging
from http.cookies import CookieError, SimpleCookie
from typing import Any

from gateway.simulator.errors import VapiError
from gateway.simulator.exchange import Request, Response
from gateway.simulator.sessions import Session
from gateway.simulator.vim import methods as _methods  # noqa: F401 - importing it registers them
from gateway.simulator.vim.arguments import SoapCall, read_call
from gateway.simulator.vim.collector import DEFAULT, Collector
from gateway.simulator.vim.envelope import answer, failure
from gateway.simulator.vim.faults import VimError, no_permission, not_authenticated, not_found
from gateway.simulator.vim.registry import VimCall, find_method
from gateway.simulator.vim.world import World

__all__ = ["COOKIE", "PATH", "VimEndpoint"]

PATH = "/sdk"
COOKIE = "vmware_soap_session"
_HEADER = "vmware-api-session-id"
_COLLECTS = frozenset({"RetrieveProperties", "RetrievePropertiesEx"})

_log = logging.getLogger(__name__)


class VimEndpoint:
    """All methods, over one inventory. `secure` is whether session cookies are restricted to HTTPS."""

    def __init__(self, world: World, *, secure: bool) -> None:
        self.world = world
        self._secure = secure

    @staticmethod
    def serves(request: Request) -> bool:
        """Whether a request is for this API."""
        return request.method == "POST" and request.target.partition("?")[0].rstrip("/") == PATH

    @staticmethod
    def operation_of(request: Request) -> str | None:
        """The method that a request calls, for example `vim.VirtualMachine.PowerOnVM_Task`; None for another
        request."""
        try:
            call = read_call(request.body)
        except VapiError:
            return None
        return f"vim.{call.this.type}.{call.method}"

    async def handle(self, request: Request) -> Response:
        """Handles a request. Never raises: a defect of the simulator is logged as a SystemError."""
        headers: dict[str, str] = {}
        try:
            call = read_call(request.body)
            self.world.inventory.settle(self.world.clock())
            session = self._session(request)
            result = await self._call(call, session, request)
            if call.method == "Login":
                headers = self._cookie(self.world.session)
        except VapiError as error:
            return failure(error)
        except Exception:
            _log.exception("the simulator failed at a call of the VIM API")
            return failure(VimError("SystemError", "The simulated vCenter failed; see its log.", reason="a defect"))
        return answer(call.method, result, headers)

    async def _call(self, call: SoapCall, session: Session | None, request: Request) -> Any:
        world = self.world
        world.session = session
        found = find_method(call.this.type, call.method)
        if found is None:
            text = f"The method is not known to the type: {call.this.type}.{call.method}"
            raise VimError("MethodNotFound", text, receiver=call.this, method=call.method)
        if found.privilege is not None and session is None:
            if call.method in _COLLECTS and call.this.id == DEFAULT:
                return None
            if call.this.type == "PropertyCollector" and call.this.id != DEFAULT:
                raise not_found(call.this)
            raise not_authenticated(call.this)
        if world.find(call.this) is None:
            raise not_found(call.this)
        if found.privilege is not None and session is not None and found.privilege not in session.user.privileges:
            raise no_permission(call.this, "System.Read" if found.privilege == "read" else "System.Modify")
        result = found.handler(VimCall(world, call.this, call.arguments, session, request.headers))
        return await result if inspect.isawaitable(result) else result

    def _session(self, request: Request) -> Session | None:
        try:
            cookie = SimpleCookie(request.headers.get("cookie", "")).get(COOKIE)
        except CookieError:
            cookie = None
        identifier = cookie.value if cookie is not None else request.headers.get(_HEADER)
        if identifier is None:
            return None
        try:
            session = self.world.sessions.find(identifier, "VIM")
        except VapiError:
            return None
        if DEFAULT not in session.objects:
            session.objects[DEFAULT] = Collector(DEFAULT)
        session.user_agent = request.headers.get("user-agent", "")
        return session

    def _cookie(self, session: Session | None) -> dict[str, str]:
        if session is None:
            return {}
        flags = "; Secure" if self._secure else ""
        return {"Set-Cookie": f'{COOKIE}="{session.identifier}"; Path=/; HttpOnly{flags}'}
