"""Which of vCenter's 503 answers are states that last."""

from __future__ import annotations

import pytest

from gateway.transcoding.lasting import is_lasting
from tests.unit.transcoding.answers import answered

TOOLS = "com.vmware.api.vcenter.vm.guest.tools_not_running"
ENDPOINT = "com.vmware.vapi.endpoint.cis.ServiceUnavailable"
INDICATION = "com.vmware.vapi.std.errors.transient_indication"


def unavailable(*ids: str, **parts: object) -> dict[str, object]:
    messages = [{"id": found, "default_message": "text", "args": []} for found in ids]
    return {"error_type": "SERVICE_UNAVAILABLE", "messages": messages, **parts}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param(unavailable(TOOLS), True, id="tools-not-running"),
        pytest.param(unavailable("com.vmware.api.vcenter.vm.guest.information_not_available"), True, id="no-facts"),
        pytest.param(unavailable("vmsg.GuestOperationsUnavailable.summary"), True, id="no-guest-operations"),
        pytest.param(unavailable(TOOLS, "vmsg.ToolsUnavailable.summary"), True, id="two-messages"),
        pytest.param(unavailable(ENDPOINT), False, id="service-down"),
        pytest.param(
            unavailable("com.vmware.vapi.endpoint.failedToLoginMaxUserSessionCountReached"), False, id="sessions"
        ),
        pytest.param(unavailable("vapi.provider.unavailable"), False, id="provider"),
        pytest.param(unavailable("vmsg.HostCommunication.summary"), False, id="host"),
        pytest.param(unavailable("com.vmware.api.vcenter.a", ENDPOINT), False, id="cause-that-may-pass"),
        pytest.param(unavailable(), False, id="no-message"),
        pytest.param(unavailable(""), False, id="no-id"),
        pytest.param(unavailable(TOOLS, data={"is_transient": True}), False, id="vcenter-says-transient"),
        pytest.param(unavailable(ENDPOINT, data={"is_transient": False}), True, id="vcenter-says-lasting"),
        pytest.param(unavailable(TOOLS, data={INDICATION: {"is_transient": True}}), False, id="under-its-name"),
        pytest.param(unavailable(ENDPOINT, data={"is_transient": "no"}), False, id="says-it-in-another-type"),
        pytest.param({**unavailable(TOOLS), "error_type": "RESOURCE_BUSY"}, False, id="other-type"),
        pytest.param({"type": "com.vmware.vapi.std.errors.service_unavailable", "value": unavailable(TOOLS)}, True,
                     id="older-dialect"),
        pytest.param({"messages": [{"id": TOOLS}]}, False, id="no-type"),
        pytest.param(b"<html>", False, id="page"),
    ],
)  # fmt: skip
def test_what_lasts(body: object, expected: bool) -> None:
    """A state that vCenter explains by itself lasts; what the endpoint says, or nobody explains, may pass."""
    error = answered(503, body)
    assert is_lasting(error.reason, error.details) is expected
