"""Filters: a machine has to match each list, by one of its values, and the policy."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.access.scope import EVERYTHING, Scope
from gateway.errors import GatewayError
from gateway.live.vms.selection import select
from tests.machines import machine, message

PLACES = {"Folder": {"group-v3", "group-v4"}, "HostSystem": {"host-1"}, "ClusterComputeResource": {"domain-c1"}}
WEB = machine("vm-1", PLACES, name="web", power_state="POWER_STATE_POWERED_ON")


def matches(content: dict[str, Any], scope: Scope = EVERYTHING, tagged: frozenset[str] | None = None) -> bool:
    """Whether a filter selects the machine."""
    return select(message("VmFilter", content), scope, tagged).matches(WEB)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param({}, True, id="nothing"),
        pytest.param({"vms": ["vm-2", "vm-1"]}, True, id="one-of-the-machines"),
        pytest.param({"vms": ["vm-2"]}, False, id="another-machine"),
        pytest.param({"names": ["web"]}, True, id="name"),
        pytest.param({"names": ["WEB"]}, False, id="name-in-capitals"),
        pytest.param({"folders": ["group-v3"]}, True, id="folder-above"),
        pytest.param({"folders": ["group-v5"]}, False, id="another-folder"),
        pytest.param({"hosts": ["host-1"], "clusters": ["domain-c1"]}, True, id="host-and-cluster"),
        pytest.param({"hosts": ["host-1"], "clusters": ["domain-c2"]}, False, id="host-and-another-cluster"),
        pytest.param({"datacenters": ["datacenter-1"]}, False, id="datacenter-that-is-not-known"),
        pytest.param({"power_states": ["POWER_STATE_POWERED_ON"]}, True, id="power-state"),
        pytest.param({"power_states": ["POWER_STATE_SUSPENDED"]}, False, id="another-power-state"),
    ],
)
def test_filters(content: dict[str, Any], expected: bool) -> None:
    """Values within a list are alternatives, lists are not."""
    assert matches(content) is expected


@pytest.mark.parametrize("wanted", [True, False])
def test_templates(wanted: bool) -> None:
    """Templates are there only for those who ask for them."""
    selection = select(message("VmFilter", {"templates": wanted}), EVERYTHING)
    assert selection.matches(machine("vm-9", template=True)) is wanted


def test_tags() -> None:
    """The machines that have a tag are told; without any, none matches."""
    assert matches({"tags": ["t"]}, tagged=frozenset({"vm-1"}))
    assert not matches({"tags": ["t"]}, tagged=frozenset())


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        pytest.param([{"VirtualMachine": ["vm-1*"]}], True, id="machine"),
        pytest.param([{"VirtualMachine": ["vm-2*"]}], False, id="other-machines"),
        pytest.param([{"Folder": ["group-v3"]}], True, id="folder-above"),
        pytest.param([{"Folder": ["group-v3"], "HostSystem": ["host-2"]}], False, id="another-host"),
        pytest.param([{"HostSystem": ["host-2"]}, {"VirtualMachine": ["vm-1"]}], True, id="one-of-two-rules"),
        pytest.param([{"Datastore": ["*"]}], False, id="something-that-is-not-known"),
        pytest.param([], False, id="no-rule"),
    ],
)
def test_policy(limits: list[dict[str, list[str]]], expected: bool) -> None:
    """A machine is seen where one rule fits it in everything that the rule limits."""
    assert matches({}, Scope(tuple(limits))) is expected


def test_a_machine_that_is_gone() -> None:
    """No filter selects a machine that is not there."""
    assert not select(message("VmFilter"), EVERYTHING).matches(None)


def test_keys() -> None:
    """What selects the same has the same key; another filter, scope or set of tagged machines has another one."""
    filters = [message("VmFilter", {"names": ["a"]}), message("VmFilter", {"names": ["b"]})]
    keys = {
        select(filters[0], EVERYTHING).key,
        select(filters[1], EVERYTHING).key,
        select(filters[0], Scope(({"Folder": ["x"]},))).key,
        select(filters[0], EVERYTHING, frozenset({"vm-1"})).key,
    }
    assert len(keys) == 4
    assert select(message("VmFilter", {"names": ["a"]}), EVERYTHING).key in keys


def test_filters_of_any_size() -> None:
    """A filter with too many values is refused."""
    select(message("VmFilter", {"vms": ["vm-1"] * 10_000}), EVERYTHING)
    with pytest.raises(GatewayError) as caught:
        select(message("VmFilter", {"vms": ["vm-1"] * 5_000, "names": ["a"] * 5_001}), EVERYTHING)
    assert caught.value.failure.code_name == "INVALID_ARGUMENT"
