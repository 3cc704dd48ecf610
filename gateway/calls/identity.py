"""A caller's identity: a name, and how it was authenticated.

A certificate, a token, a JWT and a vCenter account may all have the name `ci`, each assigned by a different party:
anyone who can register accounts with a JWT issuer must not be able to choose the name of a certificate. Therefore, an
identity includes its kind, and a policy can require it:

    ci          the name `ci`, however it was proved
    cert:ci     the name `ci` of a client certificate, and nobody else
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["ANONYMOUS", "SESSION", "CallerIdentity", "Kind", "parted"]


class Kind(StrEnum):
    """The source of a caller's name."""

    CERT = "cert"
    """A client certificate."""
    TOKEN = "token"  # noqa: S105 - the name of a kind
    """The token file."""
    JWT = "jwt"
    """A claim of a JWT."""
    VCENTER = "vcenter"
    """`authorization: Basic`: a user name, whose password vCenter checks."""
    GATEWAY = "gateway"
    """The gateway itself, for callers whose name it does not know."""


@dataclass(frozen=True, slots=True)
class CallerIdentity:
    """A caller's name and its kind. The audit log, the log and errors show it as text, `kind:name`."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


ANONYMOUS = CallerIdentity(Kind.GATEWAY, "anonymous")
"""Callers that need no authentication."""
SESSION = CallerIdentity(Kind.GATEWAY, "vcenter-session")
"""Callers with their own session, whose user the gateway does not know."""

_KINDS = frozenset(Kind)


def parted(text: str) -> tuple[str, str]:
    """A text's kind, empty if it begins with none, and the rest."""
    kind, _, rest = text.partition(":")
    return (kind, rest) if rest and kind in _KINDS else ("", text)
