"""Which requests reach an operation, and what the web servers in front answer to the others."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from gateway.simulator import errors
from gateway.simulator.catalogue import Operation, load
from gateway.simulator.routing import AmbiguousPathError, Router
from tests.unit.simulator.harness import Api

NOT_FOUND = {"args": [], "default_message": "Not found.", "id": "com.vmware.vapi.rest.httpNotFound"}
OPERATIONS = list(load().operations.values())


@pytest.fixture(scope="module")
def router() -> Router:
    return Router(OPERATIONS)


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.id)
def test_every_operation_has_a_route_of_its_own(router: Router, operation: Operation) -> None:
    """Its verb, path and action lead to it and give back the identifiers of the path."""
    path, values = operation.path, {}
    for segment in operation.path.split("/"):
        if segment.startswith("{"):
            values[segment[1:-1]] = f"{segment[1:-1]}-1"
            path = path.replace(segment, f"{segment[1:-1]}-1")
    query = {name: [value] for name, value in operation.fixed_query.items()}
    query |= {name: ["x"] for name, parameter in operation.query.items() if parameter.required}
    match = router.match(operation.method, path, query)
    assert match.operation is operation
    assert match.path == values


@pytest.mark.parametrize("identifier", ["a/b", "a b", "a%2Fb", "ü", "a?b#c", "a+b", "a;b=c", "...", "a\\b", "%"])
def test_identifiers_are_decoded_once_and_whole(router: Router, identifier: str) -> None:
    """An encoded slash stays inside its identifier, and nothing is decoded twice."""
    path = f"/api/vcenter/vm/vm-1/compute/policies/{quote(identifier, safe='')}"
    assert router.match("GET", path, {}).path == {"vm": "vm-1", "policy": identifier}


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/api",
        "/api/vcenter/vms",
        "/api/vcenter/vm/",
        "/api/vcenter/vm/vm-1/",
        "/api/vcenter/vm//power",
        "//api/vcenter/vm",
        "/API/vcenter/vm",
        "/api/vcenter/vm/vm-1/power/more",
        "/api/vcenter/vm/vm-1/hardwares",
        "/api/vcenter/vm/vm%2F1%2Fpower/nothing",
        "*",
        "",
    ],
)
def test_other_paths_lead_nowhere(router: Router, path: str) -> None:
    """Too short, too long, with an empty segment, in another case."""
    with pytest.raises(errors.VapiError, match="NOT_FOUND: Not found"):
        router.match("GET", path, {})


@pytest.mark.parametrize("segment", [".", "..", "%2e", "%2E%2e", ".%2e"])
def test_dots_are_refused(router: Router, segment: str) -> None:
    """However they are written: the server does not guess what they mean."""
    with pytest.raises(AmbiguousPathError):
        router.match("GET", f"/api/vcenter/vm/{segment}", {})
    with pytest.raises(AmbiguousPathError):
        router.match("GET", f"/nothing/{segment}/at/all", {})


def test_other_verbs_lead_nowhere(router: Router) -> None:
    """A verb that the path does not have is no operation, like a path that no service has."""
    with pytest.raises(errors.VapiError, match="NOT_FOUND: Not found"):
        router.match("PUT", "/api/vcenter/vm/vm-1/power", {})


@pytest.mark.parametrize(
    "query", [{}, {"action": ["explode"]}, {"action": [""]}, {"action": ["start", "stop"]}, {"ACTION": ["start"]}]
)
def test_an_action_that_the_service_does_not_have_is_no_operation(router: Router, query: dict[str, list[str]]) -> None:
    """OPERATION_NOT_FOUND from the API itself: the path and the verb are right."""
    with pytest.raises(errors.VapiError) as caught:
        router.match("POST", "/api/vcenter/vm/vm-1/power", query)
    assert caught.value.error_type == "OPERATION_NOT_FOUND"


def test_an_action_where_none_belongs_is_no_operation(router: Router) -> None:
    """A plain create has no action."""
    with pytest.raises(errors.VapiError) as caught:
        router.match("POST", "/api/vcenter/vm/vm-1/console/tickets", {"action": ["create"]})
    assert caught.value.error_type == "OPERATION_NOT_FOUND"


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/api"),
        ("GET", "/api/vcenter/nothing"),
        ("GET", "/api/vcenter/vm/vm-1001/power/"),
        ("DELETE", "/api/vcenter/vm/vm-1001/power"),
        ("PUT", "/api/session"),
    ],
)
def test_an_operation_that_vcenter_does_not_have(api: Api, method: str, target: str) -> None:
    """404 in JSON, as real vCenters answer; a session is not asked for."""
    answer = api.request(method, target)
    assert (answer.status, answer.response.content_type) == (404, "application/json")
    assert answer.json == {"error_type": "NOT_FOUND", "messages": [NOT_FOUND]}


@pytest.mark.parametrize(
    ("method", "target"), [("GET", "/rest"), ("GET", "/rest/vcenter/nothing"), ("PUT", "/rest/com/vmware/cis/session")]
)
def test_an_operation_that_the_older_api_does_not_have(api: Api, method: str, target: str) -> None:
    """404 in the dialect below /rest."""
    answer = api.request(method, target)
    assert (answer.status, answer.response.content_type) == (404, "application/json")
    value = {"error_type": "NOT_FOUND", "messages": [NOT_FOUND]}
    assert answer.json == {"type": "com.vmware.vapi.std.errors.not_found", "value": value}


def test_the_page_for_a_path_outside_the_api(api: Api) -> None:
    """404 as HTML, with the path made harmless; a session is not asked for."""
    answer = api.request("GET", "/apis/<script>alert(1)</script>?x=1")
    assert (answer.status, answer.response.content_type) == (404, "text/html;charset=utf-8")
    assert b"&lt;script&gt;alert(1)&lt;/script&gt;" in answer.response.body
    assert b"<script>" not in answer.response.body


def test_the_page_for_an_ambiguous_path(api: Api) -> None:
    """400 as HTML."""
    answer = api.request("GET", "/api/vcenter/vm/%2e%2e/power")
    assert (answer.status, answer.response.content_type) == (400, "text/html;charset=utf-8")
    assert b"Ambiguous URI" in answer.response.body


def test_an_unknown_action_is_answered_by_the_api(api: Api) -> None:
    """404 as well, and with an error body."""
    answer = api("POST", "/api/vcenter/vm/vm-1001/power?action=explode")
    assert (answer.status, answer.error_type) == (404, "OPERATION_NOT_FOUND")
    assert answer.message_ids == ["vapi.method.input.invalid.method"]


def test_an_encoded_slash_reaches_the_operation(api: Api) -> None:
    """The machine that is looked for is the one with the slash in its identifier."""
    answer = api("GET", "/api/vcenter/vm/vm%2F1001/power")
    assert (answer.status, answer.error_type) == (404, "NOT_FOUND")
    assert answer.json["messages"][0]["args"][0].startswith("vm/1001:")
