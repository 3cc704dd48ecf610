"""Tells whether a gRPC target is on this machine, where what is sent in plain text is nobody else's to read."""

from __future__ import annotations

import ipaddress

__all__ = ["is_local"]


def is_local(target: str) -> bool:
    """Whether nothing that is sent to a target can leave this machine. False where that is not certain."""
    scheme, _, rest = target.partition(":")
    if scheme in ("unix", "unix-abstract"):
        return True
    if scheme in ("ipv4", "ipv6"):
        return all(_is_loopback(address) for address in rest.removeprefix("///").split(","))
    if scheme == "dns":
        # A name server of the target's own, dns://server/host, may answer with any address.
        target = rest.removeprefix("///")
    return _is_loopback(target)


def _is_loopback(address: str) -> bool:
    """Whether host:port, or a host alone, is this machine itself."""
    if address.startswith("["):
        host = address[1:].partition("]")[0]
    else:
        host = address.partition(":")[0] if address.count(":") == 1 else address
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
