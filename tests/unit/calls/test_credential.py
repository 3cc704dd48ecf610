"""Credentials in the metadata of a call, up to their longest."""

from __future__ import annotations

from base64 import b64encode

import pytest

from gateway.calls import Basic, SessionId
from gateway.calls.credential import credential_in
from gateway.errors import GatewayError

SESSION = "vmware-api-session-id"


@pytest.mark.parametrize("size", [1, 1024])
def test_session_ids(size: int) -> None:
    """A session id may have up to 1,024 characters."""
    assert credential_in([(SESSION, "x" * size)]) == SessionId("x" * size)


@pytest.mark.parametrize("value", ["", "x" * 1025, "a b", "a\tb", "é"])
def test_no_session_ids(value: str) -> None:
    """No more, and no others than go into a header field."""
    with pytest.raises(GatewayError, match="1 to 1024 printable ASCII characters"):
        credential_in([(SESSION, value)])


@pytest.mark.parametrize(("size", "fits"), [(3, True), (3066, True), (3067, False)])
def test_the_size_of_authorization(size: int, fits: bool) -> None:
    """User and password may have as many characters as fit into 4,096 of base64 with the scheme before it."""
    value = f"Basic {b64encode(b'u:' + b'p' * (size - 2)).decode()}"
    assert (len(value) <= 4096) is fits
    if fits:
        assert credential_in([("authorization", value)]) == Basic("u", "p" * (size - 2))
        return
    with pytest.raises(GatewayError, match="longer than 4096 characters"):
        credential_in([("authorization", value)])
