"""The protocol between a worker and its supervisor: lines over the worker's standard input and output.

    supervisor -> worker   the task, once; `report NUMBER` and `reload`; the end of the stream: stop
    worker -> supervisor   `ready`, once; `alive`, every second; `report NUMBER JSON`: what the worker has counted

The event loop sends `alive`: a silent worker does not serve. Reports use the same pipes instead of files, because
memory mapped from a file kills its process if the disk is full.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
from collections.abc import Callable
from io import FileIO

from gateway.signals import SUPERVISORS_SIGNAL

__all__ = ["ALIVE", "INTERVAL", "MAX_LINE_BYTES", "READY", "RELOAD", "REPORT", "WorkerLink"]

INTERVAL = 1.0
"""Seconds between two heartbeats."""
MAX_LINE_BYTES = 64 * 1024 * 1024
"""More than the size of any report."""
_CLOSE_SECONDS = 1.0

ALIVE, READY, REPORT, RELOAD = "alive", "ready", "report", "reload"


class WorkerLink:
    """The worker's side. Start it in the event loop that serves."""

    def __init__(self, number: int, commands: FileIO) -> None:
        self.number = number
        """Which of the workers it is, from 1."""
        self.on_reload: Callable[[], None] = lambda: None
        """Called when the supervisor requests a reload."""
        self.make_report: Callable[[], bytes] | None = None
        """Returns the worker's counts as JSON. Called when the supervisor requests them, and at the end."""
        self._commands = commands
        self._transport: asyncio.WriteTransport | None = None
        self._closed = asyncio.Event()
        self._living: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Starts sending heartbeats and handling the supervisor's requests."""
        loop = asyncio.get_running_loop()
        pipe = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
        self._transport, _ = await loop.connect_write_pipe(lambda: _Pipe(self._closed), pipe)
        self._living = asyncio.create_task(self._live())
        # Not in the loop: even a worker whose loop is stuck must detect that its supervisor has ended.
        threading.Thread(target=self._listen, args=(loop,), name="supervisor", daemon=True).start()

    def ready(self) -> None:
        """Reports that the worker accepts calls."""
        self._send(READY)

    async def close(self) -> None:
        """Sends the last report, and ends the heartbeats."""
        if self._living is not None:
            self._living.cancel()
        self._report("0")
        if self._transport is not None:
            self._transport.close()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), _CLOSE_SECONDS)

    async def _live(self) -> None:
        while True:
            # Data that the supervisor does not read must not accumulate.
            if self._transport and not self._transport.get_write_buffer_size():
                self._send(ALIVE)
            await asyncio.sleep(INTERVAL)

    def _report(self, number: str) -> None:
        if self.make_report is not None:
            self._send(f"{REPORT} {number} {self.make_report().decode()}")

    def _send(self, line: str) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(f"{line}\n".encode())

    def _listen(self, loop: asyncio.AbstractEventLoop) -> None:
        # Without a buffer, whose lock the interpreter may need at exit.
        while line := self._commands.readline():
            match line.decode().split():
                case [command, number] if command == REPORT:
                    loop.call_soon_threadsafe(self._report, number)
                case [command] if command == RELOAD:
                    loop.call_soon_threadsafe(self.on_reload)
        os.kill(os.getpid(), SUPERVISORS_SIGNAL)


class _Pipe(asyncio.BaseProtocol):
    def __init__(self, closed: asyncio.Event) -> None:
        self._closed = closed

    def connection_lost(self, error: Exception | None) -> None:
        self._closed.set()
