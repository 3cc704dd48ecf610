"""Signals: what stops the gateway, and what makes it read its files again."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

__all__ = ["SUPERVISORS_SIGNAL", "ignore_hangups", "on_hangup", "stop_event"]

SUPERVISORS_SIGNAL = signal.SIGUSR1
"""By which a supervisor stops its workers. One of its own: service managers send SIGTERM to the supervisor and to the
workers, and that is not to be a second signal for these."""
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, SUPERVISORS_SIGNAL)


def stop_event() -> asyncio.Event:
    """Set by the first stop signal. The same signal again ends the process at once."""
    loop = asyncio.get_running_loop()
    event = asyncio.Event()

    def stop(number: int) -> None:
        loop.remove_signal_handler(number)
        signal.signal(number, signal.SIG_DFL)  # Else SIGINT were an exception, which the event loop may swallow.
        event.set()

    for number in _STOP_SIGNALS:
        loop.add_signal_handler(number, stop, number)
    return event


def ignore_hangups() -> None:
    """Lets SIGHUP do nothing, which would end the process: while it starts there is nothing to read again."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def on_hangup(reload: Callable[[], None], stop: Callable[[], None]) -> None:
    """Calls `reload` for each SIGHUP; `stop` for the one that says that the terminal was closed from which the process
    was started, else it would go on without anybody who sees it."""
    had_terminal = _has_terminal()

    def hang_up() -> None:
        if had_terminal and not _has_terminal():
            stop()
        else:
            reload()

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hang_up)


def _has_terminal() -> bool:
    """Whether the process belongs to a terminal that is still there."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
