"""The content of the protos as plain values, and the names that vCenter uses for fields and enum values."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    ServiceDescriptor,
)
from google.protobuf.message import Message

from gateway.contract.http_rule import HttpRule
from gateway.contract.resources import NamedResources, Resource

__all__ = [
    "Contract",
    "ContractError",
    "Idempotency",
    "Local",
    "Method",
    "Moved",
    "Rest",
    "Streaming",
    "Union",
    "UnionCase",
    "enum_prefix",
    "enum_value_name",
    "enum_wire_names",
    "map_value",
    "wire_name",
]


class ContractError(Exception):
    """The protos are contradictory or need something that the gateway cannot translate. The text names the place."""


class Idempotency(enum.Enum):
    """The effect of repeating a call, from the rpc's `idempotency_level`."""

    UNKNOWN = 0
    NO_SIDE_EFFECTS = 1
    IDEMPOTENT = 2


class Streaming(enum.Enum):
    """Whether an rpc streams requests, responses, or both."""

    UNARY = (False, False)
    SERVER = (False, True)
    CLIENT = (True, False)
    BIDIRECTIONAL = (True, True)


@dataclass(frozen=True, slots=True)
class Rest:
    """vCenter executes the rpc, with this REST call."""

    rule: HttpRule


@dataclass(frozen=True, slots=True)
class Local:
    """The gateway implements the rpc itself."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Where newer releases of vCenter expect a query parameter: in a header, or under a different name."""

    since: str
    """First version of the vSphere API that expects it there."""
    header: str
    """Name of the header; empty if the parameter only has a new name."""
    query: str
    """The new name."""


@dataclass(frozen=True, slots=True)
class UnionCase:
    """The fields that a tag's value requires and allows, by proto field name."""

    required: frozenset[str]
    optional: frozenset[str]


@dataclass(frozen=True, slots=True)
class Union:
    """A vAPI union: the tag's field name and the cases by the tag's value as vCenter spells it."""

    tag: str
    cases: Mapping[str, UnionCase]

    @property
    def members(self) -> frozenset[str]:
        return frozenset().union(*(case.required | case.optional for case in self.cases.values()))


@dataclass(frozen=True, slots=True)
class Method:
    """One rpc with all its properties in the contract."""

    service: str
    """Full name of the service, for example `vcenter.v1.VmService`."""
    name: str
    """Name of the rpc, for example `ListVms`."""
    input_type: Descriptor
    output_type: Descriptor
    backing: Rest | Local
    streaming: Streaming
    idempotency: Idempotency
    errors: tuple[str, ...]
    """Documented vAPI error types, for example `NOT_FOUND`."""
    since: str
    """Version of the vSphere API that introduced the operation, empty if unknown."""
    result_is_optional: bool
    """Whether the operation can succeed without a result."""
    task_form: str
    """Full name of the rpc that starts the same operation as a task; empty if there is none."""
    resources: NamedResources = field(repr=False, compare=False)
    """Returns the resources that a request names."""
    is_filtered: bool = False
    """Whether the responses omit what the policy hides, so that the request need not name what a rule limits."""
    waits: bool = False
    """Whether the call lasts as long as what it waits for."""
    full_name: str = field(init=False)
    """Service and rpc as in a gRPC path, without the leading slash."""
    operation: str = field(init=False)
    """The REST call in vCenter's notation, for logs, metrics and errors; empty for the gateway's own rpcs. Contains no
    identifiers."""
    is_read_only: bool = field(init=False)
    """Whether the rpc has no side effects, so that it may be retried."""
    is_unary: bool = field(init=False)
    """Whether the rpc has one request and one response."""

    def __post_init__(self) -> None:
        rest = self.backing if isinstance(self.backing, Rest) else None
        object.__setattr__(self, "is_read_only", self.idempotency is Idempotency.NO_SIDE_EFFECTS)
        object.__setattr__(self, "is_unary", self.streaming is Streaming.UNARY)
        object.__setattr__(self, "full_name", f"{self.service}/{self.name}")
        object.__setattr__(self, "operation", f"{rest.rule.verb} {rest.rule.path}" if rest else "")

    @property
    def streams_requests(self) -> bool:
        """Whether the rpc accepts any number of requests."""
        return self.streaming.value[0]

    @property
    def starts_task(self) -> bool:
        """Whether the rpc immediately returns the identifier of a task that does the work."""
        return isinstance(self.backing, Rest) and "vmw-task=true" in self.backing.rule.query

    @property
    def rule(self) -> HttpRule:
        """The REST call. Raises ContractError for the gateway's own rpcs."""
        if isinstance(self.backing, Rest):
            return self.backing.rule
        raise ContractError(f"rpc {self.full_name} is the gateway's own and has no REST call")


@dataclass(frozen=True, eq=False)
class Contract:
    """All services of the descriptor set, with the pool of their messages. Compared by identity."""

    descriptor_set: bytes = field(repr=False)
    pool: descriptor_pool.DescriptorPool = field(repr=False)
    services: Mapping[str, ServiceDescriptor] = field(repr=False)
    methods: Mapping[str, Method]
    messages: Mapping[str, Descriptor] = field(repr=False)
    """Every message of the set by full name, including nested ones."""
    enums: Mapping[str, EnumDescriptor] = field(repr=False)
    """Every enum of the set by full name, including nested ones."""
    _unions: Mapping[str, tuple[Union, ...]] = field(repr=False)
    _required: Mapping[str, frozenset[str]] = field(repr=False)
    _error_data: frozenset[str] = field(repr=False)
    json_texts: frozenset[str] = field(repr=False)
    """Full names of the fields that hold JSON as text."""
    identifiers: Mapping[str, Resource] = field(repr=False)
    """What the identifiers in a field identify, by the field's full name: its value, its items or its map's values."""
    key_identifiers: Mapping[str, Resource] = field(repr=False)
    """The same for the keys of maps."""
    resource_types: frozenset[str] = field(repr=False)
    """All types of resources that identifiers identify, in vAPI's spelling."""
    moved: Mapping[str, Moved] = field(repr=False)
    """Parameters that newer releases expect in a different place, by the full names of their fields."""
    open_enums: Mapping[str, str] = field(repr=False)
    """The prefixes of enums' value names, by the full names of the string fields that contain their values."""

    def message_class(self, descriptor: Descriptor | str) -> type[Message]:
        """The class of a message. Raises KeyError for a name that is not in the contract."""
        if isinstance(descriptor, str):
            descriptor = self.messages[descriptor]
        return message_factory.GetMessageClass(descriptor)

    def unions(self, descriptor: Descriptor) -> tuple[Union, ...]:
        """Unions of a message, in the order of the proto."""
        return self._unions.get(descriptor.full_name, ())

    def required(self, descriptor: Descriptor) -> frozenset[str]:
        """Names of the fields that are marked REQUIRED."""
        return self._required.get(descriptor.full_name, frozenset())

    def error_data(self) -> tuple[Descriptor, ...]:
        """Messages that describe the `data` of an error."""
        return tuple(self.messages[name] for name in sorted(self._error_data))


def wire_name(descriptor: FieldDescriptor) -> str:
    """The name that vCenter uses: `json_name` if the proto declares it, else the field's name.

    A compiled descriptor always has a json_name; one that equals the derived lowerCamelCase name was not declared.
    """
    head, *tail = descriptor.name.split("_")
    derived = head + "".join(part[:1].upper() + part[1:] for part in tail)
    written = descriptor.json_name
    return descriptor.name if written == derived else written


def enum_prefix(descriptor: EnumDescriptor) -> str:
    """The prefix of an enum's value names, which vCenter's names lack. Raises ContractError if there is none."""
    zero = descriptor.values_by_number.get(0)
    if zero is None or not zero.name.endswith("_UNSPECIFIED"):
        raise ContractError(f"enum {descriptor.full_name}: the zero value must be named ..._UNSPECIFIED")
    return zero.name.removesuffix("UNSPECIFIED")


def enum_wire_names(descriptor: EnumDescriptor) -> Mapping[int, str]:
    """vCenter's names of an enum's values by number, without the UNSPECIFIED one."""
    prefix = enum_prefix(descriptor)
    names: dict[int, str] = {}
    for value in descriptor.values:
        if not value.name.startswith(prefix):
            raise ContractError(f"enum {descriptor.full_name}: {value.name} does not start with {prefix}")
        if value.number != 0:
            names[value.number] = value.name.removeprefix(prefix)
    return names


def enum_value_name(descriptor: EnumDescriptor, number: int) -> str:
    """The name of an enum's value without the prefix; for an unknown one its number."""
    value = descriptor.values_by_number.get(number)
    return str(number) if value is None else value.name.removeprefix(enum_prefix(descriptor))


def map_value(descriptor: FieldDescriptor) -> FieldDescriptor | None:
    """The field of a map's values, None if the field is not a map. Raises ContractError for keys that JSON cannot
    have."""
    entry = descriptor.message_type
    if entry is None or not entry.GetOptions().map_entry:
        return None
    if entry.fields_by_name["key"].type != FieldDescriptor.TYPE_STRING:
        raise ContractError(f"field {descriptor.full_name}: only strings can be keys of a map in JSON")
    return entry.fields_by_name["value"]
