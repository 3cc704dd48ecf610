"""Programs of the benchmark that are controlled by lines: they print their results, and continue after an empty
line."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from tests.bench.contenders import ROOT
from tests.bench.processes import LOAD_CORES, BenchError, pinned

__all__ = ["Program", "program"]

_STOP_SECONDS = 15.0


class Program:
    """A running program."""

    def __init__(self, popen: subprocess.Popen[str]) -> None:
        self._popen = popen

    def say(self) -> None:
        """Lets it continue."""
        assert self._popen.stdin is not None
        self._popen.stdin.write("\n")
        self._popen.stdin.flush()

    def hear(self) -> str:
        """The next line that it prints. Raises BenchError if it has ended instead."""
        assert self._popen.stdout is not None
        line = self._popen.stdout.readline()
        if not line:
            raise BenchError(f"{self._popen.args!r} has ended")
        return line.strip()


@contextlib.contextmanager
def program(*arguments: str, goes_first: bool = False) -> Iterator[Program]:
    """A Python program on the cores of the load, which ends when its input does. One that goes first has priority over
    others on its core, which requires root."""
    command = pinned([sys.executable, *arguments], LOAD_CORES, goes_first=goes_first)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True)
    try:
        yield Program(popen)
    finally:
        assert popen.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            popen.stdin.close()
        try:
            popen.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            popen.kill()
            popen.wait()
