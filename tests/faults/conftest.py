"""What the tests of faults share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.integration.harness import System, running_system


@pytest.fixture
async def system() -> AsyncIterator[System]:
    """A gateway in front of a simulated vCenter with 20 machines whose clock stands still."""
    async with running_system() as running:
        yield running
