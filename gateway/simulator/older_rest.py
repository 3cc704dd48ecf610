"""The dialect of REST below `/rest`, which preceded `/api` and which clients such as govmomi still use.

`/rest/com/vmware/...` names services as the vAPI runtime does, identifiers are `id:...` and the operation is `~action`;
below `/rest/vcenter`, paths are those of `/api`, with some actions as their last segment. Parameters have names:
`filter.names=...`, `{"spec": {...}}`. Results are in an envelope, and maps are lists of entries, also in requests.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import unquote

from gateway.simulator import errors
from gateway.simulator.catalogue import Catalogue, Operation, Type
from gateway.simulator.exchange import SESSION_HEADER, Request, Response
from gateway.simulator.invocation import Invocation, of_parameters, type_of_parameter
from gateway.simulator.routing import Router

__all__ = ["PREFIX", "OlderRest", "older_failure", "session_of"]

PREFIX = "/rest/"
_SERVICES = "/rest/com/vmware/"
_ID = "id:"
_ACTION = "~action"
_BY_VERB = {"GET": "list", "POST": "create", "PATCH": "update", "PUT": "set", "DELETE": "delete"}


class OlderRest:
    """The translations for one release."""

    def __init__(self, catalogue: Catalogue, router: Router) -> None:
        self._operations = catalogue.operations
        self._structures = catalogue.structures
        self._router = router
        self._services = {
            operation.service.removeprefix("com.vmware.").lower().replace(".", "/").replace("_", "-"): operation.service
            for operation in catalogue.operations.values()
        }

    def read(self, request: Request, path: str, query: Mapping[str, list[str]]) -> Invocation:
        """The call in a request. NOT_FOUND if the operation does not exist."""
        found: Mapping[str, str]
        if path.startswith(_SERVICES):
            operation, found = self._of_service(request.method, path.removeprefix(_SERVICES), query)
        else:
            operation, found = self._of_path(request.method, path, query)
        fields = {
            name: self._without_entries(type_of_parameter(operation, name), value)
            for name, value in _fields(request).items()
        }
        parameters = {**_from_query(operation, query), **fields, **found}
        headers = {**request.headers, SESSION_HEADER: session_of(request.headers) or ""}
        return of_parameters(operation, parameters, headers)

    def write(self, operation: Operation | None, response: Response) -> Response:
        """The response of the REST API in this dialect."""
        if response.status >= HTTPStatus.BAD_REQUEST:
            return older_failure(response)
        value = json.loads(response.body) if response.body else None
        if value is None or operation is None or operation.result is None:
            return replace(response, status=HTTPStatus.OK, body=b"")
        body = {"value": self._with_entries(operation.result, value)}
        return replace(response, status=HTTPStatus.OK, body=json.dumps(body).encode())

    def _of_service(self, method: str, path: str, query: Mapping[str, list[str]]) -> tuple[Operation, dict[str, str]]:
        service, _, identifier = path.partition(f"/{_ID}")
        name = query.get(_ACTION, [_BY_VERB.get(method, "")])[0].replace("-", "_")
        if identifier and method == "GET":
            name = "get"
        operation = self._operations.get(f"{self._services.get(service)}.{name}")
        if operation is None:
            raise errors.unknown_url()
        return operation, {operation.path_names[0]: unquote(identifier)} if identifier and operation.path_names else {}

    def _of_path(self, method: str, path: str, query: Mapping[str, list[str]]) -> tuple[Operation, Mapping[str, str]]:
        path = f"/api/{path.removeprefix(PREFIX)}"
        try:
            match = self._router.match(method, path, query)
        except errors.VapiError:
            path, _, action = path.removesuffix("/").rpartition("/")
            match = self._router.match(method, path.removesuffix("/action"), {**query, "action": [action]})
        return match.operation, match.path

    def _with_entries(self, kind: Type, value: Any) -> Any:
        """The value with maps as lists of keys and values."""
        if isinstance(kind, str):
            structure = self._structures.get(kind)
            if structure is None or not isinstance(value, dict):
                return value
            fields = structure.fields
            return {key: self._with_entries(fields[key].type, item) for key, item in value.items()}
        if "map" in kind:
            return [{"key": key, "value": self._with_entries(kind["map"][1], item)} for key, item in value.items()]
        return [self._with_entries(kind.get("list") or kind["set"], item) for item in value]

    def _without_entries(self, kind: Type, value: Any) -> Any:
        """The reverse of `_with_entries`. A value that is not a list of entries stays, and the validation rejects
        it."""
        if isinstance(value, dict):
            structure = self._structures.get(kind) if isinstance(kind, str) else None
            known = structure.fields if structure is not None else {}
            return {
                key: self._without_entries(known[key].type, item) if key in known else item
                for key, item in value.items()
            }
        if isinstance(kind, str) or not isinstance(value, list):
            return value
        if "map" not in kind:
            return [self._without_entries(kind.get("list") or kind["set"], item) for item in value]
        entries = {
            item["key"]: self._without_entries(kind["map"][1], item["value"]) for item in value if _is_entry(item)
        }
        return entries if len(entries) == len(value) else value


def _is_entry(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"key", "value"} and isinstance(value["key"], str)


def session_of(headers: Mapping[str, str]) -> str | None:
    """The session of a request: in the header field or, in this dialect only, in a cookie."""
    cookie = SimpleCookie(headers.get("cookie", "")).get(SESSION_HEADER)
    return headers.get(SESSION_HEADER) or (cookie.value if cookie else None)


def _fields(request: Request) -> dict[str, Any]:
    """The parameters in the body, empty for null. INVALID_REQUEST if it is not a JSON object."""
    try:
        fields = json.loads(request.body or b"null")
    except (ValueError, RecursionError):
        fields = "no JSON"
    fields = {} if fields is None else fields
    if not isinstance(fields, dict):
        text = "The request's body is not a JSON object."
        raise errors.of_type("INVALID_REQUEST", "com.vmware.vapi.rest.malformed_json", text)
    return fields


def _from_query(operation: Operation, query: Mapping[str, list[str]]) -> dict[str, Any]:
    """The parameters in the query: the text before the last dot is their filter, a number counts values."""
    parameters: dict[str, Any] = {}
    for name, values in query.items():
        if name in (_ACTION, "action"):
            continue
        names = [part for part in name.split(".") if not part.isdigit()]
        parameters.setdefault(names[-1] if names else name, []).extend(values)
    return {name: values[0] if name in operation.path_names else values for name, values in parameters.items()}


def older_failure(response: Response) -> Response:
    """The response of a failure in this dialect: the name of the structure, and the structure next to it."""
    body = json.loads(response.body)
    older = {"type": f"com.vmware.vapi.std.errors.{body['error_type'].lower()}", "value": body}
    return replace(response, body=json.dumps(older).encode())
