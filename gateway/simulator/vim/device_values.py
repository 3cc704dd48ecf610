"""The virtual hardware of a machine in the form of the VIM API: one list of devices, including controllers."""

from collections.abc import Iterator, Mapping
from typing import Any

from gateway.simulator.machine import Address, Device, Disk, Nic, SerialPort, VirtualMachine
from gateway.simulator.vim.values import Data, Long, Ref, Typed

__all__ = ["devices_of"]

_SCSI = {
    "PVSCSI": "ParaVirtualSCSIController",
    "LSILOGIC": "VirtualLsiLogicController",
    "LSILOGICSAS": "VirtualLsiLogicSASController",
    "BUSLOGIC": "VirtualBusLogicController",
}
_SHARING = {"NONE": "noSharing", "VIRTUAL": "virtualSharing", "PHYSICAL": "physicalSharing"}
_NICS = {
    "E1000": "VirtualE1000",
    "E1000E": "VirtualE1000e",
    "PCNET32": "VirtualPCNet32",
    "VMXNET": "VirtualVmxnet",
    "VMXNET2": "VirtualVmxnet2",
    "VMXNET3": "VirtualVmxnet3",
}
_STATES = {"CONNECTED": "ok", "RECOVERABLE_ERROR": "recoverableError", "UNRECOVERABLE_ERROR": "unrecoverableError"}
_FIRST_CONTROLLERS = {"IDE": 200, "SCSI": 1000, "SATA": 15000, "NVME": 31000}
_PCI = 100
_SIO = 400


def devices_of(machine: VirtualMachine, world: Any) -> list[Typed]:
    """All devices, in the order of their keys."""
    found = [*_controllers(machine), *_disks(machine, world), *_nics(machine), *_drives(machine, world)]
    found += _ports(machine, world)
    return [Typed(device) for device in sorted(found, key=lambda device: int(device["key"]))]


def _controllers(machine: VirtualMachine) -> Iterator[Data]:
    for key, kind, label, bus in (
        (100, "VirtualPCIController", "PCI controller 0", 0),
        (200, "VirtualIDEController", "IDE 0", 0),
        (201, "VirtualIDEController", "IDE 1", 1),
        (300, "VirtualPS2Controller", "PS2 controller 0", 0),
        (400, "VirtualSIOController", "SIO controller 0", 0),
    ):
        yield Data(kind, key=key, deviceInfo=_described(label, label), busNumber=bus)
    for name, scsi in machine.scsi_adapters.items():
        label = f"SCSI controller {scsi.bus}"
        yield Data(
            _SCSI.get(scsi.type, "VirtualLsiLogicController"),
            key=int(name),
            deviceInfo=_described(label, scsi.type),
            controllerKey=_PCI,
            busNumber=scsi.bus,
            hotAddRemove=True,
            sharedBus=_SHARING.get(scsi.sharing, "noSharing"),
            scsiCtlrUnitNumber=7,
        )
    for kind, adapters in (("AHCI", machine.sata_adapters), ("NVME", machine.nvme_adapters)):
        for name, bus in adapters.items():
            label = f"{'SATA' if kind == 'AHCI' else 'NVME'} controller {bus}"
            yield Data(f"Virtual{kind}Controller", key=int(name), deviceInfo=_described(label, kind),
                       controllerKey=_PCI, busNumber=bus)  # fmt: skip


def _disks(machine: VirtualMachine, world: Any) -> Iterator[Data]:
    for key, disk in machine.disks.items():
        yield Data(
            "VirtualDisk",
            key=int(key),
            deviceInfo=_described(disk.label, f"{disk.capacity >> 10:,} KB"),
            backing=Typed(_disk_backing(disk, world)),
            **_place(disk.address),
            capacityInKB=Long(disk.capacity >> 10),
            capacityInBytes=Long(disk.capacity),
        )


def _disk_backing(disk: Disk, world: Any) -> Data:
    return Data(
        "VirtualDiskFlatVer2BackingInfo",
        fileName=disk.vmdk_file,
        datastore=world.datastore_of(disk.vmdk_file),
        diskMode="persistent",
        thinProvisioned=True,
    )


def _nics(machine: VirtualMachine) -> Iterator[Data]:
    for position, (key, nic) in enumerate(machine.nics.items()):
        yield Data(
            _NICS.get(nic.type, "VirtualVmxnet3"),
            key=int(key),
            deviceInfo=_described(nic.label, str(nic.backing.get("network_name") or nic.backing.get("network") or "")),
            backing=_nic_backing(nic),
            connectable=_connection(nic),
            controllerKey=_PCI,
            unitNumber=7 + position,
            addressType=nic.mac_type.lower(),
            macAddress=nic.mac_address,
            wakeOnLanEnabled=nic.wake_on_lan_enabled,
        )


def _nic_backing(nic: Nic) -> Typed:
    backing = nic.backing
    match backing["type"]:
        case "DISTRIBUTED_PORTGROUP":
            port = Data(
                "DistributedVirtualSwitchPortConnection",
                switchUuid=backing.get("distributed_switch_uuid"),
                portgroupKey=backing.get("network"),
                portKey=backing.get("distributed_port"),
                connectionCookie=backing.get("connection_cookie"),
            )
            return Typed(Data("VirtualEthernetCardDistributedVirtualPortBackingInfo", port=port))
        case "OPAQUE_NETWORK":
            return Typed(
                Data(
                    "VirtualEthernetCardOpaqueNetworkBackingInfo",
                    opaqueNetworkId=backing.get("opaque_network_id"),
                    opaqueNetworkType=backing.get("opaque_network_type"),
                )
            )
        case _:
            network = backing.get("network")
            return Typed(
                Data(
                    "VirtualEthernetCardNetworkBackingInfo",
                    deviceName=backing.get("network_name") or backing.get("host_device") or "",
                    useAutoDetect=False,
                    network=None if network is None else Ref("Network", network),
                )
            )


def _drives(machine: VirtualMachine, world: Any) -> Iterator[Data]:
    for key, cdrom in machine.cdroms.items():
        backing = _file_backing("VirtualCdromIso", cdrom.backing.get("iso_file"), world)
        yield _device("VirtualCdrom", key, cdrom, backing or _other_backing("VirtualCdrom", cdrom.backing),
                      **_place(cdrom.address))  # fmt: skip
    for position, (key, floppy) in enumerate(machine.floppies.items()):
        backing = _file_backing("VirtualFloppyImage", floppy.backing.get("image_file"), world)
        yield _device("VirtualFloppy", key, floppy, backing or _other_backing("VirtualFloppy", floppy.backing),
                      controllerKey=_SIO, unitNumber=position)  # fmt: skip


def _ports(machine: VirtualMachine, world: Any) -> Iterator[Data]:
    ports: dict[str, Mapping[str, Device]] = {
        "VirtualSerialPort": machine.serial_ports,
        "VirtualParallelPort": machine.parallel_ports,
    }
    for kind, devices in ports.items():
        for position, (key, port) in enumerate(devices.items()):
            backing = _file_backing(f"{kind}File", port.backing.get("file"), world)
            more = {"yieldOnPoll": port.yield_on_poll} if isinstance(port, SerialPort) else {}
            yield _device(kind, key, port, backing or _other_backing(kind, port.backing),
                          controllerKey=_SIO, unitNumber=position, **more)  # fmt: skip


def _device(kind: str, key: str, device: Device, backing: Data, **more: Any) -> Data:
    return Data(
        kind,
        key=int(key),
        deviceInfo=_described(device.label, str(device.backing["type"])),
        backing=Typed(backing),
        connectable=_connection(device),
        **more,
    )


def _file_backing(prefix: str, file: str | None, world: Any) -> Data | None:
    if file is None:
        return None
    return Data(f"{prefix}BackingInfo", fileName=file, datastore=world.datastore_of(file))


def _other_backing(kind: str, backing: Mapping[str, Any]) -> Data:
    """Backings other than files: a device of the client or of the host, or a serial port on the network."""
    location = backing.get("network_location")
    if location is not None:
        direction = "server" if backing["type"] == "NETWORK_SERVER" else "client"
        return Data("VirtualSerialPortURIBackingInfo", serviceURI=location, direction=direction)
    pipe = backing.get("pipe")
    if pipe is not None:
        end = "server" if backing["type"] == "PIPE_SERVER" else "client"
        return Data("VirtualSerialPortPipeBackingInfo", pipeName=pipe, endpoint=end)
    name = backing.get("host_device") or ""
    if backing["type"] == "CLIENT_DEVICE" and kind == "VirtualCdrom":
        return Data("VirtualCdromRemotePassthroughBackingInfo", deviceName=name, exclusive=False)
    if backing["type"] == "CLIENT_DEVICE":
        return Data("VirtualFloppyRemoteDeviceBackingInfo", deviceName=name)
    suffix = "AtapiBackingInfo" if kind == "VirtualCdrom" else "DeviceBackingInfo"
    return Data(f"{kind}{suffix}", deviceName=name)


def _connection(device: Device) -> Data:
    return Data(
        "VirtualDeviceConnectInfo",
        startConnected=device.start_connected,
        allowGuestControl=device.allow_guest_control,
        connected=device.state == "CONNECTED",
        status=_STATES.get(device.state, "untried"),
    )


def _place(address: Address) -> dict[str, Any]:
    return {"controllerKey": _FIRST_CONTROLLERS[address.adapter] + address.bus, "unitNumber": address.unit}


def _described(label: str, summary: str) -> Data:
    return Data("Description", label=label, summary=summary)
