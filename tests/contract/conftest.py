"""The rpcs of the contract by the operation they stand for."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import parse_qsl

import pytest

from gateway.contract import load_contract
from gateway.transcoding import Binding, compile_bindings
from tests.contract.catalogue import Operation


@pytest.fixture(scope="session")
def binding_of() -> Callable[[Operation], Binding]:
    """Finds the binding of an operation by its REST call."""
    found: dict[tuple[object, ...], list[Binding]] = {}
    for binding in compile_bindings(load_contract()).values():
        if not binding.method.operation:
            continue  # The gateway's own.
        path, _, query = binding.method.rule.path.partition("?")
        address = (binding.method.rule.verb, path, *sorted(parse_qsl(query)))
        found.setdefault(address, []).append(binding)

    def find(operation: Operation) -> Binding:
        """The one with the operation's parameters, where several have its verb and path."""
        wanted = {*operation.path_params, *(item.name for item in operation.query_params)}
        candidates = found[(operation.method, operation.path, *sorted(operation.query.items()))]
        return min(candidates, key=lambda item: len(wanted ^ set(item.method.input_type.fields_by_name)))

    return find
