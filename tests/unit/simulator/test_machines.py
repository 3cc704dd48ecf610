"""What several calls in a row do to a machine: power, devices, the tools' installer, tickets."""

from __future__ import annotations

import pytest

from gateway.simulator import ManualClock
from gateway.simulator.machine import VirtualMachine
from gateway.simulator.operations.tools_installer import tools_image
from tests.unit.simulator.harness import Api

VM = "/api/vcenter/vm/vm-1001"
TOOLS = "[] /vmimages/tools-isoimages/linux.iso"


@pytest.fixture
def machine(api: Api) -> VirtualMachine:
    """The running Linux machine with every kind of device."""
    return api.inventory.machines["vm-1001"]


def power(api: Api, action: str) -> int:
    return api("POST", f"{VM}/power?action={action}").status


def installer(api: Api, action: str) -> int:
    return api("POST", f"{VM}/tools/installer?action={action}").status


def connected(machine: VirtualMachine) -> set[str]:
    return {device.label for device in machine.connectable() if device.state == "CONNECTED"}


def test_a_machine_resumes_with_the_devices_it_was_suspended_with(api: Api, machine: VirtualMachine) -> None:
    """Nothing is connected while it is suspended; what was removed meanwhile does not come back."""
    machine.floppies["8000"].state = machine.cdroms["3000"].state = "CONNECTED"
    before = connected(machine)
    assert power(api, "suspend") == 204
    assert connected(machine) == set()
    del machine.floppies["8000"]
    assert power(api, "start") == 204
    assert connected(machine) == before - {"Floppy drive 1"}


def test_a_machine_that_was_stopped_while_suspended_starts_with_its_defaults(api: Api, machine: VirtualMachine) -> None:
    """The state it was suspended with is gone."""
    machine.floppies["8000"].state = "CONNECTED"
    assert [power(api, action) for action in ("suspend", "stop", "start")] == [204, 204, 204]
    assert connected(machine) == {"Network adapter 1"}


def test_a_suspended_machine_keeps_its_place_in_the_firmware(api: Api, machine: VirtualMachine) -> None:
    """Only a start from off, or a reset, uses the setting up."""
    power(api, "suspend")
    machine.boot.enter_setup_mode = True
    power(api, "start")
    assert machine.boot.enter_setup_mode
    power(api, "reset")
    assert not machine.boot.enter_setup_mode


def test_the_suspended_machine_of_the_inventory_resumes_with_its_nic(api: Api) -> None:
    """It was on before."""
    suspended = api.inventory.machines["vm-1018"]
    assert connected(suspended) == set()
    assert api("POST", "/api/vcenter/vm/vm-1018/power?action=start").status == 204
    assert connected(suspended) == {"Network adapter 1"}


def test_memory_is_taken_at_the_start_and_given_back_at_the_stop(api: Api, machine: VirtualMachine) -> None:
    """Two machines that do not fit beside each other run one after the other."""
    host = machine.placement.host
    free = api.inventory.host_memory_mib[host] - api.inventory.usage.memory_mib(host)
    power(api, "stop")
    machine.memory.size_mib += free + 1
    assert api("POST", f"{VM}/power?action=start").error_type == "UNABLE_TO_ALLOCATE_RESOURCE"
    machine.memory.size_mib -= 1
    assert power(api, "start") == 204
    assert api.inventory.usage.memory_mib(host) == api.inventory.host_memory_mib[host]
    power(api, "suspend")
    assert api.inventory.usage.memory_mib(host) < api.inventory.host_memory_mib[host]


def test_every_machine_of_a_large_inventory_can_be_started(clock: ManualClock) -> None:
    """Hosts grow with it."""
    api = Api(clock, vms=1000)
    api.login()
    off = [
        item.vm for item in api.inventory.machines.values() if item.power_state != "POWERED_ON" and not item.template
    ]
    assert len(off) > 100
    assert {api("POST", f"/api/vcenter/vm/{vm}/power?action=start").status for vm in off} == {204}


def test_tickets_are_secrets_of_their_own(api: Api) -> None:
    """No two are the same, and the simulator keeps none."""
    tickets = {api("POST", f"{VM}/console/tickets", {"type": "VMRC"}).json["ticket"] for _ in range(10)}
    assert len(tickets) == 10
    assert not any(ticket in repr(api.inventory.machines["vm-1001"]) for ticket in tickets)


def test_the_installer_takes_a_drive_and_gives_it_back(api: Api, machine: VirtualMachine) -> None:
    """Medium and connection are as before, also when the drive was in use."""
    for drive in machine.cdroms.values():
        drive.state = "CONNECTED"
    before = {key: (drive.backing, drive.state) for key, drive in machine.cdroms.items()}
    assert [installer(api, action) for action in ("connect", "connect", "disconnect", "disconnect")] == [
        204,
        400,
        204,
        204,
    ]
    assert {key: (drive.backing, drive.state) for key, drive in machine.cdroms.items()} == before


def test_the_installer_does_not_survive_a_power_cycle(api: Api, machine: VirtualMachine) -> None:
    """It is in the drive and not connected; it can be connected again, and the drive still gets its own medium back."""
    own = machine.cdroms["16000"].backing
    installer(api, "connect")
    power(api, "stop")
    power(api, "start")
    assert api("GET", f"{VM}/tools/installer").json == {"is_connected": False}
    assert installer(api, "connect") == 204
    assert api("GET", f"{VM}/tools/installer").json == {"is_connected": True}
    installer(api, "disconnect")
    assert (machine.cdroms["16000"].backing, machine.cdroms["16000"].state) == (own, "NOT_CONNECTED")


def test_a_medium_that_was_put_in_meanwhile_stays(api: Api, machine: VirtualMachine) -> None:
    """The installer is out then, and taking it out changes nothing."""
    installer(api, "connect")
    machine.cdroms["16000"].backing = {"type": "ISO_FILE", "iso_file": "[datastore1] other.iso"}
    assert api("GET", f"{VM}/tools/installer").json == {"is_connected": False}
    assert installer(api, "disconnect") == 204
    assert machine.cdroms["16000"].backing["iso_file"] == "[datastore1] other.iso"
    assert machine.cdroms["16000"].state == "CONNECTED"


def test_a_drive_that_was_removed_takes_the_installer_with_it(api: Api, machine: VirtualMachine) -> None:
    """The next one goes into another drive."""
    installer(api, "connect")
    del machine.cdroms["16000"]
    assert api("GET", f"{VM}/tools/installer").json == {"is_connected": False}
    assert installer(api, "connect") == 204
    assert machine.cdroms["3000"].backing["iso_file"] == TOOLS


@pytest.mark.parametrize(
    ("guest_os", "image"),
    [
        ("WINDOWS_SERVER_2019", "windows.iso"),
        ("WIN_XP_PRO", "windows.iso"),
        ("UBUNTU_64", "linux.iso"),
        ("OTHER_5X_LINUX_64", "linux.iso"),
        ("ALMALINUX_64", "linux.iso"),
        ("DARWIN_21_64", "darwin.iso"),
        ("SOLARIS_11_64", "solaris.iso"),
        ("FREEBSD_13", "freebsd.iso"),
        ("NETWARE_6", "netware.iso"),
        ("DOS", None),
        ("OTHER", None),
        ("OTHER_64", None),
        ("VMKERNEL_7", None),
        ("OPENSERVER_6", None),
    ],
)
def test_each_guest_has_its_installer(guest_os: str, image: str | None) -> None:
    """Those that tools exist for."""
    assert tools_image(guest_os) == (f"[] /vmimages/tools-isoimages/{image}" if image else None)


def test_no_storage_policy_changes_when_one_is_wrong(api: Api, machine: VirtualMachine) -> None:
    """All of an update or nothing."""
    before = (machine.home_storage_policy, [disk.storage_policy for disk in machine.disks.values()])
    gold = "b4ea5ab6-1d9c-4a5e-9a0b-7d2f4c0e8d11"
    use = {"type": "USE_SPECIFIED_POLICY", "policy": gold}
    spec = {"vm_home": use, "disks": {"2000": use, "9999": use}}
    assert api("PATCH", f"{VM}/storage/policy", spec).error_type == "INVALID_ARGUMENT"
    assert (machine.home_storage_policy, [disk.storage_policy for disk in machine.disks.values()]) == before
