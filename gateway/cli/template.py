"""`call --template`: a request in YAML to fill in, with what the protos say about each field."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from gateway.cli.describe import type_name
from gateway.cli.output import echo, listed
from gateway.contract import Contract, Method, load_contract
from gateway.contract.contract import enum_wire_names, map_value
from gateway.contract.documentation import Documentation

__all__ = ["print_template"]

_WIDTH = 100
_MAX_DEPTH = 6
_MAX_VALUES = 12
_EXAMPLES = {
    "google.protobuf.Timestamp": '"2026-01-31T12:00:00Z"',
    "google.protobuf.Duration": '"30s"',
    "google.protobuf.FieldMask": '"name,power_state"',
    "google.protobuf.Struct": "{}",
    "google.protobuf.Value": '""',
    "google.protobuf.Any": "{}",
    "google.protobuf.ListValue": "[]",
}


def print_template(method: Method, *, is_full: bool) -> None:
    """Prints a template of the rpc's request: the required fields, or all fields with the optional ones commented
    out."""
    contract = load_contract()
    echo(f"# Request of {method.full_name}.")
    echo(f"# Fill it in, then: vcenter-gateway call {method.full_name} FILE")
    lines = list(_Template(contract, is_full).lines(method.input_type))
    if not _has_value(lines, ""):
        # Without required fields, the request is empty, which YAML must state explicitly.
        echo("{}" if not lines else "# No field is required.")
    for line in lines:
        echo(line)


class _Template:
    def __init__(self, contract: Contract, is_full: bool) -> None:
        self._contract, self._is_full = contract, is_full
        self._documentation = Documentation(contract)

    def lines(self, message: Descriptor, indent: str = "", mark: str = "", seen: tuple[str, ...] = ()) -> Iterator[str]:
        """The fields of a message. `mark` comments out a line if the whole message is optional."""
        required = self._contract.required(message)
        by_tag = {
            name: f"{union.tag} = {value}"
            for union in self._contract.unions(message)
            for value, case in union.cases.items()
            for name in case.required
        }
        for field in message.fields:
            is_required = field.name in required
            if not (is_required or self._is_full):
                continue
            told = self._documentation.of(message.file.name, field.full_name)
            facts = [
                type_name(field),
                "required" if is_required else "optional",
                f"required with {by_tag[field.name]}" if field.name in by_tag else "",
                f"excludes {', '.join(others)}" if (others := _excluded(field)) else "",
                f"since {told.since}" if told.since else "",
                "secret" if told.is_secret else "",
            ]
            comment = f"{' '.join(told.comment.partition(chr(10) * 2)[0].split())} ({', '.join(filter(None, facts))})"
            lead = f"{mark}{indent}# "
            yield from textwrap.wrap(comment, _WIDTH, initial_indent=lead, subsequent_indent=lead)
            yield from self._values(field, lead)
            yield from self._field(field, indent, mark if is_required else mark or "# ", seen)

    def _values(self, field: FieldDescriptor, lead: str) -> Iterator[str]:
        if field.enum_type is not None:
            names = listed(enum_wire_names(field.enum_type).values(), _MAX_VALUES)
            yield from textwrap.wrap(f"One of {names}.", _WIDTH, initial_indent=lead, subsequent_indent=lead)

    def _field(self, field: FieldDescriptor, indent: str, mark: str, seen: tuple[str, ...]) -> Iterator[str]:
        start = f"{mark}{indent}{field.name}:"
        if map_value(field) is not None:
            yield f"{start} {{}}"
            return
        message = field.message_type
        if message is None or message.full_name in _EXAMPLES:
            value = _example(field)
            yield f"{start} [{value}]" if field.is_repeated else f"{start} {value}"
            return
        if message.full_name in seen or len(seen) >= _MAX_DEPTH:
            yield f"{start} {'[]' if field.is_repeated else '{}'}"
            return
        inner = indent + ("    " if field.is_repeated else "  ")
        lines = list(self.lines(message, inner, mark, (*seen, message.full_name)))
        if not _has_value(lines, mark):
            yield f"{start} {'[]' if field.is_repeated else '{}'}" + ("  # or with:" if lines else "")
            if field.is_repeated and lines:
                yield f"{mark or '# '}{indent}  -"
            yield from lines
            return
        yield start
        if field.is_repeated:
            yield f"{mark}{indent}  -"
        yield from lines


def _excluded(field: FieldDescriptor) -> list[str]:
    """The other fields of a oneof, of which only one can be set."""
    group = field.containing_oneof
    return [] if group is None else [other.name for other in group.fields if other.name != field.name]


def _has_value(lines: list[str], mark: str) -> bool:
    """Whether one of the lines is not a comment, if `mark` comments out all of them."""
    return any(not line.removeprefix(mark).lstrip().startswith("#") for line in lines)


def _example(field: FieldDescriptor) -> str:
    """A placeholder: the gateway or vCenter rejects an empty text."""
    if field.message_type is not None:
        return _EXAMPLES[field.message_type.full_name]
    if field.enum_type is not None:
        return next(iter(enum_wire_names(field.enum_type).values()), "")
    if field.type == FieldDescriptor.TYPE_BOOL:
        return "false"
    if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
        return '""'
    return "0"
