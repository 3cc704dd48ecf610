"""What a guest's tools report, and what vCenter knows about the guest without them."""

from typing import Any

from gateway.simulator.guest_network import Interface, interfaces_of
from gateway.simulator.guest_systems import full_name_of, guest_id_of
from gateway.simulator.machine import VirtualMachine
from gateway.simulator.vim.structures import Member, Structure, array, constant, names, string
from gateway.simulator.vim.values import Data, Long

__all__ = ["GUEST", "GUEST_ID", "GUEST_NAME", "NAMES_IN_GUEST", "TOOLS", "host_name", "is_accessible"]

_TOOLS_VERSIONS = {
    "UNMANAGED": "guestToolsUnmanaged",
    "CURRENT": "guestToolsCurrent",
    "SUPPORTED_OLD": "guestToolsSupportedOld",
    "SUPPORTED_NEW": "guestToolsSupportedNew",
}


_FAMILIES = {"WINDOWS": "windowsGuest", "LINUX": "linuxGuest", "NETWARE": "netwareGuest", "SOLARIS": "solarisGuest",
             "DARWIN": "darwinGuestFamily", "OTHER": "otherGuestFamily"}  # fmt: skip


_TOOLS_TYPES = {"MSI": "guestToolsTypeMSI", "TAR": "guestToolsTypeTar", "OPEN_VM_TOOLS": "guestToolsTypeOpenVMTools"}


def is_accessible(machine: VirtualMachine, world: Any) -> bool:
    return not machine.inaccessible


def _running(machine: VirtualMachine, world: Any) -> bool:
    return machine.guest.reports and machine.guest.tools_running(world.now)


def _tools_status(machine: VirtualMachine, world: Any) -> str:
    if not machine.guest.tools_installed:
        return "toolsNotInstalled"
    if not machine.guest.tools_running(world.now):
        return "toolsNotRunning"
    return "toolsOld" if machine.guest.tools.version_status == "SUPPORTED_OLD" else "toolsOk"


def _tools_version(machine: VirtualMachine, world: Any) -> str:
    if not machine.guest.tools_installed:
        return "guestToolsNotInstalled"
    return _TOOLS_VERSIONS[machine.guest.tools.version_status]


def _guest_state(machine: VirtualMachine, world: Any) -> str:
    guest = machine.guest
    if machine.power_state == "SUSPENDED" and guest.request == "STANDBY":
        return "standby"
    if machine.power_state != "POWERED_ON":
        return "notRunning"
    if guest.request in ("SHUTDOWN", "REBOOT"):
        return "shuttingDown" if guest.request == "SHUTDOWN" else "resetting"
    return "running" if guest.tools_running(world.now) else "unknown"


def _nets(machine: VirtualMachine, world: Any) -> list[Data]:
    if not _running(machine, world):
        return []
    return [_net(machine, interface, world) for interface in interfaces_of(machine)]


def _net(machine: VirtualMachine, interface: Interface, world: Any) -> Data:
    addresses = interface.to_json()
    return Data(
        "GuestNicInfo",
        network=world.network_name(machine.nics[interface.nic].backing.get("network")),
        ipAddress=[item["ip_address"] for item in addresses],
        macAddress=interface.mac_address,
        connected=interface.up,
        deviceConfigId=int(interface.nic),
        ipConfig=Data(
            "NetIpConfigInfo",
            ipAddress=[
                Data(
                    "NetIpConfigInfoIpAddress",
                    ipAddress=item["ip_address"],
                    prefixLength=item["prefix_length"],
                    origin=item["origin"].lower(),
                    state=item["state"].lower(),
                )
                for item in addresses
            ],
        ),
    )


def _disks(machine: VirtualMachine, world: Any) -> list[Data]:
    if not _running(machine, world):
        return []
    return [
        Data(
            "GuestDiskInfo",
            diskPath=path,
            capacity=Long(mount.capacity),
            freeSpace=Long(mount.free_space),
            filesystemType=mount.filesystem,
        )
        for path, mount in machine.guest.mounts.items()
    ]


def _if_running(get: Any) -> Any:
    return lambda machine, world: get(machine) if _running(machine, world) else None


def host_name(machine: VirtualMachine) -> str:
    """A guest's own name, with its domain."""
    guest = machine.guest
    return f"{guest.host_name}.{guest.domain}" if guest.domain else guest.host_name


GUEST_ID = string(lambda machine: guest_id_of(machine.guest_os))


GUEST_NAME = string(lambda machine: full_name_of(machine.guest_os)[1])


TOOLS = {
    "toolsStatus": Member("VirtualMachineToolsStatus", _tools_status),
    "toolsVersionStatus": Member("xsd:string", _tools_version),
    "toolsVersionStatus2": Member("xsd:string", _tools_version),
    "toolsRunningStatus": Member(
        "xsd:string",
        lambda machine, world: (
            "guestToolsRunning" if machine.guest.tools_running(world.now) else "guestToolsNotRunning"
        ),
    ),
}


NAMES_IN_GUEST = {
    "hostName": Member("xsd:string", _if_running(host_name)),
    "ipAddress": Member("xsd:string", _if_running(lambda machine: machine.guest.ip_address)),
}


GUEST = Structure(
    "GuestInfo",
    {
        **TOOLS,
        "toolsVersion": string(
            lambda machine: str(machine.guest.tools.version if machine.guest.tools_installed else 0)
        ),
        "toolsInstallType": string(
            lambda machine: _TOOLS_TYPES.get(machine.guest.tools.install_type, "guestToolsTypeUnknown")
        ),
        "guestId": Member("xsd:string", _if_running(lambda machine: guest_id_of(machine.guest_os))),
        "guestFamily": Member("xsd:string", _if_running(lambda machine: _FAMILIES[machine.guest.family])),
        "guestFullName": Member("xsd:string", _if_running(lambda machine: full_name_of(machine.guest_os)[1])),
        **NAMES_IN_GUEST,
        "net": array("GuestNicInfo", _nets),
        "disk": array("GuestDiskInfo", _disks),
        "guestState": Member("xsd:string", _guest_state),
        "appHeartbeatStatus": constant("xsd:string", "appStatusGray"),
        "guestOperationsReady": Member("xsd:boolean", lambda machine, world: machine.guest.tools_running(world.now)),
        "interactiveGuestOperationsReady": Member(
            "xsd:boolean",
            lambda machine, world: machine.guest.desktop_user is not None and machine.guest.tools_running(world.now),
        ),
        "guestStateChangeSupported": Member(
            "xsd:boolean", lambda machine, world: machine.guest.tools_running(world.now)
        ),
    },
    names(
        "guestRebootStatus guestDetailedData ipStack screen guestKernelCrashed appState generationInfo hwVersion "
        "customizationInfo"
    ),
    when=is_accessible,
)
