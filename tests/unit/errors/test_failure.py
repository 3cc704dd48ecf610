"""The one value that failed calls end in."""

from __future__ import annotations

import dataclasses

import pytest
from google.rpc import code_pb2, error_details_pb2

from gateway.errors import BY_REASON, GATEWAY_DOMAIN, SERVER_FAULTS, Failure, GatewayError, Reason
from gateway.transcoding.encoder import Violation

LOST = Failure.of(Reason.VCENTER_CONNECTION_LOST, "it broke", metadata={"operation": "GET /x"}, cause="broken pipe")


@pytest.mark.parametrize("reason", Reason)
def test_of(reason: Reason) -> None:
    """A failure of the gateway's own has the code that belongs to its reason."""
    failure = Failure.of(reason, "text")
    assert failure == Failure(BY_REASON[reason], reason, "text", GATEWAY_DOMAIN)
    assert (failure.details, failure.metadata, failure.retry_delay, failure.cause) == ((), {}, None, "")


def test_of_with_more() -> None:
    """Whatever else there is to say is taken over, another code too."""
    failure = Failure.of(Reason.VCENTER_TIMEOUT, "text", code=code_pb2.UNAVAILABLE, retry_delay=2.0)
    assert (failure.code_name, failure.retry_delay) == ("UNAVAILABLE", 2.0)


def test_of_request() -> None:
    """Every mistake in a request is a violation with its field, and the text lists all."""
    failure = Failure.of_request([Violation("vm", "must be set"), Violation("spec.size", "must be 1 or more")])
    assert (failure.code_name, failure.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")
    assert failure.message == "vm must be set; spec.size must be 1 or more"
    [details] = failure.details
    assert isinstance(details, error_details_pb2.BadRequest)
    assert [(found.field, found.description) for found in details.field_violations] == [
        ("vm", "must be set"),
        ("spec.size", "must be 1 or more"),
    ]


def test_with() -> None:
    """A changed failure is another one; metadata is added to, everything else is replaced, and the rest stays."""
    changed = LOST.with_(metadata={"http_status": "200"}, retry_delay=1.0)
    assert changed.metadata == {"operation": "GET /x", "http_status": "200"}
    assert changed.retry_delay == 1.0
    assert LOST.metadata == {"operation": "GET /x"}
    assert LOST.retry_delay is None
    kept = {field.name for field in dataclasses.fields(Failure)} - {"metadata", "retry_delay"}
    assert all(getattr(changed, name) == getattr(LOST, name) for name in kept)
    assert LOST.with_(metadata={"operation": "GET /y"}).metadata == {"operation": "GET /y"}


def test_nothing_changes_a_failure() -> None:
    """It is frozen: several calls may end in the same one."""
    with pytest.raises(dataclasses.FrozenInstanceError):
        LOST.code = 0  # type: ignore[misc] # that is the point


def test_leaving_open() -> None:
    """A failure says that vCenter may have carried the call out, beside what it says anyway."""
    assert not LOST.may_have_executed
    opened = LOST.leaving_open()
    assert opened.may_have_executed
    assert opened.metadata == {"operation": "GET /x", "may_have_executed": "true"}
    assert opened.leaving_open() == opened
    assert not LOST.may_have_executed


@pytest.mark.parametrize("code", range(1, 17))
def test_whose_fault(code: int) -> None:
    """Whose fault a failure is follows from its code alone, whoever reports it."""
    for domain in (GATEWAY_DOMAIN, "vcenter.vmware.com"):
        failure = Failure(code, "REASON", "text", domain)
        assert failure.code_name == code_pb2.Code.Name(code)
        assert failure.is_servers_fault == (failure.code_name in SERVER_FAULTS)


def test_the_exception() -> None:
    """It carries the failure, and shows code, reason and text."""
    error = GatewayError(LOST)
    assert error.failure is LOST
    assert str(error) == "it broke"
    assert repr(error) == "GatewayError(UNAVAILABLE, VCENTER_CONNECTION_LOST, 'it broke')"
