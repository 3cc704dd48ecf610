"""com.vmware.vcenter.vm_template.library_items: virtual machine templates in libraries, and machines deployed from
them."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from gateway.simulator import errors, provisioning
from gateway.simulator.customization import plan, stored
from gateway.simulator.libraries import Libraries
from gateway.simulator.library import VM_TEMPLATE, Library, require_texts
from gateway.simulator.machine import VirtualMachine
from gateway.simulator.placement import Site, site_for
from gateway.simulator.registry import Call, Json, operation, perform
from gateway.simulator.tasks import Task
from gateway.simulator.template_hardware import change_hardware, require_fitting
from gateway.simulator.template_storage import (
    Storage,
    StoragePlan,
    plan_storage,
    source_storage,
)
from gateway.simulator.templates import copying, machine_of, template_item

__all__ = ["create", "deploy", "get"]

_SERVICE = "com.vmware.vcenter.vm_template.library_items"
_MESSAGES = "com.vmware.vdcs.vmtx-main"


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """The hardware of the latest version; empty for an item without a virtual machine template."""
    item = call.inventory.libraries.item(call.path["template_library_item"])
    if item.type != VM_TEMPLATE:
        return None
    machine = machine_of(call.inventory, item)
    storage = source_storage(call.inventory, machine)
    return {
        "guest_OS": machine.guest_os,
        "cpu": {"count": machine.cpu.count, "cores_per_socket": machine.cpu.cores_per_socket},
        "memory": {"size_MiB": machine.memory.size_mib},
        "vm_home_storage": _storage_info(storage.home),
        "disks": {
            key: {"capacity": disk.capacity, "disk_storage": _storage_info(storage.disks[key])}
            for key, disk in machine.disks.items()
        },
        "nics": {
            key: {
                "backing_type": nic.backing["type"],
                "mac_type": nic.mac_type,
                **({"network": nic.backing["network"]} if "network" in nic.backing else {}),
            }
            for key, nic in machine.nics.items()
        },
        "vm_template": machine.vm,
    }


@operation(_SERVICE, "create")
def create(call: Call) -> Task:
    """Copies a machine into a local library, as a template; responds when that is done."""
    inventory, spec = call.inventory, call.spec
    libraries = inventory.libraries
    source = inventory.machines.get(spec["source_vm"])
    if source is None:
        raise errors.not_found("vm", spec["source_vm"])
    library = libraries.library(spec["library"])
    require_texts(spec)
    if not library.local:
        text = "The library '{0}' is a subscribed library."
        raise errors.invalid_argument(f"{_MESSAGES}.subscribed_library", text, library.library)
    library.require_active()
    _require_readable(source)
    _require_free_name(libraries, library, spec["name"])
    datastore = libraries.usable_datastore_of(library)
    default = Storage(datastore, datastore.default_policy)
    storage = plan_storage(inventory, spec, StoragePlan(default, dict.fromkeys(source.disks, default)))
    site = _site(call, {"folder": source.placement.folder, **_placement(spec)}, storage)
    wanted = provisioning.Copy(
        spec["name"], site, elsewhere={key: item.datastore for key, item in storage.disks.items()}, template=True
    )

    def finish() -> str:
        _require_free_name(libraries, library, spec["name"])
        machine = provisioning.make_copy(inventory, source, wanted)
        _follow(machine, storage)
        item = libraries.add_item(
            library, spec["name"], VM_TEMPLATE, call.now(), description=spec.get("description") or ""
        )
        libraries.hold_template(item, machine)
        return item.item

    return copying(call, source, wanted, finish)


@operation(_SERVICE, "deploy")
def deploy(call: Call) -> Task:
    """Copies the template to a machine; responds when that is done, while power-on and customization follow later."""
    inventory, spec = call.inventory, call.spec
    item = template_item(call)
    inventory.libraries.library_of(item).require_active()
    template = machine_of(inventory, item)
    hardware = spec.get("hardware_customization") or {}
    require_fitting(inventory, hardware, template)
    customization = _customization(call, (spec.get("guest_customization") or {}).get("name"), template)
    tags = [inventory.tagging.given(tag) for tag in spec.get("tags") or ()]
    storage = plan_storage(inventory, spec, source_storage(inventory, template))
    wanted = provisioning.Copy(
        spec["name"],
        _site(call, _placement(spec), storage),
        without=frozenset(hardware.get("disks_to_remove") or ()),
        elsewhere={key: disk.datastore for key, disk in storage.disks.items()},
    )

    def finish() -> str:
        machine = provisioning.make_copy(inventory, template, wanted)
        _follow(machine, storage)
        change_hardware(inventory, hardware, machine)
        try:
            for tag in tags:
                inventory.tagging.attach(tag, ("VirtualMachine", machine.vm))
            if customization is not None:
                machine.guest.pending_customization = plan(customization, machine)
        except errors.VapiError:
            provisioning.delete(inventory, machine)
            raise
        if spec.get("powered_on"):
            with suppress(errors.VapiError):
                perform(call, "com.vmware.vcenter.vm.power.start", vm=machine.vm)
        return machine.vm

    return copying(call, template, wanted, finish)


def _require_free_name(libraries: Libraries, library: Library, name: str) -> None:
    """NOT_FOUND if the library is gone, ALREADY_EXISTS if it has an item with that name."""
    libraries.library(library.library)
    if libraries.is_named(library, name):
        text = "The library '{0}' has an item of the name '{1}' already."
        raise errors.of_type("ALREADY_EXISTS", f"{_MESSAGES}.name_taken", text, library.library, name)


def _placement(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The placement in the spec; vCenter currently requires it, although it is documented as optional."""
    placement = spec.get("placement")
    if placement is None:
        raise errors.invalid_argument(f"{_MESSAGES}.placement_missing", "The field 'placement' is missing.")
    return {name: value for name, value in placement.items() if value is not None}


def _site(call: Call, placement: Mapping[str, Any], storage: StoragePlan) -> Site:
    """The site for a copy; NOT_ALLOWED_IN_CURRENT_STATE for a host in maintenance mode."""
    host = call.inventory.places.hosts.get(placement.get("host", ""))
    if host is not None and host.in_maintenance:
        text = "The host '{0}' is in maintenance mode."
        raise errors.not_allowed(f"{_MESSAGES}.host_in_maintenance", text, host.host)
    site = site_for(call.inventory, {**placement, "datastore": storage.home.datastore.datastore})
    for disk in storage.disks.values():
        site_for(call.inventory, {"datastore": disk.datastore.datastore}, site, stays=True)
    return site


def _require_readable(machine: VirtualMachine) -> None:
    """Raises what currently prevents copying a machine."""
    machine.require_accessible()
    if machine.busy:
        text = "The virtual machine '{0}' is carrying out another operation."
        raise errors.resource_in_use("vmsg.TaskInProgress.summary", text, machine.vm)
    if machine.power_state == "SUSPENDED":
        raise machine.not_allowed_in_power_state(
            f"{_MESSAGES}.suspended", "A suspended virtual machine cannot become a template."
        )


def _customization(call: Call, name: str | None, template: VirtualMachine) -> Mapping[str, Any] | None:
    """The stored customization spec with that name, which must fit the template."""
    if name is None:
        return None
    spec = stored(call.inventory.customization_specs, name)
    plan(spec, template)
    return spec


def _follow(machine: VirtualMachine, storage: StoragePlan) -> None:
    """Applies the planned storage policies to a copy."""
    machine.home_storage_policy = storage.home.policy
    for key, disk in machine.disks.items():
        # A disk that the source got in the meantime is not in the plan.
        disk.storage_policy = storage.disks.get(key, storage.home).policy


def _storage_info(storage: Storage) -> dict[str, str]:
    info = {"datastore": storage.datastore.datastore}
    if storage.policy is not None:
        info["storage_policy"] = storage.policy
    return info
