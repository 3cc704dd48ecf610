"""The operations that both kinds of library item sessions have: they are two services with the same operations."""

from collections.abc import Callable

from gateway.simulator import errors
from gateway.simulator.library_sessions import LibrarySession
from gateway.simulator.registry import Call, Json, operation

__all__ = ["require_item_named", "session_operations"]

_MESSAGES = "com.vmware.vdcs.cls-main"


def session_operations(
    service: str, parameter: str, progress: str, *, uploads: bool
) -> Callable[[Call], LibrarySession]:
    """Registers list, get, keep_alive, cancel and fail of a service; returns the function that finds the session of a
    call.

    `parameter` is the path parameter of the session, `progress` the field with the client's progress in the body.
    """

    def session_of(call: Call) -> LibrarySession:
        return call.inventory.library_sessions.find(call.path[parameter], call.now(), uploads=uploads)

    def active(call: Call) -> LibrarySession:
        session = session_of(call)
        session.require_active()
        return session

    @operation(service, "list")
    def list_(call: Call) -> Json:
        """The identifiers of the caller's sessions, of one item or all; NOT_FOUND for an item that does not exist."""
        item = next(iter(call.query.get("library_item_id", ())), None)
        if item is not None:
            call.inventory.libraries.item(item)
        sessions = call.inventory.library_sessions.all(call.now(), uploads=uploads)
        return [
            session.session for session in sessions if session.user == call.user.name and item in (None, session.item)
        ]

    @operation(service, "get")
    def get(call: Call) -> Json:
        """One session."""
        return session_of(call).model()

    @operation(service, "keep_alive")
    def keep_alive(call: Call) -> None:
        """Extends the lifetime of a session, and records the client's progress."""
        session, told = active(call), call.spec.get(progress)
        session.progress = session.progress if told is None else told
        session.keep_alive(call.now())

    @operation(service, "cancel")
    def cancel(call: Call) -> None:
        """Ends a session and leaves the item unchanged."""
        call.inventory.library_sessions.end(active(call), "CANCELED")

    @operation(service, "fail")
    def fail(call: Call) -> None:
        """Ends a session with the error that its client reports."""
        text = call.spec["client_error_message"]
        error = errors.Message(f"{_MESSAGES}.client_error", text, (text,))
        call.inventory.library_sessions.end(active(call), "ERROR", error)

    return session_of


def require_item_named(call: Call) -> str:
    """The identifier of the item for a new session; INVALID_ARGUMENT if it is missing."""
    item: str | None = call.spec.get("library_item_id")
    if item is None:
        text = "The field '{0}' of the session is missing."
        raise errors.invalid_argument(f"{_MESSAGES}.field_missing", text, "library_item_id")
    return item
