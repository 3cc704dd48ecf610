"""The programs of a guest: which files can be started, how long they run, and how they exit.

A small selection for each operating system, enough to start something that ends immediately, later, never, or with an
error.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from gateway.simulator.file_system import Node
from gateway.simulator.guest import Account, Guest
from gateway.simulator.guest_files import file_error, file_errors, permission_denied, require_path
from gateway.simulator.guest_tree import LINUX_PROGRAMS

__all__ = ["SYNTAX_ERROR", "UNKNOWN_COMMAND", "Outcome", "is_known", "outcome", "require_directory", "require_program"]

UNKNOWN_COMMAND = 127
SYNTAX_ERROR = 2
_FOR_EVER = 1e9
_PINGS = 4
_WITHOUT_TIME = (
    "@echo", "cd", "chcp", "copy", "del", "df", "dir", "env", "head", "ipconfig", "md", "move", "pwd", "taskkill",
    "tasklist", "type", "wc",
)  # fmt: skip
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Outcome:
    """When a program exits, None if it runs until it is terminated, and with which code."""

    after: timedelta | None
    exit_code: int = 0


def require_program(guest: Guest, account: Account, path: str) -> Node:
    """The program at that path, if the account may start it; otherwise the documented errors."""
    require_path(guest, path, "NOT_A_FILE")
    with file_errors(path, denied="access"):
        node = guest.files.find(account, path)
    if node.kind == "DIRECTORY":
        raise file_error("INVALID_ARGUMENT", "NOT_A_FILE", path)
    if not guest.files.executable(account, node):
        raise permission_denied()
    return node


def require_directory(guest: Guest, account: Account, path: str) -> None:
    """INVALID_ARGUMENT unless a directory is at that path."""
    require_path(guest, path, "NOT_A_DIRECTORY")
    try:
        node = guest.files.find(account, path)
    except (FileNotFoundError, PermissionError):
        node = None
    if node is None or node.kind != "DIRECTORY":
        raise file_error("INVALID_ARGUMENT", "NOT_A_DIRECTORY", path)
    if not guest.files.executable(account, node):
        raise permission_denied()


def outcome(name: str, words: list[str]) -> Outcome:
    """What the program with that file name does with these arguments, except for shells, which run scripts."""
    program = _found(name)
    return program(words) if program is not None else _lasts(0, UNKNOWN_COMMAND)


def is_known(name: str) -> bool:
    """Whether the program exists."""
    return _found(name) is not None


def _found(name: str) -> "Callable[[list[str]], Outcome] | None":
    name = name.lower()
    return _PROGRAMS.get(name) or _PROGRAMS.get(name.removesuffix(".exe"))


def _lasts(seconds: float, exit_code: int = 0) -> Outcome:
    """Exits after that time; several years count as forever."""
    return Outcome(timedelta(seconds=seconds), exit_code) if seconds < _FOR_EVER else Outcome(None)


def _exits(code: int) -> Callable[[list[str]], Outcome]:
    return lambda words: _lasts(0, code)


def _runs_on(words: list[str]) -> Outcome:
    return Outcome(None)


def _sleep(words: list[str]) -> Outcome:
    matches = [re.fullmatch(r"(\d+(?:\.\d+)?)([smhd]?)", word) for word in words]
    if not words or None in matches:
        return _lasts(0, 1)
    return _lasts(sum(float(found[1]) * _UNITS[found[2]] for found in matches if found))


def _start_sleep(words: list[str]) -> Outcome:
    return _sleep(words[-1:])


def _number_after(words: list[str], option: str) -> float | None:
    for word, value in pairwise(words):
        if word.lower() == option and value.isdecimal():
            return float(value)
    return None


def _ping(words: list[str]) -> Outcome:
    times = _number_after(words, "-c")
    return _runs_on(words) if times is None else _lasts(times)


def _ping_of_windows(words: list[str]) -> Outcome:
    times = _number_after(words, "-n")
    return _runs_on(words) if "-t" in words else _lasts(_PINGS if times is None else times)


def _timeout(words: list[str]) -> Outcome:
    seconds = _number_after(words, "/t")
    return _lasts(0, 1) if seconds is None else _lasts(seconds)


def _tail(words: list[str]) -> Outcome:
    return _runs_on(words) if "-f" in words else _lasts(0)


def _command(words: list[str]) -> Outcome:
    return _lasts(0, 0 if is_known(words[-1] if words else "") else UNKNOWN_COMMAND)


_PROGRAMS: dict[str, Callable[[list[str]], Outcome]] = {
    **dict.fromkeys((*LINUX_PROGRAMS, "backup"), _exits(0)),
    **dict.fromkeys(
        _WITHOUT_TIME,
        _exits(0),
    ),
    "command": _command,
    "false": _exits(1),
    "ping": _ping,
    "ping.exe": _ping_of_windows,
    "sleep": _sleep,
    "start-sleep": _start_sleep,
    "tail": _tail,
    "timeout": _timeout,
    "yes": _runs_on,
}
"""The behavior of programs by name; a name without `.exe` matches both forms."""
