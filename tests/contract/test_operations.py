"""Every operation in both directions: calls and results are made from the catalogue, without looking at the protos."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from typing import Any
from urllib.parse import quote, urlencode

import orjson
import pytest

from gateway.events import Events
from gateway.transcoding import Binding, RestResponse
from tests.contract.catalogue import Operation, catalogue
from tests.contract.examples import Examples
from tests.reference import fill, fill_field, to_json, wire_name

BindingOf = Callable[[Operation], Binding]
OPERATIONS = [pytest.param(operation, id=operation.name) for operation in catalogue().operations]
WITH_RESULT = [param for param in OPERATIONS if param.values[0].result is not None]


def path_values(binding: Binding, operation: Operation) -> dict[str, Any]:
    """Values for the path, with characters that have to be escaped where the proto's field is a text."""
    fields = binding.method.input_type.fields_by_name
    return {
        name: 4711 + number if fields[name].type == fields[name].TYPE_INT64 else f"{name}/{number} ü?#%"
        for number, name in enumerate(operation.path_params)
    }


def requests(operation: Operation) -> Iterator[tuple[dict[str, Any], dict[str, Any], Any]]:
    """Examples of the fields in the query, the fields in the body, and the JSON of the body."""
    examples = Examples(catalogue(), empty=True)
    queries = cycle(examples.of_fields(operation.query_params))
    if operation.body is not None:
        for body in examples.of(operation.body, "spec"):
            yield next(queries), {}, body
    elif operation.body_fields is not None:
        for fields in examples.of_fields(operation.body_fields):
            yield next(queries), fields, fields
    else:
        for query in examples.of_fields(operation.query_params):
            yield query, {}, None


def in_query(value: Any) -> Any:
    """A value as the query has it."""
    return str(value).lower() if isinstance(value, bool) else value


@pytest.mark.parametrize("operation", OPERATIONS)
def test_calls(binding_of: BindingOf, operation: Operation) -> None:
    """Each example of a request becomes the call that the catalogue describes: method, path, query and body."""
    binding = binding_of(operation)
    fields = binding.method.input_type.fields_by_name
    for query, body_fields, body in requests(operation):
        in_path = path_values(binding, operation)
        request = fill(binding.request_class(), {**in_path, **query, **body_fields})
        if operation.body is not None:
            fill_field(request, fields[binding.method.rule.body], body)
        call = binding.encode(request)
        path = operation.path
        for name, value in in_path.items():
            path = path.replace(f"{{{name}}}", quote(str(value), safe=""))
        texts = {name: in_query(value) for name, value in query.items()}
        expected = urlencode({**operation.query, **texts}, doseq=True, quote_via=quote)
        assert (call.method, call.target) == (operation.method, path + (f"?{expected}" if expected else ""))
        assert (None if call.body is None else orjson.loads(call.body)) == body


@pytest.mark.parametrize("operation", WITH_RESULT)
def test_results(binding_of: BindingOf, operation: Operation) -> None:
    """Each example of a result is read completely: what the response says is what the answer said."""
    binding = binding_of(operation)
    assert operation.result is not None
    for result in Examples(catalogue(), empty=False).of(operation.result.type, "result"):
        response: Any = binding.decode(RestResponse(operation.status, {}, orjson.dumps(result)), Unexpected())
        [field] = response.DESCRIPTOR.fields
        assert to_json(response).get(wire_name(field), type(result)()) == result


class Unexpected(Events):
    """Events that must not be told anything."""

    def unknown_field(self, message: str, field: str) -> None:
        raise AssertionError(f"{message} does not know the field {field}")

    def unknown_enum_value(self, enum: str, value: str) -> None:
        raise AssertionError(f"{enum} does not know the value {value}")

    def unreadable_value(self, message: str, field: str, why: str) -> None:
        raise AssertionError(f"{message}.{field} cannot be read: {why}")

    def replaced_text(self, message: str) -> None:
        raise AssertionError(f"{message} holds what is not text")


@pytest.mark.parametrize("operation", [param for param in OPERATIONS if param not in WITH_RESULT])
def test_no_result(binding_of: BindingOf, operation: Operation) -> None:
    """An operation without a result answers with a status and nothing else."""
    response = binding_of(operation).decode(RestResponse(operation.status, {}, b""))
    assert to_json(response) == {}


def test_examples_have_every_case() -> None:
    """The examples together have each value of each union's tag, and each field of each structure."""
    examples, seen = Examples(catalogue(), empty=True), set[tuple[str, str]]()
    for name, struct in catalogue().structs.items():
        made = examples.of(name, "x")
        assert {field.name for field in struct.fields} == {key for example in made for key in example}
        for tag in struct.unions:
            [of_tag] = [field.type for field in struct.fields if field.name == tag]
            assert isinstance(of_tag, str)
            assert {example[tag] for example in made if tag in example} == set(catalogue().enums[of_tag])
            seen.add((name, tag))
    assert len(seen) > 30
