"""The YAML loader behind `gateway.documents`: it rejects duplicate keys, and documents that cost too much."""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["MAX_VALUES", "StrictLoader"]

MAX_VALUES = 100_000
"""Maximum number of keys, values, lists and maps in a document, with the target of an alias counted each time it is
used."""
_MAX_NUMBER = 100
_TEXT = "tag:yaml.org,2002:str"


class StrictLoader(yaml.SafeLoader):
    """Reads plain values, and raises yaml.MarkedYAMLError for what it rejects."""

    _composed = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._composed += 1
        self._bound(self._composed, self.get_mark())
        return super().compose_node(parent, index)

    def construct_document(self, node: Any) -> Any:
        self._count(node, {})
        return super().construct_document(node)

    def _count(self, node: Any, counted: dict[int, int]) -> int:
        """The number of values in a node after all aliases below it are expanded. Visits each node once."""
        if id(node) not in counted:
            counted[id(node)] = MAX_VALUES + 1  # A node that contains itself has no end.
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
            # The cost of parsing a number grows with the square of its length.
            if isinstance(node, yaml.ScalarNode) and node.tag != _TEXT and len(node.value) > _MAX_NUMBER:
                raise ValueError
            return super().construct_object(node, deep)
        except (
            ValueError,
            ArithmeticError,
            AttributeError,
        ):  # PyYAML's own error for text that only looks like a number or a date.
            problem = "not a valid number or date; put quotes around a string of this form"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None
