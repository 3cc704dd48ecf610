"""What machines use: always what a look at each machine would find, whatever happens to them."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest

from gateway.simulator.inventory import Inventory
from tests.unit.simulator.harness import Api

VM = "/api/vcenter/vm"
PORT_GROUP = {"type": "DISTRIBUTED_PORTGROUP", "network": "dvportgroup-17"}
PLACEMENT = {"folder": "group-v4", "resource_pool": "resgroup-9", "datastore": "datastore-11"}


def require_right(inventory: Inventory) -> None:
    """Owners and memory are those that a look at each machine finds."""
    machines = list(inventory.machines.values())
    attached = {machine.vm: {disk.vmdk_file for disk in machine.disks.values()} for machine in machines}
    for file in set(inventory.disk_files).union(*attached.values()):
        found = [machine.vm for machine in inventory.usage.owners(file)]
        assert found == sorted(vm for vm, files in attached.items() if file in files)
    for host in inventory.places.hosts:
        on = [item for item in machines if item.placement.host == host and item.power_state == "POWERED_ON"]
        assert inventory.usage.memory_mib(host) == sum(machine.memory.size_mib for machine in on)
    for network in inventory.networks:
        backings = [nic.backing for machine in machines for nic in machine.nics.values()]
        ports = [
            item["distributed_port"]
            for item in backings
            if item.get("network") == network and "distributed_port" in item
        ]
        assert +inventory.usage.ports(network) == Counter(ports)


@pytest.mark.parametrize("seed", range(4))
def test_usage_follows(api: Api, seed: int) -> None:
    """After each of many calls, most of which succeed, nothing is missing and nothing is left over."""
    random, inventory, done = Random(seed), api.inventory, Counter[str]()  # noqa: S311 - not a secret
    require_right(inventory)
    for number in range(120):
        vm = random.choice(list(inventory.machines))
        disk = random.choice(list(inventory.machines[vm].disks) or ["2000"])
        file = random.choice(list(inventory.disk_files))
        backing = {"type": "VMDK_FILE", "vmdk_file": file}
        store = random.choice(("datastore-11", "datastore-12"))
        host = random.choice(("host-10", "host-13"))
        spec = {"name": f"new-{number}", "guest_OS": "RHEL_9_64", "placement": PLACEMENT}
        name, method, target, body = random.choice(
            (
                ("create", "POST", VM, {**spec, "disks": [{"new_vmdk": {"capacity": 1 << 30}}, {"backing": backing}]}),
                ("clone", "POST", f"{VM}?action=clone", {"source": vm, "name": f"copy-{number}", "power_on": True}),
                ("start a clone", "POST", f"{VM}?action=clone&vmw-task=true", {"source": vm, "name": f"copy-{number}"}),
                ("move", "POST", f"{VM}/{vm}?action=relocate", {"placement": {"host": host, "datastore": store}}),
                ("start", "POST", f"{VM}/{vm}/power?action=start", None),
                ("stop", "POST", f"{VM}/{vm}/power?action=stop", None),
                ("attach", "POST", f"{VM}/{vm}/hardware/disk", {"backing": backing}),
                ("swap", "PATCH", f"{VM}/{vm}/hardware/disk/{disk}", {"backing": backing}),
                ("detach", "DELETE", f"{VM}/{vm}/hardware/disk/{disk}", None),
                ("memory", "PATCH", f"{VM}/{vm}/hardware/memory", {"size_MiB": 4096 + 4 * random.randrange(64)}),
                ("plug", "POST", f"{VM}/{vm}/hardware/ethernet", {"backing": PORT_GROUP}),
                ("replug", "PATCH", f"{VM}/{vm}/hardware/ethernet/4000", {"backing": PORT_GROUP}),
                ("unplug", "DELETE", f"{VM}/{vm}/hardware/ethernet/4000", None),
                ("delete", "DELETE", f"{VM}/{vm}", None),
                ("unregister", "POST", f"{VM}/{vm}?action=unregister", None),
            )
        )
        done[name] += api(method, target, body).status < 300
        require_right(inventory)
        api.clock.advance(random.choice((0, 1, 10)))
    assert done.total() > 40
    assert len(done) == 15


def test_what_is_touched_may_change_until_its_request_ends(api: Api) -> None:
    """A question in the middle of a request does not hide what the request does afterwards."""
    inventory, machine = api.inventory, api.inventory.machines["vm-1002"]
    require_right(inventory)
    inventory.changes.touched("VirtualMachine", machine.vm)
    require_right(inventory)
    del machine.disks["2001"], machine.nics["4001"]
    machine.power_state = "POWERED_ON"
    require_right(inventory)
    inventory.settle(api.clock())
    require_right(inventory)


def test_usage_after_more_changes_than_the_journal_has(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the journal does not tell any more what was touched, all machines are looked at."""
    require_right(api.inventory)
    monkeypatch.setattr("gateway.simulator.changes._JOURNAL", 2)
    for vm in ("vm-1001", "vm-1003", "vm-1007", "vm-1009"):
        assert api("POST", f"{VM}/{vm}/power?action=stop").status == 204
    require_right(api.inventory)
