"""The programs of a guest: which of its files can be started, how long they run, and how they exit.

A small selection of each operating system, enough to start something that ends at once, later, never, or badly.
"""

import ntpath
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise

from gateway.simulator.file_system import Node
from gateway.simulator.guest import Account, Guest
from gateway.simulator.guest_files import file_error, file_errors, permission_denied, require_path
from gateway.simulator.guest_tree import LINUX_PROGRAMS

__all__ = ["Outcome", "require_directory", "require_program", "run"]

_UNKNOWN_COMMAND = 127
_SYNTAX_ERROR = 2
_EXIT_CODE = re.compile(r"[0-9]{1,3}")
_FOR_EVER = 1e9
_PINGS = 4
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Outcome:
    """When a program exits, None if it does not by itself, and with which code."""

    after: timedelta | None
    exit_code: int = 0


def require_program(guest: Guest, account: Account, path: str) -> Node:
    """The program at that path, if the account may start it; the document's errors otherwise."""
    require_path(guest, path, "NOT_A_FILE")
    with file_errors(path, denied="access"):
        node = guest.files.find(account, path)
    if node.kind == "DIRECTORY":
        raise file_error("INVALID_ARGUMENT", "NOT_A_FILE", path)
    if not guest.files.executable(account, node):
        raise permission_denied()
    return node


def require_directory(guest: Guest, account: Account, path: str) -> None:
    """INVALID_ARGUMENT unless there is a directory at that path."""
    require_path(guest, path, "NOT_A_DIRECTORY")
    try:
        node = guest.files.find(account, path)
    except (FileNotFoundError, PermissionError):
        node = None
    if node is None or node.kind != "DIRECTORY":
        raise file_error("INVALID_ARGUMENT", "NOT_A_DIRECTORY", path)
    if not guest.files.executable(account, node):
        raise permission_denied()


def run(name: str, arguments: str) -> Outcome:
    """What the program with that file name does."""
    try:
        # Where output goes makes no difference here.
        words = shlex.split(re.sub(r"\d*[<>]{1,2}&?\s*[^\s\"']+", "", arguments), posix=not _windows(name))
    except ValueError:
        return _lasts(0, _SYNTAX_ERROR)
    return _command(name, words)


def _windows(name: str) -> bool:
    return name.lower().endswith(".exe")


def _command(name: str, words: list[str]) -> Outcome:
    name = name.lower()
    program = _PROGRAMS.get(name) or _PROGRAMS.get(name.removesuffix(".exe"))
    return program(words) if program is not None else _lasts(0, _UNKNOWN_COMMAND)


def _lasts(seconds: float, exit_code: int = 0) -> Outcome:
    """Exits after that time; what takes years is as good as for ever."""
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


def _shell(words: list[str]) -> Outcome:
    """A shell of Linux with its script in one word; without one it finds its input empty and exits."""
    return next((_script(script) for option, script in pairwise(words) if option == "-c"), _lasts(0))


def _shell_of_windows(words: list[str]) -> Outcome:
    """A shell of Windows, whose script is all the rest."""
    for position, word in enumerate(words):
        if word.lower() in {"/c", "-command"}:
            return _script(" ".join(words[position + 1 :]).strip('"'), suffix=".exe")
    return _lasts(0)


def _script(text: str, suffix: str = "") -> Outcome:
    """Commands one after the other; `&&` and `||` look at how the last one exited."""
    total, code, operator = timedelta(), 0, ";"
    for part in re.split(r"(&&|\|\||;|&|\n)", text):
        words = part.split()
        if part in {"&&", "||", ";", "&", "\n"}:
            operator = part
        elif words and not (operator == "&&" and code) and not (operator == "||" and not code):
            if words[0] == "exit":
                return Outcome(total, int(words[-1]) if _EXIT_CODE.fullmatch(words[-1]) else code)
            outcome = _command(ntpath.basename(words[0]).removesuffix(suffix) + suffix, words[1:])
            if outcome.after is None:
                return outcome
            total, code = total + outcome.after, outcome.exit_code
    return Outcome(total, code)


_PROGRAMS: dict[str, Callable[[list[str]], Outcome]] = {
    **dict.fromkeys((*LINUX_PROGRAMS, "backup"), _exits(0)),
    **dict.fromkeys(("cd", "dir", "ipconfig", "tasklist", "type"), _exits(0)),
    **dict.fromkeys(("bash", "sh"), _shell),
    **dict.fromkeys(("cmd", "powershell"), _shell_of_windows),
    "false": _exits(1),
    "ping": _ping,
    "ping.exe": _ping_of_windows,
    "sleep": _sleep,
    "start-sleep": _start_sleep,
    "tail": _tail,
    "timeout": _timeout,
    "yes": _runs_on,
}
"""What programs do, by name; a name without `.exe` stands for both."""
