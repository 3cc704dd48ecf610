"""One binding for each rpc: translates the request into a REST call, and the response back.

A binding is compiled from the descriptors at the start, so that a call neither looks up nor parses anything of the
contract.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any, NamedTuple, cast
from urllib.parse import parse_qsl, quote, unquote

import orjson
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from gateway.contract import Contract, ContractError, Method, Moved, Rest, Variable
from gateway.contract.contract import wire_name
from gateway.errors import Failure, GatewayError, Reason
from gateway.events import Events
from gateway.transcoding.answer_json import MAX_ELEMENTS, NotJsonError, TooManyElementsError, parse
from gateway.transcoding.decoder import MAX_DEPTH, Decoders, MismatchError
from gateway.transcoding.encoder import INTEGERS, Encode, Encoders, Violation
from gateway.transcoding.error_response import ErrorReader, error_reader, leaves_open, media_type

__all__ = ["MAX_TARGET_BYTES", "Binding", "NewerRequest", "RestRequest", "RestResponse", "compile_bindings"]

MAX_TARGET_BYTES = 16 * 1024
"""Maximum length of a path with query. vCenter's proxy refuses longer request heads with a bare page."""

# vCenter responds to a second request with the same token as to the first.
_REPEATABLE_BY = "client_token"

# Text without characters to escape according to RFC 3986, which applies to nearly all of vCenter's identifiers.
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]*", re.ASCII).fullmatch

# Text that a header can have as its value; anything else would change the request, or be changed on its way.
_HEADER_TEXT = re.compile(r"([!-~]([ -~]*[!-~])?)?").fullmatch


class RestRequest(NamedTuple):
    """A call of one of vCenter's APIs, without host and headers."""

    method: str
    target: str
    """Path and query, percent-encoded, to be sent unchanged."""
    body: bytes | None
    """Of the media type, None if the operation has no body. May contain guest passwords."""
    operation: str = ""
    """The call in vCenter's notation, for metrics. Contains no identifiers."""
    headers: Mapping[str, str] = MappingProxyType({})
    """Headers that are part of the operation."""
    media_type: str = "application/json"
    """Of the body, and of the response."""
    newer: NewerRequest | None = None
    """The same call in the form of newer releases; None if all releases expect the same."""

    def __repr__(self) -> str:
        return f"RestRequest({self.method} {self.target})"  # Without secrets.


@dataclass(frozen=True, slots=True)
class NewerRequest:
    """A call in the form that a release of vCenter introduced."""

    since: str
    """First version of the vSphere API that has this form."""
    request: RestRequest


class RestResponse(NamedTuple):
    """vCenter's answer."""

    status: int
    headers: Mapping[str, str]
    """Headers by lower-case name."""
    body: bytes

    def __repr__(self) -> str:
        return f"RestResponse({self.status})"  # Without secrets.

    @property
    def is_json(self) -> bool:
        """Whether the body is declared as JSON, like all of vCenter's own responses."""
        return self.headers.get("content-type", "").startswith("application/json")


@dataclass(frozen=True, slots=True)
class Binding:
    """The compiled translation of one rpc."""

    method: Method
    request_class: type[Message]
    response_class: type[Message]
    carries_secrets: bool
    """Whether requests contain secrets, such as a guest user's password: then a 401 may be about that user."""
    _encode: Callable[[Message], RestRequest] = field(repr=False)
    _decode: Callable[[Any, Events], dict[str, Any]] | None = field(repr=False)
    _errors: ErrorReader = field(repr=False)
    _token: str | None = field(repr=False)
    """The field that makes a call idempotent, None if there is none."""
    is_read_only: bool = field(init=False)
    """Whether the rpc has no side effects, so that it may be retried."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "is_read_only", self.method.is_read_only)

    def is_repeatable(self, message: Message) -> bool:
        """Whether the call is safe to retry: it has no side effects, or has a token by which vCenter recognizes it."""
        return self.is_read_only or (self._token is not None and bool(getattr(message, self._token)))

    def encode(self, message: Message) -> RestRequest:
        """The REST call for a request. Raises GatewayError (INVALID_ARGUMENT, with field violations)."""
        return self._encode(message)

    def decode(self, response: RestResponse, events: Events | None = None) -> Message:
        """The response message of a successful response. Raises GatewayError for every other one."""
        status = response.status
        if not 200 <= status < 300:
            error = self._errors.read(self.method.operation, status, response.headers, response.body)
            if not self.is_read_only and error.reason == f"HTTP_{status}" and leaves_open(status, response.body):
                error = error.leaving_open()
            raise GatewayError(error)
        if _is_blank(response.body) and (self._decode is None or self._may_be_empty(status)):
            return self.response_class()
        try:
            value, was_mended = parse(response.body)
            if value is not None and self._decode is not None:
                events = Events() if events is None else events
                if was_mended:
                    events.replaced_text(self.method.output_type.full_name)
                return self.response_class(**self._decode(value, events))
        except TooManyElementsError:
            reason = Reason.VCENTER_RESPONSE_TOO_LARGE
            raise self._invalid(response, f"has more than {MAX_ELEMENTS:,} values", reason) from None
        except NotJsonError:
            raise self._invalid(response, _not_json(response)) from None
        except MismatchError as error:
            raise self._invalid(response, f"does not fit the contract: {error}") from None
        return self.response_class()

    def _may_be_empty(self, status: int) -> bool:
        """Whether a response without a result is a success. A response without the started task's identifier is not."""
        return self.method.result_is_optional or (status in (202, 204) and not self.method.starts_task)

    def _invalid(
        self, response: RestResponse, what: str, reason: Reason = Reason.VCENTER_RESPONSE_INVALID
    ) -> GatewayError:
        text = f"vCenter's answer (HTTP {response.status}) {what}"
        metadata = {"operation": self.method.operation, "http_status": str(response.status)}
        failure = Failure.of(reason, text, metadata=metadata)
        return GatewayError(failure if self.is_read_only else failure.leaving_open())


def _is_blank(body: bytes) -> bool:
    return not body or body.isspace()


def _not_json(response: RestResponse) -> str:
    kind = media_type(response.headers)
    if _is_blank(response.body):
        return "is empty, although a result was expected"
    if kind and kind != "application/json":
        return f"is {kind} instead of JSON: something other than vCenter's API answered"
    if "content-encoding" in response.headers:
        return "is compressed, which the gateway did not request"
    return "is not valid JSON"


@cache
def compile_bindings(contract: Contract) -> Mapping[str, Binding]:
    """Compiles all rpcs of a contract once per process, and returns them by full name. Raises ContractError with the
    rpc's name if one cannot be translated.
    """
    encoders, decoders, errors = Encoders(contract), Decoders(contract.json_texts), error_reader(contract)
    bindings = {}
    for name, method in contract.methods.items():
        is_rest = isinstance(method.backing, Rest)
        try:
            bindings[name] = Binding(
                method=method,
                request_class=contract.message_class(method.input_type),
                response_class=contract.message_class(method.output_type),
                carries_secrets=_carries_secrets(method.input_type, set()),
                _encode=_request_encoder(contract, method, encoders) if is_rest else _no_rest_call,
                _decode=_result_decoder(method, decoders) if is_rest else None,
                _errors=errors,
                _token=_REPEATABLE_BY if is_rest and _REPEATABLE_BY in method.input_type.fields_by_name else None,
            )
        except ContractError as error:
            raise ContractError(f"rpc {name}: {error}") from None
    return bindings


def _carries_secrets(descriptor: Descriptor, seen: set[str]) -> bool:
    """Whether a field of a message, or of a nested message, is marked `debug_redact`."""
    if descriptor.full_name in seen:
        return False
    seen.add(descriptor.full_name)
    return any(
        field.GetOptions().debug_redact
        or (field.message_type is not None and _carries_secrets(field.message_type, seen))
        for field in descriptor.fields
    )


def _no_rest_call(message: Message) -> RestRequest:
    raise ContractError(f"{message.DESCRIPTOR.full_name} is a request of the gateway's own and has no REST call")


def _result_decoder(method: Method, decoders: Decoders) -> Callable[[Any, Events], dict[str, Any]] | None:
    """What reads the result into the fields of the response: None where the operation has none."""
    name, output = method.rule.response_body, method.output_type
    if not name:
        if not output.fields:
            return None
        decode_message = decoders.message(output)
        return lambda value, events: cast(dict[str, Any], decode_message(value, events, MAX_DEPTH + 1))
    if name not in output.fields_by_name:
        raise ContractError(f"response_body names {name!r}, which is not a field of {output.full_name}")
    if len(output.fields) != 1:
        raise ContractError(f"{output.full_name} has fields beside the response_body {name!r}, which nothing can fill")
    decode_field = decoders.field(output.fields_by_name[name])
    return lambda value, events: {name: decode_field(value, events, MAX_DEPTH)}


def _request_encoder(contract: Contract, method: Method, encoders: Encoders) -> Callable[[Message], RestRequest]:
    """Splits the request's fields into path, body and query, and compiles each part."""
    rule, fields = method.rule, method.input_type.fields_by_name
    for name in rule.variables:
        if name not in fields:
            raise ContractError(f"the path names {{{name}}}, which is not a field of {method.input_type.full_name}")
    if rule.body not in ("", "*") and (rule.body not in fields or rule.body in rule.variables):
        raise ContractError(f"body names {rule.body!r}, which is not a free field of {method.input_type.full_name}")
    query = {wire_name(f): f for name, f in fields.items() if name not in (*rule.variables, rule.body)}
    moved = {wire: contract.moved[f.full_name] for wire, f in query.items() if f.full_name in contract.moved}
    if rule.body == "*":
        query = {wire: query[wire] for wire in moved}
    for wire, _ in parse_qsl(rule.query):
        if wire in query:
            raise ContractError(f"the query has {wire!r} already, which {query[wire].name!r} would fill as well")
    literals = [f"/{segment}" if isinstance(segment, str) else "/{}" for segment in rule.segments]
    template = "".join(literals)
    variables = [_path_variable(fields[s.name]) for s in rule.segments if isinstance(s, Variable)]
    parameters = {wire: _query_parameter(f) for wire, f in query.items()}
    encode_message: Encode = encoders.message(method.input_type)
    path_wires = [wire_name(fields[name]) for name in rule.variables]
    body_wire = wire_name(fields[rule.body]) if rule.body not in ("", "*") else ""
    verb, whole_body, literal_query = rule.verb, rule.body == "*", rule.query
    operation = method.operation

    def encode(message: Message) -> RestRequest:
        violations: list[Violation] = []
        # The whole request is encoded and checked in one pass; its parts are then placed according to the rule.
        values = encode_message(message, violations)
        path = [variable(message, violations) for variable in variables]
        if violations:
            raise GatewayError(Failure.of_request(_distinct(violations)))
        resource = template.format(*path)
        for wire in path_wires:
            values.pop(wire, None)
        given = {wire: parameter(values.pop(wire)) for wire, parameter in parameters.items() if wire in values}
        target = _with_query(resource, literal_query, given)
        if len(target) > MAX_TARGET_BYTES:
            text = f"makes the URL {len(target)} bytes long; vCenter accepts at most {MAX_TARGET_BYTES}"
            longest = max((*rule.variables, *query_names), key=lambda name: len(str(getattr(message, name))))
            raise GatewayError(Failure.of_request([Violation(longest, text)]))
        content = values if whole_body else values.get(body_wire)
        body = None if content is None else orjson.dumps(content)
        request = RestRequest(verb, target, body, operation)
        if moved and not moved.keys().isdisjoint(given):
            in_header = [query[wire].name for wire in given if wire in moved and moved[wire].header]
            _require_header_texts(message, in_header)
            return request._replace(newer=_newer(request, resource, literal_query, given, moved))
        return request

    query_names = [f.name for f in query.values()]
    if body_wire and rule.body not in contract.required(method.input_type):
        raise ContractError(f"the body {rule.body!r} must be marked REQUIRED")
    return encode


def _with_query(resource: str, literal: str, given: Mapping[str, list[str]]) -> str:
    """The path, followed by the rule's literal query and the parameters."""
    query = [literal] if literal else []
    for wire, texts in given.items():
        query.extend(f"{wire}={text}" for text in texts)
    return f"{resource}?{'&'.join(query)}" if query else resource


def _require_header_texts(message: Message, names: list[str]) -> None:
    """INVALID_ARGUMENT for a field that no header can carry: a line break would begin another header, or request.

    Whether the header is used depends on vCenter's release. What is valid does not.
    """
    wrong = [name for name in names if not _HEADER_TEXT(getattr(message, name))]
    if wrong:
        text = "must have printable ASCII characters only, and no spaces around them"
        raise GatewayError(Failure.of_request([Violation(name, text) for name in wrong]))


def _newer(
    request: RestRequest, resource: str, literal: str, given: Mapping[str, list[str]], moved: Mapping[str, Moved]
) -> NewerRequest:
    """The same call with the parameters in the places that newer releases expect."""
    headers, query, since = {}, {}, ""
    for wire, texts in given.items():
        move = moved.get(wire)
        if move is None:
            query[wire] = texts
            continue
        since = move.since
        if move.header:
            headers[move.header] = ",".join(unquote(text) for text in texts)
        else:
            query[move.query] = texts
    return NewerRequest(since, request._replace(target=_with_query(resource, literal, query), headers=headers))


def _distinct(violations: list[Violation]) -> list[Violation]:
    return list(dict.fromkeys(violations))


def _path_variable(field: FieldDescriptor) -> Callable[[Message, list[Violation]], str]:
    """Encodes one path segment. The URL keeps the segments of the rule, no matter what the value is."""
    name = field.name
    if field.is_repeated or field.has_presence:
        raise ContractError(f"the path field {name!r} must be a plain string or integer")
    if field.cpp_type in INTEGERS:

        def encode_integer(message: Message, violations: list[Violation]) -> str:
            value = getattr(message, name)
            if value == 0:
                violations.append(Violation(name, "is required"))
            return str(value)

        return encode_integer
    if field.type != FieldDescriptor.TYPE_STRING:
        raise ContractError(f"the path field {name!r} must be a plain string or integer")

    def encode(message: Message, violations: list[Violation]) -> str:
        value = getattr(message, name)
        if not value:
            violations.append(Violation(name, "is required"))
        elif value in (".", ".."):
            # Dots cannot be escaped: servers and proxies resolve %2E%2E like "..".
            violations.append(Violation(name, "must not be '.' or '..'"))
        return value if _UNRESERVED(value) else quote(value, safe="")

    return encode


def _query_parameter(field: FieldDescriptor) -> Callable[[Any], list[str]]:
    """Turns an encoded value into query values; a list repeats its key."""
    if field.message_type is not None:
        raise ContractError(f"the field {field.name!r} is a message, which a query cannot hold")
    if field.is_repeated:
        return lambda values: [_query_text(value) for value in values]
    return lambda value: [_query_text(value)]


def _query_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return quote(str(value), safe="")
