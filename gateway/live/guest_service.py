"""`vcenter.gateway.v1.GuestService`: programs and files in guests, by vCenter's operations for guests."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any

from gateway.calls import Call
from gateway.live.endings import Endings
from gateway.live.guest import Guest, GuestTools
from gateway.live.guest_commands import OUTPUT, Command
from gateway.live.guest_files import GuestFiles
from gateway.live.guest_programs import Ended, Output, Program, Started, Terms
from gateway.live.heartbeat import heartbeat_seconds
from gateway.live.messages import Messages
from gateway.live.required import refuse
from gateway.live.serves import serves

__all__ = ["GuestService"]

_SECONDS, _MIN_SECONDS, _MAX_SECONDS = 3600.0, 1.0, 24 * 3600.0
_LAST_MOMENT, _LAST_SHARE = 0.5, 0.1
"""Time reserved before the deadline to report that the program was stopped."""
_OUTPUT_BYTES, _MAX_OUTPUT_BYTES = 64 * 1024**2, 1024**3
_MAX_INPUT_BYTES = 1024**2


class GuestService:
    """`endings` gets the cleanups after calls; at most `most_transfers` files are copied concurrently."""

    def __init__(self, message: Messages, tools: GuestTools, endings: Endings, most_transfers: int) -> None:
        self._message = message
        self._tools = tools
        self._endings = endings
        self._files = GuestFiles(self._message, endings, most_transfers)

    @serves("vcenter.gateway.v1.GuestService/RunProgram")
    async def run_program(self, call: Call) -> AsyncIterator[Any]:
        """Raises GatewayError."""
        start = _start_of(call)
        terms = _terms(call, start)
        if start.shell_command and start.arguments:
            raise refuse("start.arguments", "must not be set together with shell_command")
        if not start.shell_command and not start.path:
            raise refuse("start.path", "or shell_command is required")
        command = Command(start.shell_command, start.path, tuple(start.arguments), dict(start.environment))
        content = await _input(call)
        guest = Guest(self._tools, call, start.vm, start.credentials)
        program = Program(guest, call, command, start.working_directory, content, terms, self._endings)
        events = program.events()
        try:
            async for event in events:
                yield self._told(event)
        finally:
            await events.aclose()

    @serves("vcenter.gateway.v1.GuestService/UploadFile")
    async def upload_file(self, call: Call) -> Any:
        """Raises GatewayError."""
        start = _start_of(call)
        return await self._files.upload(call, Guest(self._tools, call, start.vm, start.credentials), start)

    @serves("vcenter.gateway.v1.GuestService/DownloadFile")
    def download_file(self, call: Call) -> AsyncIterator[Any]:
        """Raises GatewayError."""
        request: Any = call.message
        return self._files.download(call, Guest(self._tools, call, request.vm, request.credentials))

    def _told(self, event: Started | Output | Ended | None) -> Any:
        if isinstance(event, Output):
            return self._message(
                "RunProgramResponse", **{"output" if event.name == OUTPUT else "error_output": event.data}
            )
        if isinstance(event, Started):
            started = self._message("ProgramStarted", pid=event.pid, started=event.process.started)
            return self._message("RunProgramResponse", started=started)
        if isinstance(event, Ended):
            process = event.process
            exited = self._message(
                "ProgramExited",
                exit_code=process.exit_code if process.HasField("exit_code") else None,
                started=process.started,
                ended=process.finished,
                left_over=event.left_over,
            )
            return self._message("RunProgramResponse", exited=exited)
        return self._message("RunProgramResponse", heartbeat=self._message.heartbeat())


def _start_of(call: Call) -> Any:
    """The start in the first message. Raises GatewayError (INVALID_ARGUMENT) if there is none."""
    request: Any = call.message
    if request.WhichOneof("message") != "start":
        raise refuse("start", "must be set in the first message")
    return request.start


def _terms(call: Call, start: Any) -> Terms:
    """Raises GatewayError (INVALID_ARGUMENT)."""
    now = asyncio.get_running_loop().time()
    seconds = _SECONDS if math.isinf(call.deadline) else math.inf
    if start.HasField("timeout"):
        seconds = start.timeout.seconds + start.timeout.nanos / 1e9
        if not _MIN_SECONDS <= seconds <= _MAX_SECONDS:
            raise refuse("start.timeout", "must be from 1 second to 24 hours")
    left = call.deadline - now
    most = start.max_output_bytes if start.HasField("max_output_bytes") else _OUTPUT_BYTES
    if not 0 < most <= _MAX_OUTPUT_BYTES:
        raise refuse("start.max_output_bytes", f"must be from 1 to {_MAX_OUTPUT_BYTES}")
    return Terms(
        now + min(seconds, left - min(_LAST_MOMENT, _LAST_SHARE * left)),
        most,
        start.stop_on_disconnect,
        heartbeat_seconds(start),
    )


async def _input(call: Call) -> bytes:
    """The program's standard input. Raises GatewayError (INVALID_ARGUMENT)."""
    content = bytearray()
    requests = call.requests
    assert requests is not None  # noqa: S101 - an rpc that streams its requests
    async for request in requests:
        if request.WhichOneof("message") != "input":
            raise refuse("start", "must be set in the first message, and in no other")
        content += request.input  # type: ignore[attr-defined]
        if len(content) > _MAX_INPUT_BYTES:
            raise refuse("input", f"must have at most {_MAX_INPUT_BYTES} bytes in all; upload a file instead")
    return bytes(content)
