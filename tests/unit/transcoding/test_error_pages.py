"""Failed answers that are not vCenter's own: each becomes a clear sentence, without the page that was sent."""

from __future__ import annotations

import pytest
from google.rpc import code_pb2

from gateway.errors import VCENTER_DOMAIN, status_of
from tests.unit.transcoding.answers import JSON, answered, details

PAGE = b"<html><body>nginx 1.2.3 Gulf-0f-Finland</body></html>"
HTML = {"content-type": "text/html; charset=utf-8"}
NO_OPERATION = "vCenter has no such operation; it may be older than the API, or the URL may point to another server"


@pytest.mark.parametrize(
    ("status", "body", "headers", "code", "text"),
    [
        pytest.param(404, PAGE, HTML, code_pb2.UNIMPLEMENTED, f"404 with text/html: {NO_OPERATION}", id="404"),
        pytest.param(405, PAGE, HTML, code_pb2.UNIMPLEMENTED, f"405 with text/html: {NO_OPERATION}", id="405"),
        pytest.param(
            502,
            PAGE,
            HTML,
            code_pb2.UNAVAILABLE,
            "502 with text/html: the proxy in front of vCenter could not reach the service",
            id="502",
        ),
        pytest.param(
            503,
            PAGE,
            HTML,
            code_pb2.UNAVAILABLE,
            "503 with text/html: the service behind vCenter's proxy is down or still starting",
            id="503",
        ),
        pytest.param(
            504,
            PAGE,
            HTML,
            code_pb2.DEADLINE_EXCEEDED,
            "504 with text/html: the proxy in front of vCenter gave up waiting for the service",
            id="504",
        ),
        pytest.param(
            302,
            PAGE,
            {**HTML, "location": "/ui"},
            code_pb2.UNKNOWN,
            "302 with text/html: redirects are not followed; the configured URL should be vCenter's own",
            id="redirect",
        ),
        pytest.param(500, PAGE, HTML, code_pb2.INTERNAL, "500 with text/html", id="500"),
        pytest.param(403, b"", {}, code_pb2.PERMISSION_DENIED, "403 with no body", id="no-body"),
        pytest.param(403, b"", JSON, code_pb2.PERMISSION_DENIED, "403 with no body", id="no-body-of-a-type"),
        pytest.param(400, PAGE, {}, code_pb2.INVALID_ARGUMENT, "400 with something unknown", id="no-type"),
        pytest.param(
            400, PAGE, {"content-type": "\udcff"}, code_pb2.INVALID_ARGUMENT, "400 with something unknown", id="no-text"
        ),
        pytest.param(
            400,
            PAGE,
            {"content-type": "text/" + "x" * 101},
            code_pb2.INVALID_ARGUMENT,
            "400 with something unknown",
            id="long-type",
        ),
        pytest.param(500, b'{"error_type": "NOT', JSON, code_pb2.INTERNAL, "500 with application/json", id="cut"),
        pytest.param(500, b'["NOT_FOUND"]', JSON, code_pb2.INTERNAL, "500 with application/json", id="list"),
        pytest.param(500, b'{"type": "a"}', JSON, code_pb2.INTERNAL, "500 with application/json", id="other-object"),
        pytest.param(500, b"[" * 100_000, JSON, code_pb2.INTERNAL, "500 with application/json", id="deep"),
    ],
)
def test_answers_of_others(status: int, body: bytes, headers: dict[str, str], code: int, text: str) -> None:
    """What is no error of vCenter's own becomes a sentence about it; nothing of a page is repeated."""
    error = answered(status, body, headers)
    head, _, hint = text.partition(": ")
    sentence = f"vCenter answered HTTP {head} instead of one of its errors"
    assert error.message == (f"{sentence}: {hint}" if hint else sentence)
    assert (error.code, error.reason, error.domain) == (code, f"HTTP_{status}", VCENTER_DOMAIN)
    assert list(details(status_of(error))) == ["google.rpc.ErrorInfo"]
    assert "Gulf" not in str(status_of(error))
