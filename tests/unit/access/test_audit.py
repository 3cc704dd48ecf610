"""What the records of the audit log tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.access import AuditEvent, AuditRecord
from gateway.calls import CallerIdentity, Kind
from gateway.logs import redact

CI = CallerIdentity(Kind.TOKEN, "ci")
STARTED = AuditRecord(CI, "a.B/C", {"vm": "vm-1"}, request_id="r", event=AuditEvent.STARTED, change_id="0")


def test_a_change() -> None:
    """A change has a record when it starts and one when it ends, which belong together."""
    common = {"change_id": "0", "identity": "token:ci", "rpc": "a.B/C", "target": {"vm": "vm-1"}, "request_id": "r"}
    assert STARTED.fields() == {"event": "change_started", **common}
    ended = replace(
        STARTED, event=AuditEvent.ENDED, code="UNAVAILABLE", reason="X", duration_ms=1.5, may_have_executed=True
    )
    outcome = {"code": "UNAVAILABLE", "reason": "X", "duration_ms": 1.5}
    assert ended.fields() == {"event": "change_ended", **common, **outcome, "may_have_executed": True}
    refused = replace(STARTED, event=AuditEvent.REFUSED, code="UNAVAILABLE", reason="X", duration_ms=1.5)
    assert refused.fields() == {"event": "change_refused", **common, **outcome}


def test_each_change_has_its_own_id() -> None:
    """Changes can be told apart although their callers use the same request id."""
    assert AuditRecord(CI, "a.B/C", {}).change_id != AuditRecord(CI, "a.B/C", {}).change_id


@pytest.mark.parametrize(
    ("text", "logged"),
    [
        pytest.param("", "", id="unknown"),
        pytest.param("x" * 199, "x" * 199, id="below"),
        pytest.param("x" * 200, "x" * 200, id="at"),
        pytest.param("x" * 201, "x" * 200 + "… sha256:84a0678c90937f5d", id="above"),
        pytest.param("é" * 200, "é" * 200, id="characters-not-bytes"),
        pytest.param("x\ud800", "x?", id="half-a-character"),
    ],
)
def test_long_texts(text: str, logged: str) -> None:
    """What callers chose is cut, the name of one who is not known, too; those that begin alike stay apart."""
    told = AuditRecord(text, "a.B/C", {"vm": text}).fields()
    assert (told["identity"], told["target"]) == (logged, {"vm": logged})


@pytest.mark.parametrize("kind", list(Kind))
def test_identities_among_other_lines(kind: Kind) -> None:
    """Where the records are lines of the log, an identity is no secret there, whatever its kind is called."""
    fields = AuditRecord(CallerIdentity(kind, "ci"), "a.B/C", {"vm": "vm-1"}).fields()
    assert redact(None, "", dict(fields)) == fields
