"""The facts of vCenter's API that the protos are compared with, as plain values.

They come from the simulator's `vcenter-api.json`, which knows nothing of the protos.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["PATH", "Catalogue", "Field", "Operation", "Resource", "Struct", "Type", "catalogue"]

PATH = Path(__file__).parents[2] / "gateway" / "simulator" / "vcenter-api.json"

Type = str | tuple[str, str]
"""The name of a scalar, an enum or a structure; or ("list", name), or ("map", name) with strings as keys."""

# Enums to which each release adds: the protos have them as strings.
OPEN = frozenset({"VcenterVmGuestOS", "VcenterVmHardwareVersion"})

SESSIONS = "com.vmware.cis.session"
"""The gateway opens and ends sessions itself."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What kind of thing an identifier stands for."""

    types: tuple[str, ...]
    """One of these, or anything."""
    type_field: str = ""
    """The field beside it that tells which."""


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a structure, a parameter of an operation, or its result."""

    name: str
    type: Type
    required: bool
    resource: Resource | None = None
    """Of the value, of each element of a list, or of a map's values."""
    key_resource: Resource | None = None
    """Of a map's keys."""
    since: str = ""
    """The version that brought it, where that is known."""


@dataclass(frozen=True, slots=True)
class Struct:
    """A structure with the fields of all releases."""

    name: str
    fields: tuple[Field, ...]
    unions: Mapping[str, Mapping[str, tuple[frozenset[str], frozenset[str]]]]
    """By tag and then by value: the fields it requires, and the fields it allows besides."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A REST call."""

    name: str
    """Service and operation, for example `com.vmware.vcenter.vm.power/start`."""
    method: str
    path: str
    query: Mapping[str, str]
    path_params: tuple[str, ...]
    path_resources: Mapping[str, Resource]
    query_params: tuple[Field, ...]
    body: Type | None
    """What the body is as a whole."""
    body_fields: tuple[Field, ...] | None
    """The fields of a body that is no structure with a name."""
    status: int
    result: Field | None
    result_is_optional: bool
    errors: tuple[str, ...]
    idempotency: str
    since: str
    headers: tuple[Field, ...]
    """Parameters that newer releases expect in the head of the request."""


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the gateway should serve, and all types that the API has."""

    operations: tuple[Operation, ...]
    structs: Mapping[str, Struct]
    enums: Mapping[str, tuple[str, ...]]
    """Values of all releases."""
    value_since: Mapping[str, Mapping[str, str]]
    """By enum and value: the version that brought the value, where that is known."""
    unreached: tuple[Struct, ...]
    """Structures of the documented packages that no operation uses."""
    error_types: tuple[str, ...]


@cache
def catalogue() -> Catalogue:
    data = json.loads(PATH.read_text())
    enums = {
        name: (*enum["values"], *enum.get("values_in_9_1", ()))
        for name, enum in data["enums"].items()
        if name not in OPEN
    }
    structs = {name: _struct(name, item, enums) for name, item in data["structs"].items()}
    reached = {item["id"] for item in data["structs"].values()}
    return Catalogue(
        operations=tuple(
            _operation(service, operation, enums)
            for service in data["services"]
            for operation in service["operations"]
            if service["id"] != SESSIONS
        ),
        structs=structs,
        enums=enums,
        value_since={name: enum.get("value_since", {}) for name, enum in data["enums"].items()},
        unreached=tuple(
            _struct(name, item, enums)
            for name, item in data["documented_unreached"].items()
            if item["id"] not in reached
        ),
        error_types=tuple(data["error_types"]),
    )


def _type(data: Any, enums: dict[str, tuple[str, ...]]) -> Type:
    if isinstance(data, str):
        return "string" if data in OPEN else data
    if "enum" in data:
        enums[data["enum"]] = tuple(data["values"])
        return str(data["enum"])
    [(kind, of)] = data.items()
    element = _type(of[1] if kind == "map" else of, enums)
    assert isinstance(element, str)
    return ("map" if kind == "map" else "list", element)


def _resource(data: Any, key: str) -> Resource | None:
    if key not in data:
        return None
    types = data[key]
    return Resource(tuple([types] if isinstance(types, str) else types), data.get("resource_by", ""))


def _field(data: Any, enums: dict[str, tuple[str, ...]]) -> Field:
    return Field(
        data["name"],
        _type(data.get("ref", data["type"]), enums),
        data["required"],
        _resource(data, "value_resource" if "value_resource" in data else "resource"),
        _resource(data, "key_resource"),
        data.get("since", ""),
    )


def _fields(data: Any, enums: dict[str, tuple[str, ...]]) -> tuple[Field, ...]:
    return tuple(_field(item, enums) for item in data)


def _struct(name: str, data: Any, enums: dict[str, tuple[str, ...]]) -> Struct:
    unions = {
        union["tag"]: {
            value: (
                frozenset(member["field"] for member in members if member["required"]),
                frozenset(member["field"] for member in members if not member["required"]),
            )
            for value, members in union["cases"].items()
        }
        for union in data.get("unions", ())
    }
    return Struct(name, _fields([*data["fields"], *data.get("fields_in_9_1", ())], enums), unions)


def _operation(service: Any, data: Any, enums: dict[str, tuple[str, ...]]) -> Operation:
    body, result = data["body"] or {}, {"name": "", "required": False, **data["result"]}
    return Operation(
        name=f"{service['id']}/{data['name']}",
        method=data["http"]["method"],
        path=data["http"]["path"],
        query=data["http"]["query"],
        path_params=tuple(data["path_params"]),
        path_resources={
            name: Resource((of_type,))
            for name, of_type in data.get("resources", {}).items()
            if name in data["path_params"]
        },
        query_params=_fields(data["query_params"], enums),
        body=_type(body["is"], enums) if "is" in body else None,
        body_fields=_fields(body["fields"], enums) if "fields" in body else None,
        status=data["result"]["status"],
        result=None if result["type"] is None else _field(result, enums),
        result_is_optional=data["result"].get("optional", False),
        errors=tuple(data["errors"]),
        idempotency=data.get("idempotency", "IDEMPOTENCY_UNKNOWN"),
        since=data.get("since", service.get("since", "")),
        headers=_fields(data.get("header_params", ()), enums),
    )
