"""Signals: which stop the gateway, and which reloads its files."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

__all__ = ["SUPERVISORS_SIGNAL", "ignore_hangups", "on_hangup", "stop_event"]

SUPERVISORS_SIGNAL = signal.SIGUSR1
"""The signal by which a supervisor stops its workers. It differs from SIGTERM, which service managers send to the
supervisor and to the workers: for these, it must not count as a second signal."""
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, SUPERVISORS_SIGNAL)


def stop_event() -> asyncio.Event:
    """Set by the first stop signal. The same signal again ends the process immediately."""
    loop = asyncio.get_running_loop()
    event = asyncio.Event()

    def stop(number: int) -> None:
        loop.remove_signal_handler(number)
        # Not Python's own handler: it raises an exception for SIGINT, which the event loop may swallow.
        signal.signal(number, signal.SIG_DFL)
        event.set()

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop, number)
    return event


def ignore_hangups() -> None:
    """Ignores SIGHUP, which would end the process: while it starts, there is nothing to reload."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def on_hangup(reload: Callable[[], None], stop: Callable[[], None]) -> None:
    """Calls `reload` for each SIGHUP, or `stop` if the terminal that the process was started from was closed:
    otherwise, the process would continue unnoticed."""
    had_terminal = _has_terminal()

    def hang_up() -> None:
        if had_terminal and not _has_terminal():
            stop()
        else:
            reload()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hang_up)


def _has_terminal() -> bool:
    """Whether the process belongs to a terminal that still exists."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
