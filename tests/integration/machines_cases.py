"""Virtual machines as a whole: finding them, power, policies, consoles, and the installer of the tools."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

from gateway.simulator import Fault, Simulator
from gateway.simulator.inventory import STORAGE_POLICIES
from gateway.simulator.machine import ToolsInstaller, VirtualMachine
from gateway.simulator.machines import Machines
from tests.integration.cases import ErrorCase, Json, Setup, Success

__all__ = ["ERRORS", "SUCCESSES"]

LIST, GET = "vcenter.v1.VmService/ListVms", "vcenter.v1.VmService/GetVm"
_POWER = "vcenter.vm.v1.PowerService"
GET_POWER, START, STOP = f"{_POWER}/GetPower", f"{_POWER}/StartVm", f"{_POWER}/StopVm"
SUSPEND, RESET = f"{_POWER}/SuspendVm", f"{_POWER}/ResetVm"
COMPUTE_POLICY = "vcenter.vm.compute.v1.PoliciesService/GetPolicy"
TICKET = "vcenter.vm.console.v1.TicketsService/CreateTicket"
GET_STORAGE = "vcenter.vm.storage.v1.PolicyService/GetPolicy"
UPDATE_STORAGE = "vcenter.vm.storage.v1.PolicyService/UpdatePolicy"
_INSTALLER = "vcenter.vm.tools.v1.InstallerService"
GET_INSTALLER, CONNECT, DISCONNECT = (f"{_INSTALLER}/{name}Installer" for name in ("Get", "Connect", "Disconnect"))

ON, OFF, SUSPENDED = "vm-1001", "vm-1002", "vm-1018"
WINDOWS, BUSY, INACCESSIBLE, TEMPLATE = "vm-1017", "vm-1019", "vm-1020", "vm-1021"
COMPLIANT, NOT_COMPLIANT = "7a1c1cb9-1b8a-4f2c-8f35-62a1c3f8a0d1", "c3f7d9a4-5c0e-4c57-9b5e-2f90b1d7e6a2"
POLICY, OTHER_POLICY = list(STORAGE_POLICIES)[:2]
LINUX_TOOLS = "[] /vmimages/tools-isoimages/linux.iso"
INVALID_POWER_STATE = "vmsg.InvalidPowerState.summary"
NO_SUCH_VM = "com.vmware.api.vcenter.vm.not_found"


def machine(simulator: Simulator, vm: str) -> VirtualMachine:
    return simulator.inventory.machines[vm]


def all_of(*steps: Setup) -> Setup:
    """Several setups one after the other."""

    def setup(simulator: Simulator) -> None:
        for step in steps:
            step(simulator)

    return setup


# --- VM ---------------------------------------------------------------------------------------------------------------


def listed(**filters: Any) -> Json:
    """A list request."""
    return filters


def names_are(*expected: str) -> Any:
    """The list consists of exactly these machines, in this order."""

    def check(response: Json, simulator: Simulator) -> None:
        assert [item["vm"] for item in response.get("vms", [])] == list(expected)

    return check


def matches(condition: Any) -> Any:
    """The list consists of exactly the machines that meet the condition, and of at least one."""

    def check(response: Json, simulator: Simulator) -> None:
        expected = [item.vm for item in simulator.inventory.machines.values() if not item.template and condition(item)]
        assert [item["vm"] for item in response["vms"]] == expected != []

    return check


def many(count: int) -> Setup:
    """An inventory of so many machines that lists show."""

    def setup(simulator: Simulator) -> None:
        model = machine(simulator, OFF)
        simulator.inventory.machines = Machines(
            {f"vm-{number}": replace(model, vm=f"vm-{number}", name=f"clone-{number}") for number in range(count)}
        )

    return setup


def list_cases() -> list[Success]:
    filters = {
        "vms": (["vm-1003", "vm-1001", "vm-1"], lambda item: item.vm in ("vm-1001", "vm-1003")),
        "names": (["web-0001", "db-0002"], lambda item: item.name in ("web-0001", "db-0002")),
        "folders": (["group-v22", "group-v31"], lambda item: item.placement.folder in ("group-v22", "group-v31")),
        "datacenters": (["datacenter-21"], lambda item: item.placement.datacenter == "datacenter-21"),
        "hosts": (["host-10", "host-29"], lambda item: item.placement.host in ("host-10", "host-29")),
        "clusters": (["domain-c8"], lambda item: item.placement.cluster == "domain-c8"),
        "resource_pools": (["resgroup-9"], lambda item: item.placement.resource_pool == "resgroup-9"),
        "power_states": (["SUSPENDED", "POWERED_OFF"], lambda item: item.power_state != "POWERED_ON"),
    }
    return [
        Success(id=f"by {name}", rpc=LIST, request=listed(**{name: values}), check=matches(condition))
        for name, (values, condition) in filters.items()
    ]


WEB_0001 = {
    "vm": ON,
    "name": "web-0001",
    "power_state": "POWER_STATE_POWERED_ON",
    "cpu_count": "2",
    "memory_size_mib": "4096",
}

FAILED_UPGRADE = {
    "version": "VMX_14",
    "upgrade_policy": "ALWAYS",
    "upgrade_version": "VMX_19",
    "upgrade_status": "FAILED",
    "upgrade_error": {"error_type": "ERROR", "messages": [{"id": "x", "default_message": "No space.", "args": []}]},
}


def upgrade_error_is_whole(response: Json, simulator: Simulator) -> None:
    """The error is there as vCenter sent it, in JSON."""
    assert response["vm"]["hardware"]["upgrade_status"] == "HARDWARE_UPGRADE_STATUS_FAILED"
    assert json.loads(response["vm"]["hardware"]["upgrade_error"]) == FAILED_UPGRADE["upgrade_error"]


VM_SUCCESSES = (
    Success(
        id="an upgrade of the hardware that failed",
        rpc=GET,
        request={"vm": ON},
        setup=lambda simulator: simulator.faults.add(
            Fault.answer({"hardware": FAILED_UPGRADE}), operation="com.vmware.vcenter.VM.get"
        ),
        check=upgrade_error_is_whole,
    ),
    Success(id="everything but templates", rpc=LIST, request={}, check=matches(lambda item: True)),
    *list_cases(),
    Success(
        id="all filters at once",
        rpc=LIST,
        request=listed(
            vms=[ON, OFF],
            names=["web-0001"],
            folders=["group-v4"],
            datacenters=["datacenter-3"],
            hosts=["host-10"],
            clusters=["domain-c8"],
            resource_pools=["resgroup-9"],
            power_states=["POWERED_ON"],
        ),
        response={"vms": [WEB_0001]},
    ),
    Success(
        id="filters that exclude each other",
        rpc=LIST,
        request=listed(vms=[ON], power_states=["POWERED_OFF"]),
        response={},
    ),
    Success(id="names are exact", rpc=LIST, request=listed(names=["WEB-0001", "web"]), response={}),
    Success(
        id="a standalone host has no cluster",
        rpc=LIST,
        request=listed(hosts=["host-29"], clusters=["domain-c8", "domain-c26", ""]),
        response={},
    ),
    Success(id="a template is not listed", rpc=LIST, request=listed(vms=[TEMPLATE]), response={}),
    Success(
        id="without what only the configuration tells",
        rpc=LIST,
        request=listed(vms=[INACCESSIBLE]),
        response={"vms": [{"vm": INACCESSIBLE, "name": "mail-0020", "power_state": "POWER_STATE_POWERED_ON"}]},
    ),
    Success(
        id="names that need encoding",
        rpc=LIST,
        request=listed(names=["ä & b=c+d/e?#%"]),
        setup=lambda simulator: simulator.inventory.machines.rename(machine(simulator, ON), "ä & b=c+d/e?#%"),
        check=names_are(ON),
    ),
    Success(
        id="as many as can be",
        rpc=LIST,
        request={},
        setup=many(4000),
        check=names_are(*(f"vm-{number}" for number in range(4000))),
    ),
    Success(
        id="narrowed down in a large inventory",
        rpc=LIST,
        request=listed(names=["clone-4100"]),
        setup=many(5000),
        check=names_are("vm-4100"),
    ),
)


def connection(state: str, *, start_connected: bool = False) -> dict[str, Any]:
    return {
        "state": f"CONNECTION_STATE_{state}",
        "start_connected": start_connected,
        "allow_guest_control": True,
    }


def ethernet(number: int, backing: Json, mac_address: str, *, connected: bool) -> dict[str, Any]:
    return {
        "label": f"Network adapter {number}",
        "type": "ETHERNET_EMULATION_TYPE_VMXNET3",
        "upt_compatibility_enabled": number > 1,
        "mac_type": "ETHERNET_MAC_ADDRESS_TYPE_ASSIGNED",
        "mac_address": mac_address,
        "pci_slot_number": str(160 + 32 * number),
        "wake_on_lan_enabled": True,
        "backing": backing,
        **connection("CONNECTED" if connected else "NOT_CONNECTED", start_connected=connected),
    }


def disk(number: int, file: str, gib: int) -> dict[str, Any]:
    return {
        "label": f"Hard disk {number}",
        "type": "DISK_HOST_BUS_ADAPTER_TYPE_SCSI",
        "scsi": {"bus": "0", "unit": str(number - 1)},
        "backing": {"type": "DISK_BACKING_TYPE_VMDK_FILE", "vmdk_file": file},
        "capacity": str(gib << 30),
    }


def everything(simulator: Simulator) -> dict[str, Any]:
    """The whole description of the first machine; what is drawn by lot is taken from the inventory."""
    first = machine(simulator, ON)
    return {
        "guest_os": "UBUNTU_64",
        "name": "web-0001",
        "identity": {"name": "web-0001", "bios_uuid": first.bios_uuid, "instance_uuid": first.instance_uuid},
        "power_state": "POWER_STATE_POWERED_ON",
        "instant_clone_frozen": False,
        "hardware": {
            "version": "VMX_19",
            "upgrade_policy": "HARDWARE_UPGRADE_POLICY_NEVER",
            "upgrade_status": "HARDWARE_UPGRADE_STATUS_NONE",
        },
        "boot": {
            "type": "BOOT_TYPE_BIOS",
            "delay": "0",
            "retry": False,
            "retry_delay": "10000",
            "enter_setup_mode": False,
        },
        "boot_devices": [
            {"type": "DEVICE_TYPE_DISK", "disks": ["2000"]},
            {"type": "DEVICE_TYPE_ETHERNET", "nic": "4000"},
        ],
        "cpu": {"count": "2", "cores_per_socket": "1", "hot_add_enabled": True, "hot_remove_enabled": False},
        "memory": {
            "size_mib": "4096",
            "hot_add_enabled": True,
            "hot_add_increment_size_mib": "128",
            "hot_add_limit_mib": "65536",
        },
        "disks": {
            "2000": disk(1, "[datastore1] web-0001/web-0001.vmdk", 16),
            "2001": disk(2, "[datastore1] web-0001/web-0001_1.vmdk", 40),
        },
        "nics": {
            "4000": ethernet(
                1,
                {
                    "type": "ETHERNET_BACKING_TYPE_STANDARD_PORTGROUP",
                    "network": "network-12",
                    "network_name": "VM Network",
                },
                "00:50:56:80:00:00",
                connected=True,
            ),
            "4001": ethernet(
                2,
                {
                    "type": "ETHERNET_BACKING_TYPE_DISTRIBUTED_PORTGROUP",
                    "network": "dvportgroup-17",
                    "distributed_switch_uuid": "50 2e 1d 4c 6b 8a 9f 70-12 3d 5e 6f 80 91 a2 b3",
                    "distributed_port": "0",
                    "connection_cookie": "1000000",
                },
                "00:50:56:80:00:01",
                connected=False,
            ),
        },
        "cdroms": {
            "16000": {
                "type": "CDROM_HOST_BUS_ADAPTER_TYPE_SATA",
                "label": "CD/DVD drive 1",
                "sata": {"bus": "0", "unit": "0"},
                "backing": {
                    "type": "CDROM_BACKING_TYPE_ISO_FILE",
                    "iso_file": "[datastore1] iso/ubuntu-22.04-live-server-amd64.iso",
                },
                **connection("NOT_CONNECTED"),
            },
            "3000": {
                "type": "CDROM_HOST_BUS_ADAPTER_TYPE_IDE",
                "label": "CD/DVD drive 2",
                "ide": {"primary": True, "master": True},
                "backing": {
                    "type": "CDROM_BACKING_TYPE_CLIENT_DEVICE",
                    "device_access_type": "CDROM_DEVICE_ACCESS_TYPE_PASSTHRU",
                },
                **connection("NOT_CONNECTED"),
            },
        },
        "floppies": {
            "8000": {
                "label": "Floppy drive 1",
                "backing": {"type": "FLOPPY_BACKING_TYPE_CLIENT_DEVICE"},
                **connection("NOT_CONNECTED"),
            }
        },
        "parallel_ports": {
            "10000": {
                "label": "Parallel port 1",
                "backing": {"type": "PARALLEL_BACKING_TYPE_FILE", "file": "[datastore1] web-0001/parallel.out"},
                **connection("NOT_CONNECTED"),
            }
        },
        "serial_ports": {
            "9000": {
                "label": "Serial port 1",
                "yield_on_poll": True,
                "backing": {"type": "SERIAL_BACKING_TYPE_NETWORK_SERVER", "network_location": "telnet://:20000"},
                **connection("NOT_CONNECTED"),
            }
        },
        "sata_adapters": {
            "15000": {"label": "SATA controller 0", "type": "SATA_TYPE_AHCI", "bus": "0", "pci_slot_number": "33"}
        },
        "scsi_adapters": {
            "1000": {
                "label": "SCSI controller 0",
                "type": "SCSI_TYPE_PVSCSI",
                "scsi": {"bus": "0", "unit": "7"},
                "pci_slot_number": "160",
                "sharing": "SCSI_SHARING_NONE",
            }
        },
    }


def is_everything(response: Any, simulator: Simulator) -> None:
    assert response["vm"] == everything(simulator)


def has_other_hardware(response: Any, simulator: Simulator) -> None:
    vm = response["vm"]
    assert vm["boot"]["type"] == "BOOT_TYPE_EFI"
    assert (vm["boot"]["efi_legacy_boot"], vm["boot"]["network_protocol"]) == (False, "BOOT_NETWORK_PROTOCOL_IPV4")
    assert vm["guest_os"] == "WINDOWS_SERVER_2019"


def has_nvme(response: Any, simulator: Simulator) -> None:
    vm = response["vm"]
    assert vm["nvme_adapters"] == {"31000": {"label": "NVME controller 0", "bus": "0", "pci_slot_number": "40"}}
    assert vm["disks"]["32000"]["nvme"] == {"bus": "0", "unit": "0"}


def has_ide(response: Any, simulator: Simulator) -> None:
    assert response["vm"]["disks"]["3001"]["ide"] == {"primary": True, "master": False}


def has_no_devices(response: Any, simulator: Simulator) -> None:
    """Empty maps are not printed; boot devices as well."""
    for name in ("disks", "nics", "cdroms", "floppies", "parallel_ports", "serial_ports", "boot_devices"):
        assert name not in response["vm"]


def strip(vm: str) -> Setup:
    """Takes all devices out of a machine."""

    def setup(simulator: Simulator) -> None:
        target = machine(simulator, vm)
        for devices in (target.disks, target.nics, target.cdroms, target.floppies):
            devices.clear()
        target.parallel_ports.clear()
        target.serial_ports.clear()
        target.boot_devices.clear()

    return setup


GET_SUCCESSES = (
    Success(id="everything", rpc=GET, request={"vm": ON}, check=is_everything),
    Success(id="EFI", rpc=GET, request={"vm": WINDOWS}, check=has_other_hardware),
    Success(id="disk on NVMe", rpc=GET, request={"vm": "vm-1007"}, check=has_nvme),
    Success(id="disk on IDE", rpc=GET, request={"vm": "vm-1004"}, check=has_ide),
    Success(id="no devices at all", rpc=GET, request={"vm": OFF}, setup=strip(OFF), check=has_no_devices),
)

VM_ERRORS = (
    ErrorCase(
        rpc=LIST,
        error="INVALID_ARGUMENT",
        request=listed(power_states=["POWERED_ON", "HALF_POWERED"]),
        messages=("vapi.bindings.typeconverter.enum.unknown.value",),
    ),
    ErrorCase(
        rpc=LIST,
        error="UNABLE_TO_ALLOCATE_RESOURCE",
        request={},
        setup=many(4001),
        messages=("com.vmware.api.vcenter.vm.too_many_matches",),
    ),
)


# --- Power ------------------------------------------------------------------------------------------------------------


def state_is(vm: str, state: str) -> Any:
    def check(response: Json, simulator: Simulator) -> None:
        assert response == {}
        assert machine(simulator, vm).power_state == state

    return check


def started_with_devices(response: Json, simulator: Simulator) -> None:
    target = machine(simulator, OFF)
    assert target.power_state == "POWERED_ON"
    assert {key: nic.state for key, nic in target.nics.items()} == {"4000": "CONNECTED", "4001": "NOT_CONNECTED"}


def stopped_hard(response: Json, simulator: Simulator) -> None:
    target = machine(simulator, ON)
    assert (target.power_state, target.clean_power_off) == ("POWERED_OFF", False)
    assert {device.state for device in target.connectable()} == {"NOT_CONNECTED"}


def reset_and_out_of_setup(response: Json, simulator: Simulator) -> None:
    target = machine(simulator, ON)
    assert (target.power_state, target.boot.enter_setup_mode) == ("POWERED_ON", False)
    assert target.nics["4000"].state == "CONNECTED"


def power(vm: str, state: Any, *, clean: bool = False) -> Setup:
    """Brings a machine into a power state."""
    return lambda simulator: machine(simulator, vm).set_power_state(state, simulator.options.clock(), clean=clean)


def share_disk(simulator: Simulator) -> None:
    """A disk of the running machine is attached to the one that is off, too."""
    file = machine(simulator, ON).disks["2000"].vmdk_file
    other = machine(simulator, OFF).disks
    other["2002"] = replace(other["2001"], label="Hard disk 3", vmdk_file=file)


def memory(vm: str, size_mib: int) -> Setup:
    return lambda simulator: setattr(machine(simulator, vm).memory, "size_mib", size_mib)


POWER_SUCCESSES = (
    Success(id="on", rpc=GET_POWER, request={"vm": ON}, response={"power": {"state": "POWER_STATE_POWERED_ON"}}),
    Success(
        id="off after a clean shutdown",
        rpc=GET_POWER,
        request={"vm": OFF},
        response={"power": {"state": "POWER_STATE_POWERED_OFF", "clean_power_off": True}},
    ),
    Success(
        id="off by force",
        rpc=GET_POWER,
        request={"vm": ON},
        setup=power(ON, "POWERED_OFF"),
        response={"power": {"state": "POWER_STATE_POWERED_OFF", "clean_power_off": False}},
    ),
    Success(
        id="suspended",
        rpc=GET_POWER,
        request={"vm": SUSPENDED},
        response={"power": {"state": "POWER_STATE_SUSPENDED"}},
    ),
    Success(id="off", rpc=START, request={"vm": OFF}, check=started_with_devices),
    Success(id="resumed", rpc=START, request={"vm": SUSPENDED}, check=state_is(SUSPENDED, "POWERED_ON")),
    Success(
        id="disk of a machine that is off",
        rpc=START,
        request={"vm": OFF},
        setup=all_of(share_disk, power(ON, "POWERED_OFF")),
        check=state_is(OFF, "POWERED_ON"),
    ),
    Success(
        id="the last of the memory",
        rpc=START,
        request={"vm": OFF},
        setup=lambda simulator: memory(
            OFF, simulator.inventory.host_memory_mib["host-13"] - simulator.inventory.usage.memory_mib("host-13")
        )(simulator),
        check=state_is(OFF, "POWERED_ON"),
    ),
    Success(id="on", rpc=STOP, request={"vm": ON}, check=stopped_hard),
    Success(id="suspended", rpc=STOP, request={"vm": SUSPENDED}, check=state_is(SUSPENDED, "POWERED_OFF")),
    Success(id="inaccessible", rpc=STOP, request={"vm": INACCESSIBLE}, check=state_is(INACCESSIBLE, "POWERED_OFF")),
    Success(id="on", rpc=SUSPEND, request={"vm": ON}, check=state_is(ON, "SUSPENDED")),
    Success(
        id="on",
        rpc=RESET,
        request={"vm": ON},
        setup=lambda simulator: setattr(machine(simulator, ON).boot, "enter_setup_mode", True),
        check=reset_and_out_of_setup,
    ),
)

_POWER_MESSAGE = "com.vmware.api.vcenter.vm.power"
POWER_ERRORS = (
    ErrorCase(
        rpc=START,
        error="ALREADY_IN_DESIRED_STATE",
        request={"vm": ON},
        messages=(f"{_POWER_MESSAGE}.already_powered_on", INVALID_POWER_STATE),
    ),
    ErrorCase(rpc=START, error="UNSUPPORTED", request={"vm": TEMPLATE}, messages=("vmsg.NotSupported.summary",)),
    ErrorCase(
        rpc=START,
        error="UNABLE_TO_ALLOCATE_RESOURCE",
        request={"vm": OFF},
        setup=memory(OFF, 1 << 20),
        messages=("vmsg.InsufficientMemoryResourcesFault.summary",),
        id="host",
    ),
    ErrorCase(
        rpc=START,
        error="UNABLE_TO_ALLOCATE_RESOURCE",
        request={"vm": SUSPENDED},
        setup=memory(SUSPENDED, 1 << 20),
        messages=("vmsg.InsufficientMemoryResourcesFault.summary",),
        id="resume",
    ),
    ErrorCase(
        rpc=START,
        error="RESOURCE_IN_USE",
        request={"vm": OFF},
        setup=share_disk,
        messages=("vmsg.FileLocked.summary",),
    ),
    ErrorCase(
        rpc=STOP,
        error="ALREADY_IN_DESIRED_STATE",
        request={"vm": OFF},
        messages=(f"{_POWER_MESSAGE}.already_powered_off", INVALID_POWER_STATE),
    ),
    ErrorCase(
        rpc=SUSPEND,
        error="ALREADY_IN_DESIRED_STATE",
        request={"vm": SUSPENDED},
        messages=(f"{_POWER_MESSAGE}.already_suspended", INVALID_POWER_STATE),
    ),
    ErrorCase(
        rpc=SUSPEND,
        error="NOT_ALLOWED_IN_CURRENT_STATE",
        request={"vm": OFF},
        messages=(f"{_POWER_MESSAGE}.not_powered_on", INVALID_POWER_STATE),
    ),
    *(
        ErrorCase(
            rpc=RESET,
            error="NOT_ALLOWED_IN_CURRENT_STATE",
            request={"vm": vm},
            messages=(f"{_POWER_MESSAGE}.not_powered_on", INVALID_POWER_STATE),
            id=state,
        )
        for vm, state in ((OFF, "off"), (SUSPENDED, "suspended"))
    ),
)


# --- Compute policies -------------------------------------------------------------------------------------------------


def attached_policy(simulator: Simulator) -> None:
    machine(simulator, INACCESSIBLE).compute_policies[COMPLIANT] = "COMPLIANT"


def compliance(status: str, vm: str, policy: str, setup: Setup | None = None) -> Success:
    return Success(
        setup=setup,
        id=status.lower(),
        rpc=COMPUTE_POLICY,
        request={"vm": vm, "policy": policy},
        response={"policy": {"status": f"OBJECT_COMPLIANCE_{status}"}},
    )


COMPUTE_SUCCESSES = (
    compliance("COMPLIANT", ON, COMPLIANT),
    compliance("NOT_COMPLIANT", ON, NOT_COMPLIANT),
    compliance("NOT_APPLICABLE", OFF, COMPLIANT),
    compliance("UNKNOWN", INACCESSIBLE, COMPLIANT, attached_policy),
)

COMPUTE_ERRORS = (
    ErrorCase(
        rpc=COMPUTE_POLICY,
        error="NOT_FOUND",
        request={"vm": ON, "policy": "no/such policy"},
        messages=("com.vmware.api.vcenter.compute_policy.not_found",),
        id="policy",
    ),
)


# --- Console tickets --------------------------------------------------------------------------------------------------


def ticket(kind: str) -> Json:
    return {"type": f"TICKETS_TYPE_{kind}"}


def ticket_matches(pattern: str) -> Any:
    def check(response: Any, simulator: Simulator) -> None:
        assert re.fullmatch(pattern, response["ticket"]["ticket"])

    return check


VMRC = r"vmrc://clone:cst-VCT-[0-9a-f]{32}@vcenter\.vsphere\.local:443/\?moid=%s"
TICKET_SUCCESSES = (
    Success(id="VMRC", rpc=TICKET, request={"vm": ON, "spec": ticket("VMRC")}, check=ticket_matches(VMRC % ON)),
    Success(id="VMRC off", rpc=TICKET, request={"vm": OFF, "spec": ticket("VMRC")}, check=ticket_matches(VMRC % OFF)),
    Success(
        id="WEBMKS",
        rpc=TICKET,
        request={"vm": ON, "spec": ticket("WEBMKS")},
        check=ticket_matches(r"wss://host-10\.vsphere\.local:443/ticket/[0-9a-f]{16}"),
    ),
)

TICKET_ERRORS = (
    ErrorCase(
        rpc=TICKET,
        error="INVALID_ARGUMENT",
        request={"vm": ON, "spec": ticket("WEBMKS")},
        setup=lambda simulator: simulator.inventory.console_ticket_types.discard("WEBMKS"),
        messages=("com.vmware.api.vcenter.vm.console.tickets.unsupported_type",),
    ),
    *(
        ErrorCase(
            rpc=TICKET,
            error="NOT_ALLOWED_IN_CURRENT_STATE",
            request={"vm": vm, "spec": ticket("WEBMKS")},
            messages=("com.vmware.api.vcenter.vm.console.tickets.not_allowed_in_current_state", INVALID_POWER_STATE),
            id=state,
        )
        for vm, state in ((OFF, "off"), (SUSPENDED, "suspended"))
    ),
)


# --- Storage policies -------------------------------------------------------------------------------------------------


def specified(policy: str, kind: str = "DISK") -> Json:
    return {"type": f"POLICY_{kind}_POLICY_TYPE_USE_SPECIFIED_POLICY", "policy": policy}


def default(kind: str = "DISK") -> Json:
    return {"type": f"POLICY_{kind}_POLICY_TYPE_USE_DEFAULT_POLICY"}


def policies(vm: str, home: str | None, **disks: str | None) -> Setup:
    """Gives a machine policies; disks are named `d2000`."""

    def setup(simulator: Simulator) -> None:
        target = machine(simulator, vm)
        target.home_storage_policy = home
        for key, policy in disks.items():
            target.disks[key.removeprefix("d")].storage_policy = policy

    return setup


def policies_are(vm: str, home: str | None, **disks: str | None) -> Any:
    def check(response: Json, simulator: Simulator) -> None:
        assert response == {}
        target = machine(simulator, vm)
        assert target.home_storage_policy == home
        assert {f"d{key}": item.storage_policy for key, item in target.disks.items()} == disks

    return check


def odd_disk(simulator: Simulator) -> None:
    """A disk with an identifier that newer releases might give."""
    disks = machine(simulator, ON).disks
    disks["nvme:0/1 ü%"] = replace(disks["2000"], storage_policy=POLICY)
    disks["2000"].storage_policy = None
    machine(simulator, ON).home_storage_policy = None


BEFORE = policies(ON, OTHER_POLICY, d2000=POLICY, d2001=None)


def update(id: str, spec: Json, home: str | None, **disks: str | None) -> Success:  # noqa: A002 - as in Success
    return Success(
        id=id,
        rpc=UPDATE_STORAGE,
        request={"vm": ON, "spec": spec},
        setup=BEFORE,
        check=policies_are(ON, home, **disks),
    )


STORAGE_SUCCESSES = (
    Success(
        id="home and disks",
        rpc=GET_STORAGE,
        request={"vm": ON},
        setup=policies(ON, OTHER_POLICY, d2000=POLICY, d2001=None),
        response={"policy": {"vm_home": OTHER_POLICY, "disks": {"2000": POLICY}}},
    ),
    Success(
        id="none at all",
        rpc=GET_STORAGE,
        request={"vm": ON},
        setup=policies(ON, None, d2000=None, d2001=None),
        response={"policy": {}},
    ),
    Success(
        id="odd keys",
        rpc=GET_STORAGE,
        request={"vm": ON},
        setup=all_of(policies(ON, None, d2000=None, d2001=None), odd_disk),
        response={"policy": {"disks": {"nvme:0/1 ü%": POLICY}}},
    ),
    update("home", {"vm_home": specified(POLICY, "VM_HOME")}, POLICY, d2000=POLICY, d2001=None),
    update("home by default", {"vm_home": default("VM_HOME")}, None, d2000=POLICY, d2001=None),
    update("a disk", {"disks": {"2001": specified(OTHER_POLICY)}}, OTHER_POLICY, d2000=POLICY, d2001=OTHER_POLICY),
    update("a disk by default", {"disks": {"2000": default()}}, OTHER_POLICY, d2000=None, d2001=None),
    update(
        "everything",
        {
            "vm_home": specified(POLICY, "VM_HOME"),
            "disks": {"2000": specified(OTHER_POLICY), "2001": specified(POLICY)},
        },
        POLICY,
        d2000=OTHER_POLICY,
        d2001=POLICY,
    ),
    update("nothing", {}, OTHER_POLICY, d2000=POLICY, d2001=None),
    Success(
        id="a disk with an odd key",
        rpc=UPDATE_STORAGE,
        request={"vm": ON, "spec": {"disks": {"nvme:0/1 ü%": default()}}},
        setup=odd_disk,
        check=lambda response, simulator: policies_are(
            ON, None, d2000=None, d2001=machine(simulator, ON).disks["2001"].storage_policy, **{"dnvme:0/1 ü%": None}
        )(response, simulator),
    ),
)


def invalid_policy(id: str, spec: Json, message: str) -> ErrorCase:  # noqa: A002 - as in ErrorCase
    return ErrorCase(
        rpc=UPDATE_STORAGE,
        error="INVALID_ARGUMENT",
        request={"vm": ON, "spec": spec},
        messages=(f"com.vmware.api.vcenter.vm.storage.policy.{message}",),
        id=id,
    )


STORAGE_ERRORS = (
    # These operations document no NOT_FOUND.
    ErrorCase(rpc=GET_STORAGE, error="ERROR", request={"vm": "vm-9"}, messages=(NO_SUCH_VM,), id="no such machine"),
    ErrorCase(
        rpc=UPDATE_STORAGE,
        error="ERROR",
        request={"vm": "vm-9", "spec": {}},
        messages=(NO_SUCH_VM,),
        id="no such machine",
    ),
    invalid_policy("home", {"vm_home": specified("nothing", "VM_HOME")}, "invalid_policy"),
    invalid_policy("disk policy", {"disks": {"2000": specified("nothing")}}, "invalid_policy"),
    invalid_policy("disk", {"disks": {"2009": specified(POLICY)}}, "invalid_disk"),
)


# --- Tools installer --------------------------------------------------------------------------------------------------


def installer_in(vm: str, cdrom: str, image: str) -> Any:
    def check(response: Json, simulator: Simulator) -> None:
        assert response == {}
        drive = machine(simulator, vm).cdroms[cdrom]
        assert (drive.backing, drive.state) == ({"type": "ISO_FILE", "iso_file": image}, "CONNECTED")

    return check


def connected_installer(simulator: Simulator) -> None:
    """The installer is in the drive, as after `connect`."""
    target = machine(simulator, ON)
    drive = target.cdroms["16000"]
    target.tools_installer = ToolsInstaller("16000", LINUX_TOOLS, drive.backing, drive.state)
    drive.backing, drive.state = {"type": "ISO_FILE", "iso_file": LINUX_TOOLS}, "CONNECTED"


def drive_as_before(response: Json, simulator: Simulator) -> None:
    assert response == {}
    drive = machine(simulator, ON).cdroms["16000"]
    assert drive.backing["iso_file"] == "[datastore1] iso/ubuntu-22.04-live-server-amd64.iso"
    assert drive.state == "NOT_CONNECTED"


def first_drive_connected(simulator: Simulator) -> None:
    machine(simulator, ON).cdroms["16000"].state = "CONNECTED"


INSTALLER_SUCCESSES = (
    Success(id="not connected", rpc=GET_INSTALLER, request={"vm": ON}, response={"installer": {"is_connected": False}}),
    Success(
        id="connected",
        rpc=GET_INSTALLER,
        request={"vm": ON},
        setup=connected_installer,
        response={"installer": {"is_connected": True}},
    ),
    Success(id="Linux", rpc=CONNECT, request={"vm": ON}, check=installer_in(ON, "16000", LINUX_TOOLS)),
    Success(
        id="into a free drive",
        rpc=CONNECT,
        request={"vm": ON},
        setup=first_drive_connected,
        check=installer_in(ON, "3000", LINUX_TOOLS),
    ),
    Success(
        id="Windows",
        rpc=CONNECT,
        request={"vm": WINDOWS},
        check=installer_in(WINDOWS, "16000", "[] /vmimages/tools-isoimages/windows.iso"),
    ),
    Success(id="connected", rpc=DISCONNECT, request={"vm": ON}, setup=connected_installer, check=drive_as_before),
    Success(id="not connected", rpc=DISCONNECT, request={"vm": ON}, check=drive_as_before),
)

_INSTALLER_MESSAGE = "com.vmware.api.vcenter.vm.tools.installer"
INSTALLER_ERRORS = (
    *(
        ErrorCase(
            rpc=rpc,
            error="NOT_ALLOWED_IN_CURRENT_STATE",
            request={"vm": vm},
            messages=(f"{_INSTALLER_MESSAGE}.not_powered_on", INVALID_POWER_STATE),
            id=state,
        )
        for rpc in (CONNECT, DISCONNECT)
        for vm, state in ((OFF, "off"), (SUSPENDED, "suspended"))
    ),
    ErrorCase(
        rpc=CONNECT,
        error="ALREADY_IN_DESIRED_STATE",
        request={"vm": ON},
        setup=connected_installer,
        messages=(f"{_INSTALLER_MESSAGE}.already_connected",),
    ),
    ErrorCase(
        rpc=CONNECT,
        error="ERROR",
        request={"vm": ON},
        setup=lambda simulator: machine(simulator, ON).cdroms.clear(),
        messages=(f"{_INSTALLER_MESSAGE}.no_cdrom",),
        id="no CD-ROM",
    ),
    ErrorCase(
        rpc=CONNECT,
        error="ERROR",
        request={"vm": ON},
        setup=lambda simulator: setattr(machine(simulator, ON), "guest_os", "OTHER_64"),
        messages=("vmsg.ToolsImageNotAvailable.summary",),
        id="no tools for the guest",
    ),
)


SUCCESSES = (
    *VM_SUCCESSES,
    *GET_SUCCESSES,
    *POWER_SUCCESSES,
    *COMPUTE_SUCCESSES,
    *TICKET_SUCCESSES,
    *STORAGE_SUCCESSES,
    *INSTALLER_SUCCESSES,
)
ERRORS = (*VM_ERRORS, *POWER_ERRORS, *COMPUTE_ERRORS, *TICKET_ERRORS, *STORAGE_ERRORS, *INSTALLER_ERRORS)
