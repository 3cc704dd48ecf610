"""Removable devices over several calls: what powering on and off, and removing, does to them."""

from __future__ import annotations

import pytest

from gateway.simulator.machine import ScsiAdapter
from tests.unit.simulator.harness import Api

OFF = "/api/vcenter/vm/vm-1002"
HARDWARE = f"{OFF}/hardware"
MISSING = {"type": "ISO_FILE", "iso_file": "[datastore1] iso/none.iso"}


def start(api: Api) -> None:
    assert api("POST", f"{OFF}/power?action=start").status == 204


def stop(api: Api) -> None:
    assert api("POST", f"{OFF}/power?action=stop").status == 204


def state(api: Api, device: str) -> str:
    return str(api("GET", f"{HARDWARE}/{device}").json["state"])


def test_start_connected_decides_at_power_on(api: Api) -> None:
    """What is to start connected is connected at power-on, and nothing is after power-off."""
    assert api("PATCH", f"{HARDWARE}/cdrom/16000", {"start_connected": True}).status == 204
    assert state(api, "cdrom/16000") == "NOT_CONNECTED"
    start(api)
    assert (state(api, "cdrom/16000"), state(api, "cdrom/3000")) == ("CONNECTED", "NOT_CONNECTED")
    stop(api)
    assert state(api, "cdrom/16000") == "NOT_CONNECTED"


def test_missing_image_is_seen_when_it_is_needed(api: Api) -> None:
    """An image that does not exist can be configured; the failure is the device's state after power-on."""
    spec = {"backing": MISSING, "start_connected": True}
    assert api("PATCH", f"{HARDWARE}/cdrom/16000", spec).status == 204
    start(api)
    assert state(api, "cdrom/16000") == "UNRECOVERABLE_ERROR"
    api.inventory.files.add(MISSING["iso_file"])
    assert api("POST", f"{HARDWARE}/cdrom/16000?action=connect").status == 204
    assert state(api, "cdrom/16000") == "CONNECTED"


def test_failed_connect_leaves_its_state(api: Api) -> None:
    """After a connection that failed the device says so, and it is still not connected."""
    start(api)
    assert api("PATCH", f"{HARDWARE}/cdrom/16000", {"backing": MISSING}).status == 204
    assert api("POST", f"{HARDWARE}/cdrom/16000?action=connect").error_type == "ERROR"
    assert state(api, "cdrom/16000") == "UNRECOVERABLE_ERROR"
    assert api("POST", f"{HARDWARE}/cdrom/16000?action=disconnect").error_type == "ALREADY_IN_DESIRED_STATE"


def test_exclusive_device_of_the_host_waits_for_its_owner(api: Api) -> None:
    """The host has one serial device: who comes second cannot connect before the first lets go of it."""
    first, second = list(api.inventory.machines.values())[:2]
    second.placement = first.placement
    for machine in (first, second):
        machine.serial_ports["9000"].backing = {"type": "HOST_DEVICE", "auto_detect": True}
    start(api)
    assert api("POST", f"{HARDWARE}/serial/9000?action=connect").status == 204
    assert api("GET", f"{HARDWARE}/serial/9000").json["backing"]["host_device"] == "/dev/char/serial/uart0"
    other = "/api/vcenter/vm/vm-1001/hardware/serial/9000"
    assert api("POST", f"{other}?action=connect").error_type == "ERROR"
    assert api("GET", other).json["state"] == "RECOVERABLE_ERROR"
    stop(api)
    assert api("GET", f"{HARDWARE}/serial/9000").json["backing"]["host_device"] == ""
    assert api("POST", f"{other}?action=connect").status == 204


def test_suspension_keeps_connections(api: Api) -> None:
    """A resumed machine is connected as it was when it was suspended, whatever is to start connected."""
    start(api)
    assert api("POST", f"{HARDWARE}/floppy/8000?action=connect").status == 204
    assert api("POST", f"{HARDWARE}/ethernet/4000?action=disconnect").status == 204
    assert api("POST", f"{OFF}/power?action=suspend").status == 204
    assert state(api, "floppy/8000") == "NOT_CONNECTED"
    start(api)
    assert (state(api, "floppy/8000"), state(api, "ethernet/4000")) == ("CONNECTED", "NOT_CONNECTED")


def test_a_new_nic_has_an_address(api: Api) -> None:
    """vCenter assigns one when the nic is created, unless the spec wants another type of address."""
    nic = f"{HARDWARE}/ethernet/{api('POST', f'{HARDWARE}/ethernet', {}).json}"
    info = api("GET", nic).json
    assert (info["mac_type"], info["mac_address"][:9]) == ("ASSIGNED", "00:50:56:")
    start(api)
    assert api("GET", nic).json["mac_address"] == info["mac_address"]


@pytest.mark.parametrize("kind", ["floppy", "serial", "parallel", "cdrom"])
def test_the_default_backing_names_no_device(api: Api, kind: str) -> None:
    """A device of the host that is still to be detected has an empty name, and can be written back as it was read."""
    device = f"{HARDWARE}/{kind}/{api('POST', f'{HARDWARE}/{kind}', {}).json}"
    backing = api("GET", device).json["backing"]
    assert (backing["type"], backing["auto_detect"], backing["host_device"]) == ("HOST_DEVICE", True, "")
    del backing["auto_detect"]
    assert api("PATCH", device, {"backing": backing}).status == 204
    assert api("GET", device).json["backing"] == {**backing, "auto_detect": True}


def test_nic_gets_slot_and_generated_address_at_first_power_on(api: Api) -> None:
    """Neither is known before; both stay as they are from then on."""
    nic = f"{HARDWARE}/ethernet/{api('POST', f'{HARDWARE}/ethernet', {'mac_type': 'GENERATED'}).json}"
    assert {"mac_address", "pci_slot_number"}.isdisjoint(api("GET", nic).json)
    start(api)
    info = api("GET", nic).json
    assert info["mac_address"].startswith("00:0c:29:")
    assert info["pci_slot_number"] == 256
    stop(api)
    start(api)
    assert api("GET", nic).json == info


def test_generated_addresses_differ(api: Api) -> None:
    """Each nic of a machine has an address of its own."""
    for _ in range(8):
        assert api("POST", f"{HARDWARE}/ethernet", {"mac_type": "GENERATED"}).status == 201
    start(api)
    nics = api.inventory.machines["vm-1002"].nics.values()
    assert len({nic.mac_address for nic in nics}) == len({nic.pci_slot_number for nic in nics}) == 10


@pytest.mark.parametrize(("wanted", "given"), [(224, 1184), (160, 1184), (5, 1184), (1248, 1248)])
def test_invalid_pci_slot_is_changed_at_power_on(api: Api, wanted: int, given: int) -> None:
    """A slot that is taken by a nic or an adapter, or that is the chipset's, is not kept."""
    api.inventory.machines["vm-1002"].scsi_adapters["1001"] = ScsiAdapter(1, pci_slot_number=256)
    key = api("POST", f"{HARDWARE}/ethernet", {"pci_slot_number": wanted}).json
    assert api("GET", f"{HARDWARE}/ethernet/{key}").json["pci_slot_number"] == wanted
    start(api)
    assert api("GET", f"{HARDWARE}/ethernet/{key}").json["pci_slot_number"] == given


def test_free_identifiers_and_labels_are_taken_again(api: Api) -> None:
    """The place of a removed device is the next one to be given; lists are in the order of the identifiers."""
    assert api("POST", f"{HARDWARE}/ethernet", {}).json == "4002"
    assert api("DELETE", f"{HARDWARE}/ethernet/4000").status == 204
    assert api("POST", f"{HARDWARE}/ethernet", {}).json == "4000"
    assert api("GET", f"{HARDWARE}/ethernet/4000").json["label"] == "Network adapter 1"
    assert api("GET", f"{HARDWARE}/ethernet").json == [{"nic": "4000"}, {"nic": "4001"}, {"nic": "4002"}]


def test_refused_update_changes_nothing(api: Api) -> None:
    """All of an update is checked before any of it is carried out."""
    before = api("GET", f"{HARDWARE}/ethernet/4000").json
    spec = {
        "wake_on_lan_enabled": False,
        "mac_type": "GENERATED",
        "backing": {"type": "STANDARD_PORTGROUP", "network": "network-99"},
    }
    assert api("PATCH", f"{HARDWARE}/ethernet/4000", spec).error_type == "NOT_FOUND"
    assert api("GET", f"{HARDWARE}/ethernet/4000").json == before
