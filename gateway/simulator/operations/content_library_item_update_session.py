"""com.vmware.content.library.item.update_session: uploads of the files of library items."""

from gateway.simulator import errors
from gateway.simulator.client_tokens import once
from gateway.simulator.library import OVF, VM_TEMPLATE, File, Item
from gateway.simulator.library_sessions import LibrarySession
from gateway.simulator.ovf_descriptor import Descriptor, read
from gateway.simulator.registry import Call, Json, operation
from gateway.simulator.session_operations import require_item_named, session_operations

__all__ = ["complete", "create", "delete", "find_descriptor", "session_of", "update"]

_SERVICE = "com.vmware.content.library.item.update_session"
_MESSAGES = "com.vmware.vdcs.cls-main"

session_of = session_operations(_SERVICE, "update_session_id", "client_progress", uploads=True)


@operation(_SERVICE, "create")
def create(call: Call) -> Json:
    """Begins a session; with a client token only once."""
    return once(call, lambda: _create(call).session)


def _create(call: Call) -> LibrarySession:
    libraries, sessions, spec = call.inventory.libraries, call.inventory.library_sessions, call.spec
    item = libraries.item(require_item_named(call))
    libraries.library_of(item).require_local()
    if item.type == VM_TEMPLATE:
        text = "The files of the virtual machine template '{0}' cannot be uploaded."
        raise errors.invalid_argument(f"{_MESSAGES}.item_type_unsupported", text, item.item)
    version = spec.get("library_item_content_version")
    if version not in (None, str(item.content_version)):
        text = "The content of the library item has version '{0}', not '{1}'."
        raise errors.invalid_argument(
            f"{_MESSAGES}.content_version_mismatch", text, str(item.content_version), str(version)
        )
    if any(other.item == item.item and other.state == "ACTIVE" for other in sessions.all(call.now(), uploads=True)):
        text = "The library item '{0}' is updated in another session."
        raise errors.resource_busy(f"{_MESSAGES}.item_in_session", text, item.item)
    return sessions.begin(libraries.new_id(), item, call.user.name, call.now(), uploads=True)


@operation(_SERVICE, "update")
def update(call: Call) -> None:
    """Records the client's progress. Sessions never have the warnings that a spec could acknowledge."""
    session = session_of(call)
    session.require_active()
    progress = call.spec.get("client_progress")
    session.progress = session.progress if progress is None else progress


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Removes a session that has ended."""
    session = session_of(call)
    if session.state == "ACTIVE":
        text = "The session '{0}' is active."
        raise errors.not_allowed(f"{_MESSAGES}.session_active", text, session.session)
    call.inventory.library_sessions.delete(session)


@operation(_SERVICE, "complete")
def complete(call: Call) -> None:
    """Makes the uploads the content of the item; a session with invalid files ends in an error."""
    libraries, session = call.inventory.libraries, session_of(call)
    session.require_active()
    missing = [file.name for file in session.files.values() if file.status != "READY"]
    if missing:
        text = "The files {0} of the session '{1}' are not uploaded."
        raise errors.not_allowed(f"{_MESSAGES}.files_missing", text, ", ".join(missing), session.session)
    item = libraries.items.get(session.item)
    error = (
        _error(f"The library item '{session.item}' does not exist.") if item is None else _apply(call, session, item)
    )
    call.inventory.library_sessions.end(session, "DONE" if error is None else "ERROR", error)


def _apply(call: Call, session: LibrarySession, item: Item) -> errors.Message | None:
    """Gives the item its files; returns what prevents that."""
    libraries = call.inventory.libraries
    files = {name: file for name, file in item.files.items() if name not in session.removed}
    for uploaded in session.files.values():
        content = uploaded.content or b""
        old = item.files.get(uploaded.name)
        files[uploaded.name] = File(uploaded.name, len(content), old.version + 1 if old else 1, content=content)
    try:
        datastore = libraries.usable_datastore_of(libraries.library_of(item))
        descriptor = find_descriptor(session, item)
    except (errors.VapiError, ValueError) as failure:
        return _error(str(failure))
    if sum(file.size for file in files.values()) > datastore.free + item.size:
        return _error(f"The datastore '{datastore.datastore}' has not enough free space.")
    libraries.replace_files(item, files.values(), call.now(), session.user)
    if descriptor is not None:
        item.package = descriptor.package
    return None


def find_descriptor(session: LibrarySession, item: Item) -> Descriptor | None:
    """The uploaded descriptor of an OVF package, if there is one. Raises ValueError for an invalid one."""
    content = next((file.content for name, file in session.files.items() if name.lower().endswith(".ovf")), None)
    return read(content) if content is not None and item.type == OVF else None


def _error(text: str) -> errors.Message:
    return errors.Message(f"{_MESSAGES}.update_failed", text)
