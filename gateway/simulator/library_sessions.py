"""The sessions in which clients upload and download the files of library items, and the URLs of those files.

A session expires five minutes after the last activity of its client. Uploaded files become the item's content when the
session is completed, and not before. The URLs need no session of the API, because only the client knows the token in
them.
"""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from gateway.simulator import errors
from gateway.simulator.clock import timestamp
from gateway.simulator.errors import Message
from gateway.simulator.exchange import Request, Response, text_response
from gateway.simulator.library import Item

__all__ = ["PATH", "LibrarySession", "LibrarySessions", "SessionFile", "transfer_file", "without_token"]

PATH = "/cls/data/"
_VALID = timedelta(minutes=5)
_MESSAGES = "com.vmware.vdcs.cls-main"


@dataclass(slots=True)
class SessionFile:
    """A file that is uploaded in a session, or prepared for a download."""

    name: str
    source_type: str = "PUSH"
    size: int | None = None
    checksum: Mapping[str, str] | None = None
    source: Mapping[str, str] | None = None
    """The URL from which vCenter fetches the file."""
    content: bytes | None = field(default=None, repr=False)
    error: Message | None = None
    url: str = field(default="", repr=False)

    @property
    def status(self) -> str:
        """The progress of an upload."""
        if self.error is not None:
            return "ERROR"
        return "WAITING_FOR_TRANSFER" if self.content is None else "READY"

    def receive(self, content: bytes) -> None:
        """Stores what the client uploads; an error, if that differs from what was announced."""
        self.content, self.error = content, None
        if self.size not in (None, len(content)):
            text = f"The file '{self.name}' has {len(content)} bytes instead of {self.size}."
            self.error = Message(f"{_MESSAGES}.file_size_mismatch", text, (self.name,))
        elif self.checksum is not None:
            algorithm = (self.checksum.get("algorithm") or "SHA1").lower()
            found = hashlib.new(algorithm, content, usedforsecurity=False).hexdigest()
            if found != self.checksum["checksum"].lower():
                text = f"The checksum of the file '{self.name}' is {found}."
                self.error = Message(f"{_MESSAGES}.file_checksum_mismatch", text, (self.name,))


@dataclass(slots=True)
class LibrarySession:
    """A session for one item."""

    session: str
    item: str
    content_version: int
    user: str
    uploads: bool
    expires: datetime
    state: str = "ACTIVE"
    progress: int = 0
    error: Message | None = None
    files: dict[str, SessionFile] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    """The files of the item that will be removed."""

    def keep_alive(self, now: datetime) -> None:
        """Extends its lifetime."""
        self.expires = now + _VALID

    def require_active(self) -> None:
        """NOT_ALLOWED_IN_CURRENT_STATE for a session that has ended."""
        if self.state != "ACTIVE":
            raise errors.not_allowed(
                f"{_MESSAGES}.session_not_active",
                "The session '{0}' is in the state {1}.",
                self.session,
                self.state,
            )

    def model(self) -> dict[str, Any]:
        """The session as `get` returns it."""
        model: dict[str, Any] = {
            "id": self.session,
            "library_item_id": self.item,
            "library_item_content_version": str(self.content_version),
            "client_progress": self.progress,
            "state": self.state,
            "expiration_time": timestamp(self.expires),
        }
        if self.error is not None:
            model["error_message"] = self.error.to_json()
        return model


class LibrarySessions:
    """All sessions by identifier."""

    def __init__(self) -> None:
        self._sessions: dict[str, LibrarySession] = {}
        self._urls: dict[str, tuple[LibrarySession, SessionFile]] = {}

    def all(self, now: datetime, *, uploads: bool) -> list[LibrarySession]:
        """The sessions of one kind that have not expired, oldest first."""
        for session in [session for session in self._sessions.values() if session.expires <= now]:
            self.delete(session)
        return [session for session in self._sessions.values() if session.uploads is uploads]

    def find(self, identifier: str, now: datetime, *, uploads: bool) -> LibrarySession:
        """The session of that kind; NOT_FOUND if it does not exist, or has expired."""
        session = next((item for item in self.all(now, uploads=uploads) if item.session == identifier), None)
        if session is None:
            text = "The session with identifier '{0}' does not exist."
            raise errors.of_type("NOT_FOUND", f"{_MESSAGES}.session_not_found", text, identifier)
        return session

    def begin(self, identifier: str, item: Item, user: str, now: datetime, *, uploads: bool) -> LibrarySession:
        """Begins a session."""
        session = LibrarySession(identifier, item.item, item.content_version, user, uploads, now + _VALID)
        self._sessions[session.session] = session
        return session

    def end(self, session: LibrarySession, state: str, error: Message | None = None) -> None:
        """Ends a session; uploads in it that are not yet the item's content are discarded."""
        session.state, session.error = state, error
        session.files.clear()
        self._forget_urls(session)

    def delete(self, session: LibrarySession) -> None:
        """Removes a session."""
        self._sessions.pop(session.session, None)
        self._forget_urls(session)

    def give_url(self, session: LibrarySession, file: SessionFile, origin: str) -> None:
        """Creates a URL for the file below an origin, such as `https://vcenter.example.com`."""
        token = secrets.token_hex(20)
        self._urls[token] = session, file
        file.url = f"{origin}{PATH}{token}/{quote(file.name)}"

    def find_url(self, target: str, now: datetime) -> tuple[LibrarySession, SessionFile] | None:
        """The file of a URL, as long as its session is active."""
        token = target.removeprefix(PATH).partition("/")[0]
        session, file = self._urls.get(token, (None, None))
        if session is None or file is None or session.expires <= now or session.state != "ACTIVE":
            return None
        return session, file

    def _forget_urls(self, session: LibrarySession) -> None:
        self._urls = {token: found for token, found in self._urls.items() if found[0] is not session}


def transfer_file(sessions: LibrarySessions, request: Request, now: datetime) -> Response:
    """Handles a request to such a URL: receives or sends a file."""
    found = sessions.find_url(request.target, now)
    if found is None:
        return text_response(HTTPStatus.NOT_FOUND)
    session, file = found
    if request.method != ("PUT" if session.uploads else "GET"):
        return text_response(HTTPStatus.METHOD_NOT_ALLOWED)
    session.keep_alive(now)
    if session.uploads:
        file.receive(request.body)
        return Response(HTTPStatus.OK, executed=True)
    return Response(HTTPStatus.OK, file.content or b"", "application/octet-stream", executed=True)


def without_token(target: str) -> str:
    """The target of a request for display: the token alone grants access."""
    if not target.startswith(PATH):
        return target
    _, slash, name = target.removeprefix(PATH).partition("/")
    return f"{PATH}*{slash}{name}"
