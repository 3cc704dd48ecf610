"""What a request calls, whatever its dialect: an operation, and where its parameters belong.

In the `/api` dialect, parameters are in the path, in the query and in the body. The other dialects name them one by
one, and a filter is one of them; `of_parameters` finds the place of each.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.simulator import errors
from gateway.simulator.catalogue import NOW_A_HEADER, RENAMED, Operation, Structure, Type

__all__ = ["CLASS", "Invocation", "of_parameters", "type_of_parameter"]

CLASS = "@class"
"""The field with the type of a structure, if the type is not known otherwise."""
_TOKEN_HEADER = "client-token"  # noqa: S105 - the name of a header field


@dataclass(frozen=True, slots=True)
class Invocation:
    """A call of an operation, not validated yet."""

    operation: Operation
    path: Mapping[str, str]
    query: Mapping[str, list[str]]
    body: Callable[[], Any] = field(repr=False)
    """The JSON value of the body, parsed only after authentication. Raises a `VapiError` if it is not JSON."""
    has_body: bool
    headers: Mapping[str, str] = field(repr=False)
    """Header fields by lower-case name."""


def of_parameters(operation: Operation, parameters: Mapping[str, Any], headers: Mapping[str, str]) -> Invocation:
    """The call with these parameters by name. INVALID_ARGUMENT if a path parameter is missing.

    A structure that is neither the body nor a part of it is a filter: its fields are query parameters.
    """
    path = {name: _identifier(operation, name, parameters.get(name)) for name in operation.path_names}
    query: dict[str, list[str]] = {name: [value] for name, value in operation.fixed_query.items()}
    body: Any = {} if operation.takes_fields else None
    fields = operation.body.fields if operation.takes_fields and isinstance(operation.body, Structure) else {}
    for name, value in parameters.items():
        in_query = name if name in operation.query else RENAMED.get(name, name)
        if name in path or value is None:
            continue
        if name in fields:
            body[name] = value
        elif in_query in operation.query:
            query[in_query] = list(_texts(value))
        elif name == NOW_A_HEADER:
            headers = {**headers, _TOKEN_HEADER: str(value)}
        elif operation.body is not None and not operation.takes_fields:
            body = value
        elif isinstance(value, dict):
            query |= {key: list(_texts(item)) for key, item in value.items() if key != CLASS and item is not None}
        else:
            query[name] = list(_texts(value))
    return Invocation(operation, path, query, lambda: body, body is not None, headers)


def type_of_parameter(operation: Operation, name: str) -> Type:
    """The type of a parameter; that of a filter, which has no type in the catalogue, is recognized by its fields."""
    body = operation.body
    if name in operation.query:
        return operation.query[name].type
    if isinstance(body, Structure):
        if not operation.takes_fields:
            return body.name
        return body.fields[name].type if name in body.fields else "dynamic"
    return body or "dynamic"


def _identifier(operation: Operation, name: str, value: Any) -> str:
    # Process identifiers are numbers, all others are texts.
    if isinstance(value, str | int):
        return str(value)
    text = "Structure '{0}' is missing a field: {1}"
    raise errors.invalid_argument("vapi.data.structure.field.missing", text, f"operation-input of {operation.id}", name)


def _texts(value: Any) -> Iterator[str]:
    """The texts of a value in a query: one for each element of a list."""
    for item in value if isinstance(value, list) else [value]:
        yield str(item).lower() if isinstance(item, bool) else str(item)
