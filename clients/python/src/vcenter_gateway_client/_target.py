"""Determines whether a gRPC target is on the local machine, where no one else can read plain text."""

from __future__ import annotations

import ipaddress

__all__ = ["is_local"]


def is_local(target: str) -> bool:
    """Whether data that is sent to a target certainly stays on the local machine."""
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
    """Whether host:port, or a host alone, is the local machine."""
    if address.startswith("["):
        host = address[1:].partition("]")[0]
    else:
        host = address.partition(":")[0] if address.count(":") == 1 else address
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
