"""Machines for tests of what watches them: made from fields, and built anew from messages as a client does it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format

from gateway.contract import load_contract
from gateway.live.vms.fields import VM_STATE, VmFields
from gateway.live.vms.machine import Machine
from gateway.live.vms.places import Whereabouts

__all__ = ["FIELDS", "Follower", "machine", "message"]

_CONTRACT = load_contract()
FIELDS = VmFields(_CONTRACT)


def message(name: str, content: Mapping[str, Any] | bytes = b"") -> Any:
    """A message of vcenter.gateway.v1, from JSON or serialized."""
    kind = _CONTRACT.message_class(f"vcenter.gateway.v1.{name}")
    return kind.FromString(content) if isinstance(content, bytes) else json_format.ParseDict(dict(content), kind())


def machine(vm: str, holders: Mapping[str, set[str]] | None = None, **fields: Any) -> Machine:
    """A machine with these fields; the name is `name of` its identifier unless told otherwise."""
    state = message("VmState", {"vm": vm, "name": f"name of {vm}", **fields})
    kind = _CONTRACT.message_class(VM_STATE)
    parts = []
    for name in FIELDS.names:
        part: Any = kind()
        for descriptor, value in state.ListFields():
            if descriptor.name == name:
                _put(part, descriptor, value)
        parts.append(part.SerializeToString(deterministic=True))
    whereabouts = Whereabouts(holders={name: frozenset(found) for name, found in (holders or {}).items()})
    return Machine(vm, tuple(parts), state.name, state.power_state, state.template, whereabouts)


def _put(part: Any, descriptor: Any, value: Any) -> None:
    if descriptor.is_repeated:
        getattr(part, descriptor.name).update(value)
    elif descriptor.message_type is not None:
        getattr(part, descriptor.name).CopyFrom(value)
    else:
        setattr(part, descriptor.name, value)


class Follower:
    """A client of WatchVms: keeps the state by what the stream says."""

    def __init__(self) -> None:
        self.vms: dict[str, dict[str, Any]] = {}
        self.token = ""
        self.resets = 0
        self.synced = 0
        self.problems: list[str] = []
        """What no stream should say: a machine added that is there, or another one changed or removed that is not."""

    def take(self, response: Mapping[str, Any]) -> None:
        """Takes one message in JSON form, with the proto's field names."""
        self.token = response.get("resume_token", "")
        if "started" in response and response["started"].get("reset"):
            self.vms.clear()
            self.resets += 1
        for vm in response.get("added", {}).get("vms", ()):
            if vm["vm"] in self.vms:
                self.problems.append(f"{vm['vm']} is added twice")
            self.vms[vm["vm"]] = vm
        for change in response.get("changed", {}).get("changes", ()):
            vm = change["vm"]
            if vm["vm"] not in self.vms:
                self.problems.append(f"{vm['vm']} is changed and not there")
                continue
            known = self.vms[vm["vm"]]
            for path in change["changed"].split(","):
                name = _snake(path)
                known.pop(name, None)
                if name in vm:
                    known[name] = vm[name]
        for vm in response.get("removed", {}).get("vms", ()):
            if self.vms.pop(vm, None) is None:
                self.problems.append(f"{vm} is removed and not there")
        self.synced += "synced" in response


def _snake(path: str) -> str:
    return "".join(f"_{each.lower()}" if each.isupper() else each for each in path)
