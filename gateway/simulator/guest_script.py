"""A parser for guest scripts: their commands, and how these are connected.

It covers the part of the shells' grammar that is needed for starting a program, redirecting its output to a file, and a
few lines: no loops, no conditions, no functions.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["BadScriptError", "Command", "Redirect", "Word", "parse", "text_of"]

_OPERATORS = re.compile(r"&&|\|\||[;&|\n]")
_REDIRECT = re.compile(r"(?P<number>\d)?(?P<sign>>>|>|<)(?:&(?P<other>\d))?[ \t]*")
_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)\}|(?P<plain>\w+|[?$]))")
_WINDOWS_VARIABLE = re.compile(r"%(?P<name>[^%\s]+)%")

Word = list[tuple[str, bool]]
"""A word in parts, each with whether variables in it are expanded."""


class BadScriptError(Exception):
    """An unclosed quote."""


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where a stream is redirected to or from."""

    number: int
    """0, 1 or 2."""
    sign: str
    target: Word | None
    other: int | None = None
    """The stream that it duplicates, if it has no target."""


@dataclass(slots=True)
class Command:
    """A command, and how it depends on the one before."""

    operator: str = ";"
    words: list[Word] = field(default_factory=list)
    redirects: list[Redirect] = field(default_factory=list)
    is_piped: bool = False
    """Whether the next command reads its output."""


def parse(text: str, *, windows: bool, batch: bool = False) -> list[Command]:
    """The commands of a script. `batch` is for a batch file on Windows, where a percent sign is doubled.

    Raises BadScriptError.
    """
    if batch:
        text = text.replace("%%", "\0")
    commands, command, position = [], Command(), 0
    waiting: re.Match[str] | None = None
    while position < len(text):
        if text[position] in " \t\r":
            position += 1
        elif not windows and text[position] == "#":
            position = len(text) if (end := text.find("\n", position)) < 0 else end
        elif found := _OPERATORS.match(text, position):
            position = found.end()
            command.is_piped = found[0] == "|"
            commands.append(command)
            command = Command("|" if command.is_piped else found[0])
        elif found := _REDIRECT.match(text, position):
            position, waiting = found.end(), found
            if found["other"] is not None:
                command.redirects.append(Redirect(_number(found), found["sign"], None, int(found["other"])))
                waiting = None
        else:
            word, position = _word(text, position, windows)
            if waiting is not None:
                command.redirects.append(Redirect(_number(waiting), waiting["sign"], word))
                waiting = None
            else:
                command.words.append(word)
    return [item for item in [*commands, command] if item.words or item.redirects]


def text_of(word: Word, variables: Mapping[str, str], *, windows: bool) -> str:
    """A word with its variables expanded."""
    pattern = _WINDOWS_VARIABLE if windows else _VARIABLE

    def value(found: re.Match[str]) -> str:
        name = found["name"] if windows else found["braced"] or found["plain"]
        if windows:
            return next((text for key, text in variables.items() if key.casefold() == name.casefold()), found[0])
        return variables.get(name, "")

    parts = [pattern.sub(value, text) if is_replaced else text for text, is_replaced in word]
    return "".join(parts).replace("\0", "%")


def _number(found: re.Match[str]) -> int:
    return int(found["number"]) if found["number"] else int(found["sign"] != "<")


def _word(text: str, position: int, windows: bool) -> tuple[Word, int]:
    """The word that begins here, and where it ends. On Windows, quotes are part of it."""
    parts: Word = []
    while position < len(text):
        sign = text[position]
        if sign in " \t\r" or _OPERATORS.match(text, position) or sign in "<>":
            break
        if windows and sign == "^" and position + 1 < len(text):
            parts.append((text[position + 1], False))
            position += 2
        elif sign == '"' or (sign == "'" and not windows):
            end = _closing(text, position, sign, windows)
            inner = text[position + 1 : end]
            if windows:
                parts.append((f'"{inner}"', True))
            elif sign == "'":
                parts.append((inner, False))
            else:
                parts.append((re.sub(r'\\(["\\$`])', r"\1", inner), "\\$" not in inner))
            position = end + 1
        elif not windows and sign == "\\" and position + 1 < len(text):
            parts.append((text[position + 1], False))
            position += 2
        elif not windows and sign == "$" and (found := _VARIABLE.match(text, position)):
            parts.append((found[0], True))
            position = found.end()
        else:
            parts.append((sign, True) if windows else (sign, False))
            position += 1
    if windows:
        # One part, where a variable may begin in one character and end in another.
        merged: Word = []
        for part, is_replaced in parts:
            if merged and merged[-1][1] and is_replaced:
                merged[-1] = (merged[-1][0] + part, True)
            else:
                merged.append((part, is_replaced))
        parts = merged
    return parts, position


def _closing(text: str, position: int, sign: str, windows: bool) -> int:
    end = position + 1
    while end < len(text) and text[end] != sign:
        end += 2 if sign == '"' and text[end] == "\\" and not windows else 1
    if end >= len(text):
        if windows:
            return len(text)
        raise BadScriptError
    return end
