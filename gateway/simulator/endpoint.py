"""The simulated API endpoint without a network: one request in, one response out.

The order is vCenter's: find the operation, authenticate, check the input against the catalogue, authorize, look at the
virtual machine's condition, carry out. Only what the catalogue lists for an operation stops it: a busy machine stops
those that can end in RESOURCE_BUSY, and no others. An operation that ends in an error it does not list, or with a
result of another form, is a defect of the simulator; vCenter's runtime too makes an INTERNAL_SERVER_ERROR of such an
error.
"""

import base64
import binascii
import json
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from gateway.simulator import errors, operations, pages, transfers, versions
from gateway.simulator.catalogue import Operation, catalogue_of, load
from gateway.simulator.clock import timestamp
from gateway.simulator.exchange import Later, Request, Response, failure_response
from gateway.simulator.inventory import Inventory
from gateway.simulator.registry import Call, carry_out, missing_operations
from gateway.simulator.routing import AmbiguousPathError, Router
from gateway.simulator.sessions import READ, WRITE, Session, Sessions
from gateway.simulator.tasks import Task
from gateway.simulator.validation import Mismatch, Validator

__all__ = ["Endpoint", "basic_credentials"]

SESSION_HEADER = "vmware-api-session-id"
_SESSION_PATH = "/api/session"
_OLDER_API = "/rest/"
_API = ("/api/", _OLDER_API)
_LEGACY_SESSION_PATH = "/rest/com/vmware/cis/session"

_log = logging.getLogger(__name__)


class WrongMediaTypeError(Exception):
    """A body that is not said to be JSON."""


class Endpoint:
    """All operations that the inventory's release has, over this inventory and one set of sessions."""

    def __init__(self, inventory: Inventory, sessions: Sessions, clock: Callable[[], datetime]) -> None:
        catalogue = catalogue_of(inventory.release)
        if missing := missing_operations(catalogue):
            raise LookupError(f"{operations.__name__} lacks {', '.join(missing)}")
        self._router = Router(catalogue.operations.values())
        self._validator = Validator(catalogue, load())
        self._inventory = inventory
        self._sessions = sessions
        self._clock = clock

    def operation_of(self, method: str, target: str) -> str | None:
        """The id of the operation a request means, None for what is none."""
        path, query = _split(target)
        try:
            return self._router.match(method, path, query).operation.id
        except (AmbiguousPathError, errors.VapiError):
            return None

    def handle(self, request: Request) -> Response:
        """Answers a request. Never raises: a defect of the simulator is an INTERNAL_SERVER_ERROR, and logged.

        An operation that takes its time has a response that comes later.
        """
        path, query = _split(request.target)
        return self._guard(request, path, lambda: self._dispatch(request, path, query))

    def _guard(self, request: Request, path: str, work: Callable[[], Response]) -> Response:
        """The response of the work, or the one that stands for what it raises."""
        try:
            self._inventory.settle(self._clock())
            return work()
        except AmbiguousPathError:
            return pages.bad_request()
        except WrongMediaTypeError:
            return pages.unsupported_media_type()
        except errors.VapiError as failure:
            return failure_response(failure, older=f"{path}/".startswith(_OLDER_API))
        except Exception:
            _log.exception("the simulator failed at %s %s", request.method, path)
            text = "The simulated vCenter failed; see its log."
            return failure_response(errors.internal_server_error("vapi.internal.error", text))

    def _dispatch(self, request: Request, path: str, query: dict[str, list[str]]) -> Response:
        if path == _SESSION_PATH:
            return self._session(request)
        if path == _LEGACY_SESSION_PATH:
            return self._legacy_session(request, query)
        if path == versions.PATH and request.method == "GET":
            return versions.version_list(self._inventory.release)
        if path == transfers.PATH:
            return transfers.transfer_file(self._inventory.transfers, self._inventory.machines, request, self._clock())
        if not f"{path}/".startswith(_API):
            return pages.not_found(path)
        return self._operate(request, path, query)

    def _operate(self, request: Request, path: str, query: dict[str, list[str]]) -> Response:
        match = self._router.match(request.method, path, query)
        operation = match.operation
        user = self._sessions.find(request.headers.get(SESSION_HEADER)).user
        body = _json_body(request)
        self._validator.request(operation, query, body, has_body=bool(request.body))
        user.require(READ if operation.reads_only else WRITE, operation.id)
        call = Call(operation.id, self._inventory, match.path, query, body, user, self._clock, request.headers)
        _check_machine(operation, call)
        response = self._respond(operation, lambda: carry_out(call))
        if isinstance(response, Response):
            return response
        task = response
        later = Later(task.due, lambda: self._guard(request, path, lambda: self._finished(operation, task)))
        return Response(operation.status, executed=True, later=later)

    def _finished(self, operation: Operation, task: Task) -> Response:
        """The response of an operation that waited for its task."""
        response = self._respond(operation, task.outcome)
        if not isinstance(response, Response):
            raise AssertionError(f"{operation.id} waits for a task that ends in another one")
        return response

    def _respond(self, operation: Operation, work: Callable[[], Any]) -> Response | Task:
        """What the work of an operation comes to, checked against the catalogue; a task is waited for."""
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
        cookie = SimpleCookie(request.headers.get("cookie", "")).get(SESSION_HEADER)
        identifier = request.headers.get(SESSION_HEADER) or (cookie.value if cookie else None)
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
    """What every operation on a virtual machine asks first, as far as the catalogue says that it can end so."""
    if "vm" not in call.path:
        return
    try:
        machine = call.vm
    except errors.VapiError as failure:
        if "NOT_FOUND" in operation.errors:
            raise
        # The storage policies know no NOT_FOUND; what they do know for whatever else goes wrong is ERROR.
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
    """User name and password; ("", "") for a request without, which no account has."""
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
