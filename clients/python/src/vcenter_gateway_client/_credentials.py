"""Who calls. What is secret stays in here: neither `repr` nor an error shows it."""

from __future__ import annotations

import base64
from dataclasses import dataclass

__all__ = ["Credentials"]

_SESSION_HEADER = "vmware-api-session-id"


@dataclass(frozen=True, repr=False)
class Credentials:
    """The identity that every call of a connection carries. Made by `basic` or `session`."""

    _metadata: tuple[str, str]

    @classmethod
    def basic(cls, user: str, password: str) -> Credentials:
        """A vCenter user, for whom the gateway logs in and keeps a session.

        Raises ValueError for a user name that is empty or has a colon in it.
        """
        if not user or ":" in user:
            raise ValueError("a user name must not be empty and must not have a colon in it")
        encoded = base64.b64encode(f"{user}:{password}".encode()).decode()
        return cls(("authorization", f"Basic {encoded}"))

    @classmethod
    def session(cls, session_id: str) -> Credentials:
        """A session of vCenter that the caller holds. The gateway forwards its id and does not renew it.

        Raises ValueError for what cannot be a session id.
        """
        if not session_id or not all("!" <= character <= "~" for character in session_id):
            raise ValueError("a session id must be one or more printable ASCII characters without spaces")
        return cls((_SESSION_HEADER, session_id))

    def __repr__(self) -> str:
        kind = "session" if self._metadata[0] == _SESSION_HEADER else "basic"
        return f"<{kind} credentials>"


def metadata_of(credentials: Credentials | None) -> tuple[tuple[str, str], ...]:
    """The metadata that carries an identity; empty for none."""
    return () if credentials is None else (credentials._metadata,)  # noqa: SLF001 - kept from users, not from us
