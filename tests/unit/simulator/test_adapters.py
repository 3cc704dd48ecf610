"""Adapters over several operations: disks need them, and machines that start give them slots."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.simulator.harness import Api

ON, OFF = "vm-1001", "vm-1002"


def hardware(vm: str, what: str) -> str:
    return f"/api/vcenter/vm/{vm}/hardware/{what}"


def add(api: Api, kind: str, vm: str = OFF, **spec: Any) -> str:
    """Adds an adapter and returns its identifier."""
    answer = api("POST", hardware(vm, f"adapter/{kind}"), spec)
    assert answer.status == 201, answer.json
    return str(answer.json)


@pytest.mark.parametrize(("kind", "disk"), [("scsi", "2016"), ("sata", "16030"), ("nvme", "32000")])
def test_a_disk_goes_onto_a_new_adapter(api: Api, kind: str, disk: str) -> None:
    """The adapter cannot be removed before the disk is."""
    key = add(api, kind)
    bus = api("GET", hardware(OFF, f"adapter/{kind}/{key}")).json
    bus = bus["scsi"]["bus"] if kind == "scsi" else bus["bus"]
    spec = {"type": kind.upper(), kind: {"bus": bus, "unit": 0}, "new_vmdk": {}}
    assert api("POST", hardware(OFF, "disk"), spec).json == disk
    assert api("DELETE", hardware(OFF, f"adapter/{kind}/{key}")).error_type == "ERROR"
    assert api("DELETE", hardware(OFF, f"disk/{disk}")).status == 204
    assert api("DELETE", hardware(OFF, f"adapter/{kind}/{key}")).status == 204
    assert api("GET", hardware(OFF, f"adapter/{kind}/{key}")).status == 404


@pytest.mark.parametrize("kind", ["scsi", "sata", "nvme"])
def test_slots_are_given_at_the_start(api: Api, kind: str) -> None:
    """An adapter of a machine that is off has none before; each has one of its own then."""
    keys = [add(api, kind), add(api, kind)]
    paths = [hardware(OFF, f"adapter/{kind}/{key}") for key in keys]
    assert [api("GET", path).json.get("pci_slot_number") for path in paths] == [None, None]
    api("POST", f"/api/vcenter/vm/{OFF}/power?action=start")
    slots = [api("GET", path).json["pci_slot_number"] for path in paths]
    machine = api.inventory.machines[OFF]
    taken = [160, *(nic.pci_slot_number for nic in machine.nics.values()), *slots]
    assert len(set(taken)) == len(taken)


def test_slots_of_the_chipset_are_replaced(api: Api) -> None:
    """A slot that an adapter cannot have is another one after the start."""
    key = add(api, "sata", pci_slot_number=3)
    api("POST", f"/api/vcenter/vm/{OFF}/power?action=start")
    assert api("GET", hardware(OFF, f"adapter/sata/{key}")).json["pci_slot_number"] >= 16


def test_a_running_machine_gives_a_slot_immediately(api: Api) -> None:
    """And the machine as a whole shows the adapter."""
    key = add(api, "nvme", ON)
    info = api("GET", f"/api/vcenter/vm/{ON}").json["nvme_adapters"][key]
    assert info == {"label": "NVME controller 0", "bus": 0, "pci_slot_number": info["pci_slot_number"]}


def test_a_removed_device_is_no_boot_device(api: Api) -> None:
    """The boot order names nothing that is not there."""
    devices = [{"type": "DISK", "disks": ["2000", "2001"]}, {"type": "ETHERNET", "nic": "4000"}, {"type": "CDROM"}]
    assert api("PUT", hardware(OFF, "boot/device"), {"devices": devices}).status == 204
    api("DELETE", hardware(OFF, "disk/2000"))
    api("DELETE", hardware(OFF, "ethernet/4000"))
    assert api("GET", hardware(OFF, "boot/device")).json == [{"type": "DISK", "disks": ["2001"]}, {"type": "CDROM"}]
