"""com.vmware.vcenter.vm.data_sets: the data sets of virtual machines, without their entries."""

from collections.abc import Mapping
from typing import Any

from gateway.simulator import errors
from gateway.simulator.data_sets import DataSet, size
from gateway.simulator.guest_defaults import hardware_version
from gateway.simulator.machine import VirtualMachine
from gateway.simulator.registry import Call, Json, operation

__all__ = ["create", "delete", "find", "get", "list_", "require_changeable", "update"]

_SERVICE = "com.vmware.vcenter.vm.data_sets"
_MESSAGES = "com.vmware.api.vcenter.vm.data_sets"
_SINCE = 20
_LONGEST_NAME, _LONGEST_DESCRIPTION = 256, 1024
_ATTRIBUTES = ("description", "host", "guest", "omit_from_snapshot_and_clone")


@operation(_SERVICE, "list")
def list_(call: Call) -> Json:
    """Identifiers, names and descriptions."""
    return [
        {"data_set": item.data_set, "name": item.name, "description": item.description}
        for item in _supporting(call.vm).data_sets.sets.values()
    ]


@operation(_SERVICE, "get")
def get(call: Call) -> Json:
    """The attributes of one data set."""
    return find(call).to_json()


@operation(_SERVICE, "create")
def create(call: Call) -> Json:
    """Adds an empty data set and returns its identifier."""
    machine, spec = _supporting(call.vm), call.spec
    _require_valid(spec)
    require_changeable(machine)
    return machine.data_sets.create(
        spec["name"],
        spec["description"],
        spec["host"],
        spec["guest"],
        omit=bool(spec.get("omit_from_snapshot_and_clone")),
    ).data_set


@operation(_SERVICE, "update")
def update(call: Call) -> None:
    """Changes the attributes in the spec."""
    item, spec = find(call), call.spec
    _require_valid(spec)
    require_changeable(call.vm)
    description = spec.get("description")
    if description is not None:
        call.vm.data_sets.require_room(size(description) - size(item.description))
    for name in _ATTRIBUTES:
        if spec.get(name) is not None:
            setattr(item, name, spec[name])


@operation(_SERVICE, "delete")
def delete(call: Call) -> None:
    """Removes a data set; one with entries only with force."""
    item = find(call)
    require_changeable(call.vm)
    if item.entries and call.query.get("force", [""])[0].lower() != "true":
        raise errors.resource_in_use(
            f"{_MESSAGES}.not_empty", "The data set with identifier '{0}' is not empty.", item.data_set
        )
    del call.vm.data_sets.sets[item.data_set]


def find(call: Call) -> DataSet:
    """The data set in the path; UNSUPPORTED if the machine cannot have data sets, NOT_FOUND if it does not exist."""
    identifier = call.path["data_set"]
    item = _supporting(call.vm).data_sets.sets.get(identifier)
    if item is None:
        raise errors.of_type(
            "NOT_FOUND", f"{_MESSAGES}.not_found", "Data set with identifier '{0}' does not exist.", identifier
        )
    return item


def require_changeable(machine: VirtualMachine) -> None:
    """NOT_ALLOWED_IN_CURRENT_STATE for a suspended machine, whose saved memory contains the old data."""
    if machine.power_state == "SUSPENDED":
        raise machine.not_allowed_in_power_state(
            f"{_MESSAGES}.suspended", "Data sets cannot be changed because the virtual machine is suspended."
        )


def _supporting(machine: VirtualMachine) -> VirtualMachine:
    if hardware_version(machine) < _SINCE:
        raise errors.unsupported(
            f"{_MESSAGES}.hardware_version",
            "Data sets are not supported by the virtual machine's hardware version '{0}'. At least '{1}' is required.",
            machine.hardware_version,
            f"VMX_{_SINCE}",
        )
    return machine


def _require_valid(spec: Mapping[str, Any]) -> None:
    """INVALID_ARGUMENT for a name or a description with an invalid length."""
    for name, lengths in (("name", range(1, _LONGEST_NAME + 1)), ("description", range(_LONGEST_DESCRIPTION + 1))):
        value = spec.get(name)
        if value is not None and size(value) not in lengths:
            raise errors.invalid_argument(
                f"{_MESSAGES}.invalid_{name}",
                "The " + name + " of a data set must have between {0} and {1} bytes.",
                str(lengths[0]),
                str(lengths[-1]),
            )
