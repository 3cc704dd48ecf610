"""The simulator's own small HTTP API, for tests in any language: faults and the record of calls.

    GET    /simulator/calls          the calls so far, oldest first (`?operation=...` for one operation)
    DELETE /simulator/calls          clears them
    GET    /simulator/faults         the active faults
    POST   /simulator/faults         {"kind": "reset_after", "operation": "com.vmware...", "times": 3}
    DELETE /simulator/faults         removes all faults
    GET    /simulator/sessions       counts of logins and open sessions
    DELETE /simulator/sessions       ends all sessions, like a restart of vCenter

A real vCenter has nothing under this path. Session identifiers, header fields and bodies are never shown.
"""

import json
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from gateway.simulator import pages
from gateway.simulator.exchange import Request, Response
from gateway.simulator.faults import Fault, Faults
from gateway.simulator.record import Record
from gateway.simulator.sessions import Sessions

__all__ = ["PREFIX", "handle"]

PREFIX = "/simulator/"


def handle(request: Request, record: Record, faults: Faults, sessions: Sessions) -> Response:
    """Handles one request to this API."""
    path, _, query = request.target.partition("?")
    match request.method, path.removeprefix(PREFIX):
        case "GET", "calls":
            wanted = parse_qs(query).get("operation")
            calls = [call.to_json() for call in record if wanted is None or call.operation in wanted]
            return _json(calls)
        case "DELETE", "calls":
            record.clear()
        case "GET", "faults":
            return _json(faults.to_json())
        case "POST", "faults":
            try:
                _add_fault(faults, json.loads(request.body or b"null"))
            except (ValueError, TypeError) as error:
                return _json({"error": str(error)}, HTTPStatus.BAD_REQUEST)
        case "DELETE", "faults":
            faults.clear()
        case "GET", "sessions":
            return _json(dict(sessions.counts()))
        case "DELETE", "sessions":
            sessions.expire_all()
        case _:
            return pages.not_found(path)
    return Response(HTTPStatus.NO_CONTENT)


def _add_fault(faults: Faults, body: Any) -> None:
    if not isinstance(body, dict) or "kind" not in body:
        raise ValueError('a fault is an object such as {"kind": "reset_after", "times": 1}')
    arguments = {key: value for key, value in body.items() if key not in ("kind", "operation", "times")}
    fault = Fault.of(body["kind"], arguments)
    faults.add(fault, operation=body.get("operation"), times=body.get("times", 1))


def _json(value: Any, status: HTTPStatus = HTTPStatus.OK) -> Response:
    return Response(status, json.dumps(value).encode())
