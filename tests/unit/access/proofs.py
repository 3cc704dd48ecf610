"""What callers show, and what becomes of them."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.access import Callers
from gateway.errors import Failure, GatewayError

__all__ = ["bearer", "refusal", "who"]


def bearer(token: str) -> list[tuple[str, str | bytes]]:
    return [("authorization", f"Bearer {token}")]


def who(callers: Callers, metadata: Any = (), connection: Any = None) -> str:
    return str(callers.identify(metadata, connection or {}))


def refusal(callers: Callers, metadata: Any = (), connection: Any = None) -> Failure:
    with pytest.raises(GatewayError) as caught:
        callers.identify(metadata, connection or {})
    assert caught.value.failure.code == 16
    return caught.value.failure
