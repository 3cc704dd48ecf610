"""What all unit tests share."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog

from gateway.tracing.context import CURRENT


@pytest.fixture(autouse=True)
def restored_logging() -> Iterator[None]:
    """Gives the process's logging back as it was. No trace is under way, whatever ran before."""
    CURRENT.set(None)
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    logging.captureWarnings(False)
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()
