"""The state of one simulated virtual machine, and the preconditions that many operations share.

Operations change these plain, mutable objects directly. There is one event loop and a handler never waits, so no
operation ever sees the partial effects of another one.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from gateway.simulator import errors
from gateway.simulator.data_sets import DataSets
from gateway.simulator.guest import Guest, PowerState
from gateway.simulator.hardware import HardwareUpgrade

__all__ = [
    "Address",
    "Boot",
    "Cdrom",
    "Checked",
    "Cpu",
    "Device",
    "Disk",
    "Memory",
    "Nic",
    "Placement",
    "Question",
    "ScsiAdapter",
    "SerialPort",
    "Snapshot",
    "Snapshots",
    "ToolsInstaller",
    "VirtualMachine",
    "invalid_power_state",
]

# The slots that hosts assign to adapters, in this order; those below 16 belong to the chipset.
_FIRST_PCI_SLOT = 16
_PCI_SLOTS = tuple(base + 32 * number for base in (160, 1184, 2208, 3232) for number in range(4))

_STATE_NAMES = {"POWERED_OFF": "Powered off", "POWERED_ON": "Powered on", "SUSPENDED": "Suspended"}


def invalid_power_state(state: PowerState) -> errors.Message:
    """The second message that vCenter adds wherever the power state prevents an operation."""
    text = f"The attempted operation cannot be performed in the current state ({_STATE_NAMES[state]})."
    return errors.Message("vmsg.InvalidPowerState.summary", text)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the machine is: the identifiers that ListVms filters by."""

    folder: str
    datacenter: str
    host: str
    cluster: str | None
    resource_pool: str


@dataclass(slots=True)
class Cpu:
    """Virtual CPUs; `count` is in cores."""

    count: int = 2
    cores_per_socket: int = 1
    hot_add_enabled: bool = False
    hot_remove_enabled: bool = False


@dataclass(slots=True)
class Memory:
    """Memory, in MiB. The machine can grow to 16 times its size at power-on."""

    size_mib: int = 4096
    hot_add_enabled: bool = False
    power_on_size_mib: int = 4096


@dataclass(slots=True)
class Boot:
    """Boot settings; delays in milliseconds."""

    type: str = "BIOS"
    efi_legacy_boot: bool = False
    network_protocol: str = "IPV4"
    delay: int = 0
    retry: bool = False
    retry_delay: int = 10000
    enter_setup_mode: bool = False


@dataclass(frozen=True, slots=True)
class Address:
    """Where a storage device is attached. On IDE, bus 0 is the primary adapter and unit 0 the master."""

    adapter: str
    bus: int
    unit: int


@dataclass(slots=True)
class Device:
    """A device that can be connected: floppy drives and parallel ports directly, others with additional attributes.

    `backing` is the backing as `get` returns it, in JSON form.
    """

    label: str
    backing: dict[str, Any]
    state: str = "NOT_CONNECTED"
    start_connected: bool = False
    allow_guest_control: bool = False


@dataclass(slots=True)
class SerialPort(Device):
    """A serial port."""

    yield_on_poll: bool = False


@dataclass(slots=True, kw_only=True)
class Cdrom(Device):
    """A CD-ROM device on an IDE or SATA adapter."""

    address: Address


@dataclass(slots=True, kw_only=True)
class Nic(Device):
    """A virtual Ethernet adapter."""

    type: str = "VMXNET3"
    mac_type: str = "ASSIGNED"
    # None until the machine is powered on, for an address that is generated then; the same for unset slots.
    mac_address: str | None
    pci_slot_number: int | None = None
    wake_on_lan_enabled: bool = True
    upt_compatibility_enabled: bool = False
    upt_v2_compatibility_enabled: bool | None = None


@dataclass(slots=True)
class Disk:
    """A virtual disk; `capacity` in bytes."""

    label: str
    address: Address
    vmdk_file: str
    capacity: int
    storage_policy: str | None = None


@dataclass(frozen=True, slots=True)
class ScsiAdapter:
    """A SCSI adapter; it occupies unit 7 of its bus itself."""

    bus: int
    type: str = "PVSCSI"
    pci_slot_number: int | None = 160
    """None until the machine is powered on."""
    sharing: str = "NONE"


@dataclass(frozen=True, slots=True)
class ToolsInstaller:
    """The tools' installer in a CD-ROM drive, and what the drive gets back when it is removed."""

    cdrom: str
    image: str
    backing: dict[str, Any]
    state: str


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of the last storage policy check of a part of the machine, and its time."""

    policy: str
    status: str
    time: datetime


@dataclass(frozen=True, slots=True)
class Question:
    """A question of a machine, with the keys and the texts of the accepted answers."""

    id: str
    text: str
    choices: Mapping[str, str]
    default: str


@dataclass(slots=True)
class Snapshot:
    """A state to which a machine can be reverted."""

    snapshot: str
    """Its identifier, unique in the inventory."""
    number: int
    """Counts the snapshots of one machine, starting at 1."""
    name: str
    description: str
    created: datetime
    state: PowerState
    """The power state after a revert: off for a snapshot without memory."""
    quiesced: bool
    parent: str | None
    machine: "VirtualMachine" = field(repr=False)
    """A copy of the machine at that time."""


@dataclass(slots=True)
class Snapshots:
    """The tree of snapshots of one machine: all of them by identifier, oldest first, and the current one."""

    by_id: dict[str, Snapshot] = field(default_factory=dict)
    current: str | None = None
    made: int = 0

    def __deepcopy__(self, memo: object) -> "Snapshots":
        """Empty: a copy of a machine has no snapshots."""
        return Snapshots()

    def children(self, parent: str | None) -> list[Snapshot]:
        """The snapshots that were taken directly after that one; the roots for None."""
        return [item for item in self.by_id.values() if item.parent == parent]


@dataclass(slots=True)
class VirtualMachine:
    """Everything vCenter knows about one virtual machine."""

    vm: str
    name: str
    guest_os: str
    placement: Placement
    guest: Guest
    instance_uuid: str
    bios_uuid: str
    datastore: str = "datastore1"
    """Name of the datastore with the machine's own files."""
    home: str | None = None
    """Name of the directory of these files; None if it is the name of the machine."""
    hardware_version: str = "VMX_19"
    hardware_upgrade: HardwareUpgrade = field(default_factory=HardwareUpgrade)
    evc_mode: dict[str, Any] | None = None
    power_state: PowerState = "POWERED_OFF"
    clean_power_off: bool = True

    cpu: Cpu = field(default_factory=Cpu)
    memory: Memory = field(default_factory=Memory)
    boot: Boot = field(default_factory=Boot)
    secure_boot: bool = False
    boot_devices: list[dict[str, Any]] = field(default_factory=list)
    disks: dict[str, Disk] = field(default_factory=dict)
    nics: dict[str, Nic] = field(default_factory=dict)
    cdroms: dict[str, Cdrom] = field(default_factory=dict)
    floppies: dict[str, Device] = field(default_factory=dict)
    serial_ports: dict[str, SerialPort] = field(default_factory=dict)
    parallel_ports: dict[str, Device] = field(default_factory=dict)
    scsi_adapters: dict[str, ScsiAdapter] = field(default_factory=dict)
    sata_adapters: dict[str, int] = field(default_factory=dict)
    nvme_adapters: dict[str, int] = field(default_factory=dict)
    # Slots of SATA and NVMe adapters that were added later; None until the machine is powered on.
    pci_slots: dict[str, int | None] = field(default_factory=dict)

    # Compute policies by identifier, with the compliance of the machine (`COMPLIANT`, `NOT_COMPLIANT`...).
    compute_policies: dict[str, str] = field(default_factory=dict)
    # Storage policy of the machine's home directory; those of its disks are in the disks.
    home_storage_policy: str | None = None
    # Results by part: `home`, or the identifier of a disk.
    compliance: dict[str, Checked] = field(default_factory=dict)
    data_sets: DataSets = field(default_factory=DataSets)
    tools_installer: ToolsInstaller | None = None
    # The devices that were connected when the machine was suspended, which are reconnected when it resumes.
    connected_at_suspension: list[Device] = field(default_factory=list)

    annotation: str = ""
    """The note that users write about it."""
    extra_config: dict[str, str] = field(default_factory=dict, repr=False)
    """Settings by key without their own field, including variables of the guest; may be secret."""
    custom_values: dict[int, str] = field(default_factory=dict)
    """Values of custom attributes, by the key of the attribute."""
    modified: datetime | None = None
    """When its configuration was last changed; None if it was not changed since the start."""
    reconfigurations: int = 0
    """How often its configuration was changed."""
    snapshots: Snapshots = field(default_factory=Snapshots, repr=False)
    question: Question | None = None
    """The question that it waits for an answer to."""

    busy: bool = False
    copies: int = 0
    """How many copies of it are in progress; its files cannot be removed until they end."""
    inaccessible: bool = False
    template: bool = False

    @property
    def directory(self) -> str:
        """The datastore folder with the machine's files."""
        return f"[{self.datastore}] {self.home or self.name}"

    def forget_disk(self, key: str) -> None:
        """Removes a deleted disk from what refers to it: the boot order, and the guest's file systems."""
        self.boot_devices = [
            {**device, "disks": [item for item in device["disks"] if item != key]} if "disks" in device else device
            for device in self.boot_devices
            if device.get("disks") != [key]
        ]
        self.guest.mounts = {path: mount for path, mount in self.guest.mounts.items() if mount.disk != key}

    def connectable(self) -> list[Device]:
        """Every device that has a connection state."""
        return [
            *self.nics.values(),
            *self.cdroms.values(),
            *self.floppies.values(),
            *self.serial_ports.values(),
            *self.parallel_ports.values(),
        ]

    def occupied_addresses(self) -> set[Address]:
        """Where disks and CD-ROM devices are attached."""
        return {disk.address for disk in self.disks.values()} | {cdrom.address for cdrom in self.cdroms.values()}

    def pci_slots_in_use(self) -> set[int]:
        """The assigned slots of the adapters and nics."""
        slots = (
            *(adapter.pci_slot_number for adapter in self.scsi_adapters.values()),
            *self.pci_slots.values(),
            *(nic.pci_slot_number for nic in self.nics.values()),
        )
        return {slot for slot in slots if slot is not None}

    def settle_nics(self) -> None:
        """Gives the nics what they need to run: free PCI slots where theirs are unset, invalid or taken; addresses."""
        taken = {adapter.pci_slot_number for adapter in self.scsi_adapters.values()} | set(self.pci_slots.values())
        unsettled = []
        for nic in self.nics.values():
            if nic.pci_slot_number is None or nic.pci_slot_number < _FIRST_PCI_SLOT or nic.pci_slot_number in taken:
                unsettled.append(nic)
            else:
                taken.add(nic.pci_slot_number)
        free = (slot for slot in _PCI_SLOTS if slot not in taken)
        for nic in unsettled:
            nic.pci_slot_number = next(free)
        for nic in self.nics.values():
            if nic.mac_address is None:
                nic.mac_address = self.generated_mac()

    def settle_adapters(self) -> None:
        """Assigns free PCI slots to the adapters that have none, or one of the chipset's."""
        free = (slot for slot in _PCI_SLOTS if slot not in self.pci_slots_in_use())
        for key, adapter in self.scsi_adapters.items():
            if adapter.pci_slot_number is None or adapter.pci_slot_number < _FIRST_PCI_SLOT:
                self.scsi_adapters[key] = replace(adapter, pci_slot_number=next(free))
        for key, slot in self.pci_slots.items():
            if slot is None or slot < _FIRST_PCI_SLOT:
                self.pci_slots[key] = next(free)

    def settle_if_running(self) -> None:
        """Gives hardware that was added to a running machine what it needs to run."""
        if self.power_state == "POWERED_ON":
            self.settle_adapters()
            self.settle_nics()

    def generated_mac(self) -> str:
        """A free address in the hosts' form, derived from the machine's BIOS UUID."""
        taken = {nic.mac_address for nic in self.nics.values()}
        number = int(self.bios_uuid[-6:], 16)
        while True:
            address = "00:0c:29:" + number.to_bytes(3, "big").hex(":")
            if address not in taken:
                return address
            number = (number + 10) % (1 << 24)

    def set_power_state(self, state: PowerState, now: datetime, *, clean: bool = False) -> None:
        """Changes the power state with all consequences: devices, guest, clean shutdown flag."""
        before, self.power_state = self.power_state, state
        self.clean_power_off = clean
        if state == "POWERED_ON" and before != "SUSPENDED":
            # The firmware starts: after power-on or reset.
            self.boot.enter_setup_mode = False
        if state == "POWERED_ON" and before == "POWERED_OFF":
            self.memory.power_on_size_mib = self.memory.size_mib
            self.settle_adapters()
            self.settle_nics()
            for device in self.connectable():
                device.state = "CONNECTED" if device.start_connected else "NOT_CONNECTED"
        elif state == "POWERED_ON" and before == "SUSPENDED":
            for device in self.connected_at_suspension:
                device.state = "CONNECTED"
        elif state != "POWERED_ON":
            if state == "SUSPENDED":
                self.connected_at_suspension = [item for item in self.connectable() if item.state == "CONNECTED"]
            for device in self.connectable():
                device.state = "NOT_CONNECTED"
        self.guest.power_changed(state, now)

    def require_accessible(self) -> None:
        """RESOURCE_INACCESSIBLE if the host or datastore with the configuration is gone."""
        if self.inaccessible:
            raise errors.resource_inaccessible(
                "com.vmware.api.vcenter.vm.configuration_inaccessible",
                "The configuration of the virtual machine with identifier '{0}' cannot be accessed.",
                self.vm,
            )

    def require_not_busy(self) -> None:
        """RESOURCE_BUSY while another operation runs on the machine."""
        if self.busy:
            raise errors.resource_busy(
                "vmsg.TaskInProgress.summary",
                "The operation is not allowed while another task is in progress on the virtual machine '{0}'.",
                self.vm,
            )

    def require_powered_on(self, message_id: str, text: str) -> None:
        """NOT_ALLOWED_IN_CURRENT_STATE unless the machine is powered on; the message names what requires that."""
        if self.power_state != "POWERED_ON":
            raise self.not_allowed_in_power_state(message_id, text)

    def require_powered_off(self, message_id: str, text: str) -> None:
        """NOT_ALLOWED_IN_CURRENT_STATE unless the machine is powered off; the message names what requires that."""
        if self.power_state != "POWERED_OFF":
            raise self.not_allowed_in_power_state(message_id, text)

    def not_allowed_in_power_state(self, message_id: str, text: str) -> errors.VapiError:
        """The error for what the current power state forbids, with both of vCenter's messages."""
        messages = [errors.Message(message_id, text), invalid_power_state(self.power_state)]
        return errors.VapiError("NOT_ALLOWED_IN_CURRENT_STATE", messages)
