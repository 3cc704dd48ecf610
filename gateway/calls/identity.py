"""Who a caller is: a name, and how it was proved.

A certificate, a token, a JWT and a vCenter account may all bear the name `ci`, each given by somebody else: whoever
registers accounts with a provider of JWTs must not thereby choose the name of a certificate. So an identity carries its
kind, and a policy can ask for it:

    ci          the name `ci`, however it was proved
    cert:ci     the name `ci` of a client certificate, and nobody else
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["ANONYMOUS", "SESSION", "CallerIdentity", "Kind", "parted"]


class Kind(StrEnum):
    """What gave a caller the name."""

    CERT = "cert"
    """A client certificate."""
    TOKEN = "token"  # noqa: S105 - the name of a kind
    """The file of tokens."""
    JWT = "jwt"
    """A claim of a JWT."""
    VCENTER = "vcenter"
    """`authorization: Basic`: a user name, whose password vCenter checks."""
    GATEWAY = "gateway"
    """The gateway itself, for callers of whom it knows no name."""


@dataclass(frozen=True, slots=True)
class CallerIdentity:
    """A caller's name and its kind. Its text, `kind:name`, is what audit log, log and errors say."""

    kind: Kind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


ANONYMOUS = CallerIdentity(Kind.GATEWAY, "anonymous")
"""Callers who need not prove who they are."""
SESSION = CallerIdentity(Kind.GATEWAY, "vcenter-session")
"""Callers who bring a session of their own, whose user the gateway does not know."""

_KINDS = frozenset(Kind)


def parted(text: str) -> tuple[str, str]:
    """A text's kind, empty where it begins with none, and the rest."""
    kind, _, rest = text.partition(":")
    return (kind, rest) if rest and kind in _KINDS else ("", text)
