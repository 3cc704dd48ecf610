"""Checks which texts fit into a header, and escapes foreign texts for display.

Names, messages and certificates of other systems may contain escape sequences and bidirectional overrides: on a
terminal, they could clear the screen, write to the clipboard, or make one word look like another.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TypeGuard

__all__ = [
    "OTHER_NAME",
    "escaped",
    "escaped_json",
    "is_name",
    "is_printable",
    "is_printable_ascii",
    "is_word",
    "name_or_other",
]

OTHER_NAME = "(not a name)"
"""Replaces text that does not look like a name in a label or a log line."""

_KEPT = "\n\t"
_NAME = re.compile(r"[A-Za-z0-9_.]{1,64}")


def is_printable_ascii(text: str) -> bool:
    """Whether a text can be the value of a header unchanged."""
    return text.isascii() and text.isprintable()


def is_printable(value: object) -> TypeGuard[str]:
    """Whether a value is a text that a person can see completely, and not empty: such a text can name a caller."""
    return isinstance(value, str) and value != "" and value.isprintable()


def is_word(value: object, most: int) -> TypeGuard[str]:
    """Whether a value is a text of 1 to `most` printable ASCII characters without blanks."""
    return isinstance(value, str) and 0 < len(value) <= most and is_printable_ascii(value) and " " not in value


def is_name(value: object) -> TypeGuard[str]:
    """Whether a value from another system looks like the name of a type, a field or an enum value: 1 to 64 ASCII
    letters, digits, `_` and `.`. Anything else may be an echoed secret, and must not become a label, reason or key."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None


def name_or_other(text: str) -> str:
    """The text if it looks like a name, else OTHER_NAME."""
    return text if is_name(text) else OTHER_NAME


def escaped(text: str) -> str:
    r"""The text with invisible characters escaped, for example `\x1b` or `\u202e`. Line ends and tabs stay."""
    if text.isprintable():
        return text
    return "".join(character if _is_harmless(character) else _escape(character) for character in text)


def escaped_json(text: str) -> str:
    r"""A JSON document with the same content, and with invisible characters escaped as `\u` and four digits."""
    if text.isprintable():
        return text
    return "".join(character if _is_harmless(character) else _json_escape(character) for character in text)


def _is_harmless(character: str) -> bool:
    # Python treats spaces other than U+0020 as unprintable; French and Japanese texts contain them.
    return character.isprintable() or character in _KEPT or unicodedata.category(character) == "Zs"


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


def _json_escape(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place : place + 2].hex()}" for place in range(0, len(units), 2))
