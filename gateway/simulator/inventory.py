"""The world behind the simulated vCenter: machines, networks, files, policies, and scheduled changes.

The same options always give the same inventory. Machines are `vm-1001`, `vm-1002`... Tests may rely on:

- `vm-1001` (`LINUX_ON`): powered on, Linux with running tools, CPU and memory hot-add; SATA CD-ROM `16000` with an ISO
  file, not connected; IDE CD-ROM `3000`; SCSI disks `2000` and `2001`; nics `4000` (connected) and `4001` (not); floppy
  `8000`, serial port `9000`, parallel port `10000`.
- `vm-1002` (`LINUX_OFF`): the same hardware, powered off.
- `vm-1003` (`NO_HOT_ADD`): powered on, Linux, neither CPU nor memory hot-add.
- With eight machines or more, the last ones are, counted from the end: one whose configuration is inaccessible
  (`INACCESSIBLE`), one that is busy (`BUSY`), one that is suspended (`SUSPENDED`) and one with Windows, powered on
  (`WINDOWS`). After them comes a template (`TEMPLATE`), which is not listed, as in vCenter, and is not counted. So with
  twenty machines, `vm-1017` is the one with Windows, `vm-1020` the inaccessible one, and `vm-1021` the template.

The other machines vary in power state, guest, and kinds of disks, CD-ROMs and ports.
"""

import heapq
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import count
from random import Random
from typing import Any

from gateway.simulator.changes import Changes
from gateway.simulator.compute_policies import ComputePolicies
from gateway.simulator.customization_specs import CustomizationSpecs
from gateway.simulator.disk_files import DiskFiles
from gateway.simulator.guest import Guest, PowerState
from gateway.simulator.libraries import Libraries
from gateway.simulator.library_sessions import LibrarySessions
from gateway.simulator.machine import (
    Address,
    Boot,
    Cdrom,
    Cpu,
    Device,
    Disk,
    Memory,
    Nic,
    Placement,
    ScsiAdapter,
    SerialPort,
    VirtualMachine,
)
from gateway.simulator.machines import Machines
from gateway.simulator.objects import existing
from gateway.simulator.places import Network, Places
from gateway.simulator.releases import NEWEST, Release
from gateway.simulator.storage_policies import KNOWN, StoragePolicies
from gateway.simulator.tagging import Tagging
from gateway.simulator.tasks import Tasks
from gateway.simulator.transfers import Transfers
from gateway.simulator.usage import Usage

__all__ = [
    "BUSY",
    "INACCESSIBLE",
    "ISO_FILES",
    "LINUX_OFF",
    "LINUX_ON",
    "NO_HOT_ADD",
    "STORAGE_POLICIES",
    "SUSPENDED",
    "TEMPLATE",
    "WINDOWS",
    "Inventory",
    "Network",
    "device_id",
    "nic_backing",
]

# Positions in the inventory; negative ones count from the end and are valid for at least eight machines.
LINUX_ON, LINUX_OFF, NO_HOT_ADD = 0, 1, 2
TEMPLATE, INACCESSIBLE, BUSY, SUSPENDED, WINDOWS = -1, -2, -3, -4, -5
_SPECIALS_FROM = 8

ISO_FILES = (
    "[datastore1] iso/ubuntu-22.04-live-server-amd64.iso",
    "[datastore1] iso/windows-server-2022.iso",
)
_OTHER_FILES = ("[datastore1] floppies/pvscsi-drivers.flp", "[datastore1] floppies/boot.flp")
# Virtual disks that are not attached to a machine, with their capacity in bytes.
_SPARE_DISKS = {"[datastore1] spare/spare-1.vmdk": 10 << 30, "[datastore1] spare/spare-2.vmdk": 20 << 30}

STORAGE_POLICIES = {policy.policy: policy.name for policy in KNOWN}
_COMPUTE_POLICIES = {
    "7a1c1cb9-1b8a-4f2c-8f35-62a1c3f8a0d1": "COMPLIANT",
    "c3f7d9a4-5c0e-4c57-9b5e-2f90b1d7e6a2": "NOT_COMPLIANT",
}

# Datacenter, cluster (None: a standalone host), hosts, folder of machines, resource pool, name of the datastore.
_SITES: tuple[tuple[str, str | None, tuple[str, ...], str, str, str], ...] = (
    ("datacenter-3", "domain-c8", ("host-10", "host-13"), "group-v4", "resgroup-9", "datastore1"),
    ("datacenter-3", "domain-c8", ("host-10", "host-13"), "group-v31", "resgroup-33", "datastore1"),
    ("datacenter-21", "domain-c26", ("host-28",), "group-v22", "resgroup-27", "datastore3"),
    ("datacenter-21", None, ("host-29",), "group-v22", "resgroup-30", "datastore3"),
)

_ROLES = ("web", "db", "app", "build", "cache", "mail", "proxy")
_GUESTS = ("UBUNTU_64", "RHEL_8_64", "DEBIAN_11_64", "WINDOWS_SERVER_2019", "SLES_15_64", "VMWARE_PHOTON_64")
_POWER: tuple[PowerState, ...] = ("POWERED_ON", "POWERED_OFF", "POWERED_ON", "POWERED_ON", "SUSPENDED", "POWERED_OFF")
_GIB = 1 << 30
_HOST_MEMORY_MIB = 512 * 1024


def device_id(address: Address) -> str:
    """The identifier that vCenter assigns to a storage device, derived from where the device is attached."""
    first, units = {"IDE": (3000, 2), "SCSI": (2000, 16), "SATA": (16000, 30), "NVME": (32000, 15)}[address.adapter]
    return str(first + units * address.bus + address.unit)


class Inventory:
    """All machines and what they depend on, and the schedule of future changes."""

    def __init__(
        self, vms: int, seed: int, started: datetime, transition: timedelta, release: Release = NEWEST
    ) -> None:
        self.release = release
        self.transition = transition
        self.places = Places()
        self.networks: dict[str, Network] = self.places.networks
        self.storage_policies = StoragePolicies(self.places)
        self.console_ticket_types = {"VMRC", "WEBMKS"}
        self.customization_specs = CustomizationSpecs(started)
        self.files = {*ISO_FILES, *_OTHER_FILES}
        self.disk_files = DiskFiles(self.places)
        for file, capacity in _SPARE_DISKS.items():
            self.disk_files[file] = capacity
        self._macs = count()
        self._agenda: list[tuple[datetime, int, Callable[[], None]]] = []
        self._agenda_order = count()
        self.transfers = Transfers()
        self.library_sessions = LibrarySessions()
        self.machines = Machines()
        self.removal_listeners: list[Callable[[str, str], None]] = []
        """Called with type and identifier (`VirtualMachine`, `vm-1001`) of each removed object."""
        self.newest_hardware = "VMX_21" if release.has("8.0.2.0") else "VMX_19"
        """The newest version of virtual hardware that the hosts know."""
        total = vms + 1 if vms >= _SPECIALS_FROM else vms
        self._seed = seed
        self._numbers = count(total)
        self._turns = count()
        for index in range(total):
            machine = _build(self, index, total, self.random(index), started)
            self.machines[machine.vm] = machine
        self.changes = Changes(self.machines, self.schedule, started)
        """The record of changes; everything that changes a machine reports to it."""
        self.machines.on_change = lambda vm: self.changes.touched("VirtualMachine", vm)
        self.usage = Usage(self.machines, self.changes)
        self.tasks = Tasks(self.schedule, self.changes.touched)
        for datastore in self.places.datastores.values():
            datastore.capacity = max(datastore.capacity, 2 * datastore.used)
        template = next((machine for machine in reversed(self.machines.values()) if machine.template), None)
        self.libraries = Libraries(self.places, self.files, started, template)
        self.client_tokens: dict[tuple[str, uuid.UUID], Any] = {}
        """The results of calls with a client token, by operation and token."""
        self.host_memory_mib = self._host_memory()
        """The devices that each host has for its virtual machines."""
        self.objects = existing(self)
        """By type of object, reports whether an identifier exists. Services with their own objects add their types."""
        self.objects["com.vmware.content.Library"] = lambda identifier: identifier in self.libraries.libraries
        self.objects["com.vmware.content.library.Item"] = lambda identifier: identifier in self.libraries.items
        self.removal_listeners.append(self.libraries.removed)
        self.tagging = Tagging(self.objects)
        self.compute_policies = ComputePolicies(self.tagging)

    def _host_memory(self) -> dict[str, int]:
        """The usual memory of hosts or, in a larger inventory, twice what its machines need."""
        needed: Counter[str] = Counter()
        for machine in self.machines.values():
            needed[machine.placement.host] += machine.memory.size_mib
        return {host: max(_HOST_MEMORY_MIB, 2 * needed[host]) for host in self.places.hosts}

    def next_number(self) -> int:
        """The position of the next new machine in the inventory: 20 for the later `vm-1021`."""
        return next(self._numbers)

    def random(self, number: int) -> Random:
        """The random choices for the machine at that position; the same at each start."""
        return Random(f"{self._seed}/{number}")  # noqa: S311 - not a secret

    def next_turn(self) -> int:
        """A counter, for round-robin choices."""
        return next(self._turns)

    def removed(self, kind: str, identifier: str) -> None:
        """Notifies all interested parties that an object is gone."""
        for listener in self.removal_listeners:
            listener(kind, identifier)

    def next_mac(self) -> str:
        """A free address from vCenter's range."""
        number = next(self._macs)
        return f"00:50:56:{0x80 + (number >> 16 & 0x3F):02x}:{number >> 8 & 0xFF:02x}:{number & 0xFF:02x}"

    def schedule(self, due: datetime, action: Callable[[], None]) -> None:
        """Executes the action as soon as the clock has reached the time; nothing runs in the background."""
        heapq.heappush(self._agenda, (due, next(self._agenda_order), action))
        if self._agenda[0][0] == due:
            self.changes.wake()  # Waiters have to look earlier than they planned.

    def next_due(self) -> datetime | None:
        """When the next action is due; None for never."""
        return self._agenda[0][0] if self._agenda else None

    def settle(self, now: datetime) -> None:
        """Executes everything that is due; called before each request is handled."""
        self.changes.now = now
        while self._agenda and self._agenda[0][0] <= now:
            heapq.heappop(self._agenda)[2]()
        self.usage.settled()


def _build(inventory: Inventory, index: int, total: int, rng: Random, started: datetime) -> VirtualMachine:
    special = index - total if total > _SPECIALS_FROM and index >= total + WINDOWS else None
    name = f"{_ROLES[index % len(_ROLES)]}-{index + 1:04d}"
    guest_os, power = _GUESTS[index % len(_GUESTS)], _POWER[index % len(_POWER)]
    if special is not None:
        guest_os = "WINDOWS_SERVER_2019" if special == WINDOWS else "UBUNTU_64"
        power = {TEMPLATE: "POWERED_OFF", SUSPENDED: "SUSPENDED"}.get(special, "POWERED_ON")  # type: ignore[assignment]
    datacenter, cluster, hosts, folder, pool, datastore = _SITES[index % len(_SITES)]
    machine = VirtualMachine(
        vm=f"vm-{1001 + index}",
        name=name,
        guest_os=guest_os,
        placement=Placement(folder, datacenter, hosts[index % len(hosts)], cluster, pool),
        guest=Guest.build(index, name, guest_os, rng, inventory.transition),
        instance_uuid=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        bios_uuid=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        datastore=datastore,
        boot=Boot(type="EFI" if "WINDOWS" in guest_os else "BIOS"),
        home_storage_policy=rng.choice([None, *STORAGE_POLICIES]),
        compute_policies=dict(_COMPUTE_POLICIES) if index % 2 == 0 else {},
        busy=special == BUSY,
        inaccessible=special == INACCESSIBLE,
        template=special == TEMPLATE,
    )
    _add_hardware(inventory, machine, index, rng)
    machine.guest.mount({key: disk.capacity for key, disk in machine.disks.items()})
    # Powered-on machines have been on for a day, so their tools had time to start.
    machine.power_state = "POWERED_OFF"
    yesterday = started - timedelta(days=1)
    if power == "SUSPENDED":
        machine.set_power_state("POWERED_ON", yesterday - timedelta(hours=1))
    machine.set_power_state(power, yesterday, clean=True)
    return machine


def _add_hardware(inventory: Inventory, machine: VirtualMachine, index: int, rng: Random) -> None:
    cores = 2 if index < 3 else rng.choice([1, 2, 4, 8])
    size = 4096 if index < 3 else rng.choice([2048, 4096, 8192, 16384])
    hot_add = index != NO_HOT_ADD and index % 3 != 2
    machine.cpu = Cpu(cores, 2 if cores >= 4 else 1, hot_add, False)
    machine.memory = Memory(size, hot_add, size)

    machine.scsi_adapters["1000"] = ScsiAdapter(0)
    machine.sata_adapters["15000"] = 0
    adapters = ["SCSI"] if index < 3 else ["SCSI", ("SCSI", "SATA", "NVME", "IDE")[index % 4]]
    addresses = [Address("SCSI", 0, 0)]
    match adapters[-1]:
        case "SATA":
            addresses.append(Address("SATA", 0, 1))
        case "NVME":
            machine.nvme_adapters["31000"] = 0
            addresses.append(Address("NVME", 0, 0))
        case "IDE":
            addresses.append(Address("IDE", 0, 1))
        case _:
            addresses.append(Address("SCSI", 0, 1))
    for number, address in enumerate(addresses):
        suffix = f"_{number}" if number else ""
        file = f"{machine.directory}/{machine.name}{suffix}.vmdk"
        capacity = (16 if number == 0 else 40) * _GIB
        inventory.disk_files[file] = capacity
        machine.disks[device_id(address)] = Disk(
            f"Hard disk {number + 1}", address, file, capacity, rng.choice([None, *STORAGE_POLICIES])
        )

    for number in range(2 if index < 3 else rng.choice([1, 1, 2])):
        network = "network-12" if number == 0 else "dvportgroup-17"
        machine.nics[str(4000 + number)] = Nic(
            f"Network adapter {number + 1}",
            nic_backing(inventory, network, str(index)),
            start_connected=number == 0,
            allow_guest_control=True,
            mac_address=inventory.next_mac(),
            pci_slot_number=192 + 32 * number,
            upt_compatibility_enabled=number > 0,
        )

    everything = index < 2
    if everything or index % 3:
        machine.cdroms["16000"] = Cdrom(
            "CD/DVD drive 1",
            {"type": "ISO_FILE", "iso_file": ISO_FILES["WINDOWS" in machine.guest_os]},
            address=Address("SATA", 0, 0),
            allow_guest_control=True,
        )
    if everything or not index % 3:
        machine.cdroms["3000"] = Cdrom(
            f"CD/DVD drive {len(machine.cdroms) + 1}",
            {"type": "CLIENT_DEVICE", "device_access_type": "PASSTHRU"},
            address=Address("IDE", 0, 0),
            allow_guest_control=True,
        )
    if everything or index % 4 == 0:
        machine.floppies["8000"] = Device("Floppy drive 1", {"type": "CLIENT_DEVICE"}, allow_guest_control=True)
    if everything or index % 5 == 0:
        machine.serial_ports["9000"] = SerialPort(
            "Serial port 1",
            {"type": "NETWORK_SERVER", "network_location": f"telnet://:{20000 + index}"},
            allow_guest_control=True,
            yield_on_poll=True,
        )
    if everything or index % 7 == 0:
        machine.parallel_ports["10000"] = Device(
            "Parallel port 1", {"type": "FILE", "file": f"{machine.directory}/parallel.out"}, allow_guest_control=True
        )
    machine.boot_devices = [{"type": "DISK", "disks": [next(iter(machine.disks))]}, {"type": "ETHERNET", "nic": "4000"}]


def nic_backing(inventory: Inventory, network_id: str, port: str) -> dict[str, Any]:
    """The backing of a nic on that network, as `get` returns it; `port` is used on distributed switches."""
    network = inventory.networks[network_id]
    backing: dict[str, Any] = {"type": network.type, "network": network_id}
    match network.type:
        case "STANDARD_PORTGROUP":
            backing["network_name"] = network.name
        case "DISTRIBUTED_PORTGROUP":
            backing["distributed_switch_uuid"] = network.switch_uuid
            backing["distributed_port"] = port
            backing["connection_cookie"] = 1_000_000 + int(port) if port.isdigit() else 1_000_000
        case "OPAQUE_NETWORK":
            backing["opaque_network_type"] = "nsx.LogicalSwitch"
            backing["opaque_network_id"] = network.switch_uuid
    return backing
