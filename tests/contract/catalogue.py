"""The facts of vCenter's API that the protos are compared with, as plain values.

`vcenter-api.json` is independent of the protos: it was taken from VMware's OpenAPI document and SDK.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["PATH", "Catalogue", "Field", "Operation", "Struct", "Type", "catalogue"]

PATH = Path(__file__).with_name("vcenter-api.json")

Type = str | tuple[str, str]
"""The name of a scalar, an enum or a structure; or ("list", name), or ("map", name) with strings as keys."""

# Enums to which each release adds: the protos have them as strings.
OPEN = frozenset({"VcenterVmGuestOS", "VcenterVmHardwareVersion"})

# What the protos have beyond the documented services, so that a machine can be found and switched on.
BEYOND = {"com.vmware.vcenter.VM": {"list", "get"}, "com.vmware.vcenter.vm.power": None}


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a structure, or a parameter of an operation."""

    name: str
    type: Type
    required: bool


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
    """Service and operation, for instance `com.vmware.vcenter.vm.power/start`."""
    method: str
    path: str
    query: Mapping[str, str]
    path_params: tuple[str, ...]
    query_params: tuple[Field, ...]
    body: Type | None
    """What the body is as a whole."""
    body_fields: tuple[Field, ...] | None
    """The fields of a body that is no structure with a name."""
    status: int
    result: Type | None
    errors: tuple[str, ...]

    @property
    def verb(self) -> str:
        return self.name.partition("/")[2]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the gateway should serve, and all types that the API has."""

    operations: tuple[Operation, ...]
    structs: Mapping[str, Struct]
    enums: Mapping[str, tuple[str, ...]]
    """Values of all releases."""
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
    return Catalogue(
        operations=tuple(
            _operation(service["id"], operation, enums)
            for service in data["services"]
            for operation in service["operations"]
            if service["documented"] or _is_beyond(service["id"], operation["name"])
        ),
        structs=structs,
        enums=enums,
        unreached=tuple(_struct(name, item, enums) for name, item in data["documented_unreached"].items()),
        error_types=tuple(data["error_types"]),
    )


def _is_beyond(service: str, operation: str) -> bool:
    names = BEYOND.get(service, ())
    return names is None or operation in names


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


def _fields(data: Any, enums: dict[str, tuple[str, ...]]) -> tuple[Field, ...]:
    return tuple(Field(item["name"], _type(item["type"], enums), item["required"]) for item in data)


def _struct(name: str, data: Any, enums: dict[str, tuple[str, ...]]) -> Struct:
    # Of one structure that is new in 9.1 only the name is known. No operation of the protos reaches it.
    newer = [item for item in data.get("fields_in_9_1", ()) if not item["type"].startswith("StructType:")]
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
    return Struct(name, _fields([*data["fields"], *newer], enums), unions)


def _operation(service: str, data: Any, enums: dict[str, tuple[str, ...]]) -> Operation:
    body = data["body"] or {}
    return Operation(
        name=f"{service}/{data['name']}",
        method=data["http"]["method"],
        path=data["http"]["path"],
        query=data["http"]["query"],
        path_params=tuple(data["path_params"]),
        query_params=_fields(data["query_params"], enums),
        body=_type(body["is"], enums) if "is" in body else None,
        body_fields=_fields(body["fields"], enums) if "fields" in body else None,
        status=data["result"]["status"],
        result=None if data["result"]["type"] is None else _type(data["result"]["type"], enums),
        errors=tuple(data["errors"]),
    )
