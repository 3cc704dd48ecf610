"""What the integration tests share."""

from __future__ import annotations

import io
import logging
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog

from gateway.logs import configure_logs
from gateway.settings import LogSettings
from tests.integration.harness import System, running_system


@pytest.fixture
async def system() -> AsyncIterator[System]:
    """A gateway in front of a simulated vCenter with 20 machines whose clock stands still."""
    async with running_system() as running:
        yield running


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is logged, in JSON; the process's logging is given back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logs(LogSettings(format="json"), stream)
    yield stream
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
