"""Reads services, rules and options from the compiled descriptor set."""

from __future__ import annotations

from collections.abc import Mapping
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
from google.protobuf.message import DecodeError

from gateway.contract.contract import (
    Contract,
    ContractError,
    Idempotency,
    Local,
    Method,
    Moved,
    Rest,
    Streaming,
    Union,
    UnionCase,
    enum_prefix,
)
from gateway.contract.http_rule import HttpRuleError, parse_http_rule
from gateway.contract.resources import ResourceError, Resources

__all__ = ["build_contract", "load_contract"]

_OPTIONS_PACKAGE = "vapi.v1"


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
