"""com.vmware.content.library.item.download_session: downloads of the files of library items."""

from gateway.simulator.client_tokens import once
from gateway.simulator.library_sessions import LibrarySession
from gateway.simulator.registry import Call, Json, operation
from gateway.simulator.session_operations import require_item_named, session_operations
from gateway.simulator.subscriptions import fetch

__all__ = ["create", "delete", "session_of"]

_SERVICE = "com.vmware.content.library.item.download_session"

session_of = session_operations(_SERVICE, "download_session_id", "progress", uploads=False)


@operation(_SERVICE, "create")
def create(call: Call) -> Json:
    """Begins a session; with a client token only once."""
    return once(call, lambda: _create(call).session)


def _create(call: Call) -> LibrarySession:
    libraries = call.inventory.libraries
    item = libraries.item(require_item_named(call))
    fetch(call.inventory, item)
    return call.inventory.library_sessions.begin(libraries.new_id(), item, call.user.name, call.now(), uploads=False)


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Removes a session, whatever its state."""
    call.inventory.library_sessions.delete(session_of(call))
