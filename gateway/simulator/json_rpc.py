"""JSON-RPC 2.0 at `POST /api`, the protocol of VMware's own SDKs.

It carries the values of the vAPI runtime: structures, errors, optional values and secrets are marked as such, maps are
lists of entries. Because the catalogue knows all types, one pair of translations serves every operation: parameters
become plain JSON and are processed like those of a REST request; the response is translated back with its types.
"""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any

from gateway.simulator import errors
from gateway.simulator.catalogue import Catalogue, Operation, Structure, Type, load
from gateway.simulator.exchange import SESSION_HEADER, Request, Response
from gateway.simulator.invocation import CLASS, Invocation, of_parameters, type_of_parameter

__all__ = ["PATH", "JsonRpc"]

PATH = "/api"
_SESSIONS = "com.vmware.cis.session"
_SESSION_METHODS = {"create": "POST", "get": "GET", "delete": "DELETE"}
_USER_PASSWORD = "com.vmware.vapi.std.security.user_pass"  # noqa: S105 - the name of a way to log in
_SESSION_ID = "com.vmware.vapi.std.security.session_id"
_ERRORS = "com.vmware.vapi.std.errors"
_MESSAGE = "com.vmware.vapi.std.localizable_message"
_DYNAMIC = "com.vmware.vapi.std.dynamic_structure"
_MAP_ENTRY = "map-entry"
_INVALID_REQUEST = {"code": -32600, "message": "Invalid request."}
# The parameters of OVF packages, which no catalogue contains; all their fields are optional.
_ALL_OPTIONAL = "com.vmware.vcenter.ovf."
# Where the runtime's types differ from those of the catalogue: values of maps that may be unset, a result that never
# is.
_UNSET_VALUES = {"com.vmware.vcenter.inventory.datastore.find", "com.vmware.vcenter.inventory.network.find"}
_ALWAYS_SET = "com.vmware.vcenter.vm.evc_mode.get"
# Task variants have separate names in the runtime.
_TASK, _TASK_HERE = "$task", "_task"


@dataclass(frozen=True, slots=True)
class _Message:
    """A well-formed JSON-RPC request."""

    id: Any
    service: str
    operation: str
    input: Any = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    """The headers of the HTTP request, and the login or the session of the message."""


class JsonRpc:
    """The translations for one release."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._operations = catalogue.operations
        self._services = {operation.service for operation in catalogue.operations.values()} | {_SESSIONS}
        self._structures = catalogue.structures

    def session_request(self, request: Request) -> Request | None:
        """The request for a session that a message contains; None for a message to another service."""
        message = _message(request)
        if message.service != _SESSIONS:
            return None
        if message.operation not in _SESSION_METHODS:
            raise _no_operation(message)
        return Request(_SESSION_METHODS[message.operation], "/api/session", message.headers, b"")

    def read(self, request: Request) -> Invocation:
        """The call in a message. INVALID_REQUEST for an invalid message, OPERATION_NOT_FOUND for an unknown
        operation."""
        message = _message(request)
        operation = self._operation(message)
        if operation is None:
            if message.service not in self._services:
                text = "Cannot find service '{0}'."
                raise errors.operation_not_found("vapi.method.input.invalid.interface", text, message.service)
            raise _no_operation(message)
        try:
            (fields,) = message.input["STRUCTURE"].values()
            parameters = {
                name: self._plain(type_of_parameter(operation, name), value) for name, value in fields.items()
            }
        except (AttributeError, KeyError, TypeError, ValueError):
            raise _no_message() from None
        return of_parameters(operation, parameters, message.headers)

    def write(self, request: Request, response: Response) -> Response:
        """The reply to a message, from the response of the REST API."""
        value = json.loads(response.body) if response.body else None
        try:
            message = _message(request)
        except errors.VapiError:
            return _answer(response, {"jsonrpc": "2.0", "error": _INVALID_REQUEST, "id": None})
        if response.status >= HTTPStatus.BAD_REQUEST:
            result = {"error": _error(value)}
        else:
            result = {"output": self._output(message, value)}
        return _answer(response, {"jsonrpc": "2.0", "result": result, "id": message.id})

    def _operation(self, message: _Message) -> Operation | None:
        name = message.operation.replace(_TASK, _TASK_HERE)
        return self._operations.get(f"{message.service}.{name}") if _TASK_HERE not in message.operation else None

    def _output(self, message: _Message, value: Any) -> Any:
        operation = self._operation(message)
        if operation is None:
            return {"SECRET": value} if isinstance(value, str) else _untyped(value, f"{_SESSIONS}.info")
        if operation.result is None:
            return None
        if value is None:
            return {"OPTIONAL": None}
        typed = self._typed(operation.result, value)
        if operation.id in _UNSET_VALUES:
            for entry in typed:
                fields = entry["STRUCTURE"][_MAP_ENTRY]
                fields["value"] = {"OPTIONAL": fields["value"]}
        return {"OPTIONAL": typed} if operation.result_is_optional and operation.id != _ALWAYS_SET else typed

    def _plain(self, kind: Type, value: Any) -> Any:
        """A value of the runtime as plain JSON."""
        if isinstance(value, list):
            if isinstance(kind, Mapping) and "map" in kind:
                key_kind, item_kind = kind["map"]
                entries = [entry["STRUCTURE"][_MAP_ENTRY] for entry in value]
                return {self._plain(key_kind, item["key"]): self._plain(item_kind, item["value"]) for item in entries}
            item_kind = "dynamic" if isinstance(kind, str) else kind.get("list") or kind["set"]
            return [self._plain(item_kind, item) for item in value]
        if not isinstance(value, dict):
            return value
        ((tag, inner),) = value.items()
        if tag == "OPTIONAL":
            return None if inner is None else self._plain(kind, inner)
        if tag in ("SECRET", "BINARY"):
            return inner
        ((name, fields),) = inner.items()
        structure = self._structures.get(kind) if isinstance(kind, str) else None
        plain = {} if structure is not None else {CLASS: name}
        for key, item in fields.items():
            known = structure.fields.get(key) if structure is not None else None
            found = self._plain("dynamic" if known is None else known.type, item)
            if found is not None:
                plain[key] = found
        return plain

    def _typed(self, kind: Type, value: Any) -> Any:
        """Plain JSON as a value of the runtime."""
        if not isinstance(kind, str):
            if "map" in kind:
                key_kind, item_kind = kind["map"]
                return [
                    _structure(_MAP_ENTRY, {"key": self._typed(key_kind, key), "value": self._typed(item_kind, item)})
                    for key, item in value.items()
                ]
            return [self._typed(kind.get("list") or kind["set"], item) for item in value]
        structure = self._structures.get(kind)
        if structure is not None:
            return _structure(structure.id, dict(self._fields(structure, value)))
        if kind == "dynamic":
            return _untyped(value, _DYNAMIC)
        if kind == "password":
            return {"SECRET": value}
        return float(value) if kind == "double" else value

    def _fields(self, structure: Structure, value: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        for name, item in structure.fields.items():
            found = value.get(name)
            typed = None if found is None else self._typed(item.type, found)
            yield name, typed if item.required else {"OPTIONAL": typed}


def _message(request: Request) -> _Message:
    try:
        raw = json.loads(request.body)
        called, context = raw["params"], raw["params"].get("ctx") or {}
        message = _Message(raw["id"], called["serviceId"], called["operationId"], called["input"], {})
        headers = {**request.headers, **_security(context.get("securityCtx") or {})}
        opaque = (context.get("appCtx") or {}).get("opId")
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError):
        raise _no_message() from None
    named = isinstance(message.service, str) and isinstance(message.operation, str)
    if raw.get("jsonrpc") != "2.0" or raw.get("method") != "invoke" or not named:
        raise _no_message()
    return replace(message, headers=headers if opaque is None else {"x-request-id": str(opaque), **headers})


def _security(context: Mapping[str, Any]) -> dict[str, str]:
    """The header fields of the REST API that are equivalent to the security context of a message."""
    if context.get("schemeId") == _USER_PASSWORD:
        login = f"{context['userName']}:{context['password']}"
        return {"authorization": f"Basic {b64encode(login.encode()).decode()}"}
    if context.get("schemeId") == _SESSION_ID:
        return {SESSION_HEADER: str(context["sessionId"])}
    return {}


def _structure(name: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    return {"STRUCTURE": {name: fields}}


def _untyped(value: Any, name: str) -> Any:
    """A value whose type is in no catalogue; a structure states its own name, or gets this one."""
    if isinstance(value, list):
        return [_untyped(item, name) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() >= {"error_type", "messages"}:
        return _error(value)
    # Compute policies identify their structure by the capability.
    name = value.get(CLASS) or (f"{value['capability']}.info" if "capability" in value else name)
    fields = {key: _untyped(item, name) for key, item in value.items() if key != CLASS}
    if name.startswith(_ALL_OPTIONAL):
        fields = {key: {"OPTIONAL": item} for key, item in fields.items()}
    return _structure(name, fields)


def _error(body: Any) -> dict[str, Any]:
    """The error for an error body of the REST API."""
    data = body.get("data")
    messages = [
        _structure(_MESSAGE, {**message, "params": {"OPTIONAL": None}, "localized": {"OPTIONAL": None}})
        for message in body["messages"]
    ]
    fields: dict[str, Any] = {
        "messages": messages,
        "data": {"OPTIONAL": None if data is None else _untyped(data, load().details.get(frozenset(data), _DYNAMIC))},
        "error_type": {"OPTIONAL": body["error_type"]},
    }
    if body["error_type"] == "UNAUTHENTICATED":
        fields["challenge"] = {"OPTIONAL": body.get("challenge")}
    return {"ERROR": {f"{_ERRORS}.{body['error_type'].lower()}": fields}}


def _answer(response: Response, body: Mapping[str, Any]) -> Response:
    """In JSON-RPC, errors of the API are results, and so is their status."""
    return replace(response, status=HTTPStatus.OK, body=json.dumps(body).encode(), headers={}, later=None)


def _no_message() -> errors.VapiError:
    return errors.of_type("INVALID_REQUEST", "com.vmware.vapi.rpc.malformed", "The request is not a JSON-RPC message.")


def _no_operation(message: _Message) -> errors.VapiError:
    text = "Cannot find operation '{0}' in service '{1}'"
    return errors.operation_not_found("vapi.method.input.invalid.method", text, message.operation, message.service)
