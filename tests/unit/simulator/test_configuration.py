"""CPU, memory, boot settings and disks over several calls, and what only a client without the gateway can send."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.simulator.limits import max_cpus, max_memory_mib
from tests.unit.simulator.harness import Answer, Api

ON, OFF = "vm-1001", "vm-1002"
SPARE = "[datastore1] spare/spare-1.vmdk"


def hardware(api: Api, method: str, vm: str, part: str, body: Any = None) -> Answer:
    return api(method, f"/api/vcenter/vm/{vm}/hardware/{part}", body)


def power(api: Api, vm: str, action: str) -> Answer:
    return api("POST", f"/api/vcenter/vm/{vm}/power?action={action}")


def test_hot_add_limit_stays_until_the_next_power_on(api: Api) -> None:
    """Added memory does not raise the limit; it is 16 times what the machine was powered on with."""
    assert hardware(api, "PATCH", ON, "memory", {"size_MiB": 8192}).status == 204
    assert hardware(api, "GET", ON, "memory").json["hot_add_limit_MiB"] == 65536
    power(api, ON, "stop")
    assert "hot_add_limit_MiB" not in hardware(api, "GET", ON, "memory").json
    power(api, ON, "start")
    assert hardware(api, "GET", ON, "memory").json["hot_add_limit_MiB"] == 131072


def test_setup_mode_is_entered_once(api: Api) -> None:
    """The flag lasts until the firmware starts the next time."""
    assert hardware(api, "PATCH", OFF, "boot", {"enter_setup_mode": True}).status == 204
    assert hardware(api, "GET", OFF, "boot").json["enter_setup_mode"] is True
    power(api, OFF, "start")
    assert hardware(api, "GET", OFF, "boot").json["enter_setup_mode"] is False


def test_detached_file_can_be_attached_elsewhere(api: Api) -> None:
    """Deleting a disk releases its file, which another machine, and the same one, can then have."""
    file = hardware(api, "GET", ON, "disk/2001").json["backing"]["vmdk_file"]
    body = {"backing": {"type": "VMDK_FILE", "vmdk_file": file}}
    assert hardware(api, "POST", OFF, "disk", body).error_type == "RESOURCE_IN_USE"
    assert hardware(api, "DELETE", ON, "disk/2001").status == 204
    assert hardware(api, "POST", OFF, "disk", body).json == "2002"
    assert hardware(api, "GET", OFF, "disk/2002").json["capacity"] == 40 << 30
    assert hardware(api, "POST", ON, "disk", body).json == "2001"


def test_shared_file_runs_with_one_machine(api: Api) -> None:
    """Machines that are off may share a file; the second one to be powered on finds it locked."""
    for vm, key in ((OFF, "2002"), ("vm-1006", "2001")):
        body = {"backing": {"type": "VMDK_FILE", "vmdk_file": SPARE}}
        assert hardware(api, "POST", vm, "disk", body).json == key
    assert power(api, OFF, "start").status == 204
    assert power(api, "vm-1006", "start").error_type == "RESOURCE_IN_USE"


def test_failed_creation_leaves_no_file(api: Api) -> None:
    """A disk that cannot be placed has no file either, so that the name can be used afterwards."""
    body = {"type": "NVME", "new_vmdk": {"name": "data"}}
    assert hardware(api, "POST", OFF, "disk", body).error_type == "UNABLE_TO_ALLOCATE_RESOURCE"
    assert hardware(api, "POST", OFF, "disk", {**body, "type": "SCSI"}).json == "2002"


def test_null_is_unset(api: Api) -> None:
    """A field that is null leaves the setting as it is."""
    assert hardware(api, "PATCH", OFF, "cpu", {"count": 4, "cores_per_socket": None}).status == 204
    assert hardware(api, "PATCH", OFF, "memory", {"size_MiB": None, "hot_add_enabled": False}).status == 204
    assert hardware(api, "PATCH", OFF, "boot", {"delay": None, "retry": True, "type": None}).status == 204
    machine = api.inventory.machines[OFF]
    assert (machine.cpu.count, machine.cpu.cores_per_socket) == (4, 1)
    assert (machine.memory.size_mib, machine.memory.hot_add_enabled) == (4096, False)
    assert (machine.boot.delay, machine.boot.retry, machine.boot.network_protocol) == (0, True, "IPV4")
    null = {"ide": None, "backing": None, "new_vmdk": {"capacity": None, "storage_policy": None, "name": None}}
    assert hardware(api, "POST", OFF, "disk", null).json == "2002"


def test_refused_update_changes_nothing(api: Api) -> None:
    """An update with one invalid value leaves everything as it was."""
    before = hardware(api, "GET", OFF, "boot").json
    assert hardware(api, "PATCH", OFF, "boot", {"retry": True, "delay": -1}).error_type == "INVALID_ARGUMENT"
    assert hardware(api, "GET", OFF, "boot").json == before


@pytest.mark.parametrize(
    ("version", "cpus", "memory_mib"),
    [
        ("VMX_03", 2, 3600),
        ("VMX_06", 4, 65532),
        ("VMX_10", 64, 1011 * 1024),
        ("VMX_14", 128, 6128 * 1024),
        ("VMX_19", 768, 24560 * 1024),
        ("VMX_22", 960, 24560 * 1024),
    ],
)
def test_limits_grow_with_the_hardware(api: Api, version: str, cpus: int, memory_mib: int) -> None:
    """Each version has the limits of the last one that raised them."""
    machine = api.inventory.machines[OFF]
    machine.hardware_version = version
    assert (max_cpus(machine), max_memory_mib(machine)) == (cpus, memory_mib)


@pytest.mark.parametrize(
    ("guest", "version", "adapter", "gib"),
    [
        ("UBUNTU_64", "VMX_19", "SCSI", 16),
        ("OTHER_LINUX_64", "VMX_19", "SCSI", 8),
        ("DOS", "VMX_19", "IDE", 2),
        ("WIN_XP_PRO", "VMX_19", "IDE", 40),
        ("WIN_XP_PRO_64", "VMX_19", "SCSI", 40),
        ("WINDOWS_9_64", "VMX_19", "SCSI", 48),
        ("WINDOWS_9_SERVER_64", "VMX_19", "SCSI", 90),
        ("WINDOWS_11_64", "VMX_19", "NVME", 64),
        ("WINDOWS_11_64", "VMX_12", "SCSI", 64),
    ],
)
def test_disk_defaults(api: Api, guest: str, version: str, adapter: str, gib: int) -> None:
    """Adapter and size follow from the guest, as far as the hardware has the adapter."""
    machine = api.inventory.machines[OFF]
    machine.guest_os, machine.hardware_version = guest, version
    machine.nvme_adapters["31000"] = 0
    key = hardware(api, "POST", OFF, "disk", {"new_vmdk": {}}).json
    info = hardware(api, "GET", OFF, f"disk/{key}").json
    assert (info["type"], info["capacity"]) == (adapter, gib << 30)
