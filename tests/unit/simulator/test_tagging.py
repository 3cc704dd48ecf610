"""Tags over several calls: what is unique, what limits them, what becomes of them when things go."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.simulator import ManualClock
from gateway.simulator.operations.tagging_associations import PAGE
from tests.unit.simulator.harness import Api

ON = "/api/cis/tagging/tag-association"


def category(api: Api, name: str, **spec: Any) -> str:
    body = {"name": name, "description": "", "cardinality": "MULTIPLE", "associable_types": [], **spec}
    return str(api("POST", "/api/cis/tagging/category", body).json)


def tag(api: Api, category_id: str, name: str) -> str:
    body = {"name": name, "description": "", "category_id": category_id}
    return str(api("POST", "/api/cis/tagging/tag", body).json)


def item(identifier: str, kind: str = "VirtualMachine") -> dict[str, str]:
    return {"type": kind, "id": identifier}


def attach(api: Api, tag_id: str, identifier: str, kind: str = "VirtualMachine") -> int:
    return api("POST", f"{ON}/{tag_id}?action=attach", {"object_id": item(identifier, kind)}).status


def tags_of(api: Api, identifier: str, kind: str = "VirtualMachine") -> Any:
    return api("POST", f"{ON}?action=list-attached-tags", {"object_id": item(identifier, kind)}).json


def test_the_same_calls_give_the_same_identifiers(clock: ManualClock) -> None:
    """Two simulators agree, so that tests can be written down."""
    apis = [Api(clock), Api(clock)]
    for api in apis:
        api.login()
    first, second = (category(api, "Team") for api in apis)
    assert first == second
    assert first != category(apis[0], "Floor")


def test_a_name_can_be_used_again(api: Api) -> None:
    """After its category or tag has been renamed or deleted."""
    team = category(api, "Team")
    red = tag(api, team, "red")
    path = f"/api/cis/tagging/tag/{red}"
    assert api("PATCH", path, {"name": "crimson"}).status == 204
    assert tag(api, team, "red") != red
    assert api("PATCH", path, {"name": "red"}).error_type == "ALREADY_EXISTS"
    assert api("PATCH", path, {"name": "crimson", "description": "dark"}).status == 204
    assert api("DELETE", f"/api/cis/tagging/category/{team}").status == 204
    assert category(api, "Team") != team


def test_a_category_that_was_single_takes_more_when_it_is_widened(api: Api) -> None:
    """A second tag is refused before, and attached afterwards."""
    stage = category(api, "Stage", cardinality="SINGLE")
    first, second = tag(api, stage, "first"), tag(api, stage, "second")
    assert [attach(api, first, "vm-1002"), attach(api, second, "vm-1002")] == [204, 400]
    api("PATCH", f"/api/cis/tagging/category/{stage}", {"cardinality": "MULTIPLE"})
    assert attach(api, second, "vm-1002") == 204
    assert tags_of(api, "vm-1002") == [first, second]


def test_types_of_networks_differ(api: Api) -> None:
    """A distributed port group is not a network of type Network."""
    wires = category(api, "Wire", associable_types=["Network"])
    fast = tag(api, wires, "fast")
    assert attach(api, fast, "network-12", "Network") == 204
    assert attach(api, fast, "dvportgroup-17", "Network") == 403
    assert attach(api, fast, "dvportgroup-17", "DistributedVirtualPortgroup") == 400


@pytest.mark.parametrize(
    ("kind", "identifier"),
    [
        ("ClusterComputeResource", "domain-c8"),
        ("Datacenter", "datacenter-3"),
        ("Datastore", "datastore-11"),
        ("Folder", "group-v4"),
        ("HostSystem", "host-10"),
        ("OpaqueNetwork", "network-o23"),
        ("ResourcePool", "resgroup-9"),
    ],
)
def test_everything_can_have_tags(api: Api, kind: str, identifier: str) -> None:
    """Each kind of object of the inventory, if it exists."""
    any_type = tag(api, category(api, "Any"), "any")
    assert attach(api, any_type, identifier, kind) == 204
    assert tags_of(api, identifier, kind) == [any_type]
    assert attach(api, any_type, f"{identifier}9", kind) == 403


def test_what_is_gone_has_no_tags(api: Api) -> None:
    """A host that is removed takes its machines with it, and neither is listed any more."""
    any_type = tag(api, category(api, "Any"), "any")
    on_29 = [key for key, machine in api.inventory.machines.items() if machine.placement.host == "host-29"]
    assert attach(api, any_type, "host-29", "HostSystem") == 204
    assert {attach(api, any_type, vm) for vm in on_29} == {204}
    assert api("DELETE", "/api/vcenter/host/host-29").status == 204
    assert api("POST", f"{ON}/{any_type}?action=list-attached-objects").json == []
    listed = api("GET", "/api/vcenter/tagging/associations").json["associations"]
    assert any_type not in {pair["tag"] for pair in listed}


def test_associations_come_in_pages(clock: ManualClock) -> None:
    """Each pair once, although pairs come and go while the list is read."""
    api = Api(clock, vms=PAGE + 20)
    api.login()
    any_type = tag(api, category(api, "Any"), "any")
    machines = [f"vm-{1001 + number}" for number in range(PAGE + 10)]
    objects = [item(vm) for vm in machines]
    body = {"object_ids": objects}
    assert api("POST", f"{ON}/{any_type}?action=attach-tag-to-multiple-objects", body).json["success"]
    first = api("GET", "/api/vcenter/tagging/associations").json
    assert (len(first["associations"]), first["status"]) == (PAGE, "READY")
    api("POST", f"{ON}/{any_type}?action=detach", {"object_id": objects[0]})
    api("POST", f"{ON}/{any_type}?action=attach", {"object_id": item("host-10", "HostSystem")})
    second = api("GET", f"/api/vcenter/tagging/associations?marker={first['marker']}").json
    assert second["status"] == "END_OF_DATA"
    assert "marker" not in second
    found = [pair["object"]["id"] for pair in first["associations"] + second["associations"] if pair["tag"] == any_type]
    assert found == [*machines, "host-10"]


def test_tags_come_in_pages(api: Api) -> None:
    """The marker keeps the filter; the last page has none."""
    team = category(api, "Team")
    made = [tag(api, team, f"tag-{number}") for number in range(30)]
    first = api("GET", "/api/vcenter/tagging/tags").json
    assert len(first["items"]) == 20
    rest = api("GET", f"/api/vcenter/tagging/tags?marker={first['marker']}&page_size=100").json
    assert [entry["tag"] for entry in first["items"] + rest["items"]] == [*api.inventory.tagging.tags]
    assert "marker" not in rest
    one = api("GET", "/api/vcenter/tagging/tags?names=tag-3&names=tag-7&page_size=1").json
    two = api("GET", f"/api/vcenter/tagging/tags?marker={one['marker']}&page_size=1").json
    assert [entry["tag"] for entry in one["items"] + two["items"]] == [made[3], made[7]]
    assert "marker" not in two


def test_a_change_of_all_or_nothing_keeps_what_was(api: Api) -> None:
    """Also what it had already detached before it failed."""
    role = category(api, "Team")
    red, blue = tag(api, role, "red"), tag(api, role, "blue")
    attach(api, red, "vm-1002")
    specs = [{"operation": "DETACH", "tag_id": red}, {"operation": "ATTACH", "tag_id": blue}]
    body = {"object": item("vm-1002"), "tag_spec_list": [*specs, {"operation": "ATTACH", "tag_id": "gone"}]}
    result = api("PATCH", "/api/vcenter/tagging/associations", body).json
    assert (result["success"], len(result["errors"]), tags_of(api, "vm-1002")) == (False, 1, [red])
    result = api("PATCH", "/api/vcenter/tagging/associations", {**body, "tag_spec_list": specs}).json
    assert [entry["tag"] for entry in result["results"]] == [red, blue]
    assert tags_of(api, "vm-1002") == [blue]
