"""Login and logout, and the requests before a login: information about the service, and its time."""

from gateway.simulator.errors import VapiError
from gateway.simulator.sessions import READ, WRITE
from gateway.simulator.vim.faults import VimError, no_permission
from gateway.simulator.vim.registry import VimCall, method
from gateway.simulator.vim.service_properties import service_content, user_session
from gateway.simulator.vim.values import Data

__all__ = ["login", "logout"]


@method("ServiceInstance", "RetrieveServiceContent", privilege=None)
def _content(call: VimCall) -> Data:
    return service_content(call.world)


@method("ServiceInstance", "CurrentTime", privilege=None)
def _time(call: VimCall) -> object:
    return call.now


@method("SessionManager", "Login", privilege=None)
def login(call: VimCall) -> Data:
    """Opens a session; InvalidLogin for a wrong password, a locked account, or within a session."""
    if call.session is not None:
        raise VimError("InvalidLogin", "Cannot complete login: a session is open already.")
    locale = call.arguments.optional_text("locale") or "en"
    if not locale.startswith("en"):
        raise VimError("InvalidLocale", f"The locale '{locale}' is not known.")
    try:
        session = call.world.sessions.login(call.arguments.text("userName"), call.arguments.text("password"), "VIM")
    except VapiError as error:
        if error.error_type != "UNAUTHENTICATED":
            raise
        text = "Cannot complete login due to an incorrect user name or password."
        raise VimError("InvalidLogin", text) from None
    if READ not in session.user.privileges:
        call.world.sessions.logout(session.identifier, "VIM")
        raise no_permission(call.this, "System.View")
    session.locale = locale
    call.world.session = session
    return user_session(session)


@method("SessionManager", "Logout")
def logout(call: VimCall) -> None:
    """Ends the session."""
    call.world.sessions.logout(call.own.identifier, "VIM")


@method("SessionManager", "SessionIsActive", privilege=WRITE)
def _is_active(call: VimCall) -> bool:
    key = call.arguments.text("sessionID")
    return any(session.key == key for session in call.world.sessions.shown("VIM"))


@method("SessionManager", "TerminateSession", privilege=WRITE)
def _terminate(call: VimCall) -> None:
    for key in call.arguments.texts("sessionId"):
        if key == call.own.key:
            raise VimError("InvalidArgument", "A session cannot end itself so.", invalidProperty="sessionId")
        if not call.world.sessions.terminate(key):
            raise VimError("NotFound", f"There is no session {key}.")


@method("SessionManager", "SetLocale")
def _set_locale(call: VimCall) -> None:
    call.own.locale = call.arguments.text("locale")


@method("SessionManager", "UpdateServiceMessage", privilege=WRITE)
def _message(call: VimCall) -> None:
    """Accepted and ignored."""


@method("OptionManager", "QueryOptions")
def _options(call: VimCall) -> list[Data]:
    raise VimError("InvalidName", "The option is not known.", name=call.arguments.optional_text("name") or "")
