"""com.vmware.content.library.item.updatesession.file: the files that are uploaded in a session."""

from typing import Any

from gateway.simulator import errors
from gateway.simulator.library import File
from gateway.simulator.library_sessions import LibrarySession, SessionFile
from gateway.simulator.operations.content_library_item_update_session import find_descriptor, session_of
from gateway.simulator.registry import Call, Json, operation

__all__ = ["add", "get", "list_", "remove", "validate"]

_SERVICE = "com.vmware.content.library.item.updatesession.file"
_MESSAGES = "com.vmware.vdcs.cls-main"


@operation(_SERVICE, "add")
def add(call: Call) -> Json:
    """Adds a file, which the client then uploads to the returned URL."""
    session, spec = session_of(call), call.spec
    session.require_active()
    name, source = spec["name"], spec["source_type"]
    if not name or "/" in name or source == "NONE":
        raise errors.invalid_argument(f"{_MESSAGES}.invalid_file", "The file '{0}' cannot be added.", name)
    file = SessionFile(name, source, spec.get("size"), spec.get("checksum_info"), spec.get("source_endpoint"))
    if source == "PUSH":
        call.inventory.library_sessions.give_url(session, file, call.origin)
    else:
        text = "The simulated vCenter does not fetch files from other servers."
        file.error = errors.Message(f"{_MESSAGES}.source_unreachable", text)
    session.removed.discard(name)
    session.files[name] = file
    session.keep_alive(call.now())
    return _uploaded(file)


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """The files that the item will have when the session is completed."""
    return list(_files(call, session_of(call)).values())


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """One of these files."""
    return _find(call, session_of(call))


@operation(_SERVICE, "remove")
def remove(call: Call) -> None:
    """Removes a file: one that was going to be added immediately, one of the item when the session is completed."""
    session = session_of(call)
    _find(call, session)
    session.files.pop(call.path["file_name"], None)
    session.removed.add(call.path["file_name"])


@operation(_SERVICE, "validate")
def validate(call: Call) -> Json:
    """What prevents the session from being completed: missing files of a descriptor, and invalid files."""
    session = session_of(call)
    session.require_active()
    files = _files(call, session)
    invalid = {file.name: file.error for file in session.files.values() if file.error is not None}
    missing: set[str] = set()
    try:
        descriptor = find_descriptor(session, call.inventory.libraries.item(session.item))
        missing = set(descriptor.files if descriptor is not None else ()) - files.keys()
    except ValueError as failure:
        name = next(name for name in session.files if name.lower().endswith(".ovf"))
        invalid[name] = errors.Message(f"{_MESSAGES}.invalid_descriptor", str(failure))
    return {
        "has_errors": bool(missing or invalid),
        "missing_files": sorted(missing),
        "invalid_files": [{"name": name, "error_message": error.to_json()} for name, error in invalid.items()],
    }


def _files(call: Call, session: LibrarySession) -> dict[str, dict[str, Any]]:
    item = call.inventory.libraries.items.get(session.item)
    present = {} if item is None else item.files
    kept = {name: _kept(file) for name, file in present.items() if name not in session.removed}
    return kept | {name: _uploaded(file) for name, file in session.files.items()}


def _find(call: Call, session: LibrarySession) -> dict[str, Any]:
    name = call.path["file_name"]
    file = _files(call, session).get(name)
    if file is None:
        text = "The session '{0}' has no file '{1}'."
        raise errors.invalid_argument(f"{_MESSAGES}.session_file_not_found", text, session.session, name)
    return file


def _uploaded(file: SessionFile) -> dict[str, Any]:
    info: dict[str, Any] = {
        "name": file.name,
        "source_type": file.source_type,
        "bytes_transferred": len(file.content or b""),
        "status": file.status,
    }
    optional = {
        "size": file.size,
        "checksum_info": file.checksum,
        "source_endpoint": file.source,
        "upload_endpoint": {"uri": file.url} if file.url else None,
        "error_message": file.error.to_json() if file.error is not None else None,
    }
    return info | {name: value for name, value in optional.items() if value is not None}


def _kept(file: File) -> dict[str, Any]:
    return {
        "name": file.name,
        "source_type": "NONE",
        "size": file.size,
        "bytes_transferred": file.size,
        "status": "READY",
    }
