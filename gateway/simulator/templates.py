"""The virtual machine templates of library items: their machines, versions and check-outs.

An item has the machines of its latest two versions; older ones are deleted.
"""

from collections.abc import Callable
from datetime import datetime

from gateway.simulator import errors, provisioning
from gateway.simulator.inventory import Inventory
from gateway.simulator.library import VM_TEMPLATE, Item
from gateway.simulator.machine import VirtualMachine
from gateway.simulator.placement import site_of
from gateway.simulator.registry import Call
from gateway.simulator.tasks import Task

__all__ = [
    "add_version",
    "copy_template",
    "copying",
    "discard_version",
    "machine_of",
    "remove_item",
    "require_not_checked_out",
    "template_item",
]

_MESSAGES = "com.vmware.vdcs.vmtx-main"
_VERSIONS_KEPT = 2


def template_item(call: Call) -> Item:
    """The item in the path, which must contain a virtual machine template.

    NOT_FOUND if the item does not exist, INVALID_ARGUMENT if it is another kind of item.
    """
    item = call.inventory.libraries.item(call.path["template_library_item"])
    if item.type != VM_TEMPLATE:
        raise errors.invalid_argument(
            f"{_MESSAGES}.not_vm_template",
            "The library item '{0}' does not contain a virtual machine template.",
            item.item,
        )
    return item


def machine_of(inventory: Inventory, item: Item, version: str | None = None) -> VirtualMachine:
    """The template of a version, or of the latest; RESOURCE_INACCESSIBLE if its files are unreadable, or gone."""
    machine = inventory.machines.get((item.template if version is None else item.templates[version]) or "")
    if machine is None:
        raise errors.resource_inaccessible(
            f"{_MESSAGES}.template_inaccessible",
            "The virtual machine template of the library item '{0}' cannot be accessed.",
            item.item,
        )
    machine.require_accessible()
    return machine


def copying(call: Call, source: VirtualMachine, wanted: provisioning.Copy, finish: Callable[[], str]) -> Task:
    """A task that takes as long as copying a machine, and then copies it with `finish`.

    Raises beforehand what would prevent the copy.
    """
    provisioning.require_copyable(call.inventory, source, wanted)
    source.copies += 1

    def release() -> None:
        source.copies -= 1

    return call.inventory.tasks.start(
        call.operation,
        call.user.name,
        call.now(),
        provisioning.copy_duration(call.inventory, [disk.capacity for _, disk, _ in wanted.disks_of(source)]),
        finish,
        target=("VirtualMachine", source.vm),
        release=release,
    )


def add_version(
    inventory: Inventory, item: Item, machine: VirtualMachine, now: datetime, user: str, message: str | None = None
) -> str:
    """Makes a machine the latest version of the item, and discards excess versions."""
    machine.template = True
    version = item.content_changed(now, user, message)
    item.templates[version] = machine.vm
    for old in list(item.templates)[:-_VERSIONS_KEPT]:
        discard_version(inventory, item, old)
    return version


def copy_template(inventory: Inventory, source: Item, item: Item) -> None:
    """Copies the latest template of an item to a new one, next to its machine. Raises what prevents the copy."""
    template = machine_of(inventory, source)
    machine = provisioning.make_copy(
        inventory, template, provisioning.Copy(item.name, site_of(inventory, template), template=True)
    )
    inventory.libraries.hold_template(item, machine)


def discard_version(inventory: Inventory, item: Item, version: str) -> None:
    """Deletes the machine of a version."""
    machine = inventory.machines.get(item.templates.pop(version))
    if machine is not None:
        provisioning.delete(inventory, machine)


def remove_item(inventory: Inventory, item: Item) -> None:
    """Deletes an item of any kind with everything that belongs to it."""
    for version in list(item.templates):
        discard_version(inventory, item, version)
    inventory.libraries.remove_item(item)
    inventory.removed("com.vmware.content.library.Item", item.item)


def require_not_checked_out(item: Item) -> None:
    """NOT_ALLOWED_IN_CURRENT_STATE while a machine is checked out from the item."""
    if item.check_out is not None:
        raise errors.not_allowed(
            f"{_MESSAGES}.item_checked_out",
            "The virtual machine '{0}' is checked out of the library item '{1}'.",
            item.check_out.vm,
            item.item,
        )
