"""Parses the JSON of vCenter's responses, with a limit on the cost, and repairs it if the meaning is clear."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterator
from itertools import repeat
from typing import Any

import orjson

__all__ = ["MAX_ELEMENTS", "MAX_MENDED_BYTES", "NotJsonError", "TooManyElementsError", "first_values", "parse"]

MAX_ELEMENTS = 500_000
"""Maximum number of values in a response, counted by the characters that begin or separate them: `{`, `[`, `,` and `:`,
including those in strings. A machine in the list of all machines has eleven, and vCenter lists no more than 4,000
machines. Without a limit, 30 MiB of `{},` use a gigabyte of memory, and block the event loop for seconds."""

MAX_MENDED_BYTES = 4 * 1024 * 1024
"""Maximum size of a response in which invalid text is replaced, which needs ten times its memory. A list of 4,000
machines has about one MiB."""

_MAX_DEPTH = 200  # More than any message has.
_MAX_DIGITS = 300
_SEPARATORS = b"{[,:"
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


class NotJsonError(Exception):
    """The response is not JSON."""


class TooManyElementsError(Exception):
    """The response has more than MAX_ELEMENTS values."""


def parse(body: bytes) -> tuple[Any, bool]:
    """The value of a JSON text, and whether U+FFFD replaces invalid text in it. Names and notes of machines come from
    many sources: one byte of another encoding, one half of a surrogate pair or one raw control character must not make
    a whole list unreadable. Nor may a number that is too large: it becomes its text, which no numeric field accepts.
    Raises NotJsonError and TooManyElementsError.
    """
    # A text that is shorter than the limit cannot exceed it, so most responses are not even counted.
    if len(body) > MAX_ELEMENTS and len(body) - len(body.translate(None, _SEPARATORS)) > MAX_ELEMENTS:
        raise TooManyElementsError
    try:
        return orjson.loads(body), False
    except orjson.JSONDecodeError:
        if len(body) > MAX_MENDED_BYTES:
            raise NotJsonError from None
    text = body.removeprefix(codecs.BOM_UTF8).decode(errors="replace")
    try:
        # The standard library accepts raw control characters and unpaired surrogates, and joins matching halves.
        value = json.loads(text, strict=False, parse_float=_float, parse_int=_int)
        text = json.dumps(value, ensure_ascii=False)
        mended = _HALF_CHARACTER.sub("\ufffd", text)
        return orjson.loads(mended), "\ufffd" in mended
    except (ValueError, RecursionError):
        raise NotJsonError from None


def _float(number: str) -> float | str:
    value = float(number)
    return value if math.isfinite(value) else number


def _int(number: str) -> int | str:
    # Far more digits than any field has, and fewer than Python refuses to convert.
    return int(number) if len(number) <= _MAX_DIGITS else number


def first_values(value: Any, most: int) -> Any:
    """The value with truncated lists and objects, so that at most `most` values remain."""
    return _first(value, repeat(None, most))


def _first(value: Any, room: Iterator[None], depth: int = 0) -> Any:
    if depth > _MAX_DEPTH or type(value) not in (list, dict):
        return value
    # The items come first: zip then consumes no room after the last item.
    if type(value) is list:
        return [_first(item, room, depth + 1) for item, _ in zip(value, room, strict=False)]
    return {key: _first(item, room, depth + 1) for (key, item), _ in zip(value.items(), room, strict=False)}
