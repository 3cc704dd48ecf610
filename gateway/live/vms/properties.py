"""Maps VIM's properties of a machine to the fields of `VmState`.

Each property is reported separately when it changes. Most are one field each. Three fields combine several properties,
which a draft keeps: the placement, the addresses and the custom attributes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from gateway.contract import Contract
from gateway.contract.contract import enum_prefix
from gateway.errors import GatewayError
from gateway.live.vms.fields import VM_STATE, VmFields
from gateway.live.vms.machine import Machine
from gateway.live.vms.places import Places
from gateway.live.wire import blob, number, text
from gateway.vim.values import Data, Ref

__all__ = ["Draft", "VmProperties"]

_Encode = Callable[[Any], bytes]
_PLACEMENT = {"parent": "folder", "runtime.host": "host", "resourcePool": "pool"}
_ADDRESSES = ("guest.ipAddress", "guest.net")
_CUSTOM = "customValue"
_ALWAYS = ("name", "runtime.powerState", "config.template")
"""The properties that filters look at."""
_MAX_KEPT = 4096
"""How many encoded values of one property are kept, for example numbers of processors."""
_OF_ANOTHER_TYPE = (AttributeError, GatewayError, TypeError, ValueError)
_CAPITAL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


class Draft:
    """What is known about one machine, property by property."""

    __slots__ = (
        "custom",
        "folder",
        "host",
        "name",
        "nics",
        "parts",
        "pool",
        "power_state",
        "primary",
        "template",
        "vm",
    )

    def __init__(self, vm: str, parts: list[bytes]) -> None:
        self.vm = vm
        self.parts = parts
        self.name = ""
        self.power_state = 0
        self.template = False
        self.folder: Ref | None = None
        self.host: Ref | None = None
        self.pool: Ref | None = None
        self.primary = b""
        self.nics = b""
        self.custom: tuple[tuple[int, str], ...] = ()


class VmProperties:
    """Maps properties to fields."""

    def __init__(self, contract: Contract, fields: VmFields) -> None:
        self._fields = fields
        self._contract = contract
        self._nic = contract.message_class("vcenter.gateway.v1.NicAddresses")
        self._question = contract.message_class("vcenter.gateway.v1.VmQuestion")
        self._choice = contract.message_class("vcenter.gateway.v1.VmQuestionChoice")
        self._timestamp = contract.message_class("google.protobuf.Timestamp")
        self._by_path: Mapping[str, tuple[int, _Encode]] = {
            path: (fields.index[name], encode)
            for path, name, encode in (
                ("name", "name", self._text("name")),
                ("runtime.powerState", "power_state", self._enum("power_state")),
                ("runtime.connectionState", "connection_state", self._enum("connection_state")),
                ("config.hardware.numCPU", "cpu_count", self._number("cpu_count")),
                ("config.hardware.memoryMB", "memory_size_mib", self._number("memory_size_mib")),
                ("guest.hostName", "guest_host_name", self._text("guest_host_name")),
                ("guest.toolsRunningStatus", "tools", self._enum("tools", "guestTools")),
                ("guest.guestState", "guest_state", self._enum("guest_state")),
                ("config.version", "hardware_version", self._text("hardware_version", _hardware_version)),
                ("config.uuid", "bios_uuid", self._text("bios_uuid")),
                ("config.instanceUuid", "instance_uuid", self._text("instance_uuid")),
                ("config.template", "template", self._number("template")),
                ("config.annotation", "annotation", self._text("annotation")),
                ("snapshot", "has_snapshots", self._snapshots),
                ("runtime.question", "question", self._asked),
                ("config.changeVersion", "change_version", self._text("change_version")),
                ("runtime.bootTime", "boot_time", self._time),
                ("config.guestId", "guest_id", self._text("guest_id")),
            )
        }
        addresses = contract.messages["vcenter.gateway.v1.VmAddresses"].fields_by_name
        self._primary_number, self._nics_number = addresses["primary"].number, addresses["nics"].number
        self._power_states = {
            value.name: value.number for value in contract.pool.FindEnumTypeByName("vcenter.vm.v1.PowerState").values
        }
        self._no_snapshots = number(self._number_of("has_snapshots"), 0)

    def paths(self, fields: int) -> list[str]:
        """The properties that these fields are made of, and those that filters look at."""
        wanted = {path for path, (index, _) in self._by_path.items() if fields >> index & 1}
        names = {self._fields.names[index] for index in self._fields.places(fields)}
        wanted.update(_ALWAYS, _PLACEMENT)
        wanted.update(_ADDRESSES if "addresses" in names else ())
        wanted.update((_CUSTOM,) if "custom_attributes" in names else ())
        return sorted(wanted)

    def draft(self, vm: str) -> Draft:
        """A machine of which only the identifier is known."""
        parts = [b""] * len(self._fields.names)
        parts[0] = text(self._fields.numbers[0], vm)
        parts[self._fields.index["has_snapshots"]] = self._no_snapshots
        return Draft(vm, parts)

    def update(self, draft: Draft, values: Mapping[str, Any]) -> None:
        """Applies new values of properties, None for those that became unset. A value that has not the documented type
        counts as unset: one odd property must not hide its machine, let alone all others."""
        by_path = self._by_path
        for path, value in values.items():
            simple = by_path.get(path)
            try:
                if simple is not None:
                    index, encode = simple
                    draft.parts[index] = b"" if value is None else encode(value)
                    if path == "name":
                        draft.name = value or ""
                    elif path == "runtime.powerState":
                        draft.power_state = self._power_states.get(f"POWER_STATE_{_upper(value or '')}", 0)
                    elif path == "config.template":
                        draft.template = bool(value)
                    elif path == "snapshot" and value is None:
                        draft.parts[index] = self._no_snapshots
                elif path in _PLACEMENT:
                    setattr(draft, _PLACEMENT[path], value if isinstance(value, Ref) else None)
                elif path == "guest.ipAddress":
                    draft.primary = text(self._primary_number, value) if value else b""
                elif path == "guest.net":
                    draft.nics = b"".join(blob(self._nics_number, self._encoded_nic(nic)) for nic in value or ())
                elif path == _CUSTOM:
                    found = ((each["key"], each["value"]) for each in value or () if each.get("value"))
                    draft.custom = tuple(sorted(found))
            except _OF_ANOTHER_TYPE:
                self.update(draft, {path: None})

    def machine(self, draft: Draft, places: Places, attributes: Mapping[int, str]) -> Machine:
        """The current machine. `attributes` are the names of custom attributes by their keys."""
        whereabouts = places.whereabouts(draft.folder, draft.host, draft.pool)
        index, parts = self._fields.index, draft.parts
        parts[index["placement"]] = whereabouts.part
        addresses = draft.primary + draft.nics
        parts[index["addresses"]] = blob(self._number_of("addresses"), addresses) if addresses else b""
        parts[index["custom_attributes"]] = self._custom_attributes(draft.custom, attributes)
        return Machine(draft.vm, tuple(parts), draft.name, draft.power_state, draft.template, whereabouts)

    def _custom_attributes(self, custom: Sequence[tuple[int, str]], names: Mapping[int, str]) -> bytes:
        field = self._number_of("custom_attributes")
        return b"".join(blob(field, text(1, names.get(key, str(key))) + text(2, value)) for key, value in custom)

    def _number_of(self, name: str) -> int:
        return self._fields.numbers[self._fields.index[name]]

    def _text(self, name: str, spelled: Callable[[str], str] = str.__str__) -> _Encode:
        field = self._number_of(name)
        return lambda value: text(field, spelled(value))

    def _number(self, name: str) -> _Encode:
        field = self._number_of(name)
        return _kept(lambda value: number(field, value))

    def _enum(self, name: str, prefix: str = "") -> _Encode:
        descriptor: Any = self._contract.messages[VM_STATE].fields_by_name[name]
        before = enum_prefix(descriptor.enum_type)
        values = descriptor.enum_type.values_by_name

        def encode(value: str) -> bytes:
            found = values.get(before + _upper(value.removeprefix(prefix)))
            return b"" if found is None else number(descriptor.number, found.number)

        return _kept(encode)

    def _snapshots(self, value: Data) -> bytes:
        return number(self._number_of("has_snapshots"), int(bool(value.get("rootSnapshotList"))))

    def _time(self, value: datetime) -> bytes:
        time: Any = self._timestamp()
        time.FromDatetime(value)
        return blob(self._number_of("boot_time"), time.SerializeToString())

    def _encoded_nic(self, nic: Data) -> bytes:
        message: Any = self._nic(ip_addresses=nic.get("ipAddress", ()))
        if nic.get("deviceConfigId", -1) >= 0:
            message.nic = str(nic["deviceConfigId"])
        for name, member in (("mac_address", "macAddress"), ("network_name", "network"), ("connected", "connected")):
            if member in nic:
                setattr(message, name, nic[member])
        return bytes(message.SerializeToString())

    def _asked(self, value: Data) -> bytes:
        choices = value.get("choice") or Data("ChoiceOption")
        offered = choices.get("choiceInfo", [])
        message: Any = self._question(
            id=value.get("id", ""),
            text=value.get("text", ""),
            choices=[self._choice(key=each.get("key", ""), label=each.get("label", "")) for each in offered],
        )
        default = choices.get("defaultIndex")
        if default is not None and 0 <= default < len(offered):
            message.default_choice = offered[default].get("key", "")
        return blob(self._number_of("question"), message.SerializeToString())


def _kept(encode: _Encode) -> _Encode:
    """Encodes each value once: there are few distinct values, and all machines share the bytes."""
    kept: dict[Any, bytes] = {}

    def encode_once(value: Any) -> bytes:
        found = kept.get(value)
        if found is None:
            found = encode(value)
            if len(kept) < _MAX_KEPT:
                kept[value] = found
        return found

    return encode_once


def _upper(value: str) -> str:
    """`poweredOn` in the form of enum values: `POWERED_ON`."""
    return _CAPITAL.sub("_", value).upper()


def _hardware_version(value: str) -> str:
    """`vmx-19` in the form of the REST API: `VMX_19`."""
    return value.replace("-", "_").upper()
