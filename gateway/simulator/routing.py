"""Finds the operation for a request: by the raw path, the verb, and the query.

The query parameters `action` and `vmw-task` are part of the operation's address. If two operations share all of that,
one has a required parameter, and a request with this parameter selects it.

Paths are matched segment by segment before decoding, so an encoded slash stays inside its identifier.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from gateway.simulator import errors
from gateway.simulator.catalogue import Operation

__all__ = ["AmbiguousPathError", "Match", "Router"]

_IN_ADDRESS = ("action", "vmw-task")


class AmbiguousPathError(Exception):
    """The path has `.` or `..` segments, plain or encoded; the web server rejects ambiguous paths."""


@dataclass(frozen=True, slots=True)
class Match:
    """The operation, and the decoded path parameters."""

    operation: Operation
    path: Mapping[str, str]


@dataclass(slots=True)
class _Node:
    literal: "dict[str, _Node]" = field(default_factory=dict)
    parameter: "_Node | None" = None
    operations: list[Operation] = field(default_factory=list)


class Router:
    """Routes for all operations, built once."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._root = _Node()
        for operation in operations:
            node = self._root
            for segment in operation.path.strip("/").split("/"):
                if segment.startswith("{"):
                    node.parameter = node.parameter or _Node()
                    node = node.parameter
                else:
                    node = node.literal.setdefault(segment, _Node())
            node.operations.append(operation)

    def match(self, method: str, raw_path: str, query: Mapping[str, list[str]]) -> Match:
        """The requested operation.

        Raises `AmbiguousPathError` for a request that never reaches the API, NOT_FOUND for a path or a verb that no
        service has, and OPERATION_NOT_FOUND for an action that the service does not have.
        """
        segments = raw_path.removeprefix("/").split("/")
        if any(unquote(segment) in {".", ".."} for segment in segments):
            raise AmbiguousPathError
        node, values = self._root, []
        for segment in segments:
            literal = node.literal.get(segment)
            if literal is not None:
                node = literal
            elif node.parameter is not None and segment:
                node = node.parameter
                values.append(unquote(segment))
            else:
                raise errors.unknown_url()
        same_method = [operation for operation in node.operations if operation.method == method]
        if not same_method:
            raise errors.unknown_url()
        address = {name: query[name] for name in _IN_ADDRESS if name in query}
        found = [
            operation
            for operation in same_method
            if {name: [value] for name, value in operation.fixed_query.items()} == address
        ]
        if found:
            # The most specific one whose required parameters are present; if there is none, the one that reports what
            # is missing.
            operation = max(found, key=lambda item: _fit(item, query))
            return Match(operation, dict(zip(operation.path_names, values, strict=True)))
        service = same_method[0].service
        raise errors.operation_not_found(
            "vapi.method.input.invalid.method",
            "Cannot find operation '{0}' in service '{1}'",
            ",".join(query.get("action", ["(none)"])),
            service,
        )


def _fit(operation: Operation, query: Mapping[str, list[str]]) -> int:
    """How many required parameters a request has; -1 if it lacks one."""
    required = [name for name, parameter in operation.query.items() if parameter.required]
    return len(required) if all(name in query for name in required) else -1
