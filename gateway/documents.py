"""YAML that people write, read strictly.

A key that stands twice is a mistake: the first of the two would be lost without a word, and in a policy it may be the
one that forbids. Whatever cannot be read is a YAMLError, a date that there is not included.
"""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["read_yaml"]


def read_yaml(content: str | bytes) -> Any:
    """The value of a document. Raises yaml.YAMLError, where the place is known a MarkedYAMLError."""
    try:
        return yaml.load(content, _Loader)  # noqa: S506 - a SafeLoader
    except RecursionError:
        raise yaml.YAMLError("it is nested too deeply") from None


class _Loader(yaml.SafeLoader):
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
            return super().construct_object(node, deep)
        except (ValueError, AttributeError):  # PyYAML's own, of values that only look like a number or a date.
            problem = "there is no such number or date; a text of this form takes quotes"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None
