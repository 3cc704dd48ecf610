"""The simulated API endpoint without a network: one request in, one response out.

The order is vCenter's: find the operation, authenticate, validate the input against the catalogue, authorize, check the
virtual machine's condition, execute. Only the errors that the catalogue lists for an operation stop it: a busy machine
only stops operations that list RESOURCE_BUSY. An operation that ends in an error it does not list, or returns a result
of another form, is a defect of the simulator; vCenter's runtime, too, turns such an error into INTERNAL_SERVER_ERROR.
"""

import base64
import binascii
import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs

from gateway.simulator import errors, json_rpc, library_sessions, older_rest, operations, pages, transfers, versions
from gateway.simulator.catalogue import Operation, catalogue_of, load
from gateway.simulator.clock import timestamp
from gateway.simulator.exchange import SESSION_HEADER, Later, Request, Response, failure_response
from gateway.simulator.inventory import Inventory
from gateway.simulator.invocation import Invocation
from gateway.simulator.json_rpc import JsonRpc
from gateway.simulator.older_rest import OlderRest
from gateway.simulator.registry import Call, carry_out, missing_operations
from gateway.simulator.routing import AmbiguousPathError, Router
from gateway.simulator.sessions import READ, WRITE, Session, Sessions
from gateway.simulator.tasks import Task
from gateway.simulator.validation import Mismatch, Validator

__all__ = ["Endpoint", "basic_credentials"]

_SESSION_PATH = "/api/session"
_API = ("/api/", older_rest.PREFIX)
_LEGACY_SESSION_PATH = "/rest/com/vmware/cis/session"

_log = logging.getLogger(__name__)


class WrongMediaTypeError(Exception):
    """A body that is not declared as JSON."""


class Endpoint:
    """All operations of the inventory's release, with this inventory and one set of sessions."""

    def __init__(self, inventory: Inventory, sessions: Sessions, clock: Callable[[], datetime]) -> None:
        catalogue = catalogue_of(inventory.release)
        if missing := missing_operations(catalogue):
            raise LookupError(f"{operations.__name__} lacks {', '.join(missing)}")
        self._router = Router(catalogue.operations.values())
        self._json_rpc = JsonRpc(catalogue)
        self._older_rest = OlderRest(catalogue, self._router)
        self._validator = Validator(catalogue, load())
        self._inventory = inventory
        self._sessions = sessions
        self._clock = clock

    def operation_of(self, request: Request) -> str | None:
        """The id of the requested operation, None if there is none."""
        operation = self._operation_of(request)
        return None if operation is None else operation.id

    def handle(self, request: Request) -> Response:
        """Handles a request. Never raises: a defect of the simulator is logged as INTERNAL_SERVER_ERROR.

        An operation that takes time has a response that comes later.
        """
        response = self._guard(request, lambda: self._dispatch(request))
        later = response.later
        if later is None:
            return self._in_dialect(request, response)
        return replace(
            response, later=Later(later.due, lambda: self._in_dialect(request, self._guard(request, later.response)))
        )

    def in_dialect(self, request: Request, response: Response) -> Response:
        """A fault's response in the dialect of the request; a response that does not come from the operation is
        unchanged."""
        try:
            return self._in_dialect(request, response)
        except (AttributeError, KeyError, TypeError, ValueError):
            return response

    def _in_dialect(self, request: Request, response: Response) -> Response:
        """A response of the REST API in the dialect of the request; a proxy's pages are the same in all dialects."""
        if response.body and response.content_type != "application/json":
            return response
        path, _ = _split(request.target)
        if path == json_rpc.PATH and request.method == "POST":
            return self._json_rpc.write(request, response)
        session = path == _LEGACY_SESSION_PATH and response.status < HTTPStatus.BAD_REQUEST
        if f"{path}/".startswith(older_rest.PREFIX) and not session:
            return self._older_rest.write(self._operation_of(request), response)
        return response

    def _guard(self, request: Request, work: Callable[[], Response]) -> Response:
        """The response of the work, or the response for what it raises."""
        try:
            self._inventory.settle(self._clock())
            return work()
        except AmbiguousPathError:
            return pages.bad_request()
        except WrongMediaTypeError:
            return pages.unsupported_media_type()
        except errors.VapiError as failure:
            return failure_response(failure)
        except Exception:
            _log.exception("the simulator failed at %s %s", request.method, _split(request.target)[0])
            text = "The simulated vCenter failed; see its log."
            return failure_response(errors.internal_server_error("vapi.internal.error", text))

    def _operation_of(self, request: Request) -> Operation | None:
        try:
            return self._read(request).operation
        except (AmbiguousPathError, errors.VapiError):
            return None

    def _read(self, request: Request) -> Invocation:
        """The call in a request, whatever its dialect."""
        path, query = _split(request.target)
        if path == json_rpc.PATH and request.method == "POST":
            return self._json_rpc.read(request)
        if path.startswith(older_rest.PREFIX):
            return self._older_rest.read(request, path, query)
        match = self._router.match(request.method, path, query)
        return Invocation(
            match.operation, match.path, query, lambda: _json_body(request), bool(request.body), request.headers
        )

    def _dispatch(self, request: Request) -> Response:
        path, query = _split(request.target)
        if path == _SESSION_PATH:
            return self._session(request)
        if path == _LEGACY_SESSION_PATH:
            return self._legacy_session(request, query)
        if path == versions.PATH and request.method == "GET":
            return versions.version_list(self._inventory.release)
        if path == transfers.PATH:
            return transfers.transfer_file(self._inventory.transfers, self._inventory.machines, request, self._clock())
        if path.startswith(library_sessions.PATH):
            return library_sessions.transfer_file(self._inventory.library_sessions, request, self._clock())
        if path == json_rpc.PATH and request.method == "POST":
            session = self._json_rpc.session_request(request)
            if session is not None:
                return self._session(session)
        elif not f"{path}/".startswith(_API):
            return pages.not_found(path)
        return self._operate(self._read(request))

    def _operate(self, called: Invocation) -> Response:
        operation, query = called.operation, called.query
        user = self._sessions.find(called.headers.get(SESSION_HEADER)).user
        body = called.body()
        self._validator.request(operation, query, body, has_body=called.has_body)
        user.require(READ if operation.reads_only else WRITE, operation.id)
        call = Call(operation.id, self._inventory, called.path, query, body, user, self._clock, called.headers)
        _check_machine(operation, call)
        response = self._respond(operation, lambda: carry_out(call))
        if isinstance(response, Response):
            return response
        task = response
        return Response(operation.status, executed=True, later=Later(task.due, lambda: self._finished(operation, task)))

    def _finished(self, operation: Operation, task: Task) -> Response:
        """The response of an operation that waited for its task."""
        response = self._respond(operation, task.outcome)
        if not isinstance(response, Response):
            raise AssertionError(f"{operation.id} waits for a task that ends in another one")
        return response

    def _respond(self, operation: Operation, work: Callable[[], Any]) -> Response | Task:
        """The outcome of an operation, validated against the catalogue; waits for a task."""
        try:
            result = work()
        except errors.VapiError as failure:
            if failure.error_type in operation.errors:
                raise
            _log.exception("%s ends in an error that the catalogue does not list for it", operation.id)
            raise errors.internal_server_error(
                "vapi.method.status.errors.invalid",
                "Invalid error '{0}' reported from method '{1}'",
                failure.error_type,
                operation.name,
            ) from None
        if isinstance(result, Task):
            return result
        result = self._validator.without_newer(operation, result)
        try:
            self._validator.result(operation, result)
        except Mismatch as found:
            raise AssertionError(f"{operation.id} answers what the catalogue does not have: {found}") from None
        if operation.result is None:
            return Response(operation.status, executed=True)
        return Response(operation.status, json.dumps(result).encode(), executed=True)

    def _session(self, request: Request) -> Response:
        if request.method == "POST":
            session = self._sessions.login(*basic_credentials(request))
            return Response(HTTPStatus.CREATED, json.dumps(session.identifier).encode(), executed=True)
        identifier = request.headers.get(SESSION_HEADER)
        if request.method == "GET":
            return Response(
                HTTPStatus.OK, json.dumps(_session_info(self._sessions.find(identifier))).encode(), executed=True
            )
        if request.method == "DELETE":
            self._sessions.logout(identifier)
            return Response(HTTPStatus.NO_CONTENT, executed=True)
        raise errors.unknown_url()

    def _legacy_session(self, request: Request, query: dict[str, list[str]]) -> Response:
        """The older dialect: results in an envelope, and the session in a cookie as well as in a header field."""
        identifier = older_rest.session_of(request.headers)
        if request.method == "DELETE":
            self._sessions.logout(identifier)
            return Response(HTTPStatus.OK, executed=True)
        if request.method != "POST":
            raise errors.unknown_url()
        if query.get("~action") == ["get"]:
            return _envelope(_session_info(self._sessions.find(identifier)))
        session = self._sessions.login(*basic_credentials(request))
        return _envelope(
            session.identifier, {"Set-Cookie": f"{SESSION_HEADER}={session.identifier};Path=/rest;Secure;HttpOnly"}
        )


def _envelope(value: Any, headers: Mapping[str, str] | None = None) -> Response:
    return Response(HTTPStatus.OK, json.dumps({"value": value}).encode(), headers=headers or {}, executed=True)


def _split(target: str) -> tuple[str, dict[str, list[str]]]:
    path, _, query = target.partition("?")
    return path, parse_qs(query, keep_blank_values=True)


def _check_machine(operation: Operation, call: Call) -> None:
    """The checks for every operation on a virtual machine, as far as the catalogue lists their errors for it."""
    if "vm" not in call.path:
        return
    try:
        machine = call.vm
    except errors.VapiError as failure:
        if "NOT_FOUND" in operation.errors:
            raise
        # The storage policies do not list NOT_FOUND; their error for everything else is ERROR.
        raise errors.VapiError("ERROR", failure.messages) from None
    if "RESOURCE_INACCESSIBLE" in operation.errors:
        machine.require_accessible()
    if "RESOURCE_BUSY" in operation.errors:
        machine.require_not_busy()


def _json_body(request: Request) -> Any:
    if not request.body:
        return None
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise WrongMediaTypeError
    try:
        return json.loads(request.body)
    except (ValueError, RecursionError):
        raise errors.of_type(
            "INVALID_REQUEST", "com.vmware.vapi.rest.malformed_json", "The request's body is not valid JSON."
        ) from None


def basic_credentials(request: Request) -> tuple[str, str]:
    """User name and password; ("", "") for a request without credentials, which match no account."""
    scheme, _, encoded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        name, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return name, password


def _session_info(session: Session) -> dict[str, str]:
    return {
        "user": session.user.name,
        "created_time": timestamp(session.created),
        "last_accessed_time": timestamp(session.last_accessed),
    }
