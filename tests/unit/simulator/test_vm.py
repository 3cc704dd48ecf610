"""The description of a machine, for every machine that the simulator makes up."""

from __future__ import annotations

from gateway.simulator import ManualClock
from tests.unit.simulator.harness import Api


def test_every_machine_can_be_described(clock: ManualClock) -> None:
    """Whatever hardware it has, the description fits the catalogue; only an inaccessible machine has none."""
    api = Api(clock, vms=200)
    api.login()
    for vm, machine in api.inventory.machines.items():
        answer = api("GET", f"/api/vcenter/vm/{vm}")
        if machine.inaccessible:
            assert answer.error_type == "RESOURCE_INACCESSIBLE"
            continue
        assert answer.status == 200
        assert answer.json["name"] == machine.name
        assert answer.json["disks"].keys() == machine.disks.keys()


def test_the_same_options_give_the_same_machines(clock: ManualClock) -> None:
    """Identifiers, addresses and sizes included."""
    first, second = Api(clock), Api(clock)
    for api in (first, second):
        api.login()
    for vm in first.inventory.machines:
        assert first("GET", f"/api/vcenter/vm/{vm}").json == second("GET", f"/api/vcenter/vm/{vm}").json


def test_a_list_fits_what_get_shows(api: Api) -> None:
    """Name, power state, cores and memory are the same in both."""
    for summary in api("GET", "/api/vcenter/vm").json:
        if "cpu_count" in summary:
            info = api("GET", f"/api/vcenter/vm/{summary['vm']}").json
            assert (info["name"], info["power_state"]) == (summary["name"], summary["power_state"])
            assert (info["cpu"]["count"], info["memory"]["size_MiB"]) == (
                summary["cpu_count"],
                summary["memory_size_MiB"],
            )
