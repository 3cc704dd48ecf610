"""How long to wait before trying again: what vCenter says, within reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from gateway.errors import Failure, status_of
from gateway.vcenter.retry import RetryPolicy
from tests.unit.transcoding.answers import JSON, answered, details


def delay(error: Failure) -> float | None:
    """The seconds in the RetryInfo of an error, None where it has no RetryInfo."""
    retry = details(status_of(error)).get("google.rpc.RetryInfo")
    return None if retry is None else retry.retry_delay.ToTimedelta().total_seconds()


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        pytest.param("", None, id="empty"),
        pytest.param("0", 0.0, id="zero"),
        pytest.param(" 120 ", 120.0, id="seconds"),
        pytest.param("3599", 3599.0, id="below-an-hour"),
        pytest.param("3600", 3600.0, id="an-hour"),
        pytest.param("3601", 3600.0, id="above-an-hour"),
        pytest.param("9" * 400, 3600.0, id="beyond-every-number"),
        pytest.param("-5", None, id="negative"),
        pytest.param("1.5", None, id="decimal"),
        pytest.param("٣", None, id="other-digits"),
        pytest.param("soon", None, id="garbage"),
        pytest.param("\udcff", None, id="no-text"),
        pytest.param("Thu, 01 Jan 1970 00:00:00 GMT", 0.0, id="date-in-the-past"),
        pytest.param("Thu, 01 Jan 1970 00:00:00", 0.0, id="date-without-zone"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0, id="date-far-off"),
        pytest.param("Thu, 32 Jan 2026 00:00:00 GMT", None, id="no-such-date"),
        pytest.param("Thu, 01 Jan 99999999999 00:00:00 GMT", None, id="no-such-year"),
        pytest.param("Thu, 01 Jan 2026 00:00:00 +9999999", None, id="no-such-zone"),
    ],
)
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b'{"error_type": "SERVICE_UNAVAILABLE", "messages": []}', id="vapi-error"),
        pytest.param(b"<html>", id="page"),
    ],
)
def test_retry_after(body: bytes, header: str, expected: float | None) -> None:
    """The Retry-After header of an answer is passed on in seconds, at most an hour; nonsense is not."""
    assert delay(answered(503, body, {**JSON, "retry-after": header})) == expected


def test_retry_after_a_date() -> None:
    """A date is turned into the seconds until then."""
    date = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    assert delay(answered(503, b"", {"retry-after": date})) == pytest.approx(100, abs=5)


@pytest.mark.parametrize(
    ("error_type", "header", "expected"),
    [
        pytest.param("RESOURCE_BUSY", None, 1.0, id="busy"),
        pytest.param("RESOURCE_BUSY", "7", 7.0, id="busy-with-header"),
        pytest.param("RESOURCE_BUSY", "soon", 1.0, id="busy-with-garbage"),
        pytest.param("CONCURRENT_CHANGE", None, None, id="not-busy"),
        pytest.param("SERVICE_UNAVAILABLE", None, None, id="down"),
    ],
)
def test_busy(error_type: str, header: str | None, expected: float | None) -> None:
    """A machine that is busy is worth another try after a second, unless vCenter says otherwise."""
    headers = JSON if header is None else {**JSON, "retry-after": header}
    failure = answered(500, {"error_type": error_type, "messages": []}, headers)
    assert delay(RetryPolicy.advised(failure)) == expected
