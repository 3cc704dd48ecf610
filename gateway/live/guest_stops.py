"""Stops a program in a guest with all processes that it has started: vCenter terminates a single process."""

from __future__ import annotations

import asyncio
from logging import getLogger

from google.rpc import code_pb2

from gateway.errors import GatewayError
from gateway.live.guest import Guest
from gateway.live.guest_commands import stopping

__all__ = ["stop"]

_SECONDS = 4.0
"""How long a program may take to end with the processes that it has started, before it is terminated alone."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0

_log = getLogger(__name__)


async def stop(guest: Guest, pid: int | None, directory: str, request_id: str) -> bool:
    """Ends the program whose files are in `directory`, and returns whether it has ended.

    If the response to its start was lost, `pid` is None, and the script that it runs identifies it. Logs failures.
    """
    try:
        pids = [pid] if pid is not None else []
        if pid is None and directory:
            listed = (await guest.do("ProcessesService/ListProcesses")).processes
            pids = [process.pid for process in listed if directory in process.command]
        for found in pids:
            await _terminate(guest, found, directory, request_id)
    except GatewayError as error:
        if error.failure.code != code_pb2.NOT_FOUND:
            _log.warning("a program in a guest could not be stopped, request %s: %s", request_id, error)
            return False
    return True


async def _terminate(guest: Guest, pid: int, directory: str, request_id: str) -> None:
    """Ends a process with those that it has started, or alone if the guest cannot do that. Raises GatewayError."""
    path, arguments = stopping(directory, pid)
    try:
        await guest.do("ProcessesService/CreateProcess", spec={"path": path, "arguments": arguments})
        if await _ends(guest, pid):
            return
    except GatewayError as error:
        what = "processes that a program in a guest has started may still run"
        _log.warning("%s, request %s: %s", what, request_id, error)
    await guest.do("ProcessesService/DeleteProcess", pid=pid)


async def _ends(guest: Guest, pid: int) -> bool:
    """Whether a process ends soon."""
    clock, pause = asyncio.get_running_loop().time, _FIRST_PAUSE
    ends = clock() + _SECONDS
    while not (await guest.do("ProcessesService/GetProcess", pid=pid)).process.HasField("finished"):
        if clock() >= ends:
            return False
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    return True
