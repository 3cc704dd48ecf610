"""The facts about vCenter's REST API, loaded from the packaged catalogues into typed, immutable values.

This is the simulator's only source for operations, structures and errors: sharing a description with the gateway would
let one mistake cancel out another. Sessions are not in the catalogue; the endpoint itself handles them.

`catalogue_of` removes what an older release lacks from the whole catalogue.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from typing import Any

from gateway.simulator.releases import Release

__all__ = [
    "NOW_A_HEADER",
    "RENAMED",
    "Catalogue",
    "Enumeration",
    "Field",
    "Operation",
    "Structure",
    "Type",
    "Union",
    "catalogue_of",
    "load",
]

# A type as the catalogue writes it: a name, or {"list": T}, {"set": T}, {"map": [K, V]}.
Type = str | Mapping[str, Any]

_SESSIONS = "com.vmware.cis.session"

# The services of the gateway, and those that only the simulator has.
_FILES = ("vcenter-api.json", "vcenter-api-content.json")

# Since that version, vCenter expects these query parameters elsewhere: the token in a header field, the other under a
# new name. The catalogue has their old places.
_MOVED_SINCE = "9.0.0.0"
NOW_A_HEADER = "client_token"
RENAMED = {"rp": "resource_pool"}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a structure, or a query parameter."""

    name: str
    type: Type
    required: bool
    since: str | None = None
    """The version of the vSphere API that introduced it; None if that is unknown."""


@dataclass(frozen=True, slots=True)
class Union:
    """The fields for each value of a tag: (field, required) for each case."""

    tag: str
    cases: Mapping[str, tuple[tuple[str, bool], ...]]


@dataclass(frozen=True, slots=True)
class Structure:
    """A structure: its fields by name, and its unions."""

    name: str
    id: str
    """Its name in the vAPI runtime, as used in JSON-RPC messages."""
    fields: Mapping[str, Field]
    unions: tuple[Union, ...]


@dataclass(frozen=True, slots=True)
class Enumeration:
    """The values of an enumerated type, including newer ones."""

    name: str
    values: frozenset[str]
    since: Mapping[str, str] = field(default_factory=dict)
    """The versions of the vSphere API that introduced values, as far as they are known."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation with its REST call.

    `body` is a structure, inline fields under the operation's own name, the type of a bare value, or None.
    """

    service: str
    name: str
    method: str
    path: str
    fixed_query: Mapping[str, str]
    query: Mapping[str, Field]
    body: Structure | str | None
    status: int
    result: Type | None
    result_is_optional: bool
    errors: frozenset[str]
    reads_only: bool
    """Whether the operation changes nothing, whatever its verb: vCenter uses POST for guest credentials even to
    read."""
    since: str | None
    """The version of the vSphere API that introduced it; None if that is unknown."""

    @property
    def path_names(self) -> tuple[str, ...]:
        """The parameters in the path, in order."""
        return tuple(segment[1:-1] for segment in self.path.split("/") if segment.startswith("{"))

    @property
    def takes_fields(self) -> bool:
        """Whether the body has several parameters as its fields, instead of being one parameter."""
        return isinstance(self.body, Structure) and self.body.name == self.id

    @property
    def id(self) -> str:
        """The name in logs, faults and the call record: service and operation."""
        return f"{self.service}.{self.name}"


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Everything that the simulator serves, and its types."""

    operations: Mapping[str, Operation]
    structures: Mapping[str, Structure]
    enumerations: Mapping[str, Enumeration]
    error_statuses: Mapping[str, int] = field(repr=False)
    details: Mapping[frozenset[str], str] = field(repr=False)
    """The runtime names of the structures in the data of errors, by the names of their fields."""


def _fields(raw: list[dict[str, Any]]) -> dict[str, Field]:
    # A newer field's type name is next to it; so is the type that vCenter really uses.
    return {
        item["name"]: Field(
            item["name"], item.get("sdk_type", item.get("ref", item["type"])), item["required"], item.get("since")
        )
        for item in raw
    }


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
    return Structure(name, raw["id"], _fields(raw["fields"] + raw.get("fields_in_9_1", [])), unions)


def _body(operation_id: str, raw: dict[str, Any] | None, structures: Mapping[str, Structure]) -> Structure | str | None:
    if raw is None:
        return None
    if "is" in raw:
        name: str = raw["is"]
        return structures.get(name, name)
    return Structure(operation_id, operation_id, _fields(raw["fields"]), ())


def _operation(service: Mapping[str, Any], raw: dict[str, Any], structures: Mapping[str, Structure]) -> Operation:
    http = raw["http"]
    return Operation(
        service=service["id"],
        name=raw["name"],
        method=http["method"],
        path=http["path"],
        fixed_query=http["query"],
        query=_fields(raw["query_params"]),
        body=_body(f"{service['id']}.{raw['name']}", raw["body"], structures),
        status=raw["result"]["status"],
        result=raw["result"]["type"],
        result_is_optional=raw["result"].get("optional", False),
        errors=frozenset(raw["errors"]),
        reads_only=raw.get("idempotency") == "NO_SIDE_EFFECTS",
        since=raw.get("since", service.get("since")),
    )


def _names(of: Type) -> Iterator[str]:
    """The names in a type: of scalars, structures and enumerations."""
    if isinstance(of, str):
        yield of
        return
    for element in of.values():
        for part in element if isinstance(element, list) else [element]:
            yield from _names(part)


def _reached(operations: Iterable[Operation], structures: Mapping[str, Structure]) -> set[str]:
    """The names of all types that requests and results contain."""
    names: set[str] = set()
    types: list[Type] = []
    for operation in operations:
        types += [item.type for item in operation.query.values()]
        if isinstance(operation.body, Structure):
            types += [operation.body.name, *(item.type for item in operation.body.fields.values())]
        types += [operation.result] if operation.result is not None else []
    while types:
        for name in _names(types.pop()):
            if name not in names:
                names.add(name)
                types += [item.type for item in structures[name].fields.values()] if name in structures else []
    return names


@cache
def load() -> Catalogue:
    """The part of the packaged catalogues that is served; read once per process."""
    raws = [json.loads(resources.files("gateway.simulator").joinpath(name).read_bytes()) for name in _FILES]
    structures = {name: _structure(name, value) for raw in raws for name, value in raw["structs"].items()}
    operations = [
        _operation(service, item, structures)
        for raw in raws
        for service in raw["services"]
        for item in service["operations"]
        if service["id"] != _SESSIONS
    ]
    reached = _reached(operations, structures)
    return Catalogue(
        operations={operation.id: operation for operation in operations},
        structures={name: structure for name, structure in structures.items() if name in reached},
        enumerations={
            name: Enumeration(
                name, frozenset(value["values"] + value.get("values_in_9_1", [])), value.get("value_since", {})
            )
            for raw in raws
            for name, value in raw["enums"].items()
            if name in reached
        },
        error_statuses=raws[0]["error_http_status_in_openapi"],
        details={
            frozenset(item["name"] for item in value["fields"]): value["id"]
            for value in raws[0]["documented_unreached"].values()
        },
    )


@cache
def catalogue_of(release: Release) -> Catalogue:
    """The catalogue of a release: its operations, with the fields and the values that it knows."""
    whole = load()
    return replace(
        whole,
        operations={
            key: replace(
                item,
                query=_query_of(item, release),
                body=_structure_of(item.body, release) if isinstance(item.body, Structure) else item.body,
            )
            for key, item in whole.operations.items()
            if release.has(item.since)
        },
        structures={name: _structure_of(item, release) for name, item in whole.structures.items()},
        enumerations={
            name: replace(item, values=frozenset(value for value in item.values if release.has(item.since.get(value))))
            for name, item in whole.enumerations.items()
        },
    )


def _query_of(operation: Operation, release: Release) -> dict[str, Field]:
    fields = [item for item in operation.query.values() if release.has(item.since)]
    if release.has(_MOVED_SINCE):
        fields = [replace(item, name=RENAMED.get(item.name, item.name)) for item in fields if item.name != NOW_A_HEADER]
    return {item.name: item for item in fields}


def _structure_of(structure: Structure, release: Release) -> Structure:
    fields = {name: item for name, item in structure.fields.items() if release.has(item.since)}
    unions = tuple(
        replace(
            union,
            cases={case: tuple(item for item in members if item[0] in fields) for case, members in union.cases.items()},
        )
        for union in structure.unions
    )
    return replace(structure, fields=fields, unions=unions)
