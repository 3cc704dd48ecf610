"""A plain codec between messages and vCenter's JSON, to compare the gateway's with.

Slow and simple: it looks everything up in the descriptors at every step and checks nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.message import Message

__all__ = ["enum_names", "fill", "is_map", "to_json", "wire_name"]

TIMESTAMP = "google.protobuf.Timestamp"
STRUCT = "google.protobuf.Struct"
VALUE = "google.protobuf.Value"


def wire_name(field: FieldDescriptor) -> str:
    """The name in JSON: the json_name, unless it is the one that protoc derives from the field's name."""
    words = field.name.split("_")
    derived = words[0] + "".join(word[:1].upper() + word[1:] for word in words[1:])
    return field.name if field.json_name == derived else field.json_name


def enum_names(enum: EnumDescriptor) -> dict[int, str]:
    """vCenter's names of an enum's values by number: those of the proto less the prefix."""
    prefix = enum.values_by_number[0].name.removesuffix("UNSPECIFIED")
    return {value.number: value.name[len(prefix) :] for value in enum.values if value.number != 0}


def is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def to_json(message: Any) -> Any:
    """A message as vCenter's JSON."""
    name = message.DESCRIPTOR.full_name
    if name == TIMESTAMP:
        return message.ToDatetime(tzinfo=UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    if name == STRUCT:
        return {key: _dynamic(value) for key, value in message.fields.items()}
    if name == VALUE:
        return _dynamic(message)
    result = {}
    for field, value in message.ListFields():
        if is_map(field):
            of_map = field.message_type.fields_by_name["value"]
            result[wire_name(field)] = {key: _single(of_map, value[key]) for key in value}
        elif field.is_repeated:
            result[wire_name(field)] = [_single(field, item) for item in value]
        else:
            result[wire_name(field)] = _single(field, value)
    return result


def _single(field: FieldDescriptor, value: Any) -> Any:
    if field.enum_type is not None:
        return enum_names(field.enum_type)[value]
    return value if field.message_type is None else to_json(value)


def _dynamic(value: Any) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        return to_json(value.struct_value)
    if kind == "list_value":
        return [_dynamic(item) for item in value.list_value.values]
    return None if kind in (None, "null_value") else getattr(value, kind)


def fill(message: Any, value: dict[str, Any]) -> Message:
    """Fills a message from vCenter's JSON and returns it."""
    fields = {wire_name(field): field for field in message.DESCRIPTOR.fields}
    for key, item in value.items():
        fill_field(message, fields[key], item)
    return message  # type: ignore[no-any-return]


def fill_field(message: Any, field: FieldDescriptor, value: Any) -> None:
    """Fills one field of a message."""
    target = getattr(message, field.name)
    if is_map(field):
        of_map = field.message_type.fields_by_name["value"]
        for key, item in value.items():
            if of_map.message_type is not None:
                _fill_message(target[key], item)
            else:
                target[key] = _scalar(of_map, item)
    elif field.is_repeated:
        for item in value:
            if field.message_type is not None:
                _fill_message(target.add(), item)
            else:
                target.append(_scalar(field, item))
    elif field.message_type is not None:
        target.SetInParent()
        _fill_message(target, value)
    else:
        setattr(message, field.name, _scalar(field, value))


def _fill_message(message: Any, value: Any) -> None:
    if message.DESCRIPTOR.full_name == TIMESTAMP:
        message.FromDatetime(datetime.fromisoformat(value))
    elif message.DESCRIPTOR.full_name == STRUCT:
        message.update(value)
    elif message.DESCRIPTOR.full_name == VALUE:
        json_format.ParseDict(value, message)
    else:
        fill(message, value)


def _scalar(field: FieldDescriptor, value: Any) -> Any:
    if field.enum_type is None:
        return value
    return {name: number for number, name in enum_names(field.enum_type).items()}[value]
