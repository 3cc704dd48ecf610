"""The command `vcenter-gateway` in processes of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from tests.integration.harness import eventually

__all__ = ["COMMAND", "Ended", "Running", "Screen", "alive", "run", "running"]

COMMAND = (sys.executable, "-m", "gateway")


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def words(self) -> str:
        """Both outputs without the line breaks that depend on their width."""
        return " ".join((self.stdout + self.stderr).split())


class Running:
    """A command that goes on until it gets a signal. Its outputs are files, so that nothing has to be read in time."""

    def __init__(self, process: subprocess.Popen[bytes], folder: Path) -> None:
        self.process = process
        self._folder = folder

    @property
    def stdout(self) -> str:
        return (self._folder / "stdout").read_text(encoding="utf-8")

    @property
    def stderr(self) -> str:
        return (self._folder / "stderr").read_text(encoding="utf-8")

    def logs(self) -> list[dict[str, Any]]:
        """The lines of the log so far; fails where one is not JSON."""
        complete = self.stderr.rpartition("\n")[0]
        return [orjson.loads(line) for line in complete.splitlines()]

    async def wait_for(self, pattern: str) -> re.Match[str]:
        """Waits until the outputs have something, and returns what was found."""

        def found() -> re.Match[str] | None:
            ended = self.process.poll()
            assert ended is None, f"the process ended with {ended}:\n{self.stdout}{self.stderr}"
            return re.search(pattern, self.stdout) or re.search(pattern, self.stderr)

        match = await eventually(found, f"the output of {pattern!r}", 30)
        assert match is not None
        return match

    async def end(self, *signals: int) -> int:
        """Sends signals and returns the exit code."""
        for number in signals:
            self.process.send_signal(number)
        code: int = await asyncio.to_thread(self.process.wait, 30)
        return code


@contextlib.asynccontextmanager
async def running(
    folder: Path, *arguments: str, variables: Mapping[str, str] | None = None, prefix: tuple[str, ...] = ()
) -> AsyncIterator[Running]:
    """Starts a command with its outputs in `folder` and these further environment variables; what is left of it at the
    end is killed. `prefix` is a program that makes itself into the command, with its arguments."""
    command = _start(folder, (*prefix, *COMMAND, *arguments), variables or {})
    try:
        yield command
    finally:
        command.process.kill()
        await asyncio.to_thread(command.process.wait)


# Where the tests run in the background of a shell, SIGINT is ignored, and what they start would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _start(folder: Path, arguments: tuple[str, ...], variables: Mapping[str, str]) -> Running:
    with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(
            # As a shell starts it in the foreground: whoever runs the tests in the background has them ignore Ctrl-C.
            ["/usr/bin/env", "--default-signal=INT", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=folder,
            env={**_environment(), **variables},
        )
    return Running(process, folder)


async def run(
    *arguments: str, stdin: str = "", password: str | None = None, variables: Mapping[str, str] | None = None
) -> Ended:
    """Runs a command to its end; `password` is the one of vCenter's, as the environment has it."""
    variables = {**(variables or {}), **({} if password is None else {"VCENTER_PASSWORD": password})}
    ended = await asyncio.to_thread(
        subprocess.run,
        [*COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        encoding="utf-8",
        env={**_environment(), **variables},
        timeout=60,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def _environment() -> dict[str, str]:
    """The environment without settings of whoever runs the tests."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GATEWAY_", "VCENTER_", "OTEL_")) and not name.lower().endswith("_proxy")
    }
    return {**kept, "XDG_CONFIG_HOME": "/nonexistent"}


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not waited for does not."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


class Screen:
    """What a terminal shows."""

    def __init__(self, descriptor: int) -> None:
        self.text = ""
        self._descriptor = descriptor
        threading.Thread(target=self._read, daemon=True).start()

    async def has(self, pattern: str) -> None:
        """Waits until it shows something."""
        await eventually(lambda: re.search(pattern, self.text), f"{pattern!r} on the terminal", 30)

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # The terminal is gone.
            while data := os.read(self._descriptor, 65536):
                self.text += data.decode(errors="replace")
