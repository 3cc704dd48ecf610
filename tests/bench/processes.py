"""Processes on selected cores, and their resource usage from /proc, including their children and threads."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

__all__ = ["ALL_CORES", "LOAD_CORES", "SERVER_CORES", "BenchError", "Process", "free_port", "pinned", "started"]

SERVER_CORES = "0"
"""The cores of the measured server."""
LOAD_CORES = "1"
"""The cores of the load generator and the upstream, so that they take nothing from the measured server."""
ALL_CORES = "0,1"

_TICKS = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 30.0
_STOP_SECONDS = 15.0


class BenchError(Exception):
    """A measurement is not valid; says why."""


class Process:
    """A running process. CPU times are in seconds, memory is in MB (10^6 bytes)."""

    def __init__(self, popen: subprocess.Popen[bytes], log: Path) -> None:
        self._popen = popen
        self._log = log

    @property
    def pid(self) -> int:
        return self._popen.pid

    def cpu(self) -> float:
        """User and system time of the process and its living children, in steps of 10 ms."""
        return sum(_cpu_of(pid) for pid in _tree(self.pid))

    def rss(self) -> float:
        """Resident memory of the process and its children; shared memory counts for each."""
        return sum(_status(pid, "VmRSS") for pid in _tree(self.pid))

    def peak_rss(self) -> float:
        """The highest memory usage of the process alone."""
        return _status(self.pid, "VmHWM")

    def reset_peak_rss(self) -> None:
        """Restarts the peak from the current memory usage."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5", encoding="ascii")

    def wait_for_port(self, port: int) -> None:
        """Waits until connections are accepted. Raises BenchError with the end of the log if the process ends
        instead."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            if self._popen.poll() is not None:
                break
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return
            time.sleep(0.002)
        end = self._log.read_text(encoding="utf-8", errors="replace")[-2000:]
        raise BenchError(f"{self._popen.args!r} does not serve on port {port}:\n{end}")

    def stop(self) -> None:
        """Ends the process with SIGTERM, and with SIGKILL if that has no effect."""
        self._popen.terminate()
        try:
            self._popen.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


@contextlib.contextmanager
def started(command: Sequence[str], log: Path, cores: str = SERVER_CORES) -> Iterator[Process]:
    """A process on these cores, with its outputs appended to `log`, and without settings from the environment."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        popen = subprocess.Popen(
            pinned(command, cores), stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=_environment()
        )
    process = Process(popen, log)
    try:
        yield process
    finally:
        process.stop()


def pinned(command: Sequence[str], cores: str, *, goes_first: bool = False) -> list[str]:
    """The command on these cores. If it goes first, and the benchmark runs as root, it has priority over others."""
    first = ["chrt", "--fifo", "1"] if goes_first and os.geteuid() == 0 else []
    return [*first, "taskset", "--cpu-list", cores, *command]


def free_port() -> int:
    """A port of the loopback address that is currently free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("GATEWAY_", "VCENTER_"))}


def _tree(pid: int) -> Iterator[int]:
    yield pid
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in children.read_text(encoding="ascii").split():
                yield from _tree(int(child))


def _cpu_of(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def _status(pid: int, name: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise BenchError(f"/proc/{pid}/status has no {name}")
