"""What several calls in a row do to datacenters, hosts, resource pools and datastores."""

from __future__ import annotations

import time
from typing import Any

import pytest

from gateway.simulator import ManualClock
from tests.unit.simulator.harness import Api

MIB = 1024 * 1024


def new_host(api: Api, name: str = "esx-50.vsphere.local", folder: str = "group-h5") -> str:
    body = {
        "hostname": name,
        "user_name": "root",
        "password": "VMware1!",
        "folder": folder,
        "thumbprint_verification": "NONE",
    }
    answer = api("POST", "/api/vcenter/host", body)
    assert answer.status == 201
    return str(answer.json)


def new_pool(api: Api, parent: str, name: str = "pool", **memory: Any) -> Any:
    body = {"name": name, "parent": parent, "memory_allocation": memory}
    return api("POST", "/api/vcenter/resource-pool", body)


def listed(api: Api, kind: str, query: str = "") -> list[str]:
    return [str(next(iter(item.values()))) for item in api("GET", f"/api/vcenter/{kind}{query}").json]


def test_a_new_datacenter_is_ready_for_hosts(api: Api) -> None:
    """It has its root folders; with a host it is not empty any more, and without it is again."""
    name = {"name": "DC2", "folder": "group-d1"}
    datacenter = api("POST", "/api/vcenter/datacenter", name).json
    roots = api("GET", f"/api/vcenter/datacenter/{datacenter}").json
    assert listed(api, "folder", f"?datacenters={datacenter}") == [
        roots[f"{kind}_folder"] for kind in ("vm", "host", "datastore", "network")
    ]
    host = new_host(api, folder=roots["host_folder"])
    assert listed(api, "host", f"?datacenters={datacenter}") == [host]
    path = f"/api/vcenter/datacenter/{datacenter}"
    assert api("DELETE", path).error_type == "RESOURCE_IN_USE"
    assert api("DELETE", f"/api/vcenter/host/{host}").status == 204
    assert api("DELETE", path).status == 204
    assert api("DELETE", path).error_type == "NOT_FOUND"
    assert api("POST", "/api/vcenter/datacenter", name).status == 201


def test_a_host_brings_a_resource_pool_and_a_datastore(api: Api) -> None:
    """They go with it."""
    before = listed(api, "datastore")
    first, second = new_host(api), new_host(api, "192.0.2.7")
    [pool] = listed(api, "resource-pool", f"?hosts={first}")
    names = [item["name"] for item in api("GET", "/api/vcenter/datastore").json]
    assert names[-2:] == ["datastore1 (1)", "datastore1 (2)"]
    assert api("GET", f"/api/vcenter/resource-pool/{pool}").json["memory_allocation"]["limit"] == 512 * 1024
    for host in (first, second):
        assert api("DELETE", f"/api/vcenter/host/{host}").status == 204
    assert listed(api, "datastore") == before
    assert pool not in listed(api, "resource-pool")


def test_a_host_that_goes_takes_its_machines_with_it(api: Api) -> None:
    """What others share with it stays."""
    before = set(api.inventory.machines)
    gone = {key for key, machine in api.inventory.machines.items() if machine.placement.host == "host-29"}
    assert api("DELETE", "/api/vcenter/host/host-29").status == 204
    assert gone
    assert set(api.inventory.machines) == before - gone
    assert "datastore-24" in listed(api, "datastore", "?datacenters=datacenter-21")


def test_a_datacenter_deleted_by_force_leaves_nothing(api: Api) -> None:
    """No folder, host, pool, datastore, network, machine or disk file."""
    assert api("DELETE", "/api/vcenter/datacenter/datacenter-21?force=true").status == 204
    for kind in ("folder", "host", "cluster", "resource-pool", "datastore", "network"):
        assert listed(api, kind, "?datacenters=datacenter-21") == []
    assert listed(api, "vm", "?datacenters=datacenter-21") == []
    assert not [path for path in api.inventory.disk_files if path.startswith("[datastore3]")]


def test_free_space_follows_the_disks(api: Api) -> None:
    """A new disk takes up its capacity."""
    free = api("GET", "/api/vcenter/datastore/datastore-11").json["free_space"]
    disk = {"new_vmdk": {"capacity": 100 * MIB}}
    assert api("POST", "/api/vcenter/vm/vm-1002/hardware/disk", disk).status == 201
    assert api("GET", "/api/vcenter/datastore/datastore-11").json["free_space"] == free - 100 * MIB


def test_reservations_in_a_pool_are_bounded_by_it(api: Api) -> None:
    """A pool with a fixed reservation has no more to give; an expandable one draws on its parents."""
    fixed = new_pool(api, "resgroup-9", "fixed", reservation=1000, expandable_reservation=False).json
    assert new_pool(api, fixed, "a", reservation=600).status == 201
    assert new_pool(api, fixed, "b", reservation=600).error_type == "UNABLE_TO_ALLOCATE_RESOURCE"
    grows = new_pool(api, "resgroup-9", "grows", reservation=1000).json
    assert new_pool(api, grows, "c", reservation=2000).status == 201
    # Two hosts have 512 GiB each; 3000 MiB of that are reserved by now.
    rest = 2 * 512 * 1024 - 3000
    assert new_pool(api, "resgroup-9", "d", reservation=rest + 1).error_type == "UNABLE_TO_ALLOCATE_RESOURCE"
    assert new_pool(api, "resgroup-9", "e", reservation=rest).status == 201


def test_a_change_of_a_reservation_counts_the_pool_once(api: Api) -> None:
    """It can grow to what is left and its own, and not shrink below what is in it."""
    pool = new_pool(api, "resgroup-9", reservation=1000).json
    path, whole = f"/api/vcenter/resource-pool/{pool}", 2 * 512 * 1024
    assert api("PATCH", path, {"memory_allocation": {"reservation": whole}}).status == 204
    new_pool(api, pool, "inner", reservation=500)
    shrunk = {"reservation": 400, "expandable_reservation": False}
    assert api("PATCH", path, {"memory_allocation": shrunk}).error_type == "UNABLE_TO_ALLOCATE_RESOURCE"
    assert api("GET", path).json["memory_allocation"]["reservation"] == whole


def test_what_is_in_a_deleted_pool_moves_up(api: Api) -> None:
    """Machines and pools."""
    inner = new_pool(api, "resgroup-33", "inner").json
    machines = listed(api, "vm", "?resource_pools=resgroup-33")
    assert machines
    assert api("DELETE", "/api/vcenter/resource-pool/resgroup-33").status == 204
    assert listed(api, "resource-pool", "?parent_resource_pools=resgroup-9") == [inner]
    assert set(machines) <= set(listed(api, "vm", "?resource_pools=resgroup-9"))


@pytest.mark.parametrize("text", ["true", "True"])
def test_a_flag_in_the_query(api: Api, text: str) -> None:
    """Python's clients send True."""
    assert listed(api, "host", f"?standalone={text}") == ["host-29"]
    assert api("DELETE", f"/api/vcenter/datacenter/datacenter-3?force={text}").status == 204


def test_names_that_need_encoding(api: Api) -> None:
    """Filters compare what was meant."""
    pool = new_pool(api, "resgroup-9", "R&D / 50 %").json
    assert listed(api, "resource-pool", "?names=R%26D%20%2F%2050%20%25") == [pool]


def test_twenty_thousand_machines(clock: ManualClock) -> None:
    """The lists of places and tags do not look at machines: they are as fast as with twenty."""
    api = Api(clock, vms=20_000)
    api.login()
    body = {"object_ids": [{"type": "VirtualMachine", "id": f"vm-{1001 + number}"} for number in range(200)]}
    targets = [("GET", f"/api/vcenter/{kind}", None) for kind in ("host", "folder", "datastore", "resource-pool")]
    targets.append(("POST", "/api/cis/tagging/tag-association?action=list-attached-tags-on-objects", body))
    start = time.process_time()
    for method, path, content in targets * 10:
        assert api(method, path, content).status == 200
    # Fifty calls that each went through all machines would take several seconds.
    assert time.process_time() - start < 2
