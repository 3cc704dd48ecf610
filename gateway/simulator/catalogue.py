"""The facts of vCenter's REST API, loaded from the packaged catalogue into typed, immutable values.

The simulator knows its operations, structures and errors from here and from nowhere else: sharing a description with
the gateway would let one mistake cancel out another. The catalogue has far more operations than the simulator serves;
of these, nothing is kept.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

__all__ = ["Catalogue", "Enumeration", "Field", "Operation", "Structure", "Type", "Union", "load"]

# A type as the catalogue writes it: a name, or {"list": T}, {"set": T}, {"map": [K, V]}.
Type = str | Mapping[str, Any]

# Beside the documented services, without these nobody could find a virtual machine or change its power state.
_EXTRA_OPERATIONS = {
    "com.vmware.vcenter.VM": frozenset({"list", "get"}),
    "com.vmware.vcenter.vm.power": frozenset({"get", "start", "stop", "suspend", "reset"}),
}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a structure, or a query parameter."""

    name: str
    type: Type
    required: bool


@dataclass(frozen=True, slots=True)
class Union:
    """Which fields belong to which value of a tag: (field, required) for each case."""

    tag: str
    cases: Mapping[str, tuple[tuple[str, bool], ...]]


@dataclass(frozen=True, slots=True)
class Structure:
    """A structure: its fields by name, and its unions."""

    name: str
    fields: Mapping[str, Field]
    unions: tuple[Union, ...]


@dataclass(frozen=True, slots=True)
class Enumeration:
    """The values of an enumerated type, newer ones included."""

    name: str
    values: frozenset[str]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation with its REST call.

    `body` is a structure, inline fields under the operation's own name, or None.
    """

    service: str
    name: str
    method: str
    path: str
    fixed_query: Mapping[str, str]
    query: Mapping[str, Field]
    body: Structure | None
    status: int
    result: Type | None
    errors: frozenset[str]

    @property
    def id(self) -> str:
        """The name by which logs, faults and the call record know it: service and operation."""
        return f"{self.service}.{self.name}"

    @property
    def reads_only(self) -> bool:
        """Whether the operation changes nothing, whatever its verb: vCenter posts guest credentials even to read."""
        return self.name in {"get", "list"}


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything the simulator serves, and the types it is made of."""

    operations: Mapping[str, Operation]
    structures: Mapping[str, Structure]
    enumerations: Mapping[str, Enumeration]
    error_statuses: Mapping[str, int] = field(repr=False)


def _fields(raw: list[dict[str, Any]]) -> dict[str, Field]:
    # The type of a newer field has the name of a structure or an enumeration beside it.
    return {item["name"]: Field(item["name"], item.get("ref", item["type"]), item["required"]) for item in raw}


def _structure(name: str, raw: dict[str, Any]) -> Structure:
    unions = tuple(
        Union(
            union["tag"],
            {
                case: tuple((member["field"], member["required"]) for member in members)
                for case, members in union["cases"].items()
            },
        )
        for union in raw.get("unions", [])
    )
    return Structure(name, _fields(raw["fields"] + raw.get("fields_in_9_1", [])), unions)


def _body(operation_id: str, raw: dict[str, Any] | None, structures: Mapping[str, Structure]) -> Structure | None:
    if raw is None:
        return None
    if "is" in raw:
        return structures[raw["is"]]
    return Structure(operation_id, _fields(raw["fields"]), ())


def _operation(service: str, raw: dict[str, Any], structures: Mapping[str, Structure]) -> Operation:
    http = raw["http"]
    return Operation(
        service=service,
        name=raw["name"],
        method=http["method"],
        path=http["path"],
        fixed_query=http["query"],
        query=_fields(raw["query_params"]),
        body=_body(f"{service}.{raw['name']}", raw["body"], structures),
        status=raw["result"]["status"],
        result=raw["result"]["type"],
        errors=frozenset(raw["errors"]),
    )


def _is_served(service: dict[str, Any], operation: dict[str, Any]) -> bool:
    """Whether the simulator carries it out: the documented services as of 7.0.3, and a few operations beside them."""
    if service["documented"]:
        return "source" not in operation
    return operation["name"] in _EXTRA_OPERATIONS.get(service["id"], frozenset())


def _names(of: Type) -> Iterator[str]:
    """The names in a type: of scalars, structures and enumerations."""
    if isinstance(of, str):
        yield of
        return
    for element in of.values():
        for part in element if isinstance(element, list) else [element]:
            yield from _names(part)


def _reached(operations: Iterable[Operation], structures: Mapping[str, Structure]) -> set[str]:
    """The names of all types that requests and results are made of."""
    names: set[str] = set()
    types: list[Type] = []
    for operation in operations:
        types += [item.type for item in (operation.body.fields.values() if operation.body else ())]
        types += [item.type for item in operation.query.values()]
        types += [operation.body.name] if operation.body else []
        types += [operation.result] if operation.result is not None else []
    while types:
        for name in _names(types.pop()):
            if name not in names:
                names.add(name)
                types += [item.type for item in structures[name].fields.values()] if name in structures else []
    return names


@cache
def load() -> Catalogue:
    """What the packaged catalogue has of the operations that are served; read once a process."""
    raw = json.loads(resources.files("gateway.simulator").joinpath("vcenter-api.json").read_bytes())
    structures = {name: _structure(name, value) for name, value in raw["structs"].items()}
    operations = [
        _operation(service["id"], item, structures)
        for service in raw["services"]
        for item in service["operations"]
        if _is_served(service, item)
    ]
    reached = _reached(operations, structures)
    return Catalogue(
        operations={operation.id: operation for operation in operations},
        structures={name: structure for name, structure in structures.items() if name in reached},
        enumerations={
            name: Enumeration(name, frozenset(value["values"] + value.get("values_in_9_1", [])))
            for name, value in raw["enums"].items()
            if name in reached
        },
        error_statuses=raw["error_http_status_in_openapi"],
    )
