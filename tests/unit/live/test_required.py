"""Requests to the gateway's own services: a value that its type does not allow is refused, wherever it is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gateway.contract import Local, load_contract
from gateway.errors import GatewayError
from gateway.live.required import require

CONTRACT = load_contract()
TIMESTAMP = "google.protobuf.Timestamp"
REQUESTS = [method.input_type for method in CONTRACT.methods.values() if isinstance(method.backing, Local)]


def places(descriptor: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths to all enum values and times in a message."""
    for field in descriptor.fields:
        is_map = field.message_type is not None and field.message_type.GetOptions().map_entry
        if is_map or field in path:
            continue
        if field.enum_type is not None or (
            field.message_type is not None and field.message_type.full_name == TIMESTAMP
        ):
            yield (*path, field)
        elif field.message_type is not None and field.message_type.file.package != "google.protobuf":
            yield from places(field.message_type, (*path, field))


PLACES = [(request, path) for request in REQUESTS for path in places(request)]


def name(value: Any) -> str:
    """The id of a test."""
    return ".".join(field.name for field in value) if isinstance(value, tuple) else str(value.name)


def refusals(request: Any) -> list[str]:
    """The fields of all mistakes in a request."""
    try:
        require(CONTRACT, request)
    except GatewayError as error:
        [detail] = error.failure.details
        return [violation.field for violation in detail.field_violations]  # type: ignore[attr-defined]
    return []


def put(request: Any, path: tuple[Any, ...], **value: int) -> str:
    """Puts a number or a time into a request; returns its path with indexes."""
    where = []
    for field in path:
        is_last = field is path[-1]
        where.append(field.name + ("[0]" if field.is_repeated else ""))
        inner = getattr(request, field.name)
        if field.enum_type is not None:
            if field.is_repeated:
                inner.append(value["number"])
            else:
                setattr(request, field.name, value["number"])
        else:
            request = inner.add() if field.is_repeated else inner
            request.SetInParent()
            if is_last:
                request.seconds, request.nanos = value["seconds"], value["nanos"]
    return ".".join(where)


def test_there_are_places() -> None:
    """Without this, the tests below would prove nothing."""
    assert {name(path) for _, path in PLACES} >= {"start", "condition.power_state", "filter.power_states"}


@pytest.mark.parametrize(("descriptor", "path"), [p for p in PLACES if p[1][-1].enum_type is not None], ids=name)
def test_enum_values(descriptor: Any, path: tuple[Any, ...]) -> None:
    """A number without a name is refused with its path, each one with a name is not."""
    for number in (*path[-1].enum_type.values_by_number, 77, -1):
        request = CONTRACT.message_class(descriptor)()
        where = put(request, path, number=number)
        assert (where in refusals(request)) is (number in (77, -1))


@pytest.mark.parametrize(("descriptor", "path"), [p for p in PLACES if p[1][-1].enum_type is None], ids=name)
@pytest.mark.parametrize(
    ("seconds", "nanos", "is_time"),
    [
        pytest.param(-62135596800, 0, True, id="first"),
        pytest.param(-62135596801, 0, False, id="before"),
        pytest.param(253402300799, 999_999_999, True, id="last"),
        pytest.param(253402300800, 0, False, id="after"),
        pytest.param(0, 1_000_000_000, False, id="nanos"),
        pytest.param(0, -1, False, id="negative"),
    ],
)
def test_times(descriptor: Any, path: tuple[Any, ...], seconds: int, nanos: int, is_time: bool) -> None:
    """What protobuf does not allow as a time is refused."""
    request = CONTRACT.message_class(descriptor)()
    where = put(request, path, seconds=seconds, nanos=nanos)
    assert (where in refusals(request)) is not is_time
