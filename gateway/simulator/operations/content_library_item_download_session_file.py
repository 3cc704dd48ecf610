"""com.vmware.content.library.item.downloadsession.file: the files that can be downloaded in a session."""

from typing import Any

from gateway.simulator import errors
from gateway.simulator.library import File
from gateway.simulator.library_sessions import LibrarySession, SessionFile
from gateway.simulator.operations.content_library_item_download_session import session_of
from gateway.simulator.registry import Call, Json, operation

__all__ = ["get", "list_", "prepare"]

_SERVICE = "com.vmware.content.library.item.downloadsession.file"
_MESSAGES = "com.vmware.vdcs.cls-main"


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """All files of the item, prepared or not."""
    session = session_of(call)
    return [_info(file, session.files.get(name)) for name, file in _files(call, session).items()]


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """One of these files, by name."""
    session = session_of(call)
    file = _find(call, session, call.query["file_name"][0])
    return _info(file, session.files.get(file.name))


@operation(_SERVICE, "prepare")
def prepare(call: Call) -> Json:
    """Prepares a file, which then has a URL. A file that the simulator made up has no content, which is its error."""
    session = session_of(call)
    file = _find(call, session, call.spec["file_name"])
    prepared = SessionFile(file.name, size=file.size, content=file.content)
    if file.content is None:
        text = "The simulated vCenter made up this file, and has the contents of uploaded files only."
        prepared.error = errors.Message(f"{_MESSAGES}.file_not_readable", text)
    elif session.state == "ACTIVE":
        call.inventory.library_sessions.give_url(session, prepared, call.origin)
    session.files[file.name] = prepared
    session.keep_alive(call.now())
    return _info(file, prepared)


def _files(call: Call, session: LibrarySession) -> dict[str, File]:
    item = call.inventory.libraries.items.get(session.item)
    return {} if item is None else item.files


def _find(call: Call, session: LibrarySession, name: str) -> File:
    file = _files(call, session).get(name)
    if file is None:
        text = "The library item '{0}' has no file '{1}'."
        raise errors.invalid_argument(f"{_MESSAGES}.library_item_file_not_found", text, session.item, name)
    return file


def _info(file: File, prepared: SessionFile | None) -> dict[str, Any]:
    info: dict[str, Any] = {
        "name": file.name,
        "size": file.size,
        "bytes_transferred": 0,
        "status": "UNPREPARED",
        "checksum_info": {"algorithm": "SHA256", "checksum": file.checksum},
    }
    if prepared is not None and prepared.error is not None:
        return info | {"status": "ERROR", "error_message": prepared.error.to_json()}
    if prepared is not None and prepared.url:
        return info | {"status": "PREPARED", "download_endpoint": {"uri": prepared.url}}
    return info
