"""Addresses to listen on and to call, as people write them."""

from __future__ import annotations

import ipaddress
import re

__all__ = ["is_loopback", "split_address"]

_ADDRESS = re.compile(r"(?:\[(?P<v6>[^\[\]/\s]+)\]|(?P<host>[^\[\]:/\s]+)):(?P<port>[0-9]{1,5})")


def split_address(text: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; an IPv6 host is in brackets. Raises ValueError."""
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > 65535 or (match["v6"] and not _is_ipv6(match["v6"])):
        raise ValueError("not of the form HOST:PORT")
    return match["v6"] or match["host"], int(match["port"])


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
