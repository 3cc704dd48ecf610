"""The order in which a request is looked at, and what the endpoint makes of defects."""

from __future__ import annotations

import logging
from datetime import timedelta
from functools import partial
from typing import Any
from xml.etree import ElementTree

import pytest

from gateway.simulator import RELEASES, ManualClock, errors, registry
from tests.unit.simulator.harness import NOACCESS, READONLY, Api

GET_POWER = "com.vmware.vcenter.vm.power.get"
STOP = "/api/vcenter/vm/vm-1001/power?action=stop"
TICKETS = "/api/vcenter/vm/vm-1001/console/tickets"


def replace_handler(monkeypatch: pytest.MonkeyPatch, operation: str, handler: registry.Handler) -> None:
    monkeypatch.setitem(registry._HANDLERS, operation, handler)


def raising(failure: BaseException) -> registry.Handler:
    def handler(call: registry.Call) -> Any:
        raise failure

    return handler


def test_the_session_is_asked_for_before_the_input(api: Api) -> None:
    """Without one nobody learns what is wrong with a body."""
    assert api("POST", TICKETS, {"nonsense": 1}, session="").status == 401


def test_the_input_is_looked_at_before_the_privilege(api: Api) -> None:
    """A user who may not call it is told about a body that does not fit."""
    api.login(NOACCESS)
    assert api("POST", TICKETS, {"nonsense": 1}).error_type == "UNEXPECTED_INPUT"
    assert api("POST", TICKETS, {"type": "VMRC"}).error_type == "UNAUTHORIZED"


@pytest.mark.parametrize(
    ("user", "reads", "writes"), [(READONLY, 200, 403), (NOACCESS, 403, 403)], ids=["readonly", "noaccess"]
)
def test_privileges(api: Api, user: str, reads: int, writes: int) -> None:
    """403 with the method and the user."""
    api.login(user)
    assert api("GET", "/api/vcenter/vm/vm-1001/power").status == reads
    answer = api("POST", STOP)
    assert answer.status == writes
    assert answer.message_ids == ["vapi.security.authorization.invalid"]
    assert answer.json["messages"][0]["args"] == ["com.vmware.vcenter.vm.power.stop", user]
    assert api.inventory.machines["vm-1001"].power_state == "POWERED_ON"


def test_a_machine_that_does_not_exist(api: Api) -> None:
    """404; the argument of the message carries vCenter's own identifier."""
    answer = api("GET", "/api/vcenter/vm/vm-9/power")
    assert (answer.status, answer.error_type) == (404, "NOT_FOUND")
    assert answer.json["messages"] == [
        {
            "id": "com.vmware.api.vcenter.vm.not_found",
            "default_message": f"Virtual machine with identifier 'vm-9:{errors.INSTANCE_UUID}' does not exist.",
            "args": [f"vm-9:{errors.INSTANCE_UUID}"],
        }
    ]


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_a_machine_that_does_not_exist_where_not_found_is_not_documented(api: Api, method: str) -> None:
    """The storage policies know only ERROR for it."""
    answer = api(method, "/api/vcenter/vm/vm-9/storage/policy", {} if method == "PATCH" else None)
    assert (answer.status, answer.error_type) == (500, "ERROR")
    assert answer.message_ids == ["com.vmware.api.vcenter.vm.not_found"]


def test_busy_and_inaccessible_machines_stop_only_what_can_end_so(api: Api) -> None:
    """Power.stop lists RESOURCE_BUSY and not RESOURCE_INACCESSIBLE, Power.get the other way round."""
    machine = api.inventory.machines["vm-1001"]
    machine.busy = True
    assert api("GET", "/api/vcenter/vm/vm-1001/power").status == 200
    assert (api("POST", STOP).status, api("POST", STOP).error_type) == (500, "RESOURCE_BUSY")
    machine.busy, machine.inaccessible = False, True
    refused = api("GET", "/api/vcenter/vm/vm-1001/power")
    assert (refused.status, refused.error_type) == (500, "RESOURCE_INACCESSIBLE")
    assert api("POST", STOP).status == 204


@pytest.mark.parametrize("content_type", [None, "text/plain", "application/x-www-form-urlencoded", "application/jsonp"])
def test_a_body_has_to_be_said_to_be_json(api: Api, content_type: str | None) -> None:
    """415 as HTML otherwise."""
    headers = {"vmware-api-session-id": api.session} | ({"content-type": content_type} if content_type else {})
    answer = api.request("POST", TICKETS, b'{"type": "VMRC"}', headers=headers)
    assert (answer.status, answer.response.content_type) == (415, "text/html;charset=utf-8")


@pytest.mark.parametrize("content_type", ["application/json", "Application/JSON; charset=utf-8"])
def test_parameters_and_case_of_the_media_type_do_not_matter(api: Api, content_type: str) -> None:
    """As HTTP has it."""
    headers = {"vmware-api-session-id": api.session, "content-type": content_type}
    assert api.request("POST", TICKETS, b'{"type": "VMRC"}', headers=headers).status == 201


@pytest.mark.parametrize("body", [b"{", b"{'type': 'VMRC'}", b"\xff\xfe", b"type=VMRC", b"[" * 100_000])
def test_a_body_that_is_no_json_is_an_invalid_request(api: Api, body: bytes) -> None:
    """400 from the API."""
    headers = {"vmware-api-session-id": api.session, "content-type": "application/json"}
    answer = api.request("POST", TICKETS, body, headers=headers)
    assert (answer.status, answer.error_type) == (400, "INVALID_REQUEST")


def test_void_operations_answer_204_without_a_body(api: Api) -> None:
    """And what has a result answers with the bare value."""
    answer = api("POST", STOP)
    assert (answer.status, answer.response.body, answer.response.executed) == (204, b"", True)
    assert api("GET", "/api/vcenter/vm/vm-1001/power").json == {"state": "POWERED_OFF", "clean_power_off": False}


def test_an_error_that_is_not_documented_is_a_defect(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """INTERNAL_SERVER_ERROR with the message of vCenter's runtime, and a line in the log."""
    replace_handler(monkeypatch, GET_POWER, raising(errors.not_allowed("some.id", "Not now.")))
    with caplog.at_level(logging.ERROR):
        answer = api("GET", "/api/vcenter/vm/vm-1001/power")
    assert (answer.status, answer.error_type) == (500, "INTERNAL_SERVER_ERROR")
    assert answer.message_ids == ["vapi.method.status.errors.invalid"]
    assert answer.json["messages"][0]["args"] == ["NOT_ALLOWED_IN_CURRENT_STATE", "get"]
    assert GET_POWER in caplog.text


@pytest.mark.parametrize(
    "handler", [lambda call: {"state": "POWERED_OFF"}, raising(KeyError("x"))], ids=["result", "exception"]
)
def test_other_defects_are_answered_and_logged(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, handler: registry.Handler
) -> None:
    """A result of the wrong form, or an exception: 500, the client learns nothing of the inside."""
    replace_handler(monkeypatch, GET_POWER, handler)
    with caplog.at_level(logging.ERROR):
        answer = api("GET", "/api/vcenter/vm/vm-1001/power")
    assert (answer.status, answer.message_ids, answer.response.executed) == (500, ["vapi.internal.error"], False)
    assert "the simulator failed at GET /api/vcenter/vm/vm-1001/power" in caplog.text


def test_what_is_due_has_happened_before_a_request_is_looked_at(api: Api) -> None:
    """The agenda is carried out in the order of time, and only as far as the clock has come."""
    done: list[str] = []
    for seconds, name in ((20, "second"), (10, "first"), (30, "third"), (20, "second again")):
        api.inventory.schedule(api.clock() + timedelta(seconds=seconds), partial(done.append, name))
    api.clock.advance(20)
    api("GET", "/api/session")
    assert done == ["first", "second", "second again"]


@pytest.mark.parametrize(
    ("release", "prior"), [("7.0.3", "7.0.2.1"), ("8.0.2", "8.0.1.0"), ("9.1", "9.1.0.0")], ids=[*RELEASES]
)
def test_the_list_of_versions(clock: ManualClock, release: str, prior: str) -> None:
    """Everybody gets it, with the version of the release first; it can only be read."""
    api = Api(clock, release=RELEASES[release])
    answer = api("GET", "/sdk/vimServiceVersions.xml", session="")
    assert (answer.status, answer.response.content_type) == (200, "text/xml")
    [namespace, _] = ElementTree.fromstring(answer.response.body).findall("namespace")  # noqa: S314 - our own
    assert namespace.findtext("name") == "urn:vim25"
    assert namespace.findtext("version") == RELEASES[release].version
    assert namespace.findall("priorVersions/version")[0].text == prior
    assert api("POST", "/sdk/vimServiceVersions.xml", session="").status == 404
