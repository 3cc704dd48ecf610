"""What becomes of machines that are made, copied, moved, registered and deleted: across operations, and over time."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.simulator import ManualClock
from tests.unit.simulator.harness import Api

VM = "/api/vcenter/vm"
PLACE = {"folder": "group-v4", "cluster": "domain-c8", "datastore": "datastore-11"}


def create(api: Api, name: str, **more: Any) -> str:
    answer = api("POST", VM, {"guest_OS": "UBUNTU_64", "name": name, "placement": PLACE, **more})
    assert answer.status == 201, answer.json
    return str(answer.json)


def clone(api: Api, source: str, name: str, **more: Any) -> str:
    answer = api("POST", f"{VM}?action=clone", {"source": source, "name": name, **more})
    assert answer.status == 200, answer.json
    return str(answer.json)


def begin(api: Api, source: str, name: str) -> str:
    answer = api("POST", f"{VM}?action=clone&vmw-task=true", {"source": source, "name": name})
    assert answer.status == 202, answer.json
    return str(answer.json)


def task(api: Api, identifier: str) -> Any:
    return api("GET", f"/api/cis/tasks/{identifier}").json


def used(api: Api) -> dict[str, int]:
    return {key: place.used for key, place in api.inventory.places.datastores.items()}


@pytest.mark.parametrize(
    ("guest", "version", "expected"),
    [
        ("UBUNTU_64", None, ("SCSI", "PVSCSI", 1, 2048, "BIOS", 16)),
        ("WINDOWS_SERVER_2021", None, ("SCSI", "LSILOGICSAS", 2, 4096, "EFI", 90)),
        ("WINDOWS_11_64", None, ("NVME", None, 2, 4096, "EFI", 64)),
        ("WIN_XP_PRO", None, ("IDE", None, 1, 1024, "BIOS", 40)),
        ("DOS", "VMX_04", ("IDE", None, 1, 32, "BIOS", 2)),
        ("RHEL_9_64", "VMX_07", ("SCSI", "PVSCSI", 1, 2048, "BIOS", 16)),
    ],
)
def test_hardware_follows_from_the_guest(api: Api, guest: str, version: str | None, expected: tuple[Any, ...]) -> None:
    """Adapter, cores, memory, firmware and the size of the disk are what suits the guest and the hardware version."""
    more = {} if version is None else {"hardware_version": version}
    info = api("GET", f"{VM}/{create(api, 'new', guest_OS=guest, **more)}").json
    (disk,) = info["disks"].values()
    adapters = [adapter["type"] for adapter in info["scsi_adapters"].values()]
    shown = (
        disk["type"],
        adapters[0] if adapters else None,
        info["cpu"]["count"],
        info["memory"]["size_MiB"],
        info["boot"]["type"],
        disk["capacity"] >> 30,
    )
    assert shown == expected


def test_a_created_machine_has_no_guest_yet(api: Api) -> None:
    """It can be powered on, but nobody has installed an operating system whose tools would answer."""
    vm = create(api, "new")
    assert api("POST", f"{VM}/{vm}/power?action=start").status == 204
    api.clock.advance(60)
    assert api("GET", f"{VM}/{vm}/guest/identity").error_type == "SERVICE_UNAVAILABLE"
    assert api("GET", f"{VM}/{vm}/tools").json["version_status"] == "NOT_INSTALLED"


def test_as_many_adapters_as_the_disks_need(api: Api) -> None:
    """Sixteen SCSI disks take two adapters, and a disk on a bus of its own takes that bus."""
    disk = {"type": "SCSI", "new_vmdk": {"capacity": 1 << 20}}
    info = api("GET", f"{VM}/{create(api, 'many', disks=[disk] * 16)}").json
    assert (len(info["disks"]), sorted(info["scsi_adapters"])) == (16, ["1000", "1001"])
    info = api("GET", f"{VM}/{create(api, 'own', disks=[{**disk, 'scsi': {'bus': 2}}])}").json
    assert sorted(info["scsi_adapters"]) == ["1002"]


def test_a_list_of_adapters_is_complete(api: Api) -> None:
    """What the specification lists is all there is; a disk that does not fit is no reason to add more."""
    disk = {"type": "SCSI", "scsi": {"bus": 1}, "new_vmdk": {}}
    body = {"guest_OS": "UBUNTU_64", "name": "new", "placement": PLACE, "disks": [disk], "scsi_adapters": [{"bus": 0}]}
    assert api("POST", VM, body).error_type == "UNABLE_TO_ALLOCATE_RESOURCE"


@pytest.mark.parametrize("lists", [{"disks": []}, {"disks": [], "scsi_adapters": []}])
def test_no_disks(api: Api, lists: dict[str, Any]) -> None:
    """An empty list of disks means none, where a missing one means the default."""
    assert api("GET", f"{VM}/{create(api, 'empty', **lists)}").json["disks"] == {}


def test_nothing_is_left_of_a_machine_that_could_not_be_made(api: Api) -> None:
    """Neither it nor its files; a disk file that was there before stays."""
    spare = "[datastore1] spare/spare-1.vmdk"
    before = (dict(api.inventory.machines), dict(api.inventory.disk_files), used(api))
    answer = api(
        "POST",
        VM,
        {
            "guest_OS": "UBUNTU_64",
            "name": "new",
            "placement": PLACE,
            "disks": [{"new_vmdk": {}}, {"backing": {"type": "VMDK_FILE", "vmdk_file": spare}}],
            "nics": [{"backing": {"type": "STANDARD_PORTGROUP", "network": "network-999"}}],
        },
    )
    assert answer.error_type == "NOT_FOUND"
    assert (dict(api.inventory.machines), dict(api.inventory.disk_files), used(api)) == before


def test_names_are_unique_within_a_folder_only(api: Api) -> None:
    """The same name in another folder is another machine, whose files are in a directory of their own."""
    first = create(api, "twin")
    second = create(api, "twin", placement={**PLACE, "folder": "group-v31"})
    assert api.inventory.machines[first].directory == "[datastore1] twin"
    assert api.inventory.machines[second].directory == "[datastore1] twin_1"
    assert {item["vm"] for item in api("GET", f"{VM}?names=twin").json} == {first, second}
    moved = api("POST", f"{VM}/{second}?action=relocate", {"placement": {"folder": "group-v4"}})
    assert moved.message_ids == ["com.vmware.api.vcenter.error", "vmsg.DuplicateName.summary"]


def test_a_name_is_free_again_after_its_machine(api: Api) -> None:
    """Delete, and make it anew."""
    api("DELETE", f"{VM}/{create(api, 'again')}")
    assert api.inventory.machines[create(api, "again")].directory == "[datastore1] again"


def test_a_clone_shares_nothing_with_its_source(api: Api) -> None:
    """Identifiers, addresses and files are its own; sizes and devices are those of the source."""
    vm = clone(api, "vm-1001", "copy")
    source, copy = (api("GET", f"{VM}/{key}").json for key in ("vm-1001", vm))
    assert (source["cpu"], source["disks"].keys()) == (copy["cpu"], copy["disks"].keys())
    for of in (
        lambda info: {info["identity"]["bios_uuid"], info["identity"]["instance_uuid"], info["identity"]["name"]},
        lambda info: {nic["mac_address"] for nic in info["nics"].values()},
        lambda info: {disk["backing"]["vmdk_file"] for disk in info["disks"].values()},
        lambda info: {nic["backing"]["distributed_port"] for nic in info["nics"].values() if "2" in nic["label"]},
        lambda info: {port["backing"].get("file") for port in info["parallel_ports"].values()},
    ):
        assert of(source) & of(copy) == set()
    api("PATCH", f"{VM}/{vm}/hardware/memory", {"size_MiB": 512})
    assert api("GET", f"{VM}/vm-1001/hardware/memory").json["size_MiB"] == source["memory"]["size_MiB"]


def test_addresses_of_a_clone(api: Api) -> None:
    """A manual MAC address was chosen by somebody and stays; a generated one is generated anew at the power-on."""
    nics = list(api.inventory.machines["vm-1002"].nics.values())
    nics[0].mac_type, nics[0].mac_address = "MANUAL", "00:50:56:00:00:99"
    nics[1].mac_type, nics[1].mac_address = "GENERATED", "00:0c:29:00:00:99"
    info = api("GET", f"{VM}/{clone(api, 'vm-1002', 'copy', power_on=True)}").json["nics"]
    assert info["4000"]["mac_address"] == "00:50:56:00:00:99"
    assert info["4001"]["mac_address"].startswith("00:0c:29:")
    assert info["4001"]["mac_address"] != "00:0c:29:00:00:99"


def test_a_clone_of_a_running_machine_is_off(api: Api) -> None:
    """Its guest starts from the disks: no processes, nothing connected, and an address of its own later on."""
    vm = clone(api, "vm-1001", "copy")
    copy = api.inventory.machines[vm]
    assert (copy.power_state, copy.guest.processes) == ("POWERED_OFF", {})
    assert {device.state for device in copy.connectable()} == {"NOT_CONNECTED"}
    assert api("POST", f"{VM}/{vm}/power?action=start").status == 204
    api.clock.advance(5)
    identities = [api("GET", f"{VM}/{key}/guest/identity").json for key in ("vm-1001", vm)]
    assert identities[0]["ip_address"] != identities[1]["ip_address"]


def test_what_is_removed_from_a_clone_is_gone_everywhere(api: Api) -> None:
    """The boot order and the guest's file systems do not know the disk any more."""
    api.inventory.machines["vm-1001"].boot_devices = [{"type": "DISK", "disks": ["2001"]}, {"type": "CDROM"}]
    copy = api.inventory.machines[clone(api, "vm-1001", "copy", disks_to_remove=["2001"])]
    assert (list(copy.disks), copy.boot_devices) == (["2000"], [{"type": "CDROM"}])
    assert {mount.disk for mount in copy.guest.mounts.values()} == {"2000"}


def test_a_customized_clone(api: Api) -> None:
    """It is customized at its first start: the name and the domain of its guest are those of the specification."""
    vm = clone(api, "vm-1001", "copy", power_on=True, guest_customization_spec={"name": "linux-2-nics"})
    assert api("GET", f"{VM}/{vm}/guest/customization").json["status"] == "PENDING"
    api.clock.advance(10)
    assert api("GET", f"{VM}/{vm}/guest/customization").json["status"] == "SUCCEEDED"
    assert api("GET", f"{VM}/{vm}/guest/identity").json["host_name"] == "copy"


def test_clones_use_up_space_and_give_it_back(api: Api) -> None:
    """A clone takes up what its source does, until it is deleted."""
    before = used(api)
    vm = clone(api, "vm-1001", "copy", placement={"datastore": "datastore-12"})
    size = sum(disk.capacity for disk in api.inventory.machines["vm-1001"].disks.values())
    assert used(api) == {**before, "datastore-12": before["datastore-12"] + size}
    assert api("DELETE", f"{VM}/{vm}").status == 204
    assert used(api) == before


def test_the_last_bytes_go_to_who_comes_first(api: Api) -> None:
    """Of two clones that are begun while there is space for one, the second fails in the end."""
    place = api.inventory.places.datastores["datastore-11"]
    size = sum(disk.capacity for disk in api.inventory.machines["vm-1001"].disks.values())
    place.capacity = place.used + size + 1
    first, second = begin(api, "vm-1001", "one"), begin(api, "vm-1001", "two")
    api.clock.advance(60)
    assert task(api, first)["status"] == "SUCCEEDED"
    assert task(api, second)["status"] == "FAILED"
    assert task(api, second)["error"]["error_type"] == "UNABLE_TO_ALLOCATE_RESOURCE"


def test_of_two_clones_with_one_name_one_fails(api: Api) -> None:
    """Both begin; the name is taken when the second is done."""
    tasks = [begin(api, "vm-1001", "same") for _ in range(2)]
    api.clock.advance(60)
    assert [task(api, item)["status"] for item in tasks] == ["SUCCEEDED", "FAILED"]
    assert task(api, tasks[1])["error"]["error_type"] == "ALREADY_EXISTS"


def test_a_canceled_clone_leaves_nothing(api: Api) -> None:
    """No machine, no files, and the source can go away again."""
    before = (set(api.inventory.machines), used(api))
    identifier = begin(api, "vm-1002", "copy")
    api.clock.advance(1)
    assert api("DELETE", f"{VM}/vm-1002").error_type == "RESOURCE_BUSY"
    assert api("POST", f"/api/cis/tasks/{identifier}?action=cancel").status == 204
    api.clock.advance(60)
    assert (set(api.inventory.machines), used(api)) == before
    assert task(api, identifier)["error"]["error_type"] == "CANCELED"
    assert api("DELETE", f"{VM}/vm-1002").status == 204


def test_a_clone_that_cannot_be_powered_on_is_not_there(api: Api) -> None:
    """The memory was there when the clone began; the task fails and takes the copy away again."""
    identifier = api(
        "POST", f"{VM}?action=clone&vmw-task=true", {"source": "vm-1001", "name": "copy", "power_on": True}
    ).json
    before = used(api)
    api.inventory.host_memory_mib["host-10"] = 0
    api.clock.advance(60)
    assert task(api, identifier)["error"]["error_type"] == "UNABLE_TO_ALLOCATE_RESOURCE"
    assert (api("GET", f"{VM}?names=copy").json, used(api)) == ([], before)


def test_the_plain_clone_takes_as_long_as_the_task(api: Api) -> None:
    """Copying 56 GiB takes about one and a half times as long as a guest takes to start."""
    start = api.clock()
    clone(api, "vm-1001", "copy")
    assert (api.clock() - start).total_seconds() == pytest.approx(2 * 1.56)


def test_the_plain_clone_is_no_task(api: Api) -> None:
    """Nobody could cancel it, so it is in no list."""
    clone(api, "vm-1001", "copy")
    body = {"filter_spec": {"services": ["com.vmware.vcenter.VM"]}}
    assert api("POST", "/api/cis/tasks?action=list", body).json == {}


def test_an_instant_clone_goes_on_where_its_source_is(api: Api) -> None:
    """The same processes run in it, and both go their own ways from there."""
    source = api.inventory.machines["vm-1001"]
    vm = api("POST", f"{VM}?action=instant-clone", {"source": "vm-1001", "name": "copy"}).json
    copy = api.inventory.machines[vm]
    assert copy.guest.processes.keys() == source.guest.processes.keys()
    assert copy.placement.host == source.placement.host
    assert {nic.mac_address for nic in copy.nics.values()} & {nic.mac_address for nic in source.nics.values()} == set()
    assert api("POST", f"{VM}/{vm}/power?action=stop").status == 204
    assert source.power_state == "POWERED_ON"


@pytest.mark.parametrize("uuid", ["", "x", "5d2c7a4e-91f0-4b86-a3c5-1e6f0d8b42a7x", "%s"])
def test_the_bios_uuid_of_an_instant_clone_is_one(api: Api, uuid: str) -> None:
    """INVALID_ARGUMENT for any other text; no machine is made."""
    before = set(api.inventory.machines)
    spec = {"source": "vm-1001", "name": "copy", "bios_uuid": uuid}
    assert api("POST", f"{VM}?action=instant-clone", spec).error_type == "INVALID_ARGUMENT"
    assert set(api.inventory.machines) == before


def test_a_machine_that_moves_takes_nothing_else(api: Api) -> None:
    """While it moves it is busy; a canceled move leaves it where it was."""
    where = api.inventory.machines["vm-1002"].placement
    body = {"placement": {"host": "host-10", "datastore": "datastore-12"}}
    identifier = api("POST", f"{VM}/vm-1002?action=relocate&vmw-task=true", body).json
    assert api("POST", f"{VM}/vm-1002/power?action=start").error_type == "RESOURCE_BUSY"
    assert api("POST", f"/api/cis/tasks/{identifier}?action=cancel").status == 204
    assert api("POST", f"{VM}/vm-1002/power?action=start").status == 204
    assert api.inventory.machines["vm-1002"].placement == where


def test_a_moved_machine_takes_its_files_along(api: Api) -> None:
    """Space is used up there and given back here, and the old directory is free."""
    before = used(api)
    size = sum(disk.capacity for disk in api.inventory.machines["vm-1002"].disks.values())
    assert api("POST", f"{VM}/vm-1002?action=relocate", {"placement": {"datastore": "datastore-12"}}).status == 204
    assert used(api)["datastore-11"] == before["datastore-11"] - size
    assert used(api)["datastore-12"] == before["datastore-12"] + size
    assert api.inventory.machines.free_directory("datastore1", "db-0002") == "db-0002"
    port = api("GET", f"{VM}/vm-1002/hardware/parallel/10000").json
    assert port["backing"]["file"] == "[datastore2] db-0002/parallel.out"


def test_a_host_in_maintenance_takes_nothing_but_what_it_has_can_stay(api: Api) -> None:
    """Clones and moves to it are refused; its machines can move to another datastore, or away."""
    api.inventory.places.hosts["host-10"].in_maintenance = True
    refused = api("POST", f"{VM}?action=clone", {"source": "vm-1001", "name": "copy"})
    assert refused.error_type == "RESOURCE_INACCESSIBLE"
    spec = {"placement": {"datastore": "datastore-12"}}
    assert api("POST", f"{VM}/vm-1001?action=relocate", spec).status == 204
    assert api("POST", f"{VM}/vm-1001?action=relocate", {"placement": {"cluster": "domain-c8"}}).status == 204
    assert api.inventory.machines["vm-1001"].placement.host == "host-13"


def test_a_machine_starts_where_hosts_take_machines(api: Api) -> None:
    """A cluster starts it on another host than the one in maintenance; without another host, or without a cluster that
    chooses hosts, it stays off."""
    machine, places = api.inventory.machines["vm-1002"], api.inventory.places
    start, stop = (f"{VM}/vm-1002/power?action={action}" for action in ("start", "stop"))
    assert machine.placement.host == "host-13"
    places.hosts["host-13"].in_maintenance = True
    assert api("POST", start).status == 204
    assert machine.placement.host == "host-10"
    assert api("POST", stop).status == 204
    places.hosts["host-10"].connection_state = "DISCONNECTED"
    refused = api("POST", start)
    assert (refused.error_type, refused.message_ids) == ("RESOURCE_INACCESSIBLE", ["vmsg.InvalidHostState.summary"])
    places.hosts["host-13"].in_maintenance = False
    places.clusters["domain-c8"].drs_enabled = False
    assert api("POST", start).error_type == "RESOURCE_INACCESSIBLE"
    places.hosts["host-10"].connection_state = "CONNECTED"
    assert api("POST", start).status == 204
    assert machine.placement.host == "host-10"


def test_a_cluster_chooses_its_hosts_in_turn(api: Api) -> None:
    """New machines are spread over the hosts; one that cannot take any is passed over."""
    hosts = [api.inventory.machines[create(api, f"new-{number}")].placement.host for number in range(4)]
    assert sorted(hosts) == ["host-10", "host-10", "host-13", "host-13"]
    api.inventory.places.hosts["host-13"].connection_state = "DISCONNECTED"
    assert api.inventory.machines[create(api, "more")].placement.host == "host-10"
    api.inventory.places.hosts["host-10"].in_maintenance = True
    body = {"guest_OS": "UBUNTU_64", "name": "none", "placement": PLACE}
    assert api("POST", VM, body).error_type == "RESOURCE_INACCESSIBLE"


def test_unregister_and_register(api: Api) -> None:
    """The machine comes back with its hardware and its identity, under another identifier."""
    before = api("GET", f"{VM}/vm-1002").json
    assert api("POST", f"{VM}/vm-1002?action=unregister").status == 204
    assert api("GET", f"{VM}/vm-1002").error_type == "NOT_FOUND"
    placement = {"folder": "group-v31", "host": "host-13"}
    body = {"datastore_path": "[datastore1] db-0002/db-0002.vmx", "placement": placement}
    vm = api("POST", f"{VM}?action=register", body).json
    assert vm != "vm-1002"
    assert api("GET", f"{VM}/{vm}").json == before


def test_files_of_a_deleted_machine_cannot_be_registered(api: Api) -> None:
    """Its directory is gone with it."""
    api("DELETE", f"{VM}/vm-1002")
    body = {
        "datastore_path": "[datastore1] db-0002/db-0002.vmx",
        "placement": {"folder": "group-v4", "host": "host-10"},
    }
    assert api("POST", f"{VM}?action=register", body).error_type == "NOT_FOUND"


def test_a_shared_disk_outlives_one_of_its_machines(api: Api) -> None:
    """The file goes with the last machine that has it, and a detached one stays for good."""
    file = api.inventory.machines["vm-1002"].disks["2001"].vmdk_file
    backing = {"backing": {"type": "VMDK_FILE", "vmdk_file": file}}
    other = create(api, "other", disks=[backing])
    api("DELETE", f"{VM}/vm-1002")
    assert file in api.inventory.disk_files
    api("DELETE", f"{VM}/{other}/hardware/disk/2000")
    api("DELETE", f"{VM}/{other}")
    assert file in api.inventory.disk_files


def test_who_refers_to_machines_learns_that_one_is_gone(api: Api) -> None:
    """Deleted or unregistered; a machine that could not be made was never there."""
    gone: list[tuple[str, str]] = []
    api.inventory.removal_listeners.append(lambda kind, identifier: gone.append((kind, identifier)))
    vm = create(api, "new")
    api("DELETE", f"{VM}/{vm}")
    api("POST", f"{VM}/vm-1002?action=unregister")
    assert gone == [("VirtualMachine", vm), ("VirtualMachine", "vm-1002")]


def test_the_same_calls_make_the_same_machines(clock: ManualClock) -> None:
    """Identifiers and addresses of new machines do not depend on chance."""
    made = []
    for _ in range(2):
        api = Api(ManualClock())
        api.login()
        create(api, "new")
        made.append(api("GET", f"{VM}/{clone(api, 'vm-1001', 'copy')}").json)
    assert made[0] == made[1]
