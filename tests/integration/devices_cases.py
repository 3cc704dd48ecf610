"""Cases of the CD-ROM, floppy, serial and parallel services."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from gateway.simulator import Simulator
from gateway.simulator.machine import Address, Cdrom, Device, SerialPort
from tests.integration.cases import ErrorCase, Json, Success
from tests.integration.device_rules import (
    DEVICE,
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

CDROM = DeviceKind("Cdrom", "cdrom", "16000", lambda vm: vm.cdroms)
FLOPPY = DeviceKind("Floppy", "floppy", "8000", lambda vm: vm.floppies)
SERIAL = DeviceKind("Serial", "port", "9000", lambda vm: vm.serial_ports)
PARALLEL = DeviceKind("Parallel", "port", "10000", lambda vm: vm.parallel_ports)

UBUNTU = "[datastore1] iso/ubuntu-22.04-live-server-amd64.iso"
WINDOWS = "[datastore1] iso/windows-server-2022.iso"
FLP = "[datastore1] floppies/boot.flp"
HOST_CDROM = "/vmfs/devices/cdrom/mpx.vmhba32:C0:T0:L0"
HOST_SERIAL = "/dev/char/serial/uart0"
HOST_PARALLEL = "/dev/char/parallel/parport0"

UNLABELLED = {"start_connected": False, "allow_guest_control": False, "state": "NOT_CONNECTED"}


def guest(name: str, vm: str = OFF) -> Callable[[Simulator], None]:
    """A setup that gives a machine another guest operating system."""

    def setup(simulator: Simulator) -> None:
        machine(simulator, vm).guest_os = name

    return setup


def hardware(version: str, vm: str = OFF) -> Callable[[Simulator], None]:
    """A setup that gives a machine another hardware version."""

    def setup(simulator: Simulator) -> None:
        machine(simulator, vm).hardware_version = version

    return setup


def no_sata(simulator: Simulator) -> None:
    """The machine that is off has no SATA adapter."""
    machine(simulator, OFF).sata_adapters.clear()


def full(kind: DeviceKind, first: int, count: int, device: type[Device] = Device) -> Callable[[Simulator], None]:
    """A setup with `count` ports or floppy drives on the machine that is off."""

    def setup(simulator: Simulator) -> None:
        devices: Any = kind.devices(machine(simulator, OFF))
        for number in range(count):
            devices[str(first + number)] = device(f"Port {number}", {"type": "HOST_DEVICE", "auto_detect": True})

    return setup


def occupied(adapter: str, units: int) -> Callable[[Simulator], None]:
    """A setup in which the first adapters have no free unit; IDE has two adapters with two units."""

    def setup(simulator: Simulator) -> None:
        cdroms = machine(simulator, OFF).cdroms
        for number in range(units):
            bus, unit = divmod(number, 2) if adapter == "IDE" else (0, number)
            cdroms[str({"IDE": 3000, "SATA": 16000}[adapter] + number)] = Cdrom(
                f"CD/DVD drive {number}", {"type": "CLIENT_DEVICE"}, address=Address(adapter, bus, unit)
            )

    return setup


def shown(label: str, backing: Json, **more: Any) -> dict[str, Any]:
    """A device that is not connected, as the rpcs show it."""
    return {
        "label": label,
        "backing": backing,
        "state": "CONNECTION_STATE_NOT_CONNECTED",
        "start_connected": False,
        "allow_guest_control": True,
        **more,
    }


def cdrom_successes() -> Iterator[Success]:
    """Addresses and backings of CD-ROM devices."""
    yield Success(
        id="both",
        rpc="vcenter.vm.hardware.v1.CdromService/ListCdroms",
        request={"vm": ON},
        response={"cdroms": [{"cdrom": "3000"}, {"cdrom": "16000"}]},
    )
    iso = {"type": "CDROM_BACKING_TYPE_ISO_FILE", "iso_file": UBUNTU}
    sata = {"type": "CDROM_HOST_BUS_ADAPTER_TYPE_SATA", "sata": {"bus": "0", "unit": "0"}}
    yield CDROM.success("SATA", "Get", CDROM.request(ON), response={"cdrom": shown("CD/DVD drive 1", iso, **sata)})
    client = {
        "type": "CDROM_BACKING_TYPE_CLIENT_DEVICE",
        "device_access_type": "CDROM_DEVICE_ACCESS_TYPE_PASSTHRU",
    }
    ide = {"type": "CDROM_HOST_BUS_ADAPTER_TYPE_IDE", "ide": {"primary": True, "master": True}}
    yield CDROM.success(
        "IDE", "Get", CDROM.request(ON, "3000"), response={"cdrom": shown("CD/DVD drive 2", client, **ide)}
    )
    detected = {
        "type": "HOST_DEVICE",
        "auto_detect": True,
        "host_device": HOST_CDROM,
        "device_access_type": "EMULATION",
    }
    host = {
        "type": "CDROM_BACKING_TYPE_HOST_DEVICE",
        "auto_detect": True,
        "device_access_type": "CDROM_DEVICE_ACCESS_TYPE_EMULATION",
    }
    yield CDROM.success(
        "a detected device is named while it is connected",
        "Get",
        CDROM.request(ON),
        response={
            "cdrom": shown(
                "CD/DVD drive 1", {**host, "host_device": HOST_CDROM}, **sata, state="CONNECTION_STATE_CONNECTED"
            )
        },
        setup=CDROM.set(backing=detected, state="CONNECTED"),
    )
    yield CDROM.success(
        "a device to be detected has no name yet",
        "Get",
        CDROM.request(ON),
        response={"cdrom": shown("CD/DVD drive 1", {**host, "host_device": ""}, **sata)},
        setup=CDROM.set(backing=detected),
    )
    yield from cdrom_creations()
    yield CDROM.success(
        "a device of the host", "Connect", CDROM.request(ON), response={}, check=CDROM.state("CONNECTED"),
        setup=CDROM.set(backing={"type": "HOST_DEVICE", "auto_detect": True, "device_access_type": "EMULATION"}),
    )  # fmt: skip
    yield CDROM.changed(
        "another image into a drive that is not connected",
        CDROM.request(ON, backing={"type": "CDROM_BACKING_TYPE_ISO_FILE", "iso_file": WINDOWS}),
        backing={"type": "ISO_FILE", "iso_file": WINDOWS},
    )
    yield CDROM.changed(
        "a new backing ends the state of a failure",
        CDROM.request(ON, backing={"type": "CDROM_BACKING_TYPE_CLIENT_DEVICE"}),
        setup=CDROM.set(state="UNRECOVERABLE_ERROR"),
        backing={"type": "CLIENT_DEVICE", "device_access_type": "EMULATION"},
        state="NOT_CONNECTED",
    )
    yield CDROM.success("SATA, running", "Delete", CDROM.request(ON), response={}, check=CDROM.gone(ON))
    yield CDROM.success(
        "IDE, powered off",
        "Delete",
        CDROM.request(OFF, "3000"),
        check=lambda _, simulator: list(machine(simulator, OFF).cdroms) == ["16000"],
    )


def cdrom_creations() -> Iterator[Success]:
    """New CD-ROM devices."""
    default = {"type": "HOST_DEVICE", "auto_detect": True, "device_access_type": "EMULATION"}
    sata, ide = "CDROM_HOST_BUS_ADAPTER_TYPE_SATA", "CDROM_HOST_BUS_ADAPTER_TYPE_IDE"
    yield CDROM.created(
        "all defaults", ON, "16001", spec={}, label="CD/DVD drive 3", backing=default,
        address=Address("SATA", 0, 1), **UNLABELLED,
    )  # fmt: skip
    yield CDROM.created(
        "default of an old guest", OFF, "3001", spec={}, setup=guest("WIN_XP_PRO"), address=Address("IDE", 0, 1)
    )
    yield CDROM.created(
        "default of old hardware", OFF, "3001", spec={}, setup=hardware("VMX_08"), address=Address("IDE", 0, 1)
    )
    yield CDROM.created(
        "at a SATA address",
        ON,
        "16029",
        spec={
            "type": sata,
            "sata": {"bus": "0", "unit": "29"},
            "backing": {"type": "CDROM_BACKING_TYPE_ISO_FILE", "iso_file": WINDOWS},
            "start_connected": True,
            "allow_guest_control": True,
        },
        address=Address("SATA", 0, 29),
        backing={"type": "ISO_FILE", "iso_file": WINDOWS},
        start_connected=True,
        allow_guest_control=True,
        state="NOT_CONNECTED",
    )
    yield CDROM.created("first free unit of a bus", OFF, "16001", spec={"type": sata, "sata": {"bus": "0"}})
    yield CDROM.created("first free IDE address", OFF, "3001", spec={"type": ide})
    yield CDROM.created(
        "IDE master, either adapter", OFF, "3002", spec={"type": ide, "ide": {"master": True}},
        address=Address("IDE", 1, 0),
    )  # fmt: skip
    yield CDROM.created(
        "IDE address", OFF, "3003", spec={"type": ide, "ide": {"primary": False, "master": False}},
        address=Address("IDE", 1, 1),
    )  # fmt: skip
    yield CDROM.created(
        "named device of the host",
        OFF,
        "16001",
        spec={
            "backing": {
                "type": "CDROM_BACKING_TYPE_HOST_DEVICE",
                "host_device": HOST_CDROM,
                "device_access_type": "CDROM_DEVICE_ACCESS_TYPE_PASSTHRU_EXCLUSIVE",
            }
        },
        backing={
            "type": "HOST_DEVICE",
            "host_device": HOST_CDROM,
            "auto_detect": False,
            "device_access_type": "PASSTHRU_EXCLUSIVE",
        },
    )


def cdrom_errors() -> Iterator[ErrorCase]:
    """What is special about CD-ROM devices."""
    sata, ide = "CDROM_HOST_BUS_ADAPTER_TYPE_SATA", "CDROM_HOST_BUS_ADAPTER_TYPE_IDE"
    forbidden = "NOT_ALLOWED_IN_CURRENT_STATE"

    def create(error: str, name: str, vm: str, spec: Json, *messages: str, **more: Any) -> ErrorCase:
        return CDROM.error("Create", error, {"vm": vm, "spec": spec}, *messages, id=name, **more)

    yield create(forbidden, "IDE, running", ON, {"type": ide}, f"{DEVICE}.not_powered_off", POWER)
    yield create(forbidden, "suspended", SUSPENDED, {"type": sata}, f"{DEVICE}.suspended", POWER)
    yield CDROM.error(
        "Delete", forbidden, CDROM.request(ON, "3000"), f"{DEVICE}.not_powered_off", POWER, id="IDE, running"
    )
    yield CDROM.error(
        "Delete", forbidden, CDROM.request(SUSPENDED, "16000"), f"{DEVICE}.suspended", POWER, id="suspended",
        setup=lambda simulator: machine(simulator, SUSPENDED).cdroms.setdefault(
            "16000", Cdrom("CD/DVD drive 1", {"type": "CLIENT_DEVICE"}, address=Address("SATA", 0, 0))
        ),
    )  # fmt: skip
    unable = "UNABLE_TO_ALLOCATE_RESOURCE"
    yield create(
        unable, "no such adapter", OFF, {"type": sata, "sata": {"bus": "1", "unit": "0"}}, f"{DEVICE}.adapter_not_found"
    )
    yield create(unable, "no adapter", OFF, {"type": sata}, f"{DEVICE}.no_free_address", setup=no_sata)
    yield create(unable, "IDE full", OFF, {"type": ide}, f"{DEVICE}.no_free_address", setup=occupied("IDE", 4))
    yield create(
        unable, "IDE slaves full", OFF, {"type": ide, "ide": {"master": False}}, f"{DEVICE}.no_free_address",
        setup=occupied("IDE", 4),
    )  # fmt: skip
    yield create(
        unable, "SATA bus full", OFF, {"type": sata, "sata": {"bus": "0"}}, f"{DEVICE}.no_free_address",
        setup=occupied("SATA", 30),
    )  # fmt: skip
    taken = f"{DEVICE}.address_in_use"
    yield create("RESOURCE_IN_USE", "SATA", OFF, {"type": sata, "sata": {"bus": "0", "unit": "0"}}, taken)
    yield create("RESOURCE_IN_USE", "IDE", OFF, {"type": ide, "ide": {"primary": True, "master": True}}, taken)
    beyond = f"{DEVICE}.address_out_of_bounds"
    yield create("INVALID_ARGUMENT", "unit", OFF, {"type": sata, "sata": {"bus": "0", "unit": "30"}}, beyond)
    yield create("INVALID_ARGUMENT", "bus", OFF, {"type": sata, "sata": {"bus": "4"}}, beyond)
    yield create("INVALID_ARGUMENT", "below 0", OFF, {"type": sata, "sata": {"bus": "0", "unit": "-1"}}, beyond)
    yield create("UNSUPPORTED", "guest", OFF, {}, "vmsg.UnsupportedGuest.summary", setup=guest("OS2"))
    yield create(
        "UNSUPPORTED", "SATA on old hardware", OFF, {"type": sata}, "vmsg.DeviceUnsupportedForVmVersion.summary",
        setup=hardware("VMX_09"),
    )  # fmt: skip
    connected = {"setup": CDROM.set(state="CONNECTED"), "id": "connected"}
    backing = {"type": "CDROM_BACKING_TYPE_CLIENT_DEVICE"}
    yield CDROM.error("Update", forbidden, CDROM.request(ON, backing=backing), f"{DEVICE}.connected", **connected)
    path = {"type": "CDROM_BACKING_TYPE_ISO_FILE", "iso_file": "ubuntu.iso"}
    yield create("ERROR", "bad path", OFF, {"backing": path}, "vmsg.InvalidDatastorePath.summary")
    yield CDROM.error("Update", "ERROR", CDROM.request(OFF, backing=path), "vmsg.InvalidDatastorePath.summary")
    missing = {"type": "ISO_FILE", "iso_file": "[datastore1] iso/none.iso"}
    yield CDROM.error(
        "Connect", "ERROR", CDROM.request(ON), FAILED, "vmsg.FileNotFound.summary", id="no such image",
        setup=CDROM.set(backing=missing),
    )  # fmt: skip
    unknown = {"type": "HOST_DEVICE", "host_device": "/vmfs/devices/cdrom/none", "auto_detect": False}
    yield CDROM.error(
        "Connect", "ERROR", CDROM.request(ON), FAILED, "vmsg.DeviceNotFound.summary", id="no such device of the host",
        setup=CDROM.set(backing=unknown),
    )  # fmt: skip


def cold_cases(kind: DeviceKind, next_key: str, prefix: str, file: Json) -> Iterator[Success | ErrorCase]:
    """Floppy drives and ports: they come and go only while the machine is off."""
    yield kind.success("powered off", "Delete", kind.request(OFF), response={}, check=kind.gone(OFF))
    yield kind.created(
        "flags",
        OFF,
        next_key,
        spec={"start_connected": True, "allow_guest_control": True},
        start_connected=True,
        allow_guest_control=True,
        state="NOT_CONNECTED",
    )
    yield kind.changed(
        "a device of the host to be detected",
        kind.request(OFF, backing={"type": f"{prefix}_HOST_DEVICE"}),
        backing={"type": "HOST_DEVICE", "auto_detect": True},
    )
    forbidden = "NOT_ALLOWED_IN_CURRENT_STATE"
    for name, vm in (("running", ON), ("suspended", SUSPENDED)):
        yield kind.error(
            "Create", forbidden, {"vm": vm, "spec": {"start_connected": True}}, f"{DEVICE}.not_powered_off", POWER,
            id=name,
        )  # fmt: skip
    yield kind.error("Delete", forbidden, kind.request(ON), f"{DEVICE}.not_powered_off", POWER, id="running")
    yield kind.error(
        "Update", forbidden, kind.request(ON, backing=file), f"{DEVICE}.connected", id="connected",
        setup=kind.set(state="CONNECTED"),
    )  # fmt: skip
    bad = {name: "no-path" if name != "type" else value for name, value in file.items()}
    yield kind.error("Create", "ERROR", {"vm": OFF, "spec": {"backing": bad}}, "vmsg.InvalidDatastorePath.summary")
    yield kind.error("Update", "ERROR", kind.request(OFF, backing=bad), "vmsg.InvalidDatastorePath.summary")


def floppy_cases() -> Iterator[Success | ErrorCase]:
    """Floppy drives."""
    prefix = "FLOPPY_BACKING_TYPE"
    image = {"type": f"{prefix}_IMAGE_FILE", "image_file": FLP}
    yield Success(
        id="one",
        rpc="vcenter.vm.hardware.v1.FloppyService/ListFloppies",
        request={"vm": ON},
        response={"floppies": [{"floppy": "8000"}]},
    )
    yield FLOPPY.success(
        "client device",
        "Get",
        FLOPPY.request(ON),
        response={"floppy": shown("Floppy drive 1", {"type": f"{prefix}_CLIENT_DEVICE"})},
    )
    yield FLOPPY.success(
        "image",
        "Get",
        FLOPPY.request(ON),
        response={"floppy": shown("Floppy drive 1", image)},
        setup=FLOPPY.set(backing={"type": "IMAGE_FILE", "image_file": FLP}),
    )
    yield FLOPPY.created(
        "all defaults", OFF, "8001", spec={}, label="Floppy drive 2",
        backing={"type": "HOST_DEVICE", "auto_detect": True}, **UNLABELLED,
    )  # fmt: skip
    yield FLOPPY.created(
        "image", OFF, "8001", spec={"backing": image}, backing={"type": "IMAGE_FILE", "image_file": FLP}
    )
    yield FLOPPY.created(
        "client device", OFF, "8001", spec={"backing": {"type": f"{prefix}_CLIENT_DEVICE"}},
        backing={"type": "CLIENT_DEVICE"},
    )  # fmt: skip
    yield FLOPPY.created(
        "named device of the host", OFF, "8001",
        spec={"backing": {"type": f"{prefix}_HOST_DEVICE", "host_device": "/vmfs/devices/floppy/fd0"}},
        backing={"type": "HOST_DEVICE", "host_device": "/vmfs/devices/floppy/fd0", "auto_detect": False},
    )  # fmt: skip
    yield from cold_cases(FLOPPY, "8001", prefix, image)
    yield FLOPPY.error(
        "Create", "UNABLE_TO_ALLOCATE_RESOURCE", {"vm": OFF, "spec": {}}, f"{DEVICE}.maximum_reached",
        setup=full(FLOPPY, 8000, 2),
    )  # fmt: skip
    yield FLOPPY.error(
        "Connect", "ERROR", FLOPPY.request(ON), FAILED, "vmsg.DeviceNotFound.summary", id="the host has no drive",
        setup=FLOPPY.set(backing={"type": "HOST_DEVICE", "auto_detect": True}),
    )  # fmt: skip
    yield FLOPPY.error(
        "Connect", "ERROR", FLOPPY.request(ON), FAILED, "vmsg.FileNotFound.summary", id="no such image",
        setup=FLOPPY.set(backing={"type": "IMAGE_FILE", "image_file": "[datastore1] floppies/none.flp"}),
    )  # fmt: skip


def serial_cases() -> Iterator[Success | ErrorCase]:
    """Serial ports with all their backings."""
    prefix = "SERIAL_BACKING_TYPE"
    file = "[datastore1] logs/console.txt"
    yield Success(
        id="one",
        rpc="vcenter.vm.hardware.v1.SerialService/ListSerials",
        request={"vm": ON},
        response={"ports": [{"port": "9000"}]},
    )
    telnet = {"type": f"{prefix}_NETWORK_SERVER", "network_location": "telnet://:20000"}
    yield SERIAL.success(
        "network server",
        "Get",
        SERIAL.request(ON),
        response={"port": shown("Serial port 1", telnet, yield_on_poll=True)},
    )
    yield SERIAL.success(
        "pipe",
        "Get",
        SERIAL.request(ON),
        response={
            "port": shown(
                "Serial port 1",
                {"type": f"{prefix}_PIPE_SERVER", "pipe": "debug", "no_rx_loss": False},
                yield_on_poll=True,
            )
        },
        setup=SERIAL.set(backing={"type": "PIPE_SERVER", "pipe": "debug", "no_rx_loss": False}),
    )
    yield SERIAL.created(
        "all defaults", OFF, "9001", spec={}, label="Serial port 2", yield_on_poll=False,
        backing={"type": "HOST_DEVICE", "auto_detect": True}, **UNLABELLED,
    )  # fmt: skip
    proxied = {"network_location": "telnet://10.0.0.5:23", "proxy": "telnets://10.0.0.9:13370"}
    for kind, spec, stored in (
        ("FILE", {"file": file}, {"file": file}),
        ("HOST_DEVICE", {"host_device": HOST_SERIAL}, {"host_device": HOST_SERIAL, "auto_detect": False}),
        ("PIPE_SERVER", {"pipe": "debug"}, {"pipe": "debug", "no_rx_loss": False}),
        ("PIPE_CLIENT", {"pipe": "debug", "no_rx_loss": True}, {"pipe": "debug", "no_rx_loss": True}),
        ("NETWORK_SERVER", {"network_location": "tcp://:5000"}, {"network_location": "tcp://:5000"}),
        ("NETWORK_CLIENT", proxied, proxied),
    ):
        yield SERIAL.created(
            kind,
            OFF,
            "9001",
            spec={"yield_on_poll": True, "backing": {"type": f"{prefix}_{kind}", **spec}},
            yield_on_poll=True,
            backing={"type": kind, **stored},
        )
    yield SERIAL.changed(
        "yielding of a connected port",
        SERIAL.request(ON, yield_on_poll=False),
        setup=SERIAL.set(state="CONNECTED"),
        yield_on_poll=False,
        state="CONNECTED",
    )
    yield SERIAL.changed(
        "a pipe for a port that is not connected",
        SERIAL.request(ON, backing={"type": f"{prefix}_PIPE_SERVER", "pipe": "debug"}),
        backing={"type": "PIPE_SERVER", "pipe": "debug", "no_rx_loss": False},
        yield_on_poll=True,
    )
    yield from cold_cases(SERIAL, "9001", prefix, {"type": f"{prefix}_FILE", "file": file})
    for name, count, setup in (("32 ports", 32, None), ("4 ports of old hardware", 4, hardware("VMX_10"))):
        fill = full(SERIAL, 9000, count, SerialPort)
        yield SERIAL.error(
            "Create", "UNABLE_TO_ALLOCATE_RESOURCE", {"vm": OFF, "spec": {}}, f"{DEVICE}.maximum_reached", id=name,
            setup=lambda simulator, fill=fill, setup=setup: (fill(simulator), setup and setup(simulator)),
        )  # fmt: skip
    yield in_use(SERIAL, HOST_SERIAL)


def parallel_cases() -> Iterator[Success | ErrorCase]:
    """Parallel ports."""
    prefix = "PARALLEL_BACKING_TYPE"
    file = "[datastore1] logs/printer.out"
    yield Success(
        id="one",
        rpc="vcenter.vm.hardware.v1.ParallelService/ListParallels",
        request={"vm": ON},
        response={"ports": [{"port": "10000"}]},
    )
    output = {"type": f"{prefix}_FILE", "file": "[datastore1] web-0001/parallel.out"}
    yield PARALLEL.success("file", "Get", PARALLEL.request(ON), response={"port": shown("Parallel port 1", output)})
    yield PARALLEL.created(
        "all defaults", OFF, "10001", spec={}, label="Parallel port 2",
        backing={"type": "HOST_DEVICE", "auto_detect": True}, **UNLABELLED,
    )  # fmt: skip
    spec = {"type": f"{prefix}_FILE", "file": file}
    yield PARALLEL.created("file", OFF, "10001", spec={"backing": spec}, backing={"type": "FILE", "file": file})
    yield PARALLEL.created(
        "named device of the host", OFF, "10001",
        spec={"backing": {"type": f"{prefix}_HOST_DEVICE", "host_device": HOST_PARALLEL}},
        backing={"type": "HOST_DEVICE", "host_device": HOST_PARALLEL, "auto_detect": False},
    )  # fmt: skip
    yield from cold_cases(PARALLEL, "10001", prefix, spec)
    yield PARALLEL.error(
        "Create", "UNABLE_TO_ALLOCATE_RESOURCE", {"vm": OFF, "spec": {}}, f"{DEVICE}.maximum_reached",
        setup=full(PARALLEL, 10000, 3),
    )  # fmt: skip
    yield in_use(PARALLEL, HOST_PARALLEL)


def in_use(kind: DeviceKind, name: str) -> ErrorCase:
    """The only such device of the host is connected to another machine."""

    def setup(simulator: Simulator) -> None:
        kind.set(backing={"type": "HOST_DEVICE", "auto_detect": True})(simulator)
        kind.set(OFF, backing={"type": "HOST_DEVICE", "auto_detect": True, "host_device": name}, state="CONNECTED")(
            simulator
        )
        machine(simulator, OFF).placement = machine(simulator, ON).placement

    return kind.error(
        "Connect", "ERROR", kind.request(ON), FAILED, "vmsg.ResourceInUse.summary", id="taken", setup=setup
    )


CASES: tuple[Success | ErrorCase, ...] = (
    *cdrom_successes(),
    *cdrom_errors(),
    *floppy_cases(),
    *serial_cases(),
    *parallel_cases(),
    *(case for kind in (CDROM, FLOPPY, SERIAL, PARALLEL) for case in (*shared_successes(kind), *shared_errors(kind))),
)
SUCCESSES = tuple(case for case in CASES if isinstance(case, Success))
ERRORS = tuple(case for case in CASES if isinstance(case, ErrorCase))
