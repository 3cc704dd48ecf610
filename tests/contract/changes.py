"""Changes of a descriptor set, each as a function, to see what becomes of it."""

from __future__ import annotations

from collections.abc import Callable, MutableSequence
from typing import Any

from tests.contract.comparison import Protos

__all__ = [
    "Change",
    "copy_rpc",
    "drop",
    "drop_field",
    "drop_rpc",
    "field",
    "http",
    "level",
    "make_optional",
    "mark",
    "name_resource",
    "set_field",
    "swap_errors",
    "take_presence",
    "union",
]

HARDWARE = ".vcenter.vm.hardware.v1"
CONNECT = "vcenter.vm.hardware.v1.CdromService/ConnectCdrom"

Change = Callable[[Protos], object]


def http(protos: Protos, rpc: str) -> Any:
    return protos.option(protos.methods[rpc], "google.api.http")


def field(protos: Protos, name: str) -> Any:
    message, _, wanted = name.rpartition(".")
    [found] = [item for item in protos.messages[message].field if item.name == wanted]
    return found


def union(protos: Protos, message: str) -> Any:
    return protos.option(protos.messages[message], "vapi.v1.unions")[0]


def drop(items: MutableSequence[Any], name: str) -> None:
    """Removes the one item of this name."""
    [index] = [index for index, item in enumerate(items) if item.name == name]
    del items[index]


def take_presence(name: str) -> Change:
    """Takes a field's presence, which is a oneof of its own."""

    def change(protos: Protos) -> None:
        message, found = protos.messages[name.rpartition(".")[0]], field(protos, name)
        if not found.proto3_optional:
            return
        for other in message.field:
            if other.HasField("oneof_index") and other.oneof_index > found.oneof_index:
                other.oneof_index -= 1
        del message.oneof_decl[found.oneof_index]
        found.ClearField("oneof_index")
        found.ClearField("proto3_optional")

    return change


def drop_field(name: str) -> Change:
    message, _, wanted = name.rpartition(".")

    def change(protos: Protos) -> None:
        take_presence(name)(protos)
        drop(protos.messages[message].field, wanted)

    return change


def set_field(path: str, /, **attributes: object) -> Change:
    def change(protos: Protos) -> None:
        found = field(protos, path)
        for attribute, value in attributes.items():
            if value is None:
                found.ClearField(attribute)
            else:
                setattr(found, attribute, value)

    return change


def mark(name: str, behavior: str) -> Change:
    """Marks a field in another way than it was."""

    def change(protos: Protos) -> None:
        numbers = {value.name: value.number for value in protos.enums[".google.api.FieldBehavior"].value}
        protos.option(field(protos, name), "google.api.field_behavior")[:] = [numbers[behavior]]

    return change


def name_resource(name: str, *types: str, option: str = "resource", type_field: str = "") -> Change:
    """Says something else of a field's identifiers; without any types, nothing."""

    def change(protos: Protos) -> None:
        found = field(protos, name)
        extension = protos.pool.FindExtensionByName(f"vapi.v1.{option}")
        found.options.ClearExtension(extension)
        if types or type_field:
            found.options.Extensions[extension].types.extend(types)
            found.options.Extensions[extension].type_field = type_field

    return change


def drop_rpc(protos: Protos) -> None:
    [service] = [item for file in protos.set.file for item in file.service if item.name == "CdromService"]
    drop(service.method, "ConnectCdrom")


def copy_rpc(protos: Protos) -> None:
    [service] = [item for file in protos.set.file for item in file.service if item.name == "CdromService"]
    service.method.add().CopyFrom(protos.methods[CONNECT])
    service.method[-1].name = "AttachCdrom"


def level(rpc: str, number: int) -> Change:
    return lambda protos: setattr(protos.methods[rpc].options, "idempotency_level", number)


def swap_errors(protos: Protos) -> None:
    errors = protos.option(protos.methods[CONNECT], "vapi.v1.errors")
    errors[0], errors[1] = errors[1], errors[0]


def make_optional(protos: Protos) -> None:
    """Gives a path field presence, as protoc does it: in a oneof of its own."""
    message = protos.messages[f"{HARDWARE}.ConnectCdromRequest"]
    message.oneof_decl.add(name="_vm")
    vm = field(protos, f"{HARDWARE}.ConnectCdromRequest.vm")
    vm.proto3_optional, vm.oneof_index = True, 0
