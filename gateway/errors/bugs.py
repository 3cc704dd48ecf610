"""What a defect of the gateway ends in: a failure for callers, and for the operator a log entry with its location.

Work in the background needs this most: an exception that nobody awaits would end it silently, and whoever waits for its
results would wait forever.
"""

from __future__ import annotations

import logging
import traceback

from gateway.errors.failure import Failure, GatewayError
from gateway.errors.tables import Reason

__all__ = ["failure_of", "log_bug"]

_log = logging.getLogger(__name__)


def log_bug(error: Exception, where: str) -> None:
    """Logs the location of an unexpected exception. Its text may contain anything, including a secret."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    _log.error("unexpected %s in %s\n%s", type(error).__name__, where, frames)


def failure_of(error: Exception, where: str) -> Failure:
    """The failure in a GatewayError. Any other exception is a defect, and is logged."""
    if isinstance(error, GatewayError):
        return error.failure
    log_bug(error, where)
    return Failure.of(Reason.GATEWAY_BUG, f"the gateway failed in {where}; to find the cause, search its log")
