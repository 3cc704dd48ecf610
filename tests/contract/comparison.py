"""Compares a compiled descriptor set with the catalogue and says every difference.

Names of services, rpcs and messages are free: an rpc is found by its REST call. Below it everything has to agree,
down to each field of each structure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import parse_qsl

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.descriptor import FieldDescriptor as F

from tests.contract.catalogue import Catalogue, Field, Operation, Resource, Struct, Type

__all__ = ["Protos", "differences"]

SCALARS = {
    "string": F.TYPE_STRING,
    "uri": F.TYPE_STRING,
    "password": F.TYPE_STRING,
    "int64": F.TYPE_INT64,
    "boolean": F.TYPE_BOOL,
    "double": F.TYPE_DOUBLE,
}
WELL_KNOWN = {
    "date-time": (".google.protobuf.Timestamp",),
    # A Value where the type of a result decides whether it is a structure at all.
    "dynamic": (".google.protobuf.Struct", ".google.protobuf.Value"),
}
NEW_NAMES = {("com.vmware.vcenter.ovf.import_flag/list", "rp"): "resource_pool"}
"""Names of query parameters that release 9.0 changed."""
OWN_PACKAGE = "vcenter.gateway."
"""What the gateway implements itself mirrors nothing."""
LEVELS = ("IDEMPOTENCY_UNKNOWN", "NO_SIDE_EFFECTS", "IDEMPOTENT")


class Protos:
    """A descriptor set whose options can be read and changed."""

    def __init__(self, descriptor_set: bytes) -> None:
        self.pool = descriptor_pool.DescriptorPool()
        for file in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set).file:
            self.pool.AddSerializedFile(file.SerializeToString())
        # Only the classes of the pool itself know the pool's options.
        set_class = message_factory.GetMessageClass(
            self.pool.FindMessageTypeByName("google.protobuf.FileDescriptorSet")
        )
        self.set: Any = set_class.FromString(descriptor_set)
        self.messages: dict[str, Any] = {}
        self.enums: dict[str, Any] = {}
        self.methods: dict[str, Any] = {}
        for file in self.set.file:
            self._index(f".{file.package}", file.message_type, file.enum_type)
            for service in file.service:
                self.methods |= {f"{file.package}.{service.name}/{item.name}": item for item in service.method}

    def _index(self, prefix: str, messages: Iterable[Any], enums: Iterable[Any]) -> None:
        self.enums |= {f"{prefix}.{enum.name}": enum for enum in enums}
        for message in messages:
            self.messages[f"{prefix}.{message.name}"] = message
            self._index(f"{prefix}.{message.name}", message.nested_type, message.enum_type)

    def option(self, item: Any, name: str) -> Any:
        """An option that an imported proto defines, by its full name."""
        return item.options.Extensions[self.pool.FindExtensionByName(name)]

    def error_types(self, method: Any) -> list[str]:
        names = {value.number: value.name for value in self.enums[".vapi.std.errors.v1.ErrorType"].value}
        return [names[number].removeprefix("ERROR_TYPE_") for number in self.option(method, "vapi.v1.errors")]

    def is_marked(self, field: Any, behavior: str) -> bool:
        numbers = {value.name: value.number for value in self.enums[".google.api.FieldBehavior"].value}
        return numbers[behavior] in self.option(field, "google.api.field_behavior")

    def resource(self, field: Any, option: str) -> Resource | None:
        """What a field says of its identifiers: `resource`, or `key_resource` of the keys of a map."""
        if not field.options.HasExtension(self.pool.FindExtensionByName(f"vapi.v1.{option}")):
            return None
        found = self.option(field, f"vapi.v1.{option}")
        return Resource(tuple(found.types), found.type_field)

    def map_value(self, field: Any) -> Any:
        """The field of a map's values, None where the field is no map."""
        entry = self.messages.get(field.type_name)
        return entry.field[1] if entry is not None and entry.options.map_entry else None


def wire(field: Any) -> str:
    first, *others = field.name.split("_")
    derived = first + "".join(word[:1].upper() + word[1:] for word in others)
    return str(field.name if field.json_name in ("", derived) else field.json_name)


def _told(resource: Resource | None) -> str:
    if resource is None:
        return "none"
    by = f" by {resource.type_field}" if resource.type_field else ""
    return (" or ".join(resource.types) or "any") + by


def differences(descriptor_set: bytes, catalogue: Catalogue) -> list[str]:
    """Every difference as one line that begins with the place."""
    return sorted(_Comparison(Protos(descriptor_set), catalogue).run())


class _Comparison:
    def __init__(self, protos: Protos, catalogue: Catalogue) -> None:
        self.protos = protos
        self.catalogue = catalogue
        self.found: set[str] = set()
        self.done: set[tuple[str, str, bool]] = set()

    def run(self) -> set[str]:
        rpcs: dict[tuple[object, ...], list[str]] = {}
        for name, method in self.protos.methods.items():
            if name.startswith(OWN_PACKAGE):
                continue
            http = self.protos.option(method, "google.api.http")
            verb = http.WhichOneof("pattern") or "no verb"
            path, _, query = getattr(http, verb, "").partition("?")
            rpcs.setdefault((verb.upper(), path, *sorted(parse_qsl(query))), []).append(name)
        for operation in self.catalogue.operations:
            address = (operation.method, operation.path, *sorted(operation.query.items()))
            names = rpcs.pop(address, [])
            if len(names) > 1 and (chosen := self.with_parameters(names, operation)):
                rpcs[address] = [name for name in names if name != chosen]
                names = [chosen]
            if len(names) != 1:
                self.say(operation.name, f"has {len(names)} rpcs: {', '.join(names) or 'none'}")
            for name in names:
                self.operation(name, operation)
        for names in rpcs.values():
            for name in names:
                self.say(name, "is no operation of the API")
        for struct in self.catalogue.unreached:
            found = [name for name in self.protos.messages if name.rpartition(".")[2] == struct.name]
            if not any(
                self.silently(lambda name=name, struct=struct: self.struct(name, struct, False)) for name in found
            ):
                self.say(struct.name, "is no message, or not with these fields")
        return self.found

    def with_parameters(self, names: list[str], operation: Operation) -> str | None:
        """Of rpcs with one verb and path, the one whose request has exactly the parameters of the operation."""
        wanted = {*operation.path_params, *(item.name for item in operation.query_params)}
        fitting = [
            name
            for name in names
            if operation.body is None
            and {wire(field) for field in self.protos.messages[self.protos.methods[name].input_type].field} == wanted
        ]
        return fitting[0] if len(fitting) == 1 else None

    def say(self, place: str, what: str) -> None:
        self.found.add(f"{place.removeprefix('.')}: {what}")

    def silently(self, compare: Callable[[], None]) -> bool:
        """Whether a comparison finds nothing."""
        before, self.found = self.found, set()
        compare()
        found, self.found = self.found, before
        return not found

    def operation(self, name: str, operation: Operation) -> None:
        method = self.protos.methods[name]
        http = self.protos.option(method, "google.api.http")
        request = self.protos.messages[method.input_type]
        if (errors := self.protos.error_types(method)) != list(operation.errors):
            self.say(name, f"has the errors {errors} in place of {list(operation.errors)}")
        if (level := LEVELS[method.options.idempotency_level]) != (expected := operation.idempotency):
            self.say(name, f"is {level} in place of {expected}")
        if (since := self.protos.option(method, "vapi.v1.since")) != operation.since:
            self.say(name, f"is there since {since or 'ever'} in place of {operation.since or 'ever'}")
        if self.protos.option(method, "vapi.v1.optional_result") is not operation.result_is_optional:
            self.say(name, f"should {'' if operation.result_is_optional else 'not '}have an optional result")
        fields = {wire(field): field for field in request.field}
        for parameter in operation.path_params:
            if (field := fields.pop(parameter, None)) is None:
                self.say(name, f"lacks the path field {parameter}")
            elif field.type not in (F.TYPE_STRING, F.TYPE_INT64) or field.label == F.LABEL_REPEATED:
                self.say(f"{name}.{parameter}", "should be a string or an int64")
            elif field.proto3_optional or not self.protos.is_marked(field, "REQUIRED"):
                self.say(f"{name}.{parameter}", "should be REQUIRED and not optional")
            if field is not None:
                expected = Field(parameter, "string", True, operation.path_resources.get(parameter))
                self.resources(f"{name}.{parameter}", method.input_type, field, expected)
        if operation.body is not None:
            body = {field.name: field for field in request.field}.get(http.body)
            if body is None:
                self.say(name, "should have one field as its body")
            else:
                fields.pop(wire(body))
                self.field(f"{name}.{body.name}", method.input_type, body, Field(body.name, operation.body, True), True)
        elif http.body != ("" if operation.body_fields is None else "*"):
            self.say(name, f"has the body {http.body!r}")
        for parameter in (*operation.query_params, *(operation.body_fields or ())):
            if (field := fields.pop(parameter.name, None)) is None:
                self.say(name, f"lacks the field {parameter.name}")
            else:
                self.field(f"{name}.{field.name}", method.input_type, field, parameter, True)
                new_name = NEW_NAMES.get((operation.name, parameter.name), "")
                if self.protos.option(field, "vapi.v1.moved").query != new_name:
                    self.say(f"{name}.{field.name}", f"should have the new name {new_name or '(none)'}")
        for header in operation.headers:
            parameter = header.name.lower().replace("-", "_")
            field = fields.pop(parameter, None) or {wire(item): item for item in request.field}.get(parameter)
            if field is None:
                self.say(name, f"lacks the field {parameter}")
            elif self.protos.option(field, "vapi.v1.moved").header != header.name:
                self.say(f"{name}.{parameter}", f"should say that it moved to the header {header.name}")
        for other in fields:
            self.say(name, f"has a field that the API lacks: {other}")
        self.result(name, operation, http.response_body, method.output_type)

    def result(self, name: str, operation: Operation, response_body: str, response: str) -> None:
        fields = {field.name: field for field in self.protos.messages[response].field}
        if operation.result is None:
            if fields or response_body:
                self.say(name, "should have no result")
        elif fields.keys() != {response_body}:
            self.say(name, "should have one field that is the result")
        else:
            self.field(f"{name}.{response_body}", response, fields[response_body], operation.result, False)

    def resources(self, place: str, message: str, field: Any, expected: Field) -> None:
        """Whether a field says of its identifiers what they stand for."""
        names = {wire(other): other.name for other in self.protos.messages[message].field}
        for option, resource in (("resource", expected.resource), ("key_resource", expected.key_resource)):
            wanted = resource and Resource(resource.types, names.get(resource.type_field, resource.type_field))
            found = self.protos.resource(field, option)
            if found is not None and wanted is None:
                self.say(place, f"should have no {option}, not {_told(found)}")
            elif found != wanted and wanted is not None:
                self.say(place, f"should have the {option} {_told(wanted)}, not {_told(found)}")

    def field(self, place: str, message: str, field: Any, expected: Field, is_request: bool) -> None:
        self.resources(place, message, field, expected)
        if (since := self.protos.option(field, "vapi.v1.field_since")) != expected.since:
            self.say(place, f"is there since {since or 'ever'} in place of {expected.since or 'ever'}")
        if is_request and self.protos.is_marked(field, "REQUIRED") is not expected.required:
            self.say(place, f"should {'' if expected.required else 'not '}be REQUIRED")
        if is_request and self.protos.is_marked(field, "OPTIONAL") is expected.required:
            self.say(place, f"should {'not ' if expected.required else ''}be OPTIONAL")
        repeated, of_map = field.label == F.LABEL_REPEATED, self.protos.map_value(field)
        if isinstance(expected.type, tuple):
            kind, element = expected.type
            if kind == "map" and of_map is None:
                self.say(place, "should be a map")
            elif kind == "list" and (not repeated or of_map is not None):
                self.say(place, "should be repeated")
            else:
                self.single(place, field if of_map is None else of_map, element, is_request)
        elif repeated:
            self.say(place, "should not be repeated")
        else:
            if field.type != F.TYPE_MESSAGE and not field.proto3_optional:
                self.say(place, "should be optional")
            self.single(place, field, expected.type, is_request)

    def single(self, place: str, field: Any, expected: Type, is_request: bool) -> None:
        if expected in SCALARS:
            if field.type != SCALARS[expected]:
                self.say(place, f"should be {expected}")
            if expected == "password" and not field.options.debug_redact:
                self.say(place, "is a secret: should be redacted")
        elif expected in WELL_KNOWN:
            if field.type_name not in WELL_KNOWN[expected]:
                self.say(place, f"should be {WELL_KNOWN[expected][0][1:]}")
        elif expected in self.catalogue.enums:
            if field.type != F.TYPE_ENUM:
                self.say(place, f"should be the enum {expected}")
            else:
                self.enum(field.type_name, expected)
        elif field.type != F.TYPE_MESSAGE:
            self.say(place, f"should be the message {expected}")
        else:
            self.struct(field.type_name, self.catalogue.structs[expected], is_request)

    def enum(self, name: str, expected: str) -> None:
        values = self.catalogue.enums[expected]
        zero, *others = self.protos.enums[name].value
        if zero.number != 0 or not zero.name.endswith("_UNSPECIFIED"):
            self.say(name, "should begin with ..._UNSPECIFIED = 0")
            return
        prefix = zero.name.removesuffix("UNSPECIFIED")
        have = {value.name.removeprefix(prefix) for value in others}
        for missing in set(values) - have:
            self.say(name, f"lacks the value {missing}")
        for other in have - set(values):
            self.say(name, f"has a value that the API lacks: {other}")
        expected_since = self.catalogue.value_since.get(expected, {})
        for value in others:
            since = self.protos.option(value, "vapi.v1.value_since")
            if since != (wanted := expected_since.get(value.name.removeprefix(prefix), "")):
                self.say(f"{name}.{value.name}", f"is there since {since or 'ever'} in place of {wanted or 'ever'}")

    def struct(self, name: str, struct: Struct, is_request: bool) -> None:
        if (name, struct.name, is_request) in self.done:
            return
        self.done.add((name, struct.name, is_request))
        message = self.protos.messages[name]
        fields = {wire(field): field for field in message.field}
        wires = {field.name: wire(field) for field in message.field}
        for expected in struct.fields:
            if (field := fields.pop(expected.name, None)) is None:
                self.say(name, f"lacks the field {expected.name}")
            else:
                self.field(f"{name}.{field.name}", name, field, expected, is_request)
        for other in fields:
            self.say(name, f"has a field that the API lacks: {other}")
        unions = {
            wires.get(union.tag, union.tag): {
                case.value: (
                    frozenset(wires.get(field, field) for field in case.required),
                    frozenset(wires.get(field, field) for field in case.optional),
                )
                for case in union.cases
            }
            for union in self.protos.option(message, "vapi.v1.unions")
        }
        for tag in unions.keys() | struct.unions.keys():
            if unions.get(tag) != struct.unions.get(tag):
                self.say(name, f"has another union {tag}")
