"""vCenter's errors: everything they say is in the details of the status."""

from __future__ import annotations

import pytest
from google.rpc import code_pb2

from gateway.errors import VCENTER_DOMAIN, status_of
from tests.unit.transcoding.answers import ERROR, FILE_DETAILS, PROCESS_DETAILS, answered, content, details

COMPLETE = {
    "error_type": "UNAUTHENTICATED",
    "messages": [
        {
            "id": "com.vmware.guest.denied",
            "default_message": "The guest refused 'root'.",
            "localized": "Der Gast lehnt 'root' ab.",
            "args": ["root", ""],
            "params": {
                "user": {"s": "root"},
                "since": {"dt": "2026-03-01T10:20:30.123Z", "format": "SHORT_DATE_TIME"},
                "tries": {"i": 3},
                "seconds": {"d": 1.5, "precision": 1},
                "cause": {"l": {"id": "com.vmware.cause", "params": {"n": {"i": 0}}}},
            },
        },
        {"id": "com.vmware.second", "default_message": "Second.", "args": []},
    ],
    "data": {"attempt": 3, "nested": {"list": [1, "a", None, True]}},
    "challenge": 'Basic realm="vCenter"',
}


def test_everything_is_in_the_details() -> None:
    """Code, reason, domain, operation, HTTP status and the whole vAPI error are in the status."""
    status = status_of(answered(401, COMPLETE))
    assert (status.code, status.message) == (code_pb2.UNAUTHENTICATED, "Der Gast lehnt 'root' ab.")
    found = details(status)
    assert list(found) == ["google.rpc.ErrorInfo", ERROR, "google.rpc.LocalizedMessage"]
    assert content(found["google.rpc.ErrorInfo"]) == {
        "reason": "UNAUTHENTICATED",
        "domain": VCENTER_DOMAIN,
        "metadata": {"operation": "POST /api/vcenter/vm/{vm}/guest/processes/{pid}?action=get", "http_status": "401"},
    }
    assert content(found["google.rpc.LocalizedMessage"]) == {"locale": "en-US", "message": "Der Gast lehnt 'root' ab."}
    assert content(found[ERROR]) == {
        "error_type": "ERROR_TYPE_UNAUTHENTICATED",
        "messages": [
            {
                "id": "com.vmware.guest.denied",
                "default_message": "The guest refused 'root'.",
                "localized": "Der Gast lehnt 'root' ab.",
                "args": ["root", ""],
                "params": {
                    "user": {"s": "root"},
                    "since": {
                        "dt": "2026-03-01T10:20:30.123Z",
                        "format": "LOCALIZATION_PARAM_DATE_TIME_FORMAT_SHORT_DATE_TIME",
                    },
                    "tries": {"i": "3"},
                    "seconds": {"d": 1.5, "precision": "1"},
                    "cause": {"l": {"id": "com.vmware.cause", "params": {"n": {"i": "0"}}}},
                },
            },
            {"id": "com.vmware.second", "default_message": "Second."},
        ],
        "data": {"attempt": 3.0, "nested": {"list": [1.0, "a", None, True]}},
        "challenge": 'Basic realm="vCenter"',
    }


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        pytest.param([{"default_message": "First."}, {"default_message": "Second."}], "First.", id="first"),
        pytest.param([{"id": "a"}, {"default_message": ""}, {"default_message": "Third."}], "Third.", id="with-text"),
        pytest.param([{"default_message": "English.", "localized": "Deutsch."}], "Deutsch.", id="localized"),
        pytest.param([{"default_message": "English.", "localized": ""}], "English.", id="localized-is-empty"),
        pytest.param([{"id": "a"}], "vCenter reported NOT_FOUND (HTTP 404)", id="ids-only"),
        pytest.param([], "vCenter reported NOT_FOUND (HTTP 404)", id="none"),
    ],
)
def test_text(messages: list[dict[str, object]], text: str) -> None:
    """The status's text is that of the first message that has one; without any it names the error type."""
    error = answered(404, {"error_type": "NOT_FOUND", "messages": messages})
    assert error.message == text
    localized = details(status_of(error)).get("google.rpc.LocalizedMessage")
    assert (localized.message if localized else None) == (None if text.startswith("vCenter") else text)


def test_text_without_error_type() -> None:
    """An error without type and text says so."""
    assert answered(500, {"messages": []}).message == "vCenter reported an error of no type (HTTP 500)"


@pytest.mark.parametrize("error_type", ["QUOTA_EXCEEDED", None])
def test_unknown_error_type_is_unset(error_type: str | None) -> None:
    """In the vAPI error, a type that the contract does not know is not set."""
    error = details(status_of(answered(500, {"error_type": error_type, "messages": []})))[ERROR]
    assert not error.HasField("error_type")


@pytest.mark.parametrize(
    ("change", "lost"),
    [
        pytest.param({"messages": "text"}, {"messages"}, id="messages-are-text"),
        pytest.param({"messages": {"id": "a"}}, {"messages"}, id="messages-are-an-object"),
        pytest.param({"data": [1]}, {"data"}, id="data-is-a-list"),
        pytest.param({"data": None}, {"data"}, id="data-is-null"),
        pytest.param({"challenge": {}}, {"challenge"}, id="challenge-is-an-object"),
        pytest.param({"error_type": 7}, {"error_type"}, id="error-type-is-a-number"),
        pytest.param({"new": 1}, set(), id="unknown-field"),
    ],
)
def test_parts_that_cannot_be_read(change: dict[str, object], lost: set[str]) -> None:
    """A part of an error that cannot be read is left out; the rest is kept."""
    error = details(status_of(answered(401, {**COMPLETE, **change})))[ERROR]
    assert {field.name for field, _ in error.ListFields()} == {"error_type", "messages", "data", "challenge"} - lost


def test_messages_around_one_that_cannot_be_read() -> None:
    """Messages in front of one that cannot be read, and behind it, are kept."""
    error = answered(400, {"error_type": "ERROR", "messages": [{"default_message": "First."}, 7, {"id": "c"}]})
    assert error.message == "First."
    assert [message.id for message in details(status_of(error))[ERROR].messages] == ["", "c"]


NO_PID = {"pid": 4711}
OLDER = "com.vmware.vapi.std.errors"


@pytest.mark.parametrize(
    ("status", "name", "code"),
    [
        pytest.param(404, "NOT_FOUND", code_pb2.NOT_FOUND, id="status-of-its-own"),
        pytest.param(400, "ALREADY_IN_DESIRED_STATE", code_pb2.FAILED_PRECONDITION, id="status-of-many"),
        pytest.param(500, "QUOTA_EXCEEDED", code_pb2.INTERNAL, id="unknown-type"),
    ],
)
def test_the_older_dialect(status: int, name: str, code: int) -> None:
    """An error in the form of the API below /rest is read like one with an `error_type`."""
    value = {"messages": [{"id": "a", "default_message": "Gone.", "args": []}], "data": NO_PID}
    error = answered(status, {"type": f"{OLDER}.{name.lower()}", "value": value})
    same = answered(status, {**value, "error_type": name})
    assert (error.code, error.reason, error.message) == (code, name, "Gone.")
    assert status_of(error) == status_of(same)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"type": f"{OLDER}.not_found"}, id="no-value"),
        pytest.param({"type": f"{OLDER}.not_found", "value": "text"}, id="value-is-text"),
        pytest.param({"type": "about:blank", "value": {"messages": []}}, id="other-type"),
        pytest.param({"type": 7, "value": {"messages": []}}, id="type-is-a-number"),
    ],
)
def test_what_is_not_the_older_dialect(body: object) -> None:
    """A type without a value, or of another origin, is no error of vCenter's."""
    error = answered(404, body)
    assert (error.code, error.reason) == (code_pb2.UNIMPLEMENTED, "HTTP_404")


NO_FILE = {"reason": "FILE_NOT_FOUND", "file_path": "/var/log/a"}


@pytest.mark.parametrize(
    ("data", "name", "expected"),
    [
        pytest.param(NO_PID, PROCESS_DETAILS, {"pid": "4711"}, id="process"),
        pytest.param(
            {"com.vmware.vcenter.vm.guest.processes.process_error_details": NO_PID},
            PROCESS_DETAILS,
            {"pid": "4711"},
            id="process-under-its-structure's-name",
        ),
        pytest.param(
            NO_FILE, FILE_DETAILS, {"reason": "FILE_ERROR_REASON_FILE_NOT_FOUND", "file_path": "/var/log/a"}, id="file"
        ),
        pytest.param(
            {"com.vmware.vcenter.vm.guest.filesystem.file_error_details": NO_FILE},
            FILE_DETAILS,
            {"reason": "FILE_ERROR_REASON_FILE_NOT_FOUND", "file_path": "/var/log/a"},
            id="file-under-its-structure's-name",
        ),
    ],
)
def test_typed_data(data: object, name: str, expected: object) -> None:
    """Data of a known shape is in the details as a typed message, beside the untyped one."""
    found = details(status_of(answered(404, {"error_type": "NOT_FOUND", "messages": [], "data": data})))
    assert list(found) == ["google.rpc.ErrorInfo", ERROR, name]
    assert content(found[name]) == expected
    assert content(found[ERROR])["data"] == data  # type: ignore[index]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"pid": 1, "more": 2}, id="more-fields"),
        pytest.param({"reason": "FILE_NOT_FOUND"}, id="fewer-fields"),
        pytest.param({"pid": "4711"}, id="wrong-type"),
        pytest.param({"process": NO_PID}, id="under-a-name-that-is-no-structure's"),
        pytest.param({"com.vmware.a": NO_PID, "com.vmware.b": NO_PID}, id="two-structures"),
        pytest.param({"com.vmware.a": [NO_PID]}, id="list-under-a-structure's-name"),
        pytest.param([NO_PID], id="list"),
        pytest.param(None, id="null"),
    ],
)
def test_data_of_another_shape(data: object) -> None:
    """Data of any other shape is not taken for a typed message."""
    found = details(status_of(answered(404, {"error_type": "NOT_FOUND", "messages": [], "data": data})))
    assert list(found) == ["google.rpc.ErrorInfo", ERROR]


@pytest.mark.parametrize("levels", [32, 33, 60, 400])
def test_deep_data(levels: int) -> None:
    """Data nested deeper than a client could read is left out as far as necessary; the status can be read."""
    body = b'{"error_type": "NOT_FOUND", "messages": [], "data":' + b'{"a":' * levels + b"{}" + b"}" * levels + b"}"
    assert details(status_of(answered(404, body)))[ERROR].error_type != 0


@pytest.mark.parametrize("levels", [24, 25, 100, 240])
def test_deep_messages(levels: int) -> None:
    """The same holds for messages in messages."""
    param = b'{"id": "a", "params": {"x": {"l": ' * levels + b"{}" + b"}}}" * levels
    body = b'{"messages": [%s], "error_type": "NOT_FOUND"}' % param
    assert details(status_of(answered(404, body)))[ERROR].error_type != 0


HTTP_NOT_FOUND = {"args": [], "default_message": "Not found.", "id": "com.vmware.vapi.rest.httpNotFound"}
NO_OPERATIONS = {
    "args": ["/vcenter/vm/vm-1001/guest/identity"],
    "default_message": "Unable to find operations for URL: /vcenter/vm/vm-1001/guest/identity.",
    "id": "com.vmware.vapi.rest.operationsForUrlNotFound",
}
LACKING = "This vCenter does not have the operation; it may be older than the API."


@pytest.mark.parametrize(
    ("body", "said"),
    [
        pytest.param({"error_type": "NOT_FOUND", "messages": [HTTP_NOT_FOUND]}, "Not found. ", id="api"),
        pytest.param(
            {"type": f"{OLDER}.not_found", "value": {"messages": [HTTP_NOT_FOUND]}}, "Not found. ", id="older-dialect"
        ),
        pytest.param(
            {"type": f"{OLDER}.not_found", "value": {"error_type": "NOT_FOUND", "messages": [NO_OPERATIONS]}},
            f"{NO_OPERATIONS['default_message']} ",
            id="7.0.3",
        ),
        pytest.param(
            {
                "localizableMessages": [{"defaultMessage": "Not found.", "id": HTTP_NOT_FOUND["id"]}],
                "majorErrorCode": 404,
                "name": HTTP_NOT_FOUND["id"],
            },
            "Not found. ",
            id="oldest-dialect",
        ),
        pytest.param({"error_type": "NOT_FOUND", "messages": [{"id": HTTP_NOT_FOUND["id"]}]}, "", id="no-text"),
    ],
)
def test_an_operation_that_vcenter_lacks(body: object, said: str) -> None:
    """vCenter calls it NOT_FOUND like an object that is gone; the message id tells that it is the operation."""
    error = answered(404, body)
    assert (error.code, error.reason, error.domain) == (
        code_pb2.UNIMPLEMENTED,
        "OPERATION_NOT_FOUND",
        "vcenter.vmware.com",
    )
    assert error.message == f"{said}{LACKING}"
    assert details(status_of(error))[ERROR].messages[0].id in (HTTP_NOT_FOUND["id"], NO_OPERATIONS["id"])


def test_an_object_that_is_gone() -> None:
    """Every other id is of an object that does not exist."""
    gone = {"id": "com.vmware.api.vcenter.vm.not_found", "default_message": "No such machine.", "args": ["vm-1"]}
    error = answered(404, {"error_type": "NOT_FOUND", "messages": [gone]})
    assert (error.code, error.reason, error.message) == (code_pb2.NOT_FOUND, "NOT_FOUND", "No such machine.")


def test_the_oldest_dialect() -> None:
    """Messages under the name `localizableMessages` keep their text; the HTTP status stands for the type."""
    messages = [{"defaultMessage": "Quota exceeded.", "id": "a.b", "args": ["1"]}, 7]
    error = answered(403, {"localizableMessages": messages, "majorErrorCode": 403, "name": "a.b"})
    assert (error.code, error.reason, error.message) == (code_pb2.PERMISSION_DENIED, "HTTP_403", "Quota exceeded.")
    [message] = details(status_of(error))[ERROR].messages
    assert content(message) == {"id": "a.b", "default_message": "Quota exceeded.", "args": ["1"]}


def test_an_error_that_is_not_clean_text() -> None:
    """A byte of another encoding in the name of a machine hides neither the type nor the text."""
    body = b'{"error_type": "ALREADY_EXISTS", "messages": [{"id": "a", "default_message": "caf\xe9 exists"}]}'
    error = answered(400, body)
    assert (error.reason, error.message) == ("ALREADY_EXISTS", "caf\ufffd exists")


def test_parts_of_very_large_errors() -> None:
    """A part with very many values leaves the other parts as they are."""
    data = {"list": list(range(400_000))}
    body = {"error_type": "ERROR", "data": data, "messages": [{"id": "a", "default_message": "b"}]}
    error = answered(500, body)
    assert (error.reason, error.message) == ("ERROR", "b")
    [found] = [detail for detail in error.details if detail.DESCRIPTOR.full_name == ERROR]
    assert len(found.data["list"]) < 5_000  # type: ignore[attr-defined]
