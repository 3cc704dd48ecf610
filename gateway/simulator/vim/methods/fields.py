"""CustomFieldsManager: custom attributes and their values on machines."""

from gateway.simulator.machine import VirtualMachine
from gateway.simulator.sessions import WRITE
from gateway.simulator.vim.faults import VimError, invalid_argument, not_found
from gateway.simulator.vim.registry import VimCall, method
from gateway.simulator.vim.values import Data, Ref

__all__: list[str] = []


@method("CustomFieldsManager", "AddCustomFieldDef", privilege=WRITE)
def _add(call: VimCall) -> Data:
    field = call.world.custom_fields.add(call.arguments.text("name"), call.arguments.optional_text("moType"))
    _changed(call)
    return field.to_data()


@method("CustomFieldsManager", "RenameCustomFieldDef", privilege=WRITE)
def _rename(call: VimCall) -> None:
    call.world.custom_fields.rename(call.arguments.number("key"), call.arguments.text("name"))
    _changed(call)


@method("CustomFieldsManager", "RemoveCustomFieldDef", privilege=WRITE)
def _remove(call: VimCall) -> None:
    field = call.world.custom_fields.find(call.arguments.number("key"))
    del call.world.custom_fields.fields[field.key]
    for machine in call.world.inventory.machines.values():
        if machine.custom_values.pop(field.key, None) is not None:
            call.world.inventory.changes.touched("VirtualMachine", machine.vm, user=call.own.user.name)
    _changed(call)


@method("CustomFieldsManager", "SetField", privilege=WRITE)
def _set(call: VimCall) -> None:
    _store(call, call.arguments.ref("entity"), call.arguments.number("key"), call.arguments.text("value"))


@method("ManagedEntity", "setCustomValue", privilege=WRITE)
def _set_by_name(call: VimCall) -> None:
    name = call.arguments.text("key")
    fields = call.world.custom_fields.fields.values()
    key = next((field.key for field in fields if field.name == name), None)
    _store(call, call.this, key, call.arguments.text("value"))


def _store(call: VimCall, entity: Ref, key: int | None, value: str) -> None:
    machine = call.world.find(entity)
    if machine is None:
        raise not_found(entity)
    if not isinstance(machine, VirtualMachine):
        raise VimError("NotSupported", "The simulator keeps custom values of virtual machines only.")
    field = call.world.custom_fields.find(key)
    if field.type not in (None, "VirtualMachine", "ManagedEntity"):
        raise invalid_argument("key")
    if value:
        machine.custom_values[field.key] = value
    else:
        machine.custom_values.pop(field.key, None)
    call.world.inventory.changes.touched("VirtualMachine", machine.vm, user=call.own.user.name)


def _changed(call: VimCall) -> None:
    call.world.inventory.changes.touched("CustomFieldsManager", "CustomFieldsManager")
