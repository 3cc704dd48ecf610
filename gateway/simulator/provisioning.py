"""Creates machines: new ones, copies, and running copies of others; and deletes them.

Everything that adds machines to the inventory uses this module: the operations that create, clone and register, and
those that deploy templates. A new machine is complete or does not exist at all. Nothing here takes time:
`copy_duration` returns how long it would take.
"""

import copy
import uuid
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import count

from gateway.simulator import errors
from gateway.simulator.guest import Guest, guest_address
from gateway.simulator.inventory import Inventory, nic_backing
from gateway.simulator.machine import Disk, Nic, VirtualMachine
from gateway.simulator.placement import Site, require_room, require_space
from gateway.simulator.places import Datastore

__all__ = [
    "Copy",
    "copy_duration",
    "delete",
    "disks_to_move",
    "make",
    "make_copy",
    "make_running_copy",
    "move",
    "register",
    "require_copyable",
    "require_free_name",
    "require_movable",
    "unregister",
]

_MAX_NAME = 80
# A copy takes as long as a guest takes to start, plus that time again for each unit of this size, in bytes.
_BYTES_PER_TRANSITION = 100 << 30


@dataclass(frozen=True, slots=True)
class Copy:
    """A planned copy of a machine."""

    name: str
    site: Site
    without: Collection[str] = ()
    """Identifiers of disks that are not copied."""
    elsewhere: Mapping[str, Datastore] = field(default_factory=dict)
    """Datastores of disks by identifier, for disks on another datastore than the machine."""
    template: bool = False

    def disks_of(self, source: VirtualMachine) -> Iterable[tuple[str, Disk, Datastore]]:
        """The disks that are copied, with their target datastores."""
        return [
            (key, disk, self.elsewhere.get(key, self.site.datastore))
            for key, disk in source.disks.items()
            if key not in self.without
        ]


def require_free_name(inventory: Inventory, folder: str, name: str, error_type: str = "ALREADY_EXISTS") -> None:
    """INVALID_ARGUMENT for an invalid name; an error of that type if the folder has a machine with that name."""
    if not 0 < len(name) <= _MAX_NAME:
        raise errors.invalid_argument("vmsg.InvalidName.summary", "The name '{0}' is invalid.", name)
    if inventory.machines.named(name, folder):
        raise errors.of_type(error_type, "vmsg.DuplicateName.summary", "The name '{0}' already exists.", name)


def copy_duration(inventory: Inventory, sizes: Iterable[int]) -> timedelta:
    """How long copying disks of these sizes, in bytes, takes."""
    return inventory.transition * (1 + sum(sizes) / _BYTES_PER_TRANSITION)


def make(inventory: Inventory, name: str, guest_os: str, site: Site, hardware_version: str) -> VirtualMachine:
    """Adds a powered-off machine without hardware, under new identifiers.

    ALREADY_EXISTS if the folder has a machine with that name, UNABLE_TO_ALLOCATE_RESOURCE if the datastore is full.
    """
    require_free_name(inventory, site.placement.folder, name)
    require_space(site.datastore, 0)
    number = inventory.next_number()
    rng = inventory.random(number)
    machine = VirtualMachine(
        vm=f"vm-{1001 + number}",
        name=name,
        guest_os=guest_os,
        placement=site.placement,
        guest=Guest.build(number, name, guest_os, rng, inventory.transition),
        instance_uuid=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        bios_uuid=str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        datastore=site.datastore.name,
        home=inventory.machines.free_directory(site.datastore.name, name),
        hardware_version=hardware_version,
    )
    inventory.machines[machine.vm] = machine
    return machine


def require_copyable(inventory: Inventory, source: VirtualMachine, wanted: Copy) -> None:
    """Raises what would prevent the copy now: a name that is taken, lack of space, an inaccessible source."""
    source.require_accessible()
    require_free_name(inventory, wanted.site.placement.folder, wanted.name)
    require_space(wanted.site.datastore, 0)
    _require_space((datastore, disk.capacity) for _, disk, datastore in wanted.disks_of(source))


def make_copy(inventory: Inventory, source: VirtualMachine, wanted: Copy) -> VirtualMachine:
    """Adds a powered-off copy: the hardware of the source, with its own identifiers, addresses and files.

    Raises what `require_copyable` does.
    """
    require_copyable(inventory, source, wanted)
    machine = _twin(inventory, source, wanted)
    guest = machine.guest
    guest.power_state, guest.request, guest.tools_start, guest.suspended = "POWERED_OFF", None, None, None
    guest.processes, guest.customization, guest.pending_customization = {}, None, None
    guest.live_customization, guest.tools.upgrade_ends = None, None
    machine.power_state, machine.clean_power_off = "POWERED_OFF", source.power_state == "POWERED_OFF"
    machine.connected_at_suspension = []
    for device in machine.connectable():
        device.state = "NOT_CONNECTED"
    return machine


def make_running_copy(
    inventory: Inventory, source: VirtualMachine, wanted: Copy, bios_uuid: str | None
) -> VirtualMachine:
    """Adds a copy that continues from the source's current state, with its processes. Raises what `require_copyable`
    does."""
    require_copyable(inventory, source, wanted)
    machine = _twin(inventory, source, wanted)
    machine.bios_uuid = bios_uuid or machine.bios_uuid
    machine.settle_nics()
    return machine


def delete(inventory: Inventory, machine: VirtualMachine) -> None:
    """Removes a machine from the inventory, with its files: those of its disks unless another machine shares them."""
    for disk in machine.disks.values():
        if disk.vmdk_file in inventory.disk_files and inventory.usage.owners(disk.vmdk_file) == [machine]:
            del inventory.disk_files[disk.vmdk_file]
    unregister(inventory, machine)
    inventory.machines.directories.pop(machine.directory, None)


def unregister(inventory: Inventory, machine: VirtualMachine) -> None:
    """Removes a machine from the inventory; its files stay where they are."""
    del inventory.machines[machine.vm]
    inventory.removed("VirtualMachine", machine.vm)


def register(inventory: Inventory, directory: str, name: str | None, site: Site) -> VirtualMachine:
    """Adds the machine whose files are in the directory, under a new identifier.

    NOT_FOUND if the directory has no machine's files, ALREADY_EXISTS if that machine is in the inventory or the folder
    has one with that name, UNABLE_TO_ALLOCATE_RESOURCE if the datastore is full.
    """
    machine = inventory.machines.directories.get(directory)
    if machine is None:
        raise errors.of_type("NOT_FOUND", "vmsg.FileNotFound.summary", "File {0} was not found", directory)
    if inventory.machines.get(machine.vm) is machine:
        text = "The specified key, name, or identifier '{0}' already exists."
        raise errors.of_type("ALREADY_EXISTS", "vmsg.AlreadyExists.summary", text, machine.vm)
    require_free_name(inventory, site.placement.folder, name or machine.name)
    require_space(site.datastore, 0)
    machine.home = machine.home or machine.name
    machine.vm, machine.name = f"vm-{1001 + inventory.next_number()}", name or machine.name
    machine.placement, machine.busy = site.placement, False
    inventory.machines[machine.vm] = machine
    return machine


def move(inventory: Inventory, machine: VirtualMachine, site: Site, elsewhere: Mapping[str, Datastore]) -> None:
    """Moves a machine, and the files that move to other datastores. Raises what `require_movable` does."""
    require_movable(inventory, machine, site, elsewhere)
    moving = disks_to_move(inventory, machine, site, elsewhere)
    before = machine.directory
    machine.placement = site.placement
    if machine.datastore != site.datastore.name:
        machine.home = inventory.machines.free_directory(site.datastore.name, machine.name)
        machine.datastore = site.datastore.name
        inventory.machines.moved(machine, before)
        _follow_directory(machine, before)
    for disk, place in moving:
        file = _new_file(inventory, machine, place)
        inventory.disk_files[file] = disk.capacity
        if inventory.usage.owners(disk.vmdk_file) == [machine]:
            del inventory.disk_files[disk.vmdk_file]
        disk.vmdk_file = file


def require_movable(
    inventory: Inventory, machine: VirtualMachine, site: Site, elsewhere: Mapping[str, Datastore]
) -> None:
    """ERROR for what would prevent the move now: a name that is taken, lack of space or of memory on the other host."""
    folder = site.placement.folder
    if folder != machine.placement.folder:
        require_free_name(inventory, folder, machine.name, "ERROR")
    moving = disks_to_move(inventory, machine, site, elsewhere)
    _require_space(((place, disk.capacity) for disk, place in moving), "ERROR")
    if machine.power_state == "POWERED_ON" and site.placement.host != machine.placement.host:
        require_room(inventory, site.placement.host, machine.memory.size_mib, "ERROR")


def disks_to_move(
    inventory: Inventory, machine: VirtualMachine, site: Site, elsewhere: Mapping[str, Datastore]
) -> list[tuple[Disk, Datastore]]:
    """The disks of a machine that a move puts on other datastores, with their targets.

    A disk that is not named follows the machine's own files if these move, and stays where it is otherwise.
    """
    follows = machine.datastore != site.datastore.name
    targets = [
        (disk, elsewhere.get(key, site.datastore)) for key, disk in machine.disks.items() if follows or key in elsewhere
    ]
    return [(disk, place) for disk, place in targets if inventory.places.datastore_of(disk.vmdk_file) is not place]


def _require_space(needs: Iterable[tuple[Datastore, int]], error_type: str = "UNABLE_TO_ALLOCATE_RESOURCE") -> None:
    """An error of that type if a datastore lacks the space for everything that moves there."""
    sums: dict[str, int] = {}
    for datastore, size in needs:
        sums[datastore.datastore] = sums.get(datastore.datastore, 0) + size
        require_space(datastore, sums[datastore.datastore], error_type)


def _twin(inventory: Inventory, source: VirtualMachine, wanted: Copy) -> VirtualMachine:
    """The copy in the inventory: everything from the source, except for what must be unique to a machine."""
    number = inventory.next_number()
    rng = inventory.random(number)
    machine = copy.deepcopy(source)
    machine.vm, machine.name, machine.template = f"vm-{1001 + number}", wanted.name, wanted.template
    machine.instance_uuid = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    machine.bios_uuid = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    machine.placement, machine.datastore = wanted.site.placement, wanted.site.datastore.name
    machine.home = inventory.machines.free_directory(machine.datastore, wanted.name)
    machine.busy, machine.copies, machine.compute_policies = False, 0, {}
    machine.question = None
    machine.data_sets, machine.compliance = source.data_sets.for_clone(), {}
    machine.guest.name = wanted.name
    if machine.guest.ip_address is not None:
        machine.guest.ip_address, machine.guest.address_is_static = guest_address(number), False
    machine.disks = {}
    for key, disk, datastore in wanted.disks_of(source):
        file = _new_file(inventory, machine, datastore)
        inventory.disk_files[file] = disk.capacity
        machine.disks[key] = replace(disk, vmdk_file=file)
    for key in wanted.without:
        machine.forget_disk(key)
    for position, nic in enumerate(machine.nics.values()):
        _renew(inventory, nic, str(10 * number + position))
    _follow_directory(machine, source.directory)
    inventory.machines[machine.vm] = machine
    return machine


def _renew(inventory: Inventory, nic: Nic, port: str) -> None:
    """Gives a copied nic its own address and port; a manual address is deliberate and stays."""
    if nic.mac_type == "ASSIGNED":
        nic.mac_address = inventory.next_mac()
    elif nic.mac_type == "GENERATED":
        nic.mac_address = None
    network = nic.backing.get("network")
    if network in inventory.networks:
        nic.backing = nic_backing(inventory, network, port)


def _new_file(inventory: Inventory, machine: VirtualMachine, datastore: Datastore) -> str:
    """The path of a new disk file of the machine: in its directory, or in one with that name on another datastore."""
    base = f"[{datastore.name}] {machine.home or machine.name}/{machine.home or machine.name}"
    paths = (f"{base}_{number}.vmdk" if number else f"{base}.vmdk" for number in count())
    return next(path for path in paths if path not in inventory.disk_files)


def _follow_directory(machine: VirtualMachine, before: str) -> None:
    """Makes the devices write their files to the machine's current directory."""
    for device in machine.connectable():
        file = device.backing.get("file")
        if file is not None and file.startswith(f"{before}/"):
            device.backing["file"] = machine.directory + file.removeprefix(before)
