"""A request and a response, without the network they travel on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.simulator import errors

__all__ = ["Request", "Response", "challenge_header", "failure_response"]


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came: the target is still percent-encoded, header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Response:
    """An answer. `executed` says whether an operation ran to its end."""

    status: int
    body: bytes = field(repr=False, default=b"")
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    executed: bool = False


def failure_response(failure: errors.VapiError) -> Response:
    """A vAPI error as the `/api` dialect sends it."""
    return Response(failure.status, json.dumps(failure.to_json()).encode(), headers=challenge_header(failure))


def challenge_header(failure: errors.VapiError) -> dict[str, str]:
    """The header field that tells a client how to authenticate, for the errors that have a challenge."""
    return {"WWW-Authenticate": failure.challenge} if failure.challenge else {}
