"""Puts protobuf messages together from bytes that are there already.

The state of a machine goes to many watchers, each with fields of its own choice. Every field is serialized once, when
it changes; a message for a watcher is then a concatenation, as the wire format allows. The pieces of a file are copied
once into the message that carries them, where a message object would hold two more copies.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["blob", "joined", "number", "text", "varint"]

_VARINT, _LENGTH = 0, 2
_SMALL = tuple(bytes((value,)) for value in range(128))


def varint(value: int) -> bytes:
    """A number as protobuf writes it; a negative one takes ten bytes."""
    if 0 <= value < 128:
        return _SMALL[value]
    value &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """A field that is a number, a switch or a value of an enum."""
    return varint(field << 3 | _VARINT) + varint(value)


def blob(field: int, content: bytes) -> bytes:
    """A field that is a message, a text or bytes."""
    return b"%b%b%b" % (varint(field << 3 | _LENGTH), varint(len(content)), content)


def joined(field: int, pieces: Sequence[bytes]) -> bytes:
    """The same of a content that comes in pieces."""
    return b"".join((varint(field << 3 | _LENGTH), varint(sum(map(len, pieces))), *pieces))


def text(field: int, value: str) -> bytes:
    """A field that is a text. Halves of characters, which no message can hold, are replaced."""
    return blob(field, value.encode("utf-8", "replace"))
