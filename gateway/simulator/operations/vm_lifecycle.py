"""com.vmware.vcenter.VM: creates, copies, moves, registers and deletes virtual machines."""

import uuid
from collections.abc import Callable, Mapping
from typing import Any

from gateway.simulator import errors, provisioning
from gateway.simulator.creation import create
from gateway.simulator.customization import plan, stored
from gateway.simulator.machine import VirtualMachine
from gateway.simulator.placement import Site, find, require_room, site_for, site_of
from gateway.simulator.places import Datastore
from gateway.simulator.provisioning import Copy
from gateway.simulator.registry import Call, Json, operation, perform
from gateway.simulator.tasks import Task

__all__ = ["clone", "clone_task", "create_machine", "delete", "instant_clone", "register", "relocate", "relocate_task"]

_SERVICE = "com.vmware.vcenter.VM"
_MESSAGES = "com.vmware.api.vcenter.vm"
_HARDWARE = "com.vmware.vcenter.vm.hardware"
_CONFIGURATION = ".vmx"


@operation(_SERVICE, "create")
def create_machine(call: Call) -> Json:
    """Creates a machine from a specification."""
    return create(call, call.spec, site_for(call.inventory, call.spec.get("placement"))).vm


@operation(_SERVICE, "clone")
def clone(call: Call) -> Task:
    """Creates a copy; responds when it is complete."""
    return _start_clone(call)


@operation(_SERVICE, "clone_task")
def clone_task(call: Call) -> Json:
    """Starts to create a copy."""
    return _start_clone(call).task


@operation(_SERVICE, "instant_clone")
def instant_clone(call: Call) -> Json:
    """Creates a running copy of a running machine, which continues from the same point, on the same host."""
    spec, inventory = call.spec, call.inventory
    source = _source(call)
    if source.power_state != "POWERED_ON":
        raise errors.error(
            "vmsg.InvalidPowerState.summary", "The operation needs a virtual machine that is powered on."
        )
    _require_devices(source, spec)
    here = site_of(inventory, source)
    site = site_for(inventory, {"host": source.placement.host, **(spec.get("placement") or {})}, here)
    wanted = Copy(spec["name"], site)
    provisioning.require_copyable(inventory, source, wanted)
    require_room(inventory, site.placement.host, source.memory.size_mib)
    machine = provisioning.make_running_copy(inventory, source, wanted, _bios_uuid(spec))
    try:
        _update_devices(call, machine)
    except errors.VapiError:
        provisioning.delete(inventory, machine)
        raise
    return machine.vm


@operation(_SERVICE, "register")
def register(call: Call) -> Json:
    """Adds the machine whose configuration file is in the specification."""
    spec, inventory = call.spec, call.inventory
    datastore, path = _location(call, spec)
    placement = {**(spec.get("placement") or {}), "datastore": datastore.datastore}
    site = site_for(inventory, placement)
    directory, _, file = path.rpartition("/")
    if not directory or not file.endswith(_CONFIGURATION):
        raise errors.invalid_argument(
            f"{_MESSAGES}.register.invalid_path", "'{0}' is not the path of a configuration file.", path
        )
    return provisioning.register(inventory, f"[{datastore.name}] {directory}", spec.get("name"), site).vm


@operation(_SERVICE, "unregister")
def unregister(call: Call) -> None:
    """Removes a machine that is not powered on from the inventory, and keeps its files."""
    machine = call.vm
    _require_no_copies(machine)
    if machine.power_state == "POWERED_ON":
        raise machine.not_allowed_in_power_state(
            f"{_MESSAGES}.unregister.powered_on", "A virtual machine that is powered on cannot be unregistered."
        )
    provisioning.unregister(call.inventory, machine)


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Deletes a powered-off machine, with its files."""
    machine = call.vm
    _require_no_copies(machine)
    machine.require_powered_off(
        f"{_MESSAGES}.delete.not_powered_off", "Only a virtual machine that is powered off can be deleted."
    )
    provisioning.delete(call.inventory, machine)


@operation(_SERVICE, "relocate")
def relocate(call: Call) -> Task:
    """Moves a machine; responds when it has moved."""
    return _start_move(call)


@operation(_SERVICE, "relocate_task")
def relocate_task(call: Call) -> Json:
    """Starts to move a machine."""
    return _start_move(call).task


def _start_clone(call: Call) -> Task:
    spec, inventory = call.spec, call.inventory
    source = _source(call)
    removed, elsewhere = spec.get("disks_to_remove") or [], _datastores(call, spec.get("disks_to_update"))
    _require_disks(source, [*removed, *elsewhere])
    for key in removed:
        if key in elsewhere:
            raise errors.invalid_argument(
                f"{_MESSAGES}.clone.disk_removed_and_updated", "The disk '{0}' is both removed and updated.", key
            )
    site = _clone_site(call, source)
    wanted = Copy(spec["name"], site, frozenset(removed), elsewhere)
    name = (spec.get("guest_customization_spec") or {}).get("name")
    customization = None if name is None else stored(inventory.customization_specs, name)
    provisioning.require_copyable(inventory, source, wanted)
    _require_reachable(call, site, elsewhere)
    if customization is not None:
        plan(customization, source)
    if spec.get("power_on"):
        require_room(inventory, site.placement.host, source.memory.size_mib)

    def work() -> Json:
        machine = provisioning.make_copy(inventory, source, wanted)
        try:
            if customization is not None:
                machine.guest.pending_customization = plan(customization, machine)
            if spec.get("power_on"):
                perform(call, "com.vmware.vcenter.vm.power.start", vm=machine.vm)
        except errors.VapiError:
            provisioning.delete(inventory, machine)
            raise
        return machine.vm

    def release() -> None:
        source.copies -= 1

    source.copies += 1
    duration = provisioning.copy_duration(inventory, (disk.capacity for _, disk, _ in wanted.disks_of(source)))
    return inventory.tasks.start(
        call.operation,
        call.user.name,
        call.now(),
        duration,
        work,
        target=("VirtualMachine", source.vm),
        release=release,
    )


def _start_move(call: Call) -> Task:
    spec, inventory, machine = call.spec, call.inventory, call.vm
    _require_free(machine)
    elsewhere = _datastores(call, spec.get("disks"))
    _require_disks(machine, elsewhere)
    site = site_for(inventory, spec.get("placement"), site_of(inventory, machine), stays=True)
    _require_reachable(call, site, elsewhere)
    moving = provisioning.disks_to_move(inventory, machine, site, elsewhere)
    provisioning.require_movable(inventory, machine, site, elsewhere)

    def release() -> None:
        machine.busy = False

    machine.busy = True
    return inventory.tasks.start(
        call.operation,
        call.user.name,
        call.now(),
        provisioning.copy_duration(inventory, (disk.capacity for disk, _ in moving)),
        lambda: provisioning.move(inventory, machine, site, elsewhere),
        target=("VirtualMachine", machine.vm),
        release=release,
    )


def _source(call: Call) -> VirtualMachine:
    """The machine to copy, which must be accessible and not busy."""
    source = find(call.inventory.machines, "vm", call.spec["source"])
    source.require_accessible()
    _require_free(source)
    return source


def _bios_uuid(spec: Mapping[str, Any]) -> str | None:
    """The BIOS UUID in the specification. INVALID_ARGUMENT for an invalid one."""
    text = spec.get("bios_uuid")
    if text is None:
        return None
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise errors.invalid_argument(
            f"{_MESSAGES}.invalid_bios_uuid", "The BIOS UUID '{0}' is not a UUID.", text
        ) from None


def _require_free(machine: VirtualMachine) -> None:
    """ERROR while another operation works on the machine: these operations have no separate type for it."""
    try:
        machine.require_not_busy()
    except errors.VapiError as failure:
        raise errors.VapiError("ERROR", failure.messages) from None


def _require_no_copies(machine: VirtualMachine) -> None:
    if machine.copies:
        raise errors.resource_busy(
            "vmsg.TaskInProgress.summary",
            "The operation is not allowed while another task is in progress on the virtual machine '{0}'.",
            machine.vm,
        )


def _clone_site(call: Call, source: VirtualMachine) -> Site:
    placement = call.spec.get("placement") or {}
    computing = [name for name in ("resource_pool", "host", "cluster") if placement.get(name) is not None]
    if source.template and not computing:
        raise errors.invalid_argument(
            f"{_MESSAGES}.placement.resource_pool_required",
            "The source '{0}' is a template and has no resource pool: the placement has to name one.",
            source.vm,
        )
    return site_for(call.inventory, placement, site_of(call.inventory, source))


def _datastores(call: Call, specs: Mapping[str, Any] | None) -> dict[str, Datastore]:
    """The datastores in the specs of individual disks, where they are required."""
    found = {}
    for key, spec in (specs or {}).items():
        if spec.get("datastore") is None:
            raise errors.invalid_argument(
                f"{_MESSAGES}.placement.datastore_required", "The disk '{0}' lacks the field 'datastore'.", key
            )
        found[key] = find(call.inventory.places.datastores, "datastore", spec["datastore"])
    return found


def _require_disks(machine: VirtualMachine, keys: Any) -> None:
    for key in keys:
        if key not in machine.disks:
            raise _no_device(machine, "disk", key)


def _no_device(machine: VirtualMachine, kind: str, key: str) -> errors.VapiError:
    return errors.invalid_argument(
        f"{_MESSAGES}.invalid_{kind}", "The virtual machine {0} has no device with identifier '{1}'.", machine.vm, key
    )


def _require_reachable(call: Call, site: Site, elsewhere: Mapping[str, Datastore]) -> None:
    for datastore in elsewhere.values():
        site_for(call.inventory, {"datastore": datastore.datastore}, site, stays=True)


def _location(call: Call, spec: Mapping[str, Any]) -> tuple[Datastore, str]:
    """Datastore and path of the configuration file, given in one of two ways."""
    whole, datastore, path = (spec.get(name) for name in ("datastore_path", "datastore", "path"))
    if (whole is None) == (datastore is None) or (datastore is None) != (path is None):
        raise errors.invalid_argument(
            f"{_MESSAGES}.register.location", "Either datastore_path or both datastore and path must be specified."
        )
    places = call.inventory.places
    if whole is None:
        return find(places.datastores, "datastore", str(datastore)), str(path)
    if not whole.startswith("[") or "]" not in whole:
        raise errors.invalid_argument("vmsg.InvalidDatastorePath.summary", "Invalid datastore path '{0}'.", whole)
    found = places.datastore_of(whole)
    if found is None:
        raise errors.not_found("datastore", whole.partition("]")[0].removeprefix("["))
    return found, whole.partition("]")[2].strip()


_UPDATES: tuple[tuple[str, str, str, Callable[[VirtualMachine], Mapping[str, Any]]], ...] = (
    ("nics_to_update", f"{_HARDWARE}.ethernet.update", "nic", lambda machine: machine.nics),
    ("parallel_ports_to_update", f"{_HARDWARE}.parallel.update", "port", lambda machine: machine.parallel_ports),
    ("serial_ports_to_update", f"{_HARDWARE}.serial.update", "port", lambda machine: machine.serial_ports),
)


def _require_devices(source: VirtualMachine, spec: Mapping[str, Any]) -> None:
    for name, _, kind, devices in _UPDATES:
        for key in spec.get(name) or {}:
            if key not in devices(source):
                raise _no_device(source, kind, key)


def _update_devices(call: Call, machine: VirtualMachine) -> None:
    """Changes the devices of a running copy; connected devices are reconnected, except for nics that must not be."""
    for name, update, kind, devices in _UPDATES:
        for key, spec in (call.spec.get(name) or {}).items():
            device = devices(machine)[key]
            state, device.state = device.state, "NOT_CONNECTED"
            perform(call, update, spec, vm=machine.vm, **{kind: key})
            device.state = state
    if call.spec.get("disconnect_all_nics"):
        for nic in machine.nics.values():
            nic.state = "NOT_CONNECTED"
