"""YAML that people write, read strictly.

A key that stands twice is a mistake: the first of the two would be lost without a word, and in a policy it may be the
one that forbids. What a document costs is bounded, whoever wrote it: by its size, by the length of its numbers, and by
how much it becomes when its aliases are written out.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from gateway.files import open_regular

__all__ = ["MAX_BYTES", "MAX_VALUES", "DocumentError", "read_bounded", "read_yaml"]

MAX_BYTES = 1024 * 1024
"""Size of a document."""
MAX_VALUES = 100_000
"""Keys, values, lists and maps in it, with what an alias stands for counted at each of its places."""
_MAX_NUMBER = 100
_TEXT = "tag:yaml.org,2002:str"


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
    try:
        return yaml.load(content, _Loader)  # noqa: S506 - a SafeLoader
    except yaml.MarkedYAMLError as error:
        raise DocumentError(f"it is not valid YAML: {error.problem}", error.problem_mark) from None
    except yaml.YAMLError:
        raise DocumentError("it is not valid YAML") from None
    except RecursionError:
        raise DocumentError("it is not valid YAML: it is nested too deeply") from None


class _Loader(yaml.SafeLoader):
    _composed = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._composed += 1
        self._bound(self._composed, self.get_mark())
        return super().compose_node(parent, index)

    def construct_document(self, node: Any) -> Any:
        self._count(node, {})
        return super().construct_document(node)

    def _count(self, node: Any, counted: dict[int, int]) -> int:
        """How many values a node is when all aliases below it are written out. Looks at each node once."""
        if id(node) not in counted:
            counted[id(node)] = MAX_VALUES + 1  # What contains itself has no end.
            values = node.value if isinstance(node, yaml.CollectionNode) else ()
            children = [item for pair in values for item in (pair if isinstance(pair, tuple) else (pair,))]
            counted[id(node)] = 1 + sum(self._count(child, counted) for child in children)
            self._bound(counted[id(node)], node.start_mark)
        return counted[id(node)]

    def _bound(self, values: int, mark: Any) -> None:
        if values > MAX_VALUES:
            problem = f"it has more than {MAX_VALUES} values, aliases included"
            raise yaml.constructor.ConstructorError(None, None, problem, mark)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} occurs twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        try:
            # What a number costs grows with the square of its length.
            if isinstance(node, yaml.ScalarNode) and node.tag != _TEXT and len(node.value) > _MAX_NUMBER:
                raise ValueError
            return super().construct_object(node, deep)
        except (
            ValueError,
            ArithmeticError,
            AttributeError,
        ):  # PyYAML's own, of what only looks like a number or a date.
            problem = "not a valid number or date; put quotes around a string of this form"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None
