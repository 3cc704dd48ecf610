"""A request and a response, independent of the network."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus

from gateway.simulator import errors

__all__ = ["SESSION_HEADER", "Later", "Request", "Response", "failure_response", "text_response"]

SESSION_HEADER = "vmware-api-session-id"


@dataclass(frozen=True, slots=True)
class Request:
    """A request as received: the target is still percent-encoded, header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Later:
    """A deferred response: `response` returns it once the simulator's time has reached `due`."""

    due: datetime
    response: "Callable[[], Response]"


@dataclass(frozen=True, slots=True)
class Response:
    """A response. `executed` is whether an operation ran to its end.

    With `later`, the operation has started, and the deferred response is sent instead of this one.
    """

    status: int
    body: bytes = field(repr=False, default=b"")
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    executed: bool = False
    later: Later | None = None


def failure_response(failure: errors.VapiError) -> Response:
    """A vAPI error as the `/api` dialect sends it; its challenge is also a header."""
    headers = {"WWW-Authenticate": failure.challenge} if failure.challenge else {}
    return Response(failure.status, json.dumps(failure.to_json()).encode(), headers=headers)


def text_response(status: HTTPStatus) -> Response:
    """A status with its name as text, as servers of files send it."""
    return Response(status, f"{status.phrase}\n".encode(), "text/plain")
