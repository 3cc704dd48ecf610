"""Messages for logs, because protobuf prints all their fields."""

from __future__ import annotations

from typing import Any, TypeVar

from google.protobuf.message import Message

__all__ = ["redact"]

_M = TypeVar("_M", bound=Message)


def redact(message: _M) -> _M:
    """A copy of a message without its secrets, for logs.

    Passwords and all other fields that the protos mark with `debug_redact` become `[redacted]`, or unset if they are
    not strings, in nested messages too.
    """
    copy = type(message)()
    copy.CopyFrom(message)
    _redact(copy)
    return copy


def _redact(message: Message) -> None:
    for field, value in message.ListFields():
        if field.GetOptions().debug_redact:
            if isinstance(value, str):
                setattr(message, field.name, "[redacted]")
            else:
                message.ClearField(field.name)
        elif field.message_type is not None:
            for inner in _messages(field, value):
                _redact(inner)


def _messages(field: Any, value: Any) -> Any:
    """The messages in a field: itself, or those of a list or a map."""
    if isinstance(value, Message):
        return (value,)
    if field.message_type.GetOptions().map_entry:
        return value.values() if field.message_type.fields_by_name["value"].message_type is not None else ()
    return value
