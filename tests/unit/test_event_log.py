"""The lines of the log: what an operator learns of each event."""

from __future__ import annotations

import hashlib
import io
import json
import re
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest

from gateway.calls import Call
from gateway.contract import load_contract
from gateway.errors import Failure, Reason
from gateway.event_log import EventLog
from gateway.events import BreakerChanged, CallEnded, CertificateChanged, LoginEnded, Retried
from gateway.logs import configure_logs
from gateway.settings import LogSettings
from gateway.tracing.forwarding import Forwarding
from gateway.transcoding import compile_bindings
from gateway.vcenter.breaker import BreakerState
from tests.calls import call_of

PAGE = (Path(__file__).parents[2] / "docs" / "operate" / "monitoring.md").read_text()
START = "vcenter.vm.v1.PowerService/StartVm"
BINDINGS = compile_bindings(load_contract())
PEER = "ipv4:192.0.2.7:40312"
LOST = Failure.of(Reason.VCENTER_CONNECTION_LOST, "it broke", cause="Broken pipe").leaving_open()
ENDED = CallEnded(BINDINGS[START].method, "r-1", PEER, 0.25, identity="vcenter:alice")
SENT_AT = "time"


@pytest.fixture
def log() -> io.StringIO:
    stream = io.StringIO()
    configure_logs(LogSettings(format="json"), stream)
    return stream


def only(log: io.StringIO) -> dict[str, Any]:
    [line] = log.getvalue().splitlines()
    entry: dict[str, Any] = json.loads(line)
    del entry[SENT_AT]
    return entry


async def a_call() -> Call:
    return call_of(BINDINGS[START], {"vm": "vm-1"}, identity="alice", request_id="r-1")


def test_a_fault(log: io.StringIO) -> None:
    """A call that failed through no fault of its caller's says what the caller was told, and what led to it."""
    EventLog().call_ended(ENDED._replace(failure=LOST))
    assert only(log) == {
        "level": "warning",
        "event": "call",
        "rpc": START,
        "code": "UNAVAILABLE",
        "reason": "VCENTER_CONNECTION_LOST",
        "message": "it broke",
        "cause": "Broken pipe",
        "may_have_executed": True,
        "duration_ms": 250.0,
        "identity": "vcenter:alice",
        "peer": PEER,
        "request_id": "r-1",
    }


def test_a_callers_own_mistake(log: io.StringIO) -> None:
    """The text of other errors is not told: callers choose what is in it."""
    EventLog().call_ended(ENDED._replace(failure=Failure.of(Reason.REQUEST_INVALID, "vm 'x' is wrong", cause="y")))
    entry = only(log)
    assert (entry["level"], entry["reason"]) == ("info", "REQUEST_INVALID")
    assert {"message", "cause", "may_have_executed"}.isdisjoint(entry)


@pytest.mark.parametrize(("is_first", "lines"), [(True, 0), (False, 1)], ids=["first", "another"])
def test_certificates(log: io.StringIO, is_first: bool, lines: int) -> None:
    """Another certificate of vCenter's is named by its thumbprint; the first one is no news."""
    EventLog().certificate_changed(CertificateChanged(b"der", is_first))
    assert log.getvalue().count(hashlib.sha256(b"der").hexdigest()) == lines


@pytest.mark.parametrize("length", [499, 500, 501])
def test_long_texts(log: io.StringIO, length: int) -> None:
    """A text has at most 500 characters in a line, since vCenter may say as much as it likes."""
    EventLog().call_ended(ENDED._replace(failure=LOST.with_(message="x" * length, cause="y" * length)))
    entry = only(log)
    assert (len(entry["message"]), len(entry["cause"])) == (min(length, 500), min(length, 500))


@pytest.mark.parametrize("length", [199, 200, 201])
def test_long_identities(log: io.StringIO, length: int) -> None:
    """So have identities, which callers choose, at most 200."""
    EventLog().call_ended(ENDED._replace(identity="x" * length))
    assert len(only(log)["identity"]) == min(length, 200)


async def test_a_refused_login(log: io.StringIO) -> None:
    """It says whose login it was, from where, and for which rpc."""
    EventLog().login_ended(LoginEnded(await a_call(), Failure.of(Reason.CREDENTIALS_REJECTED, "refused")))
    assert only(log) == {
        "level": "warning",
        "event": "login to vCenter failed",
        "reason": "CREDENTIALS_REJECTED",
        "message": "refused",
        "rpc": START,
        "identity": "vcenter:alice",
        "peer": PEER,
        "request_id": "r-1",
    }


async def test_a_login_that_succeeds(log: io.StringIO) -> None:
    """It is no news."""
    EventLog().login_ended(LoginEnded(await a_call()))
    assert not log.getvalue()


async def test_a_repeated_call(log: io.StringIO) -> None:
    """It says whose call it is, why, and when the next try comes."""
    EventLog().retried(Retried(await a_call(), LOST, 0.05))
    assert only(log) == {
        "level": "info",
        "event": "call is sent again",
        "operation": "POST /api/vcenter/vm/{vm}/power?action=start",
        "reason": "VCENTER_CONNECTION_LOST",
        "message": "it broke",
        "delay_ms": 50.0,
        "rpc": START,
        "identity": "vcenter:alice",
        "peer": PEER,
        "request_id": "r-1",
    }


@pytest.mark.parametrize(
    ("state", "cause", "event"),
    [
        (BreakerState.OPEN, "refused", "the circuit breaker of vCenter is open: refused"),
        (BreakerState.HALF_OPEN, "refused", "the circuit breaker of vCenter is half-open: refused"),
        (BreakerState.CLOSED, "", "the circuit breaker of vCenter is closed"),
    ],
)
def test_the_breaker(log: io.StringIO, state: BreakerState, cause: str, event: str) -> None:
    """Every change of its state is a line, with its cause."""
    EventLog().breaker_changed(BreakerChanged(state, cause))
    entry = only(log)
    assert (entry["level"], entry["event"]) == ("warning", event)


def test_drift_is_told_once(log: io.StringIO) -> None:
    """What vCenter sends with each answer is one line."""
    events = EventLog()
    for _ in range(3):
        events.unknown_field("lab.v1.Message", "new")
        events.unknown_enum_value("lab.v1.Kind", "NEW")
    told = [json.loads(line)["event"] for line in log.getvalue().splitlines()]
    assert told == [
        "vCenter sends a field that the contract does not know: lab.v1.Message new",
        "vCenter sends a value that the contract does not know: lab.v1.Kind NEW",
    ]


def test_every_field_is_documented(log: io.StringIO) -> None:
    """The page about operations explains every field that the line of a call may have."""
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    # In a context of its own, since the trace becomes the current one.
    trace = copy_context().run(Forwarding().begin, START, "", (("traceparent", parent),), "r-1")
    assert trace is not None
    EventLog().call_ended(ENDED._replace(failure=LOST, age=1, messages=2, trace=trace))
    section = PAGE[PAGE.index("\n## Log\n") :].partition("\n## Audit log\n")[0]
    documented = {
        name for row in re.findall(r"^\| (`.*?) \|", section, re.MULTILINE) for name in re.findall("`(.*?)`", row)
    }
    assert set(only(log)) - {"event"} <= documented
