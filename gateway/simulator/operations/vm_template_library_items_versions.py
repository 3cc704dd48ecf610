"""com.vmware.vcenter.vm_template.library_items.versions: the versions of a virtual machine template in a library."""

from gateway.simulator import errors
from gateway.simulator.library import Item
from gateway.simulator.registry import Call, Json, operation
from gateway.simulator.templates import (
    add_version,
    discard_version,
    machine_of,
    require_not_checked_out,
    template_item,
)

__all__ = ["delete", "get", "list_", "rollback"]

_SERVICE = "com.vmware.vcenter.vm_template.library_items.versions"
_MESSAGES = "com.vmware.vdcs.vmtx-main"


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """The versions that have a template, the oldest first."""
    return [{"version": version, "vm_template": vm} for version, vm in template_item(call).templates.items()]


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """The template of one version."""
    item, version = _version(call)
    return {"vm_template": item.templates[version]}


@operation(_SERVICE, "rollback")
def rollback(call: Call) -> Json:
    """Makes the template of an older version the latest, under a new number."""
    item, version = _older_version(call)
    call.inventory.libraries.library_of(item).require_active()
    require_not_checked_out(item)
    machine = call.inventory.machines[item.templates.pop(version)]
    return add_version(call.inventory, item, machine, call.now(), call.user.name, call.spec["message"])


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Deletes the template of an older version."""
    item, version = _older_version(call)
    machine_of(call.inventory, item, version)
    discard_version(call.inventory, item, version)


def _version(call: Call) -> tuple[Item, str]:
    item, version = template_item(call), call.path["version"]
    if version not in item.templates:
        text = "The library item '{0}' has no version '{1}'."
        raise errors.of_type("NOT_FOUND", f"{_MESSAGES}.version_not_found", text, item.item, version)
    return item, version


def _older_version(call: Call) -> tuple[Item, str]:
    """A version that is not the latest; INVALID_ARGUMENT for the latest."""
    item, version = _version(call)
    if version == next(reversed(item.templates)):
        text = "The version '{1}' of the library item '{0}' is the latest one."
        raise errors.invalid_argument(f"{_MESSAGES}.version_is_latest", text, item.item, version)
    return item, version
