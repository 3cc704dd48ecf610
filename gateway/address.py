"""Parses the addresses that users write: HOST:PORT, and the URL of a vCenter."""

from __future__ import annotations

import contextlib
import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from gateway.printable import is_printable_ascii

__all__ = [
    "DEFAULT_LISTEN",
    "checked_key_url",
    "checked_thumbprint",
    "checked_url",
    "is_loopback",
    "join_address",
    "reachable",
    "split_address",
]

DEFAULT_LISTEN = "127.0.0.1:50051"
"""The default address of a gateway, for the server and for clients."""


_ADDRESS = re.compile(r"(?:\[(?P<v6>[^\[\]/\s]+)\]|(?P<host>[^\[\]:/\s]+)):(?P<port>[0-9]{1,5})")
_ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - recognized, not used

# Names as in DNS and hosts files, and addresses of both families; IPv6 addresses may have a zone.
_HOST = re.compile(r"[a-z0-9_]([a-z0-9._-]*[a-z0-9_.])?|[0-9a-f:.]+(%[a-z0-9._-]+)?", re.ASCII | re.IGNORECASE)
_THUMBPRINT = re.compile(r"[0-9a-f]{64}")


def split_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; an IPv6 host is in brackets. Raises ValueError."""
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > 65535 or (match["v6"] and not _is_ipv6(match["v6"])):
        raise ValueError("not of the form HOST:PORT")
    return match["v6"] or match["host"], int(match["port"])


def join_address(host: str, port: int | None) -> str:
    """`HOST:PORT`, or only the host if there is no port; an IPv6 host is put in brackets."""
    shown = f"[{host}]" if ":" in host else host
    return shown if port is None else f"{shown}:{port}"


def reachable(host: str) -> str:
    """The host with which this machine reaches a server that listens on `host`, which may mean all addresses."""
    return _ANY_HOST.get(host, host)


def _is_ipv6(host: str) -> bool:
    try:
        ipaddress.IPv6Address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def checked_url(url: str) -> str:
    """The URL of a vCenter in normalized form. Raises ValueError with a readable message."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"the vCenter URL must look like https://vcenter.example.com, not {url!r}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the vCenter URL must not contain a user name or a password")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("the vCenter URL must have only scheme, host and port; the gateway adds the path")
    return f"{parts.scheme}://{_authority(parts)}"


def checked_key_url(url: str) -> str:
    """Returns the URL unchanged if keys may be fetched from it, and raises ValueError with a readable message
    otherwise: anyone who can change the response in transit can forge tokens."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("it is not a URL") from None
    if not host or not is_printable_ascii(url) or " " in url:
        raise ValueError("it is not a URL such as https://issuer.example.com")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it must not contain a user name or a password")
    if parts.fragment or "#" in url:
        raise ValueError("it must not have a fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(host)):
        raise ValueError("keys are fetched over https only, or over http from a loopback address")
    return url


def _authority(parts: SplitResult) -> str:
    """Host and port for the Host header of a request: in ASCII, internationalized names in IDNA form."""
    host = parts.hostname or ""
    try:
        port = parts.port
    except ValueError:
        raise ValueError("the port in the vCenter URL must be a number from 1 to 65535") from None
    if port == 0:
        raise ValueError("the port in the vCenter URL must be a number from 1 to 65535")
    with contextlib.suppress(UnicodeError):
        name = host.encode("idna").decode("ascii")
        if _HOST.fullmatch(name):
            return join_address(name, port)
    raise ValueError(f"{host!r} in the vCenter URL is neither a host name nor an address")


def checked_thumbprint(text: str) -> str:
    """A SHA-256 thumbprint in lower-case digits. Raises ValueError with a readable message."""
    digits = text.lower().replace(":", "").replace(" ", "")
    if not _THUMBPRINT.fullmatch(digits):
        raise ValueError("it must be a SHA-256 thumbprint: 64 hexadecimal digits, with or without colons")
    return digits
