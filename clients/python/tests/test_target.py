"""Which targets are this very machine."""

from __future__ import annotations

import pytest

from vcenter_gateway_client._target import is_local

LOCAL = [
    "127.0.0.1:50051",
    "127.0.0.1",
    "127.8.9.10:50051",
    "localhost:50051",
    "LocalHost:50051",
    "[::1]:50051",
    "::1",
    "dns:localhost:50051",
    "dns:///localhost:50051",
    "ipv4:127.0.0.1:50051",
    "ipv4:127.0.0.1:50051,127.0.0.2:50051",
    "ipv6:[::1]:50051",
    "unix:/run/gateway.sock",
    "unix:///run/gateway.sock",
    "unix-abstract:gateway",
]

REMOTE = [
    "",
    "gateway.example.com:50051",
    "10.0.0.1:50051",
    "0.0.0.0:50051",
    "[::]:50051",
    "[2001:db8::1]:50051",
    "localhost.example.com:50051",
    "127.0.0.1.example.com:50051",
    "127.0.0.1%2eexample.com:50051",
    "127.0.0.1:50051,10.0.0.1:50051",
    "user@localhost:50051",
    "dns:gateway.example.com:50051",
    "dns:///gateway.example.com:50051",
    "dns://10.0.0.1/localhost:50051",
    "ipv4:127.0.0.1:50051,10.0.0.1:50051",
    "ipv6:[2001:db8::1]:50051",
    "xds:///localhost:50051",
]


@pytest.mark.parametrize("target", LOCAL)
def test_a_target_on_this_machine(target: str) -> None:
    """Loopback addresses, and the name that stands for them."""
    assert is_local(target)


@pytest.mark.parametrize("target", REMOTE)
def test_any_other_target(target: str) -> None:
    """And all that is not certain."""
    assert not is_local(target)
