"""Client certificates: which of their names count, and which of these are accepted.

The names are read from the certificate itself. gRPC's own list of them ends each at a NUL, so that a certificate for
`ci\\0.evil.example` would be one for `ci`, and does not distinguish email addresses from DNS names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from cryptography import x509
from cryptography.x509.oid import NameOID

from gateway.access.patterns import fits
from gateway.errors import Failure, GatewayError, Reason

__all__ = ["AllowedCertificates", "CertificateError", "Name", "NameType", "names_in"]

# A certificate is checked once; a gateway with more callers than this checks again now and then.
_REMEMBERED = 256

_MAX_NAME = 2048
_DNS_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+")
_DOT_SEGMENT = re.compile(r"(^|[/\\])(\.|%2e){1,2}($|[/\\?#])|%2f|%5c", re.IGNORECASE)


class CertificateError(ValueError):
    """A certificate whose names are not reliable; the text says why."""


class NameType(StrEnum):
    """The type of a name in a certificate."""

    DNS = "dns"
    URI = "uri"
    EMAIL = "email"
    IP = "ip"
    CN = "cn"
    """The common name, of a certificate without any subject alternative names."""


_BARE = frozenset({NameType.DNS, NameType.URI, NameType.CN})


@dataclass(frozen=True, slots=True)
class Name:
    """One name of a certificate."""

    type: NameType
    text: str


class AllowedCertificates:
    """The accepted certificates: those with a name that matches one of the patterns.

    A pattern that begins with `dns:`, `uri:`, `email:`, `ip:` or `cn:` matches names of that type; any other matches
    DNS names, URIs and the common name. Raises ValueError for a pattern without a name.
    """

    def __init__(self, patterns: Sequence[str]) -> None:
        self._patterns = [_parsed(pattern) for pattern in patterns]
        # Their number is limited here, and the size of each certificate by the TLS handshake.
        self._found = lru_cache(maxsize=_REMEMBERED)(self._find)

    def name(self, pem: bytes) -> str:
        """The first accepted name of a certificate. Raises GatewayError (UNAUTHENTICATED) if none is accepted."""
        name, problem = self._found(pem)
        if problem:
            raise GatewayError(Failure.of(Reason.CALLER_REJECTED, problem))
        return name

    def _find(self, pem: bytes) -> tuple[str, str]:
        """The name and an empty text, or None and the problem. Not an exception, because a cached exception would keep
        the frames of a call alive."""
        try:
            names = names_in(pem)
        except CertificateError as error:
            return "", str(error)
        for name in names:
            if any(name.type in types and fits(name.text, (pattern,)) for types, pattern in self._patterns):
                return name.text, ""
        return "", "the client certificate is not on the gateway's list"


def names_in(pem: bytes) -> list[Name]:
    """The names of a certificate that count, in order: those of subjectAltName or, without one, its common name. A name
    that does not look like one of its type does not count. Raises CertificateError if the certificate cannot be read,
    or has an ambiguous name.
    """
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        common = [attribute.value for attribute in certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)]
        alternative = _alternative_names(certificate)
    except Exception:  # The library may raise anything for a malformed certificate.
        raise CertificateError("the client certificate cannot be read") from None
    names = [_name(NameType.CN, value) for value in common]
    if alternative is not None:
        names = [_name(_TYPES[type(name)], name.value) for name in alternative if type(name) in _TYPES]
    elif len(names) > 1:
        raise CertificateError("the client certificate has more than one common name")
    return [name for name in names if len(name.text) <= _MAX_NAME and _LOOKS[name.type](name.text)]


_TYPES: dict[type[x509.GeneralName], NameType] = {
    x509.DNSName: NameType.DNS,
    x509.UniformResourceIdentifier: NameType.URI,
    x509.RFC822Name: NameType.EMAIL,
    x509.IPAddress: NameType.IP,
}


def _alternative_names(certificate: x509.Certificate) -> Iterable[x509.GeneralName] | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return None


def _name(kind: NameType, value: Any) -> Name:
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    if not text.isprintable():
        raise CertificateError("the client certificate has a name with characters that cannot be printed")
    return Name(kind, text)


def _looks_like_dns(text: str) -> bool:
    # Not `*.example.org` either: a wildcard is for servers, and would be a caller's name here.
    return _DNS_NAME.fullmatch(text) is not None and not _looks_like_ip(text)


def _looks_like_uri(text: str) -> bool:
    # Patterns compare text: a URI with `..` segments would mean a different one than it looks like.
    return _URI.fullmatch(text) is not None and _DOT_SEGMENT.search(text) is None


def _looks_like_ip(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


_LOOKS: dict[NameType, Callable[[str], bool]] = {
    NameType.DNS: _looks_like_dns,
    NameType.URI: _looks_like_uri,
    NameType.EMAIL: lambda text: text.count("@") == 1,
    NameType.IP: _looks_like_ip,
    NameType.CN: lambda text: text != "" and _URI.fullmatch(text) is None,
}


def _parsed(pattern: str) -> tuple[frozenset[NameType], str]:
    kind, _, rest = pattern.partition(":")
    if kind not in frozenset(NameType):
        return _BARE, pattern
    if not rest:
        raise ValueError(f"the pattern {pattern!r} has no name after the colon")
    return frozenset({NameType(kind)}), rest
