"""A request and a response, without the network they travel on."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from gateway.simulator import errors

__all__ = ["SESSION_HEADER", "Later", "Request", "Response", "failure_response"]

SESSION_HEADER = "vmware-api-session-id"


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came: the target is still percent-encoded, header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Later:
    """An answer that is still to come: `response` gives it once the simulator's time has reached `due`."""

    due: datetime
    response: "Callable[[], Response]"


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. `executed` says whether an operation ran to its end.

    With `later`, the operation has begun, and that is what is answered in place of this response.
    """

    status: int
    body: bytes = field(repr=False, default=b"")
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    executed: bool = False
    later: Later | None = None


def failure_response(failure: errors.VapiError) -> Response:
    """A vAPI error as the `/api` dialect sends it; its challenge is a header, too."""
    headers = {"WWW-Authenticate": failure.challenge} if failure.challenge else {}
    return Response(failure.status, json.dumps(failure.to_json()).encode(), headers=headers)
