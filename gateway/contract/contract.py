"""Reads services, rules and options from the compiled descriptor set into plain values."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    MethodDescriptor,
    ServiceDescriptor,
)
from google.protobuf.message import DecodeError, Message

from gateway.contract.http_rule import HttpRule, HttpRuleError, parse_http_rule
from gateway.contract.resources import NamedResources, Resource, ResourceError, Resources

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
    "load_contract",
]

_OPTIONS_PACKAGE = "vapi.v1"


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


@cache
def load_contract() -> Contract:
    """The contract that was compiled into the package. Raises ContractError with the name of the rpc or message if a
    rule or an option is invalid.
    """
    compiled = Path(__file__).with_name("descriptors.binpb")
    if not compiled.is_file():
        raise ContractError("the compiled protos are missing from the package: run `make generate`")
    return build_contract(compiled.read_bytes())


def build_contract(descriptor_set: bytes) -> Contract:
    """Builds a contract from a serialized FileDescriptorSet with imports. Raises ContractError."""
    files = _files(descriptor_set)
    pool = descriptor_pool.DescriptorPool()
    for name, file in files:
        try:
            pool.AddSerializedFile(file)
        except TypeError as error:
            raise ContractError(f"{name}: {error}") from None
    try:
        # Options are read with the pool's own classes, which know the pool's own extensions.
        file_class = message_factory.GetMessageClass(pool.FindMessageTypeByName("google.protobuf.FileDescriptorProto"))
        reader = _Reader(pool)
    except KeyError as error:
        raise ContractError(f"the descriptor set is not complete: {error.args[0]}") from None
    # One after the other: parsed together, they need 3 MB more, which would stay allocated as fragmented memory.
    for _, file in files:
        reader.read_file(file_class.FromString(file))
    return Contract(
        descriptor_set=descriptor_set,
        pool=pool,
        services=reader.services,
        methods=reader.methods,
        messages=reader.messages,
        enums=reader.enums,
        _unions=reader.unions,
        _required=reader.required,
        _error_data=frozenset(reader.error_data),
        json_texts=frozenset(reader.json_texts),
        identifiers=reader.resources.of_values,
        key_identifiers=reader.resources.of_keys,
        resource_types=frozenset(reader.resources.types),
        moved=reader.moved,
        open_enums=reader.open_enums,
    )


def _files(descriptor_set: bytes) -> list[tuple[str, bytes]]:
    """The names of the files of a descriptor set, and each of them serialized, without comments. Raises
    ContractError."""
    try:
        files = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set).file
    except DecodeError:
        raise ContractError("the descriptor set cannot be read") from None
    for file in files:
        file.ClearField("source_code_info")  # Three quarters of the set, of which no call needs anything.
    return [(file.name, file.SerializeToString()) for file in files]


class _Reader:
    """Collects what the contract needs while traversing the files."""

    def __init__(self, pool: descriptor_pool.DescriptorPool) -> None:
        self._pool = pool
        self._http = pool.FindExtensionByName("google.api.http")
        self._behavior = pool.FindExtensionByName("google.api.field_behavior")
        self._required_number = pool.FindEnumTypeByName("google.api.FieldBehavior").values_by_name["REQUIRED"].number
        self._errors: Any = pool.FindExtensionByName(f"{_OPTIONS_PACKAGE}.errors")
        error_types: Any = self._errors.enum_type
        prefix = enum_prefix(error_types)
        self._error_names = {value.number: value.name.removeprefix(prefix) for value in error_types.values}
        self._unions_option = pool.FindExtensionByName(f"{_OPTIONS_PACKAGE}.unions")
        self._error_data_option = pool.FindExtensionByName(f"{_OPTIONS_PACKAGE}.error_data")
        self._json_text_option = pool.FindExtensionByName(f"{_OPTIONS_PACKAGE}.json_text")
        self._resource_option = pool.FindExtensionByName(f"{_OPTIONS_PACKAGE}.resource")
        self._key_resource_option = pool.FindExtensionByName(f"{_OPTIONS_PACKAGE}.key_resource")
        self._since = pool.FindExtensionByName(f"{_OPTIONS_PACKAGE}.since")
        self._optional_result = pool.FindExtensionByName(f"{_OPTIONS_PACKAGE}.optional_result")
        self._filtered = pool.FindExtensionByName(f"{_OPTIONS_PACKAGE}.filtered")
        self._waits = pool.FindExtensionByName(f"{_OPTIONS_PACKAGE}.waits")
        self._moved_option = pool.FindExtensionByName(f"{_OPTIONS_PACKAGE}.moved")
        self._open_enum_option = pool.FindExtensionByName(f"{_OPTIONS_PACKAGE}.open_enum")
        self.services: dict[str, ServiceDescriptor] = {}
        self.methods: dict[str, Method] = {}
        self.messages: dict[str, Descriptor] = {}
        self.enums: dict[str, EnumDescriptor] = {}
        self.unions: dict[str, tuple[Union, ...]] = {}
        self.required: dict[str, frozenset[str]] = {}
        self.error_data: set[str] = set()
        self.json_texts: set[str] = set()
        self.resources = Resources()
        self.moved: dict[str, Moved] = {}
        self.open_enums: dict[str, str] = {}

    def read_file(self, file: Any) -> None:
        prefix = f"{file.package}." if file.package else ""
        for message in file.message_type:
            self._read_message(prefix + message.name, message)
        for item in file.enum_type:
            self.enums[prefix + item.name] = self._pool.FindEnumTypeByName(prefix + item.name)
        for service in file.service:
            full_name = prefix + service.name
            descriptor = self.services[full_name] = self._pool.FindServiceByName(full_name)
            rpcs = descriptor.methods_by_name
            for method in service.method:
                self._read_method(full_name, method, rpcs)

    def _read_message(self, full_name: str, message: Any) -> None:
        descriptor = self.messages[full_name] = self._pool.FindMessageTypeByName(full_name)
        for nested in message.nested_type:
            self._read_message(f"{full_name}.{nested.name}", nested)
        for item in message.enum_type:
            self.enums[f"{full_name}.{item.name}"] = self._pool.FindEnumTypeByName(f"{full_name}.{item.name}")
        # To look for an option where there is none costs as much as to read one.
        items = [item for item in message.field if item.HasField("options")]
        required = {item.name for item in items if self._required_number in item.options.Extensions[self._behavior]}
        if required:
            self.required[full_name] = frozenset(required)
        for item in items:
            self._read_field(descriptor, item)
        if not message.HasField("options"):
            return
        if message.options.Extensions[self._error_data_option]:
            self.error_data.add(full_name)
        unions = tuple(self._read_union(descriptor, union) for union in message.options.Extensions[self._unions_option])
        if unions:
            self.unions[full_name] = unions

    def _read_field(self, descriptor: Descriptor, item: Any) -> None:
        full_name, options = f"{descriptor.full_name}.{item.name}", item.options
        if options.Extensions[self._json_text_option]:
            if item.type != FieldDescriptor.TYPE_STRING:
                raise ContractError(f"field {full_name}: only a string can hold JSON as text")
            self.json_texts.add(full_name)
        self._read_resources(descriptor, item)
        if options.HasExtension(self._moved_option):
            told = options.Extensions[self._moved_option]
            self.moved[full_name] = Moved(told.since, told.header, told.query)
        if name := options.Extensions[self._open_enum_option]:
            self.open_enums[full_name] = self._open_enum(full_name, item, name)

    def _read_resources(self, descriptor: Descriptor, item: Any) -> None:
        for option, of_keys in ((self._resource_option, False), (self._key_resource_option, True)):
            if item.options.HasExtension(option):
                told = item.options.Extensions[option]
                try:
                    self.resources.add(
                        descriptor.fields_by_name[item.name], told.types, told.type_field, of_keys=of_keys
                    )
                except ResourceError as error:
                    raise ContractError(f"field {descriptor.full_name}.{item.name}: {error}") from None

    def _open_enum(self, full_name: str, text: Any, name: str) -> str:
        if text.type != FieldDescriptor.TYPE_STRING:
            raise ContractError(f"field {full_name}: only a string can hold values of an open enum")
        try:
            return enum_prefix(self._pool.FindEnumTypeByName(name))
        except KeyError:
            raise ContractError(f"field {full_name}: there is no enum {name!r}") from None

    def _read_union(self, descriptor: Descriptor, option: Any) -> Union:
        where = f"message {descriptor.full_name}: union"
        tag = descriptor.fields_by_name.get(option.tag)
        if tag is None or tag.enum_type is None:
            raise ContractError(f"{where}: the tag {option.tag!r} is not an enum field")
        prefix = enum_prefix(tag.enum_type)
        cases: dict[str, UnionCase] = {}
        for case in option.cases:
            if prefix + case.value not in tag.enum_type.values_by_name:
                raise ContractError(f"{where} {option.tag}: {case.value!r} is not a value of {tag.enum_type.full_name}")
            for name in (*case.required, *case.optional):
                if name not in descriptor.fields_by_name:
                    raise ContractError(f"{where} {option.tag}: there is no field {name!r}")
            cases[case.value] = UnionCase(frozenset(case.required), frozenset(case.optional))
        return Union(option.tag, cases)

    def _read_method(self, service: str, method: Any, rpcs: Mapping[str, MethodDescriptor]) -> None:
        where = f"rpc {service}/{method.name}"
        options = method.options
        streaming = Streaming((method.client_streaming, method.server_streaming))
        backing = self._read_backing(where, options)
        if isinstance(backing, Rest) and streaming is not Streaming.UNARY:
            raise ContractError(f"{where}: a REST call has one request and one answer, so the rpc cannot stream")
        descriptor = rpcs[method.name]
        self.methods[f"{service}/{method.name}"] = Method(
            service=service,
            name=method.name,
            input_type=descriptor.input_type,
            output_type=descriptor.output_type,
            backing=backing,
            streaming=streaming,
            idempotency=Idempotency(options.idempotency_level),
            errors=tuple(self._error_names[number] for number in options.Extensions[self._errors]),
            since=options.Extensions[self._since],
            task_form=f"{service}/{method.name}Task" if f"{method.name}Task" in rpcs else "",
            result_is_optional=options.Extensions[self._optional_result],
            resources=self.resources.of(descriptor.input_type),
            is_filtered=options.Extensions[self._filtered],
            waits=options.Extensions[self._waits],
        )

    def _read_backing(self, where: str, options: Any) -> Rest | Local:
        """The rpc's REST call. An rpc without one is the gateway's own: the server requires its handler at the
        start."""
        if not options.HasExtension(self._http):
            return Local()
        http = options.Extensions[self._http]
        verb = http.WhichOneof("pattern")
        if verb is None or verb == "custom" or http.additional_bindings:
            raise ContractError(f"{where}: the rule must be exactly one of get, put, post, delete, patch")
        try:
            return Rest(parse_http_rule(verb, getattr(http, verb), http.body, http.response_body))
        except HttpRuleError as error:
            raise ContractError(f"{where}: {error}") from None
