"""Checks requests to the gateway's own services before their methods see them: for required fields, unknown enum values
and impossible times.

A mirrored request is checked while it is encoded for vCenter; one of the gateway's own is never encoded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from google.protobuf.message import Message

from gateway.calls import Call
from gateway.contract import Contract
from gateway.contract.contract import map_value
from gateway.errors import Failure, GatewayError
from gateway.transcoding.encoder import Violation, encode_timestamp

__all__ = ["checked", "refuse", "require"]

_TIMESTAMP = "google.protobuf.Timestamp"


def refuse(field: str, description: str) -> GatewayError:
    """The error for a mistake in one field of a request."""
    return GatewayError(Failure.of_request([Violation(field, description)]))


def require(contract: Contract, request: Message) -> None:
    """Raises GatewayError (INVALID_ARGUMENT) for a request that lacks fields which are marked REQUIRED, or has a value
    that its type does not allow, in itself or in the messages within it. A string is there when it has a character."""
    violations: list[Violation] = []
    _look(contract, request.DESCRIPTOR, request, violations)
    if violations:
        raise GatewayError(Failure.of_request(violations))


def checked(contract: Contract, endpoints: Mapping[str, Callable[..., Any]]) -> Mapping[str, Callable[..., Any]]:
    """The same endpoints, for requests without mistakes that every method would have to check."""
    return {
        rpc: (_checked_stream if contract.methods[rpc].streaming.value[1] else _checked)(contract, answer)
        for rpc, answer in endpoints.items()
    }


def _checked(contract: Contract, answer: Callable[..., Any]) -> Callable[..., Any]:
    async def answer_checked(call: Call) -> Any:
        require(contract, call.message)
        return await answer(call)

    return answer_checked


def _checked_stream(contract: Contract, stream: Callable[..., Any]) -> Callable[..., Any]:
    async def stream_checked(call: Call) -> AsyncIterator[Any]:
        require(contract, call.message)
        messages = stream(call)
        try:
            async for message in messages:
                yield message
        finally:
            await messages.aclose()

    return stream_checked


def _look(contract: Contract, descriptor: Any, message: Any, violations: list[Violation]) -> None:
    for name in sorted(contract.required(descriptor)):
        field = descriptor.fields_by_name[name]
        has_value = message.HasField(name) if field.has_presence else bool(getattr(message, name))
        if not has_value:
            violations.append(Violation(name, "is required"))
    for field, value in message.ListFields():
        if (field.message_type is None and field.enum_type is None) or map_value(field) is not None:
            continue
        for index, inner in enumerate(value if field.is_repeated else [value]):
            below: list[Violation] = []
            if field.enum_type is not None:
                if inner not in field.enum_type.values_by_number:
                    below.append(Violation("", f"has the unknown number {inner}"))
            elif field.message_type.full_name == _TIMESTAMP:
                encode_timestamp(inner, below)
            else:
                _look(contract, field.message_type, inner, below)
            where = f"{field.name}[{index}]" if field.is_repeated else field.name
            violations.extend(violation.below(where) for violation in below)
