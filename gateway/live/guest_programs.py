"""Runs one program in a guest: starts it, forwards its output as it grows, and leaves nothing behind.

vCenter reports whether a program runs, and how large a file is. Therefore, the gateway polls both about once a second
while the program runs, and reads the new part of its output files.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from logging import getLogger
from typing import Any

from google.rpc import code_pb2

from gateway.calls import Call
from gateway.errors import Failure, GatewayError, Reason
from gateway.live.endings import Endings, afterwards
from gateway.live.guest import Guest
from gateway.live.guest_commands import ERROR, INPUT, OUTPUT, Command, launch
from gateway.live.guest_stops import stop

__all__ = ["Ended", "Output", "Program", "Started", "Terms"]

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0
_PAUSE_SHARE = 4
"""The wait before the next read, as a multiple of the time of the last read: a server without range support sends the
whole file each time."""
_MAX_LOST = 3
"""Maximum number of connections lost in a row while reading output."""
_REMOVALS, _REMOVAL_PAUSE = 4, 0.5
"""Windows does not remove a file that a program has just released."""
_STOPPING = frozenset({Reason.PROGRAM_TIMEOUT, Reason.PROGRAM_OUTPUT_TOO_LARGE})

_log = getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Terms:
    """The limits and options of a program."""

    ends: float
    """Its deadline in the event loop's time."""
    max_output_bytes: int
    stop_on_disconnect: bool
    heartbeat_seconds: float


@dataclass(frozen=True, slots=True)
class Started:
    """The program runs."""

    pid: int
    process: Any
    """As reported by `ProcessesService`."""


@dataclass(frozen=True, slots=True)
class Output:
    """A part of its output."""

    name: str
    """`OUTPUT` or `ERROR`."""
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ended:
    """It has ended, and its files are removed, except for left-over ones."""

    process: Any
    left_over: list[str]


class Program:
    """One run of a program, for one call."""

    def __init__(
        self, guest: Guest, call: Call, command: Command, directory: str, content: bytes, terms: Terms, endings: Endings
    ) -> None:
        """`directory` is the program's working directory, `content` its standard input."""
        self._guest = guest
        self._call = call
        self._command = command
        self._working_directory = directory
        self._content = content
        self._terms = terms
        self._endings = endings
        self._starting: asyncio.Task[None] | None = None
        self._is_left = False
        self._is_sent = self._is_stopped = False
        self._lost = ""
        self._directory = ""
        self._pid: int | None = None
        self._process: Any = None
        self._sent = {OUTPUT: 0, ERROR: 0}

    async def events(self) -> AsyncGenerator[Started | Output | Ended | None, None]:
        """The events, and None if there were none for a while. Exhaust or close it. Raises GatewayError."""
        is_over = False
        try:
            async with aclosing(self._follow()) as events:
                async for event in events:
                    yield event
            is_over = True
        except GatewayError as error:
            is_over = True
            stops = self._terms.stop_on_disconnect or error.failure.reason in _STOPPING
            left_over = await self._leave(stops=stops)
            raise GatewayError(self._told(error.failure, left_over)) from None
        finally:
            if not is_over:
                await self._leave(stops=self._terms.stop_on_disconnect)
        yield Ended(self._process, await self._leave(stops=False))

    async def _follow(self) -> AsyncGenerator[Started | Output | None, None]:
        loop, terms = asyncio.get_running_loop(), self._terms
        self._starting = asyncio.ensure_future(self._start())
        await self._endings.whole(self._starting)
        assert self._pid is not None  # noqa: S101 - or the start has failed
        self._process = await self._look()
        yield Started(self._pid, self._process)
        pause, last, lost = _FIRST_PAUSE, loop.time(), 0
        while True:
            # In this order, so that nothing is written after the process has ended.
            self._process = await self._look()
            begun = loop.time()
            try:
                async with aclosing(self._output()) as output:
                    async for piece in output:
                        last, pause = loop.time(), _FIRST_PAUSE
                        yield piece
                lost = 0
            except GatewayError as error:
                lost += 1
                if error.failure.reason != Reason.VCENTER_CONNECTION_LOST or lost >= _MAX_LOST:
                    raise
            now = loop.time()
            if self._process.HasField("finished") and not lost:
                return
            if now >= terms.ends:
                raise self._exceeded(Reason.PROGRAM_TIMEOUT, "the program ran longer than allowed")
            if now >= last + terms.heartbeat_seconds:
                last = now
                yield None
            next_at = now + max(pause, _PAUSE_SHARE * (now - begun))
            await asyncio.sleep(min(next_at, terms.ends, last + terms.heartbeat_seconds) - now)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _start(self) -> None:
        """Prepares the files and starts the program, unless the caller disconnects meanwhile."""
        prefix = f"vcenter-gateway-{os.urandom(4).hex()}-"
        try:
            made = await self._guest.do("DirectoriesService/CreateTemporaryDirectory", prefix=prefix, suffix="")
        except GatewayError as error:
            if error.failure.may_have_executed:
                self._lost = prefix
            raise
        self._directory = made.path
        start = launch(self._command, self._directory, has_input=bool(self._content))
        files = {start.name: start.script, **({INPUT: self._content} if self._content else {})}
        for name, content in files.items():
            if self._is_left:
                return
            await self._guest.write(self._path(name), len(content), _whole(content), {})
        if self._is_left:
            return
        spec = {"path": start.program, "arguments": start.arguments}
        if self._working_directory:
            spec["working_directory"] = self._working_directory
        self._is_sent = True
        self._pid = (await self._guest.do("ProcessesService/CreateProcess", spec=spec)).pid

    async def _look(self) -> Any:
        return (await self._guest.do("ProcessesService/GetProcess", pid=self._pid)).process

    async def _output(self) -> AsyncGenerator[Output, None]:
        """The program's output since the last time."""
        listed = (await self._guest.do("FilesService/ListFiles", path=self._directory)).result
        sizes = {file.filename: file.size for file in listed.files}
        for name, sent in self._sent.items():
            if sizes.get(name, 0) <= sent:
                continue
            async with self._guest.reading(self._path(name), sent) as pieces:
                async for piece in pieces:
                    room = self._terms.max_output_bytes - sum(self._sent.values())
                    self._sent[name] += len(piece)
                    if piece[:room]:
                        yield Output(name, piece[:room])
                    if len(piece) > room:
                        most = self._terms.max_output_bytes
                        text = f"the program wrote more than {most} bytes"
                        raise self._exceeded(Reason.PROGRAM_OUTPUT_TOO_LARGE, text)

    async def _leave(self, *, stops: bool) -> list[str]:
        """Cleans up, even if the waiting task is cancelled. Returns what could not be removed."""
        self._is_left = True
        return await self._endings.whole(self._tidy(stops))

    async def _tidy(self, stops: bool) -> list[str]:
        if self._starting is not None:
            await asyncio.wait([self._starting])
        guest = self._guest.on(afterwards(self._call))
        if stops:
            self._is_stopped = await stop(guest, self._pid, self._directory, self._call.request_id)
        paths = [self._directory] if self._directory else []
        if self._lost:
            try:
                paths = await self._found(guest)
            except GatewayError as error:
                return self._left_over(f"{self._lost}*", error)
        return [path for path in paths if not await self._is_removed(guest, path)]

    async def _found(self, guest: Guest) -> list[str]:
        """The directory whose name did not arrive, and another one: its path reveals where both are. Raises
        GatewayError."""
        made = await guest.do("DirectoriesService/CreateTemporaryDirectory", prefix=self._lost, suffix="")
        parent = made.path[: made.path.rindex(self._lost)]
        pattern = {"match_pattern": f"^{self._lost}"}
        listed = (await guest.do("FilesService/ListFiles", path=parent, filter=pattern)).result
        return [f"{parent}{file.filename}" for file in listed.files]

    async def _is_removed(self, guest: Guest, path: str) -> bool:
        for left in reversed(range(_REMOVALS)):
            try:
                await guest.do("DirectoriesService/DeleteDirectory", path=path, recursive=True)
            except GatewayError as error:
                if error.failure.code == code_pb2.NOT_FOUND:
                    return True
                if not left:
                    self._left_over(path, error)
                    return False
                await asyncio.sleep(_REMOVAL_PAUSE)
            else:
                return True
        return False

    def _left_over(self, path: str, error: GatewayError) -> list[str]:
        what = "temporary files were left in a guest"
        _log.warning("%s, request %s: %s (%s)", what, self._call.request_id, path, error)
        return [path]

    def _told(self, failure: Failure, left_over: list[str]) -> Failure:
        """The failure of the call: whether the program may have run, and what is left of it."""
        if not self._is_sent:
            failure = failure.without_doubt()
        elif failure.reason in _STOPPING:
            ending = "was stopped" if self._is_stopped else "could not be stopped"
            failure = failure.with_(message=f"{failure.message}, and {ending}")
        elif self._pid is not None:
            failure = failure.leaving_open().with_(metadata={"pid": str(self._pid)})
        return failure.with_(metadata={"left_over": ", ".join(left_over)}) if left_over else failure

    def _path(self, name: str) -> str:
        return f"{self._directory}{'/' if self._directory.startswith('/') else chr(92)}{name}"

    def _exceeded(self, reason: Reason, text: str) -> GatewayError:
        return GatewayError(Failure.of(reason, text, metadata={"pid": str(self._pid)}))


async def _whole(content: bytes) -> AsyncIterator[bytes]:
    if content:
        yield content
