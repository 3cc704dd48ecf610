"""Conditions of WaitForVm: when they are met, and what is said to be missing."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.errors import GatewayError
from gateway.live.conditions import condition_of
from tests.machines import message

NICS = [
    {"network_name": "inner", "ip_addresses": ["fe80::1", "10.0.0.7"]},
    {"network_name": "outer", "ip_addresses": ["127.0.0.1", "2001:db8::7"]},
]
ON = {"power_state": "POWER_STATE_POWERED_ON", "tools": "TOOLS_RUNNING_STATE_RUNNING"}


def look(condition: dict[str, Any], state: dict[str, Any]) -> tuple[Any, str]:
    """What a condition says of a machine."""
    request = message("WaitForVmRequest", {"vm": "vm-1", "condition": condition})
    return condition_of(request, type(message("VmState"))).look(message("VmState", {"vm": "vm-1", **state}))


@pytest.mark.parametrize(
    ("condition", "state", "missing"),
    [
        ({"power_state": "POWER_STATE_POWERED_ON"}, ON, ""),
        (
            {"power_state": "POWER_STATE_SUSPENDED"},
            ON,
            "it is POWERED_ON, not SUSPENDED",
        ),
        ({"tools_running": True}, ON, ""),
        ({"tools_running": True}, {"power_state": "POWER_STATE_POWERED_OFF"}, "is not running: it is POWERED_OFF"),
        ({"guest_ready": True}, {**ON, "guest_state": "GUEST_STATE_RUNNING"}, ""),
        ({"guest_ready": True}, {**ON, "guest_state": "GUEST_STATE_RESETTING"}, "is RESETTING, not RUNNING"),
        ({"guest_ready": True}, {}, "VMware Tools is not running"),
        ({"removed": True}, {}, "it still exists"),
        ({"address": {}}, {}, "it does not have an address: VMware Tools is not running"),
        ({"address": {"family": "ADDRESS_FAMILY_IPV6"}}, ON, "has not reported an IPv6 address"),
        ({"address": {"network_name": "lost"}}, {**ON, "addresses": {"nics": NICS}}, "on the network 'lost'"),
        (
            {"address": {"network_name": "outer", "family": "ADDRESS_FAMILY_IPV4"}},
            {**ON, "addresses": {"nics": NICS}},
            "has not reported an IPv4 address on the network 'outer'",
        ),
    ],
)
def test_conditions(condition: dict[str, Any], state: dict[str, Any], missing: str) -> None:
    """A condition is met, or names what is missing."""
    met, text = look(condition, state)
    assert (met is not None) is (missing == "")
    assert missing in text


@pytest.mark.parametrize(
    ("wanted", "address"),
    [
        ({}, "10.0.0.7"),
        ({"family": "ADDRESS_FAMILY_IPV6"}, "2001:db8::7"),
        ({"network_name": "outer"}, "2001:db8::7"),
    ],
)
def test_addresses(wanted: dict[str, Any], address: str) -> None:
    """The address that meets the condition is told; loopback and link-local ones never do."""
    met, _ = look({"address": wanted}, {**ON, "addresses": {"nics": NICS}})
    assert met["address"] == address


@pytest.mark.parametrize(
    "request_content",
    [
        {"condition": {"removed": True}},
        {"vm": "vm-1"},
        {"vm": "vm-1", "condition": {}},
        {"vm": "vm-1", "condition": {"removed": False}},
        {"vm": "vm-1", "condition": {"power_state": "POWER_STATE_UNSPECIFIED"}},
    ],
)
def test_requests_that_say_nothing(request_content: dict[str, Any]) -> None:
    """A machine and one condition are required."""
    with pytest.raises(GatewayError) as caught:
        condition_of(message("WaitForVmRequest", request_content), type(message("VmState")))
    assert caught.value.failure.code_name == "INVALID_ARGUMENT"
