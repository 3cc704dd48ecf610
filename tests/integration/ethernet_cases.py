"""Cases of the Ethernet service."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gateway.simulator import Simulator
from gateway.simulator.machine import Nic
from tests.integration.cases import ErrorCase, Json, Success
from tests.integration.device_rules import (
    FAILED,
    OFF,
    ON,
    POWER,
    SUSPENDED,
    DeviceKind,
    machine,
    shared_errors,
    shared_successes,
)

__all__ = ["ERRORS", "SUCCESSES"]

NIC = DeviceKind("Ethernet", "nic", "4000", lambda vm: vm.nics)
INVALID = "com.vmware.api.vcenter.vm.hardware.ethernet.invalid"

STANDARD = {"type": "STANDARD_PORTGROUP", "network": "network-12", "network_name": "VM Network"}
SWITCH = "50 2e 1d 4c 6b 8a 9f 70-12 3d 5e 6f 80 91 a2 b3"
OPAQUE = "9f2d7f0e-6a86-4d8f-b5a3-0f7a2a5f6f31"


def backing(kind: str, network: str, **more: Any) -> dict[str, Any]:
    """A backing spec as the rpcs take it."""
    return {"type": f"ETHERNET_BACKING_TYPE_{kind}", "network": network, **more}


def distributed(port: str) -> dict[str, Any]:
    """The backing on a port of the distributed port group, as the machine has it."""
    return {
        "type": "DISTRIBUTED_PORTGROUP",
        "network": "dvportgroup-17",
        "distributed_switch_uuid": SWITCH,
        "distributed_port": port,
        "connection_cookie": 1_000_000 + int(port),
    }


def kind_of(name: str) -> str:
    """An emulation type as the protos name it."""
    return f"ETHERNET_EMULATION_TYPE_{name}"


def mac(name: str) -> str:
    """A type of MAC address as the protos name it."""
    return f"ETHERNET_MAC_ADDRESS_TYPE_{name}"


def of(attribute: str, value: str, vm: str = OFF) -> Callable[[Simulator], None]:
    """A setup that gives a machine another guest or hardware version."""
    return lambda simulator: setattr(machine(simulator, vm), attribute, value)


def full(simulator: Simulator) -> None:
    """Ten nics on the machine that is off."""
    nics = machine(simulator, OFF).nics
    for number in range(10):
        nics[str(4000 + number)] = Nic(f"Network adapter {number + 1}", dict(STANDARD), mac_address=None)


def successes() -> Iterator[Success]:
    """Reading, changing and removing nics."""
    yield Success(
        id="both",
        rpc="vcenter.vm.hardware.v1.EthernetService/ListEthernets",
        request={"vm": ON},
        response={"nics": [{"nic": "4000"}, {"nic": "4001"}]},
    )
    common = {
        "type": kind_of("VMXNET3"),
        "mac_type": mac("ASSIGNED"),
        "wake_on_lan_enabled": True,
        "allow_guest_control": True,
    }
    yield NIC.success(
        "standard port group",
        "Get",
        NIC.request(ON),
        response={
            "nic": {
                **common,
                "label": "Network adapter 1",
                "mac_address": "00:50:56:80:00:00",
                "pci_slot_number": "192",
                "upt_compatibility_enabled": False,
                "backing": {**STANDARD, "type": "ETHERNET_BACKING_TYPE_STANDARD_PORTGROUP"},
                "state": "CONNECTION_STATE_CONNECTED",
                "start_connected": True,
            }
        },
    )
    yield NIC.success(
        "distributed port group",
        "Get",
        NIC.request(ON, "4001"),
        response={
            "nic": {
                **common,
                "label": "Network adapter 2",
                "mac_address": "00:50:56:80:00:01",
                "pci_slot_number": "224",
                "upt_compatibility_enabled": True,
                "backing": {
                    **distributed("0"),
                    "type": "ETHERNET_BACKING_TYPE_DISTRIBUTED_PORTGROUP",
                    "connection_cookie": "1000000",
                },
                "state": "CONNECTION_STATE_NOT_CONNECTED",
                "start_connected": False,
            }
        },
    )
    yield NIC.success(
        "never powered on, not VMXNET3, host device",
        "Get",
        NIC.request(OFF),
        response={
            "nic": {
                **common,
                "type": kind_of("E1000"),
                "label": "Network adapter 1",
                "mac_type": mac("GENERATED"),
                "backing": {"type": "ETHERNET_BACKING_TYPE_HOST_DEVICE", "host_device": "vmnet8"},
                "state": "CONNECTION_STATE_NOT_CONNECTED",
                "start_connected": True,
            }
        },
        setup=NIC.set(
            OFF,
            type="E1000",
            mac_type="GENERATED",
            mac_address=None,
            pci_slot_number=None,
            backing={"type": "HOST_DEVICE", "host_device": "vmnet8"},
        ),
    )
    yield from creations()
    yield from updates()
    yield NIC.success("running", "Delete", NIC.request(ON), response={}, check=NIC.gone(ON))
    yield NIC.success(
        "no longer a boot device",
        "Delete",
        NIC.request(OFF),
        check=lambda _, simulator: equal(machine(simulator, OFF).boot_devices, [{"type": "DISK", "disks": ["2000"]}]),
    )


def equal(actual: object, expected: object) -> None:
    """Asserts in an expression."""
    assert actual == expected


def creations() -> Iterator[Success]:
    """New nics: defaults, types, addresses, networks."""
    yield NIC.created(
        "all defaults, powered off",
        OFF,
        "4002",
        spec={},
        label="Network adapter 3",
        type="VMXNET3",
        backing=STANDARD,
        mac_type="ASSIGNED",
        pci_slot_number=None,
        wake_on_lan_enabled=False,
        upt_compatibility_enabled=False,
        start_connected=False,
        allow_guest_control=False,
        state="NOT_CONNECTED",
    )
    yield NIC.success(
        "generated address, running",
        "Create",
        {"vm": ON, "spec": {"mac_type": mac("GENERATED")}},
        response={"nic": "4002"},
        check=lambda _, simulator: equal(
            (NIC.found(simulator, ON, "4002").pci_slot_number, NIC.found(simulator, ON, "4002").mac_address),
            (256, "00:0c:29:" + bytes.fromhex(machine(simulator, ON).bios_uuid[-6:]).hex(":")),
        ),
    )
    yield NIC.created(
        "everything set",
        ON,
        "4002",
        spec={
            "type": kind_of("VMXNET3"),
            "upt_compatibility_enabled": True,
            "upt_v2_compatibility_enabled": True,
            "mac_type": mac("MANUAL"),
            "mac_address": "00:50:56:3F:00:0A",
            "pci_slot_number": "1184",
            "wake_on_lan_enabled": True,
            "backing": backing("STANDARD_PORTGROUP", "network-14"),
            "start_connected": True,
            "allow_guest_control": True,
        },
        type="VMXNET3",
        upt_compatibility_enabled=True,
        upt_v2_compatibility_enabled=True,
        mac_type="MANUAL",
        mac_address="00:50:56:3f:00:0a",
        pci_slot_number=1184,
        wake_on_lan_enabled=True,
        backing={"type": "STANDARD_PORTGROUP", "network": "network-14", "network_name": "Backup Network"},
        start_connected=True,
        allow_guest_control=True,
        state="NOT_CONNECTED",
    )
    yield NIC.created("a taken PCI slot is changed", ON, "4002", spec={"pci_slot_number": "192"}, pci_slot_number=256)
    for name in ("E1000", "E1000E", "PCNET32", "VMXNET", "VMXNET2", "VMXNET3"):
        yield NIC.created(name, OFF, "4002", spec={"type": kind_of(name)}, type=name)
    for guest, default in (("WINDOWS_9_64", "E1000E"), ("WIN_XP_PRO", "E1000"), ("DOS", "PCNET32")):
        yield NIC.created(f"default of {guest}", OFF, "4002", spec={}, type=default, setup=of("guest_os", guest))
    yield NIC.created(
        "default of old hardware", OFF, "4002", spec={}, type="E1000", setup=of("hardware_version", "VMX_04")
    )
    yield NIC.success(
        "assigned address",
        "Create",
        {"vm": OFF, "spec": {}},
        check=lambda _, simulator: equal(NIC.found(simulator, OFF, "4002").mac_address[:10], "00:50:56:8"),
    )
    yield NIC.created(
        "generated address, powered off", OFF, "4002", spec={"mac_type": mac("GENERATED")}, mac_address=None
    )
    group = "dvportgroup-17"
    yield NIC.created(
        "a wanted distributed port", OFF, "4002", backing=distributed("100"),
        spec={"backing": backing("DISTRIBUTED_PORTGROUP", group, distributed_port="100")},
    )  # fmt: skip
    yield NIC.created(
        "a free distributed port",
        OFF,
        "4002",
        spec={"backing": backing("DISTRIBUTED_PORTGROUP", group)},
        backing=distributed("3"),
        setup=only_ports("0", "1", "2"),
    )
    yield NIC.created(
        "opaque network",
        OFF,
        "4002",
        spec={"backing": backing("OPAQUE_NETWORK", "network-o23")},
        backing={
            "type": "OPAQUE_NETWORK",
            "network": "network-o23",
            "opaque_network_type": "nsx.LogicalSwitch",
            "opaque_network_id": OPAQUE,
        },
    )


def only_ports(*ports: str) -> Callable[[Simulator], None]:
    """A setup in which the first machines have these ports of the distributed port group, and nobody has others."""

    def setup(simulator: Simulator) -> None:
        free = iter(ports)
        for each in simulator.inventory.machines.values():
            for key, nic in list(each.nics.items()):
                if nic.backing["type"] == "DISTRIBUTED_PORTGROUP":
                    port = next(free, None)
                    if port is None:
                        nic.backing = dict(STANDARD)
                    else:
                        each.nics[key].backing = distributed(port)

    return setup


def updates() -> Iterator[Success]:
    """Changes, which are possible in every power state."""
    yield NIC.changed(
        "address, running",
        NIC.request(ON, mac_type=mac("MANUAL"), mac_address="02:00:00:00:00:01"),
        mac_type="MANUAL",
        mac_address="02:00:00:00:00:01",
        state="CONNECTED",
    )
    yield NIC.changed(
        "another address of a manual one",
        NIC.request(OFF, mac_address="02:00:00:00:00:02"),
        setup=NIC.set(OFF, mac_type="MANUAL", mac_address="02:00:00:00:00:01"),
        mac_address="02:00:00:00:00:02",
    )
    yield NIC.success(
        "generated address",
        "Update",
        NIC.request(OFF, mac_type=mac("GENERATED")),
        check=lambda _, simulator: equal(NIC.found(simulator, OFF).mac_address[:8], "00:0c:29"),
    )
    yield NIC.changed(
        "the same type of address", NIC.request(ON, mac_type=mac("ASSIGNED")), mac_address="00:50:56:80:00:00"
    )
    yield NIC.success(
        "assigned address",
        "Update",
        NIC.request(OFF, mac_type=mac("ASSIGNED")),
        check=lambda _, simulator: equal(NIC.found(simulator, OFF).mac_address[:10], "00:50:56:8"),
        setup=NIC.set(OFF, mac_type="MANUAL", mac_address="02:00:00:00:00:01"),
    )
    yield NIC.changed(
        "network of a connected nic",
        NIC.request(ON, backing=backing("OPAQUE_NETWORK", "network-o23")),
        backing={
            "type": "OPAQUE_NETWORK",
            "network": "network-o23",
            "opaque_network_type": "nsx.LogicalSwitch",
            "opaque_network_id": OPAQUE,
        },
        state="CONNECTED",
    )
    yield NIC.changed(
        "the same port group retains the port",
        NIC.request(OFF, "4001", backing=backing("DISTRIBUTED_PORTGROUP", "dvportgroup-17")),
        setup=only_ports("50", "51"),
        backing=distributed("51"),
    )
    yield NIC.changed(
        "switches",
        NIC.request(ON, wake_on_lan_enabled=False, upt_compatibility_enabled=True, upt_v2_compatibility_enabled=False),
        wake_on_lan_enabled=False,
        upt_compatibility_enabled=True,
        upt_v2_compatibility_enabled=False,
        mac_address="00:50:56:80:00:00",
    )


def errors() -> Iterator[ErrorCase]:
    """What is special about nics."""

    def create(error: str, name: str, spec: Json, message: str, **more: Any) -> ErrorCase:
        return NIC.error("Create", error, {"vm": OFF, "spec": spec}, message, id=name, **more)

    def update(error: str, name: str, spec: Json, message: str, **more: Any) -> ErrorCase:
        return NIC.error("Update", error, NIC.request(OFF, **spec), message, id=name, **more)

    group = "dvportgroup-17"
    for case in (create, update):
        network = {"backing": backing("STANDARD_PORTGROUP", "network-99")}
        yield case("NOT_FOUND", "network", network, "com.vmware.api.vcenter.network.not_found")
        host = {"backing": {"type": "ETHERNET_BACKING_TYPE_HOST_DEVICE"}}
        yield case("INVALID_ARGUMENT", "host device", host, f"{INVALID}_backing_type")
        other = {"backing": backing("STANDARD_PORTGROUP", group)}
        yield case("INVALID_ARGUMENT", "network of another type", other, f"{INVALID}_backing_network")
        port = {"backing": backing("DISTRIBUTED_PORTGROUP", group, distributed_port="500")}
        yield case("INVALID_ARGUMENT", "no such port", port, f"{INVALID}_distributed_port")
        taken = {"backing": backing("DISTRIBUTED_PORTGROUP", group, distributed_port="0")}
        yield case("ERROR", "port in use", taken, "vmsg.ResourceInUse.summary")
        for name, address in (
            ("malformed address", "00:50:56:00:00"),
            ("address with other separators", "00-50-56-00-00-01"),
            ("multicast address", "01:00:5e:00:00:01"),
            ("zero address", "00:00:00:00:00:00"),
        ):
            spec = {"mac_type": mac("MANUAL"), "mac_address": address}
            yield case("INVALID_ARGUMENT", name, spec, f"{INVALID}_mac_address")
    spec = {"mac_address": "02:00:00:00:00:01"}
    yield update("INVALID_ARGUMENT", "address of another type", spec, f"{INVALID}_mac_address")
    yield update("INVALID_ARGUMENT", "no address", {"mac_type": mac("MANUAL")}, f"{INVALID}_mac_address")
    e1000 = {"setup": NIC.set(OFF, type="E1000")}
    spec = {"upt_compatibility_enabled": False}
    yield update("INVALID_ARGUMENT", "UPT", spec, f"{INVALID}_upt_compatibility_enabled", **e1000)
    spec = {"upt_v2_compatibility_enabled": True}
    yield update("INVALID_ARGUMENT", "UPT v2", spec, f"{INVALID}_upt_v2_compatibility_enabled", **e1000)
    for slot in ("-1", "8192"):
        spec = {"pci_slot_number": slot}
        yield create("INVALID_ARGUMENT", f"PCI slot {slot}", spec, f"{INVALID}_pci_slot_number")
    yield create(
        "INVALID_ARGUMENT", "no network to be found", {},
        "com.vmware.api.vcenter.vm.hardware.ethernet.no_backing",
        setup=lambda simulator: [simulator.inventory.networks.pop(name) for name in ("network-12", "network-14")],
    )  # fmt: skip
    full_message = "com.vmware.api.vcenter.vm.device.maximum_reached"
    yield create("UNABLE_TO_ALLOCATE_RESOURCE", "ten nics", {}, full_message, setup=full)
    yield create("UNSUPPORTED", "guest", {}, "vmsg.UnsupportedGuest.summary", setup=of("guest_os", "NETWARE_4"))
    for name, version in (("VMXNET3", "VMX_06"), ("E1000E", "VMX_07")):
        yield create(
            "UNSUPPORTED", f"{name} on old hardware", {"type": kind_of(name)},
            "vmsg.DeviceUnsupportedForVmVersion.summary", setup=of("hardware_version", version),
        )  # fmt: skip
    yield NIC.error("Create", "ERROR", {"vm": SUSPENDED, "spec": {}}, POWER, id="suspended")
    yield NIC.error("Delete", "ERROR", NIC.request(SUSPENDED), POWER, id="suspended")
    yield NIC.error(
        "Connect", "ERROR", NIC.request(ON, "4001"), FAILED, "vmsg.NotFound.summary", id="the network is gone",
        setup=lambda simulator: simulator.inventory.networks.pop("dvportgroup-17"),
    )  # fmt: skip


SUCCESSES = (*successes(), *shared_successes(NIC))
ERRORS = (*errors(), *shared_errors(NIC))
