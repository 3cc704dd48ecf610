"""Logs: their form, and that no secret gets into them."""

from __future__ import annotations

import io
import json
import logging

import pytest
import structlog
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import code_pb2

from gateway.contract import load_contract
from gateway.errors import Failure
from gateway.event_log import EventLog
from gateway.events import CallEnded
from gateway.logs import configure_logs, redact
from gateway.settings import LogSettings

SECRET = "Gulf-0f-Finland"
RPC = "vcenter.vm.hardware.v1.CdromService/ConnectCdrom"
METHOD = load_contract().methods[RPC]
PEER = "ipv4:192.0.2.7:40312"
OK = CallEnded(METHOD, "r-1", PEER, 0.0123456, identity="alice")


def failed(code: str, reason: str = "REASON", message: str = "no") -> CallEnded:
    return OK._replace(failure=Failure(code_pb2.Code.Value(code), reason, message))


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Broken(io.StringIO):
    def write(self, text: str) -> int:
        raise BrokenPipeError


def logged(form: str = "json", level: str = "info") -> io.StringIO:
    stream = io.StringIO()
    configure_logs(LogSettings.model_validate({"format": form, "level": level}), stream)
    return stream


def test_one_line_a_call() -> None:
    """A finished call is one line of JSON with rpc, code, duration and request id."""
    stream = logged()
    EventLog().call_ended(OK)
    [line] = stream.getvalue().splitlines()
    entry = json.loads(line)
    assert entry.pop("time").endswith("Z")
    assert entry == {
        "level": "info",
        "event": "call",
        "rpc": RPC,
        "code": "OK",
        "duration_ms": 12.346,
        "identity": "alice",
        "peer": PEER,
        "request_id": "r-1",
    }


@pytest.mark.parametrize("code", ["OK", "INTERNAL"])
def test_the_line_of_a_call_is_like_every_other(code: str) -> None:
    """It is written by itself, and differs in nothing from the same event written as any other."""
    stream = logged()
    ended = OK if code == "OK" else failed(code, f"Bearer {SECRET}", f"token: {SECRET}")
    ended = ended._replace(identity="token:ci", age=3)
    EventLog().call_ended(ended)
    fault = {} if code == "OK" else {"reason": ended.reason, "message": f"token: {SECRET}"}
    structlog.get_logger().log(
        logging.INFO if code == "OK" else logging.WARNING,
        "call",
        rpc=RPC,
        code=code,
        **fault,
        age=3,
        duration_ms=12.346,
        identity=ended.identity,
        peer=PEER,
        request_id="r-1",
    )
    own, usual = (line.partition(",")[2] for line in stream.getvalue().splitlines())
    assert own == usual
    assert SECRET not in own


@pytest.mark.parametrize(
    ("code", "level", "written"),
    [
        ("OK", "info", True),
        ("OK", "warning", False),
        ("NOT_FOUND", "warning", False),
        ("UNIMPLEMENTED", "warning", False),
        ("INTERNAL", "warning", True),
        ("UNAVAILABLE", "warning", True),
        ("DEADLINE_EXCEEDED", "warning", True),
        ("INTERNAL", "error", False),
    ],
)
def test_level_of_a_call(code: str, level: str, written: bool) -> None:
    """Calls are informative lines; those that point at a fault of gateway or vCenter are warnings."""
    stream = logged(level=level)
    EventLog().call_ended(OK if code == "OK" else failed(code))
    assert bool(stream.getvalue()) is written


def test_libraries_write_the_same_form() -> None:
    """What libraries log through the standard library is JSON with the logger's name and extra fields."""
    stream = logged()
    logging.getLogger("aiohttp.client").warning("retry %d of %d", 1, 3, extra={"host": "vc"})
    entry = json.loads(stream.getvalue())
    assert (entry["event"], entry["level"], entry["logger"], entry["host"]) == (
        "retry 1 of 3",
        "warning",
        "aiohttp.client",
        "vc",
    )


def test_an_exception_is_one_line() -> None:
    """A traceback stays inside its line and is cleaned like any text."""
    stream = logged()
    try:
        raise RuntimeError(f"login with password={SECRET}")
    except RuntimeError:
        logging.getLogger("x").exception("failed")
    [line] = stream.getvalue().splitlines()
    assert SECRET not in line
    assert "RuntimeError: login with password=***" in json.loads(line)["exception"]


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_console_on_a_terminal(monkeypatch: pytest.MonkeyPatch, no_color: str, coloured: bool) -> None:
    """On a terminal the lines are for people, and in colours unless NO_COLOR is set."""
    monkeypatch.setenv("NO_COLOR", no_color)
    stream = Terminal()
    configure_logs(LogSettings(), stream)
    EventLog().call_ended(OK)
    assert not stream.getvalue().startswith("{")
    assert "ConnectCdrom" in stream.getvalue()
    assert ("\x1b[" in stream.getvalue()) == coloured


def test_json_elsewhere() -> None:
    """In a file or a pipe the lines are JSON."""
    stream = logged("auto")
    EventLog().call_ended(OK)
    assert json.loads(stream.getvalue())["rpc"] == RPC


def test_console_hides_secrets() -> None:
    """The form for people hides secrets too, also in tracebacks."""
    stream = logged("console")
    try:
        raise RuntimeError(f"token: {SECRET}")
    except RuntimeError:
        logging.getLogger("x").exception("failed", extra={"password": SECRET})
    assert "failed" in stream.getvalue()
    assert SECRET not in stream.getvalue()


def test_a_broken_stream_does_not_fail_the_call() -> None:
    """When nothing can be written, the call that the line is about goes on."""
    stream = Broken()
    configure_logs(LogSettings(format="json"), stream)
    EventLog().call_ended(OK)
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    "name",
    [
        "authorization",
        "Authorization",
        "password",
        "user_password",
        "session_id",
        "vmware-api-session-id",
        "sessionId",
        "token",
        "saml_token",
        "credentials",
        "guest_credentials",
        "set-cookie",
        "client_secret",
        "private_key",
        "headers",
        "metadata",
    ],
)
def test_fields_with_secret_names(name: str) -> None:
    """A field whose name says that it is secret, or that it holds headers, is hidden at any depth."""
    assert redact(None, "", {name: SECRET}) == {name: "***"}
    assert redact(None, "", {"a": [{name: [SECRET]}]}) == {"a": [{name: "***"}]}


@pytest.mark.parametrize("name", ["request_id", "rpc", "code", "reason", "host", "vm", "user", "event", "duration_ms"])
def test_fields_that_are_no_secrets(name: str) -> None:
    """What a person needs in order to find a fault is not hidden."""
    assert redact(None, "", {name: "abc"}) == {name: "abc"}


@pytest.mark.parametrize(
    "text",
    [
        f"authorization: Basic {SECRET}",
        f"Authorization='Bearer {SECRET}'",
        f"sent Basic {SECRET} to vc",
        f"headers {{'vmware-api-session-id': '{SECRET}'}}",
        f"(('vmware-api-session-id', '{SECRET}'),)",
        f'{{"password": "{SECRET}"}}',
        f'{{"password": "a \\"{SECRET}\\" b"}}',
        f"password={SECRET}&user=x",
        f"https://root:{SECRET}@vcenter.example.com/api",
        f"user_name=root, saml_token={SECRET}",
        f"Cookie: {SECRET}; path=/",
    ],
)
def test_secrets_in_text(text: str) -> None:
    """Secrets are cut out of running text by their look."""
    assert SECRET not in redact(None, "", {"event": text})["event"]


@pytest.mark.parametrize(
    "text",
    ["GET /api/vcenter/vm/vm-1001 answered 200", "vCenter rejected the password", "CREDENTIALS_MISSING", "a//b@c? no"],
)
def test_text_without_secrets(text: str) -> None:
    """Text without a secret's look is left as it is, save for what could be a URL's password."""
    assert redact(None, "", {"event": text})["event"] == text.replace("//b@", "//***@")


def test_objects_are_not_printed() -> None:
    """A message or any other object appears by the name of its type only."""
    assert redact(None, "", {"request": StringValue(value=SECRET), "error": ValueError(SECRET)}) == {
        "request": "<StringValue>",
        "error": "<ValueError>",
    }
