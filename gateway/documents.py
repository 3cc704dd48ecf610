"""Strict reading of YAML that people write.

A duplicate key is an error: the first of the two would silently be lost, and in a policy it may be the one that denies.
The cost of a document is bounded, whoever wrote it: by its size, by the length of its numbers, and by its size after
its aliases are expanded.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from gateway.files import open_regular

if TYPE_CHECKING:
    import yaml

__all__ = ["MAX_BYTES", "DocumentError", "read_bounded", "read_yaml"]

MAX_BYTES = 1024 * 1024
"""Maximum size of a document in bytes."""


class DocumentError(ValueError):
    """The document cannot be read; the text is a sentence. `line` and `column` are the position, from 1, if known.

    The sentence may contain a name from the document, but never a value.
    """

    def __init__(self, text: str, mark: yaml.Mark | None = None) -> None:
        self.text = text
        self.line, self.column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        super().__init__(f"line {self.line}: {text}" if mark else text)


def read_bounded(path: str | Path) -> bytes:
    """The content of a regular file of at most MAX_BYTES. Raises OSError, and DocumentError for any other file."""
    try:
        file = open_regular(path)
    except ValueError as error:
        raise DocumentError(str(error)) from None
    with file:
        content = file.read(MAX_BYTES + 1)
    _check_size(content)
    return content


def read_yaml(content: str | bytes) -> Any:
    """The value of a document. Raises DocumentError."""
    _check_size(content)
    # Imported here because most gateways and most commands read no document.
    import yaml

    from gateway.strict_yaml import StrictLoader

    try:
        return yaml.load(content, StrictLoader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        raise DocumentError(f"it is not valid YAML: {error.problem}", error.problem_mark) from None
    except yaml.YAMLError:
        raise DocumentError("it is not valid YAML") from None
    except RecursionError:
        raise DocumentError("it is not valid YAML: it is nested too deeply") from None


def _check_size(content: str | bytes) -> None:
    if len(content) > MAX_BYTES:
        raise DocumentError(f"it is larger than {MAX_BYTES} bytes")
