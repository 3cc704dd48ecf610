"""Parses the JSON of vCenter's answers: within a bound on what that may cost, and mended where the meaning is clear."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import repeat
from typing import Any

import orjson

__all__ = ["MAX_ELEMENTS", "MAX_MENDED_BYTES", "NotJsonError", "TooManyElementsError", "first_values", "parse"]

MAX_ELEMENTS = 500_000
"""How many values an answer may have, counted by the characters that begin or separate them: `{`, `[`, `,` and `:`,
those in texts included. A machine in the list of all machines has eleven, and vCenter lists no more than 4,000
machines. Without a bound, 30 MiB of `{},` take a gigabyte of memory, and block the event loop for seconds."""

MAX_MENDED_BYTES = 4 * 1024 * 1024
"""Longest answer in which what is not text is replaced, which takes ten times its memory. A list of 4,000 machines has
about one MiB."""

_MAX_DEPTH = 200  # More than any message has.
_SEPARATORS = b"{[,:"
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")


class NotJsonError(Exception):
    """The answer is not JSON."""


class TooManyElementsError(Exception):
    """The answer has more than MAX_ELEMENTS values."""


def parse(body: bytes) -> tuple[Any, bool]:
    """The value of a JSON text, and whether U+FFFD stands in it for what is not text.

    Names and notes of machines come from everywhere: one byte of another encoding, one half of a surrogate pair or one
    raw control character must not make a whole list unreadable. Raises NotJsonError and TooManyElementsError.
    """
    # A text that is shorter than the bound cannot exceed it: most answers are not even counted.
    if len(body) > MAX_ELEMENTS and len(body) - len(body.translate(None, _SEPARATORS)) > MAX_ELEMENTS:
        raise TooManyElementsError
    try:
        return orjson.loads(body), False
    except orjson.JSONDecodeError:
        if len(body) > MAX_MENDED_BYTES:
            raise NotJsonError from None
    text = body.decode(errors="replace")
    try:
        # The standard library reads raw control characters and halves of pairs, and joins the halves that fit.
        text = json.dumps(json.loads(text, strict=False), ensure_ascii=False)
        mended = _HALF_CHARACTER.sub("\ufffd", text)
        return orjson.loads(mended), "\ufffd" in mended
    except (ValueError, RecursionError):
        raise NotJsonError from None


def first_values(value: Any, most: int) -> Any:
    """The value without the ends of its lists and objects, so that at most `most` values remain in it."""
    return _first(value, repeat(None, most))


def _first(value: Any, room: Iterator[None], depth: int = 0) -> Any:
    if depth > _MAX_DEPTH or type(value) not in (list, dict):
        return value
    # The items come first: zip takes no room where there is no further item.
    if type(value) is list:
        return [_first(item, room, depth + 1) for item, _ in zip(value, room, strict=False)]
    return {key: _first(item, room, depth + 1) for (key, item), _ in zip(value.items(), room, strict=False)}
