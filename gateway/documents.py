"""YAML that people write, read strictly.

A key that stands twice is a mistake: the first of the two would be lost without a word, and in a policy it may be the
one that forbids. What a document costs is bounded, whoever wrote it: by its size, by the length of its numbers, and by
how much it becomes when its aliases are written out.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.files import open_regular

if TYPE_CHECKING:
    import yaml

__all__ = ["MAX_BYTES", "MAX_VALUES", "DocumentError", "read_bounded", "read_yaml"]

MAX_BYTES = 1024 * 1024
"""Size of a document."""
MAX_VALUES = 100_000
"""Keys, values, lists and maps in it, with what an alias stands for counted at each of its places."""


class DocumentError(ValueError):
    """The document cannot be read; the text is a sentence. `line` and `column` say where, from 1, where that is known.

    The sentence may hold a name that stands in the document, but never a value.
    """

    def __init__(self, text: str, mark: yaml.Mark | None = None) -> None:
        self.text = text
        self.line, self.column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        super().__init__(f"line {self.line}: {text}" if mark else text)


def read_bounded(path: str | Path, most: int = MAX_BYTES) -> bytes:
    """The content of a regular file of at most `most` bytes. Raises OSError, and DocumentError for any other file."""
    try:
        file = open_regular(path)
    except ValueError as error:
        raise DocumentError(str(error)) from None
    with file:
        content = file.read(most + 1)
    if len(content) > most:
        raise DocumentError(f"it is larger than {most} bytes")
    return content


def read_yaml(content: str | bytes) -> Any:
    """The value of a document. Raises DocumentError."""
    if len(content) > MAX_BYTES:
        raise DocumentError(f"it is larger than {MAX_BYTES} bytes")
    # Only here: most gateways and most commands read no document.
    from gateway.strict_yaml import load

    return load(content)
