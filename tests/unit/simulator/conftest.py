"""What the tests of the simulated vCenter share."""

from __future__ import annotations

import pytest

from gateway.simulator import ManualClock
from tests.unit.simulator.harness import Api


@pytest.fixture
def clock() -> ManualClock:
    """Time that stands still."""
    return ManualClock()


@pytest.fixture
def api(clock: ManualClock) -> Api:
    """Twenty machines and a session of the administrator."""
    api = Api(clock)
    api.login()
    return api
