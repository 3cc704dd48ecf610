"""What the removable devices have in common: how they are found, connected, disconnected, added, changed and removed.

CD-ROM devices, floppy drives, serial ports, parallel ports and nics differ in their backings and in their maximum
number; the rules for their connections are the same. Each kind is a `Kind`. The service for a kind registers the four
common operations with it.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from gateway.simulator import errors
from gateway.simulator.inventory import Inventory
from gateway.simulator.machine import Device, VirtualMachine
from gateway.simulator.registry import Call, Json, operation

__all__ = [
    "CDROM",
    "FLOPPY",
    "KINDS",
    "NIC",
    "PARALLEL",
    "SERIAL",
    "Kind",
    "backing_of",
    "connect_at_start",
    "device_info",
    "update_flags",
]

D = TypeVar("D", bound=Device)

_DATASTORE_PATH = re.compile(r"\[[^\[\]]*\] ?\S.*")
# Every host has the images of VMware Tools.
_HOST_IMAGES = "[] /vmimages/tools-isoimages/"


@dataclass(frozen=True, slots=True)
class Kind(Generic[D]):
    """One kind of removable device."""

    service: str
    parameter: str
    """The name of the identifier in the path and in summaries."""
    name: str
    label: str
    """The beginning of labels; a number follows."""
    first_key: int
    devices: Callable[[VirtualMachine], dict[str, D]]
    host_devices: tuple[str, ...] = ()
    """The devices of this kind on each host."""
    exclusive: bool = False
    """Whether a host's device can be connected to only one machine at a time."""

    def find(self, call: Call) -> D:
        """The device in the path. NOT_FOUND if the machine has no device with that identifier."""
        device = self.devices(call.vm).get(call.path[self.parameter])
        if device is None:
            raise errors.device_not_found(call.path[self.parameter], call.vm.vm)
        return device

    def register(self, info: Callable[[D], Json]) -> None:
        """Registers `list`, `get`, `connect` and `disconnect`, the operations that are the same for all kinds."""
        operation(self.service, "list")(self._list)
        operation(self.service, "get")(lambda call: info(self.find(call)))
        operation(self.service, "connect")(self._connect)
        operation(self.service, "disconnect")(self._disconnect)

    def _list(self, call: Call) -> Json:
        return [{self.parameter: key} for key in sorted(self.devices(call.vm), key=int)]

    def _connect(self, call: Call) -> None:
        device = self.find(call)
        self._require_powered_on(call.vm)
        if device.state == "CONNECTED":
            raise errors.already_in_desired_state(
                "com.vmware.api.vcenter.vm.device.already_connected",
                "Device with identifier {0} of the virtual machine {1} is already connected.",
                call.path[self.parameter],
                call.vm.vm,
            )
        reason = self.connect(call.inventory, call.vm, device)
        if reason is not None:
            text = f"Failed to connect virtual device '{device.label}'."
            raise errors.VapiError(
                "ERROR", [errors.Message("vmsg.GenericVmConfigFault.summary", text, (device.label,)), reason]
            )

    def _disconnect(self, call: Call) -> None:
        device = self.find(call)
        self._require_powered_on(call.vm)
        if device.state != "CONNECTED":
            raise errors.already_in_desired_state(
                "com.vmware.api.vcenter.vm.device.already_disconnected",
                "Device with identifier {0} of the virtual machine {1} is already disconnected.",
                call.path[self.parameter],
                call.vm.vm,
            )
        device.state = "NOT_CONNECTED"

    def _require_powered_on(self, machine: VirtualMachine) -> None:
        machine.require_powered_on(
            "com.vmware.api.vcenter.vm.device.not_powered_on",
            f"The {self.name} cannot be connected or disconnected because the virtual machine is not powered on.",
        )

    def require_powered_off(self, machine: VirtualMachine) -> None:
        """NOT_ALLOWED_IN_CURRENT_STATE unless the machine is off, as adding and removing usually requires."""
        machine.require_powered_off(
            "com.vmware.api.vcenter.vm.device.not_powered_off",
            f"A {self.name} cannot be added or removed because the virtual machine is not powered off.",
        )

    def connect(self, inventory: Inventory, machine: VirtualMachine, device: D) -> errors.Message | None:
        """Connects the device, or returns the reason why that is impossible, which the device's state also shows."""
        backing = device.backing
        device.state = "UNRECOVERABLE_ERROR"
        file = backing.get("iso_file") or backing.get("image_file")
        if file is not None and file not in inventory.files and not file.startswith(_HOST_IMAGES):
            return errors.Message("vmsg.FileNotFound.summary", f"File {file} was not found", (file,))
        network = backing.get("network")
        if network is not None and network not in inventory.networks:
            return errors.Message("vmsg.NotFound.summary", "The object or item referred to could not be found.")
        if backing["type"] == "HOST_DEVICE" and (reason := self._take_host_device(inventory, machine, device)):
            return reason
        device.state = "CONNECTED"
        return None

    def _take_host_device(self, inventory: Inventory, machine: VirtualMachine, device: D) -> errors.Message | None:
        backing = device.backing
        if backing.get("auto_detect"):
            backing.pop("host_device", None)
        wanted = backing.get("host_device")
        present = [name for name in self.host_devices if wanted in (None, name)]
        if not present:
            name = wanted or self.name
            return errors.Message("vmsg.DeviceNotFound.summary", f"Device '{name}' was not found.", (name,))
        free = [name for name in present if not (self.exclusive and self._taken(inventory, machine, device, name))]
        if not free:
            device.state = "RECOVERABLE_ERROR"
            return errors.Message(
                "vmsg.ResourceInUse.summary", f"The resource '{present[0]}' is in use.", (present[0],)
            )
        backing["host_device"] = free[0]
        return None

    def _taken(self, inventory: Inventory, machine: VirtualMachine, device: D, name: str) -> bool:
        return any(
            other is not device and other.state == "CONNECTED" and other.backing.get("host_device") == name
            for owner in inventory.machines.values()
            if owner.placement.host == machine.placement.host
            for other in self.devices(owner).values()
        )

    def free_key(self, machine: VirtualMachine, limit: int) -> str:
        """The identifier for a new device. UNABLE_TO_ALLOCATE_RESOURCE if the machine already has `limit` of them."""
        devices = self.devices(machine)
        for number in range(self.first_key, self.first_key + limit):
            if str(number) not in devices:
                return str(number)
        raise errors.unable_to_allocate(
            "com.vmware.api.vcenter.vm.device.maximum_reached",
            "The virtual machine {0} already has the maximum number of devices of type {1}: {2}.",
            machine.vm,
            self.name,
            str(limit),
        )

    def free_label(self, machine: VirtualMachine) -> str:
        """The label for a new device."""
        taken = {device.label for device in self.devices(machine).values()}
        numbers = range(1, len(taken) + 2)
        return next(label for label in (f"{self.label} {number}" for number in numbers) if label not in taken)

    def add(self, call: Call, key: str, device: D) -> str:
        """Adds a device under the identifier and returns the identifier. It is not connected before the next
        power-on."""
        update_flags(device, call.spec)
        self.devices(call.vm)[key] = device
        return key

    def delete_from_stopped(self, call: Call) -> None:
        """Removes the device in the path. NOT_ALLOWED_IN_CURRENT_STATE unless the machine is off."""
        self.find(call)
        self.require_powered_off(call.vm)
        del self.devices(call.vm)[call.path[self.parameter]]

    def update(self, call: Call, backing: dict[str, Any] | None) -> D:
        """Changes what all kinds share: the new backing, if there is one, and the flags in the spec.

        NOT_ALLOWED_IN_CURRENT_STATE for a new backing of a connected device.
        """
        device = self.find(call)
        if backing is not None:
            if device.state == "CONNECTED":
                raise errors.not_allowed(
                    "com.vmware.api.vcenter.vm.device.connected",
                    "The backing of the {0} with identifier {1} cannot be modified while it is connected.",
                    self.name,
                    call.path[self.parameter],
                )
            device.backing, device.state = backing, "NOT_CONNECTED"
        update_flags(device, call.spec)
        return device


CDROM = Kind(
    "com.vmware.vcenter.vm.hardware.cdrom", "cdrom", "CD-ROM device", "CD/DVD drive", 3000, lambda vm: vm.cdroms,
    host_devices=("/vmfs/devices/cdrom/mpx.vmhba32:C0:T0:L0",),
)  # fmt: skip
FLOPPY = Kind(
    "com.vmware.vcenter.vm.hardware.floppy", "floppy", "floppy drive", "Floppy drive", 8000, lambda vm: vm.floppies
)
SERIAL = Kind(
    "com.vmware.vcenter.vm.hardware.serial", "port", "serial port", "Serial port", 9000, lambda vm: vm.serial_ports,
    host_devices=("/dev/char/serial/uart0",), exclusive=True,
)  # fmt: skip
PARALLEL = Kind(
    "com.vmware.vcenter.vm.hardware.parallel", "port", "parallel port", "Parallel port", 10000,
    lambda vm: vm.parallel_ports, host_devices=("/dev/char/parallel/parport0",), exclusive=True,
)  # fmt: skip
NIC = Kind(
    "com.vmware.vcenter.vm.hardware.ethernet", "nic", "Ethernet adapter", "Network adapter", 4000, lambda vm: vm.nics
)

KINDS: tuple[Kind[Any], ...] = (CDROM, FLOPPY, SERIAL, PARALLEL, NIC)


def connect_at_start(inventory: Inventory, machine: VirtualMachine) -> None:
    """Connects the devices that should be connected at power-on; the state of a device shows if that fails."""
    for kind in KINDS:
        for device in kind.devices(machine).values():
            device.state = "NOT_CONNECTED"
            if device.start_connected:
                kind.connect(inventory, machine, device)


def device_info(device: Device) -> dict[str, Any]:
    """What the `info` structures of all kinds have in common."""
    backing = dict(device.backing)
    if backing.get("auto_detect") and device.state != "CONNECTED":
        backing["host_device"] = ""
    return {
        "label": device.label,
        "backing": backing,
        "state": device.state,
        "start_connected": device.start_connected,
        "allow_guest_control": device.allow_guest_control,
    }


def update_flags(device: Device, spec: Mapping[str, Any]) -> None:
    """Sets the two connection flags, as far as the spec has them."""
    for name in ("start_connected", "allow_guest_control"):
        if spec.get(name) is not None:
            setattr(device, name, spec[name])


def backing_of(spec: Mapping[str, Any] | None, **defaults: Any) -> dict[str, Any]:
    """The backing for a backing spec; without a spec, a device of the host is detected.

    `defaults` are for fields of the spec's type. ERROR if a path is not a datastore path.
    """
    backing = {name: value for name, value in (spec or {"type": "HOST_DEVICE"}).items() if value is not None}
    for name in ("iso_file", "image_file", "file"):
        if name in backing and not _DATASTORE_PATH.fullmatch(backing[name]):
            raise errors.error("vmsg.InvalidDatastorePath.summary", "Invalid datastore path '{0}'.", backing[name])
    if backing["type"] == "HOST_DEVICE":
        backing["auto_detect"] = not backing.get("host_device")
    return {**defaults, **backing}
