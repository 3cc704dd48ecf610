"""Formats responses: as JSON or YAML for programs, as tables for people, or as bare identifiers for other commands."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from typing import Any, Protocol

import click
from google.protobuf import json_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway.cli.output import echo, echo_json, print_table
from gateway.contract import Contract
from gateway.contract.contract import enum_value_name, map_value
from gateway.printable import escaped

__all__ = ["Show", "identifiers_in", "names_of", "renderer"]

_DEPTH = 3
"""How many levels of nested messages become columns."""


class Show(Protocol):
    """Prints a response. `request` is the request that it answers, None for a stream."""

    def __call__(self, message: Message, request: Message | None = None) -> None: ...


def renderer(format_name: str, contract: Contract, *, is_stream: bool) -> Show:
    """A function that prints a response in a format, or each message of a stream, where JSON is one line per
    message."""
    if format_name == "table":
        return _Tables(contract)
    if format_name == "name":
        return lambda message, request=None: _print_lines(names_of(message, request, contract))
    if format_name == "yaml":
        return lambda message, request=None: _print_yaml(message, contract, is_stream)
    return lambda message, request=None: _print_json(message, contract, None if is_stream else 2)


def _print_json(message: Message, contract: Contract, indent: int | None) -> None:
    echo_json(
        json_format.MessageToJson(
            message, preserving_proto_field_name=True, indent=indent, descriptor_pool=contract.pool
        )
    )
    sys.stdout.flush()


def _print_yaml(message: Message, contract: Contract, is_stream: bool) -> None:
    import yaml

    content = json_format.MessageToDict(message, preserving_proto_field_name=True, descriptor_pool=contract.pool)
    # In ASCII, like JSON: text that others wrote cannot send control characters to the terminal.
    click.echo(("---\n" if is_stream else "") + yaml.safe_dump(content, sort_keys=False), nl=False)
    sys.stdout.flush()


def _print_lines(texts: Iterator[str]) -> None:
    for text in texts:
        click.echo(escaped(text).replace("\n", "\\n"))
    sys.stdout.flush()


def names_of(message: Message, request: Message | None, contract: Contract) -> Iterator[str]:
    """The identifiers of the objects that a call was about.

    The request identifies the object that a `Get...` rpc returns, and the one that an rpc with an empty response has
    changed. All other rpcs return identifiers.
    """
    if request is not None and (request.DESCRIPTOR.name.startswith("Get") or not message.DESCRIPTOR.fields):
        own = [
            str(value)
            for field, value in request.ListFields()
            if field.full_name in contract.identifiers and field.message_type is None and not field.is_repeated
        ]
        if own:
            yield own[-1]  # For example the device, after its machine.
            return
    yield from identifiers_in(message, contract)


def identifiers_in(message: Any, contract: Contract) -> Iterator[str]:
    """The identifiers in a response: its own, otherwise those of the items of its lists and maps, one for each."""
    own = [
        field
        for field, _ in message.ListFields()
        if field.full_name in contract.identifiers and field.message_type is None
    ]
    if own:
        value = getattr(message, own[0].name)
        yield from value if own[0].is_repeated else [value]
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if map_value(field) is not None:
            if field.full_name in contract.key_identifiers:
                yield from sorted(value)
            elif field.full_name in contract.identifiers:
                yield from value.values()
        elif field.is_repeated:
            for item in value:
                yield from identifiers_in(item, contract)
        else:
            yield from identifiers_in(value, contract)


class _Tables:
    """Responses as tables: a list has a row for each item, anything else has a row for each field."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract

    def __call__(self, message: Any, request: Message | None = None) -> None:
        message = _unwrapped(message)
        fields = _listed(message)
        lists = [(field, value) for field, value in fields if field.is_repeated]
        plain = [(field, value) for field, value in fields if not field.is_repeated]
        if not fields and (empty := [field for field in message.DESCRIPTOR.fields if field.is_repeated]):
            echo(f"no {empty[0].name.replace('_', ' ')}", err=True)
        if plain:
            self._pairs(plain)
        for field, value in lists:
            if plain or len(lists) > 1:
                click.echo(f"\n{field.name.upper().replace('_', ' ')}")
            self._rows(field, value)
        sys.stdout.flush()

    def _pairs(self, fields: list[tuple[FieldDescriptor, Any]]) -> None:
        cells: dict[str, str] = {}
        nested: list[tuple[str, FieldDescriptor, Any]] = []
        for field, value in fields:
            self._flatten(field.name, field, value, cells, nested, _DEPTH + 3)
        if cells:
            print_table(["FIELD", "VALUE"], [list(pair) for pair in cells.items()])
        for name, field, value in nested:
            click.echo(f"\n{name.upper().replace('_', ' ')}")
            self._rows(field, value)

    def _rows(self, field: FieldDescriptor, value: Any) -> None:
        """A table of a list or a map; the keys of a map are the first column."""
        rows: list[dict[str, str]] = []
        for key, item in sorted(value.items()) if map_value(field) is not None else ((None, item) for item in value):
            cells: dict[str, str] = {} if key is None else {"key": str(key)}
            if isinstance(item, Message):
                for inner, content in _listed(item):
                    self._flatten(inner.name, inner, content, cells, None, _DEPTH)
            else:
                cells[field.name if key is None else "value"] = str(item)
            rows.append(cells)
        columns = self._columns(field, rows)
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        print_table(
            [column.upper().replace("_", "-") for column in columns],
            [[row.get(column, "") for column in columns] for row in rows],
            width=width,
        )

    def _columns(self, field: FieldDescriptor, rows: list[dict[str, str]]) -> list[str]:
        """The columns that any row has: the identifier first, then the name, then the rest in the order of the
        proto."""
        found = dict.fromkeys(column for row in rows for column in row)
        item = field.message_type
        first = ["key"]
        if item is not None:
            first += [inner.name for inner in item.fields if inner.full_name in self._contract.identifiers][:1]
        first.append("name")
        return [*(column for column in first if column in found), *(column for column in found if column not in first)]

    def _flatten(
        self,
        name: str,
        field: FieldDescriptor,
        value: Any,
        cells: dict[str, str],
        nested: list[tuple[str, FieldDescriptor, Any]] | None,
        depth: int,
    ) -> None:
        """Puts a field into cells, those of a nested message as `name.field`. Lists of messages are added to `nested`,
        or are counted if there is none."""
        if _is_list(field):
            if nested is not None:
                nested.append((name, field, value))
            else:
                cells[name] = str(len(value))
            return
        if field.is_repeated:
            cells[name] = ",".join(_text(field, item) for item in value)
        elif _is_well_known(field):
            cells[name] = _well_known(value)
        elif field.message_type is not None:
            if depth <= 0:
                cells[name] = "..."
            for inner, content in _listed(value) if depth > 0 else ():
                self._flatten(f"{name}.{inner.name}", inner, content, cells, nested, depth - 1)
        else:
            cells[name] = _text(field, value)


def _unwrapped(message: Any) -> Any:
    """The message inside wrappers, which are messages with only one possible field."""
    while len(message.DESCRIPTOR.fields) == 1:
        (field,) = message.DESCRIPTOR.fields
        if field.is_repeated or field.message_type is None or _is_well_known(field) or not message.HasField(field.name):
            break
        message = getattr(message, field.name)
    return message


def _listed(message: Any) -> list[tuple[FieldDescriptor, Any]]:
    return list(message.ListFields())


def _is_well_known(field: FieldDescriptor) -> bool:
    """Whether a message is shown as its JSON: timestamps, masks, dynamic structures."""
    return field.message_type is not None and field.message_type.full_name.startswith("google.protobuf.")


def _is_list(field: FieldDescriptor) -> bool:
    """Whether a field is shown as its own rows."""
    return field.is_repeated and field.message_type is not None


def _text(field: FieldDescriptor, value: Any) -> str:
    if field.enum_type is not None:
        return enum_value_name(field.enum_type, value)
    if field.type == field.TYPE_BOOL:
        return "true" if value else "false"
    if field.type == field.TYPE_BYTES:
        return f"{len(value)} bytes"
    return str(value)


def _well_known(value: Any) -> str:
    content: Any = json_format.MessageToDict(value)
    return content if isinstance(content, str) else json_format.MessageToJson(value, indent=None)
