"""com.vmware.vcenter.vm_template.library_items.check_outs: machines for changing a template."""

from contextlib import suppress
from typing import Any

from gateway.simulator import errors, provisioning
from gateway.simulator.clock import timestamp
from gateway.simulator.library import CheckOut, Item
from gateway.simulator.placement import site_for, site_of
from gateway.simulator.registry import Call, Json, operation, perform
from gateway.simulator.sessions import User
from gateway.simulator.templates import add_version, copying, machine_of, template_item

__all__ = ["check_in", "check_out", "delete", "get", "list_"]

_SERVICE = "com.vmware.vcenter.vm_template.library_items.check_outs"
_MESSAGES = "com.vmware.vdcs.vmtx-main"


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """The checked-out machine, if any."""
    found = template_item(call).check_out
    return [] if found is None else [{"vm": found.vm}]


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """Who checked the machine out, and when."""
    _, found = _check_out(call)
    return {"time": timestamp(found.time), "user": found.user}


@operation(_SERVICE, "check_out")
def check_out(call: Call) -> Json:
    """Copies the template to a machine that is bound to the item; responds when that is done."""
    item, spec = template_item(call), call.spec
    library = call.inventory.libraries.library_of(item)
    if not library.local:
        text = "The library item '{0}' belongs to a subscribed library."
        raise errors.invalid_argument(f"{_MESSAGES}.subscribed_library", text, item.item)
    if library.state != "ACTIVE":
        text = "The library '{0}' is in maintenance."
        raise errors.error(f"{_MESSAGES}.library_in_maintenance", text, library.library)
    name, placement = _given(spec, "name"), _given(spec, "placement")
    source = machine_of(call.inventory, item)
    _require_no_check_out(call, item)
    datastore = site_of(call.inventory, source).datastore.datastore
    site = site_for(call.inventory, {"folder": source.placement.folder, **_set(placement), "datastore": datastore})
    wanted = provisioning.Copy(name, site)

    def finish() -> str:
        call.inventory.libraries.item(item.item)
        _require_no_check_out(call, item)
        machine = provisioning.make_copy(call.inventory, source, wanted)
        call.inventory.libraries.begin_check_out(item, CheckOut(machine.vm, account(call.user), call.now()))
        if spec.get("powered_on"):
            with suppress(errors.VapiError):
                perform(call, "com.vmware.vcenter.vm.power.start", vm=machine.vm)
        return machine.vm

    return copying(call, source, wanted, finish)


@operation(_SERVICE, "check_in")
def check_in(call: Call) -> Json:
    """Makes the machine the latest version of the template; it must be powered off, and becomes a template."""
    item, _ = _check_out(call)
    call.inventory.libraries.library_of(item).require_active()
    machine = call.vm
    machine.require_powered_off(f"{_MESSAGES}.not_powered_off", "The virtual machine is not powered off.")
    call.inventory.libraries.end_check_out(item)
    return add_version(call.inventory, item, machine, call.now(), account(call.user), call.spec["message"])


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Deletes the machine and its check-out."""
    item, _ = _check_out(call)
    machine = call.vm
    if machine.power_state == "POWERED_ON":
        raise machine.not_allowed_in_power_state(f"{_MESSAGES}.powered_on", "The virtual machine is powered on.")
    call.inventory.libraries.end_check_out(item)
    provisioning.delete(call.inventory, machine)


def account(user: User) -> str:
    """A user's name in the form that begins with the domain."""
    name, _, domain = user.name.partition("@")
    return f"{domain.upper()}\\{name}"


def _check_out(call: Call) -> tuple[Item, CheckOut]:
    """The item and its check-out; INVALID_ARGUMENT if another machine or none is checked out."""
    item, machine = template_item(call), call.vm
    found = item.check_out
    if found is None or found.vm != machine.vm:
        text = "The virtual machine '{0}' is not checked out of the library item '{1}'."
        raise errors.invalid_argument(f"{_MESSAGES}.not_checked_out", text, machine.vm, item.item)
    return item, found


def _require_no_check_out(call: Call, item: Item) -> None:
    if item.check_out is not None:
        text = "Only one virtual machine can be checked out of the library item '{0}'."
        raise errors.unable_to_allocate(f"{_MESSAGES}.too_many_check_outs", text, item.item)


def _given(spec: dict[str, Any], name: str) -> Any:
    if spec.get(name) is None:
        raise errors.invalid_argument(f"{_MESSAGES}.field_missing", "The field '{0}' is missing.", name)
    return spec[name]


def _set(spec: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in spec.items() if value is not None}
