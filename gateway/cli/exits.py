"""Exit codes, the part of the command line that scripts program against."""

from __future__ import annotations

import enum

__all__ = ["Exit"]


class Exit(enum.IntEnum):
    """How a command ended."""

    OK = 0
    FAILED = 1
    """The call was answered with an error, a check failed, or the server did not start."""
    USAGE = 2
    """The command line, the configuration or the request is wrong; nothing was called."""
    UNREACHABLE = 3
    """Gateway or vCenter cannot be reached, or its certificate is not trusted; nothing was executed."""
    IDENTITY = 4
    """No identity was given, or it was refused."""
    TIMEOUT = 5
    """There was no answer within the deadline."""
    INTERRUPTED = 130
    """Ctrl-C, as shells number it. A change that was under way may have been executed."""
