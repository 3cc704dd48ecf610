"""Resume tokens: good for one history, one caller and one request of one process."""

from __future__ import annotations

import base64

import pytest

from gateway.live.vms.tokens import Tokens

EPOCH = b"12345678"
TOKENS = Tokens()
TOKEN = TOKENS.make(EPOCH, 7, b"mine")


def test_a_token() -> None:
    """A token gives the number that it was made for."""
    assert TOKENS.read(TOKEN, EPOCH, b"mine") == 7


@pytest.mark.parametrize(
    ("token", "epoch", "of"),
    [
        pytest.param(TOKEN, EPOCH, b"yours", id="another-caller"),
        pytest.param(TOKEN, b"87654321", b"mine", id="another-history"),
        pytest.param(Tokens().make(EPOCH, 7, b"mine"), EPOCH, b"mine", id="another-process"),
        pytest.param(TOKEN[:-1], EPOCH, b"mine", id="cut"),
        pytest.param(TOKEN + "AAAA", EPOCH, b"mine", id="longer"),
        pytest.param("A" * len(TOKEN), EPOCH, b"mine", id="forged"),
        pytest.param("", EPOCH, b"mine", id="empty"),
        pytest.param("no token at all ☃", EPOCH, b"mine", id="no-base64"),
        pytest.param("A" * 1_000_000, EPOCH, b"mine", id="huge"),
    ],
)
def test_what_is_no_token(token: str, epoch: bytes, of: bytes) -> None:
    """Anything else is not recognized."""
    assert TOKENS.read(token, epoch, of) is None


def test_another_number() -> None:
    """Nobody can change the number in a token."""
    content = bytearray(base64.urlsafe_b64decode(TOKEN + "=="))
    content[15] ^= 1
    assert TOKENS.read(base64.urlsafe_b64encode(content).decode().rstrip("="), EPOCH, b"mine") is None
