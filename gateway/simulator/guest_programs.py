"""The files of a guest that programs are started from, and what the programs do: how long they run, and how they exit.

A small selection of each operating system, enough to start something that ends at once, later, never, or badly.
"""

import ntpath
import posixpath
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import Literal

from gateway.simulator import errors
from gateway.simulator.guest import Account, Guest

__all__ = ["Outcome", "require_directory", "require_program", "run"]

_UNKNOWN_COMMAND = 127
_SYNTAX_ERROR = 2
_LONGEST_PATH = {True: 4095, False: 259}
_EXIT_CODE = re.compile(r"[0-9]{1,3}")
_FOR_EVER = 1e9
_PINGS = 4
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


@dataclass(frozen=True, slots=True)
class Outcome:
    """When a program exits, None if it does not by itself, and with which code."""

    after: timedelta | None
    exit_code: int = 0


@dataclass(frozen=True, slots=True)
class _Entry:
    kind: Literal["directory", "file", "program"]
    private: bool = False
    """Whether it is for administrators only."""


_DIRECTORY, _FILE, _PROGRAM = _Entry("directory"), _Entry("file"), _Entry("program")

_LINUX: dict[str, _Entry] = {
    **dict.fromkeys(
        ("/", "/bin", "/etc", "/home", "/home/user", "/opt", "/sbin", "/tmp", "/usr", "/usr/local", "/usr/local/sbin"),  # noqa: S108
        _DIRECTORY,
    ),
    **dict.fromkeys(("/var", "/var/log", "/var/tmp"), _DIRECTORY),  # noqa: S108
    "/root": _Entry("directory", private=True),
    **dict.fromkeys(("/etc/fstab", "/etc/hostname", "/etc/hosts", "/etc/passwd"), _FILE),
    **{
        f"/bin/{name}": _PROGRAM
        for name in (
            "bash", "cat", "chmod", "cp", "date", "echo", "false", "hostname", "id", "ls", "mkdir", "mv", "ping", "ps",
            "rm", "sh", "sleep", "tail", "touch", "true", "uname", "whoami", "yes",
        )
    },
    "/usr/local/sbin/backup": _Entry("program", private=True),
}  # fmt: skip
_WINDOWS: dict[str, _Entry] = {
    **{
        ntpath.normcase(path): _DIRECTORY
        for path in (
            "C:\\", "C:\\Program Files", "C:\\Users", "C:\\Users\\Administrator", "C:\\Windows",
            "C:\\Windows\\System32", "C:\\Windows\\Temp",
        )
    },
    ntpath.normcase("C:\\Windows\\win.ini"): _FILE,
    **{
        ntpath.normcase(f"C:\\Windows\\System32\\{name}.exe"): _PROGRAM
        for name in ("cmd", "hostname", "ipconfig", "ping", "tasklist", "timeout", "whoami")
    },
    ntpath.normcase("C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe"): _PROGRAM,
}  # fmt: skip


def require_program(guest: Guest, account: Account, path: str) -> str:
    """The name of the program at that path, if the account may start it; the document's errors otherwise."""
    _require_path(guest, path, "NOT_A_FILE")
    entry = _entry(guest, account, path)
    if entry is None:
        raise errors.of_type(
            "NOT_FOUND", "vmsg.FileNotFound.summary", "File {0} was not found", path, data=_data("FILE_NOT_FOUND", path)
        )
    if entry.kind == "directory":
        raise errors.invalid_argument(
            "vmsg.NotAFile.summary", "{0} is not a file", path, data=_data("NOT_A_FILE", path)
        )
    if entry.kind == "file" or (entry.private and not account.administrator):
        raise _permission_denied()
    return posixpath.basename(path) if guest.posix else ntpath.basename(path)


def require_directory(guest: Guest, account: Account, path: str) -> None:
    """INVALID_ARGUMENT unless there is a directory at that path."""
    _require_path(guest, path, "NOT_A_DIRECTORY")
    entry = _entry(guest, account, path)
    if entry is None or entry.kind != "directory":
        raise errors.invalid_argument(
            "vmsg.NotADirectory.summary", "{0} is not a directory", path, data=_data("NOT_A_DIRECTORY", path)
        )
    if entry.private and not account.administrator:
        raise _permission_denied()


def run(name: str, arguments: str) -> Outcome:
    """What the program with that file name does."""
    try:
        # Where output goes makes no difference here.
        words = shlex.split(re.sub(r"\d*[<>]{1,2}&?\s*[^\s\"']+", "", arguments), posix=not _windows(name))
    except ValueError:
        return _lasts(0, _SYNTAX_ERROR)
    return _command(name, words)


def _permission_denied() -> errors.VapiError:
    text = "The guest authentication being used does not have sufficient permissions to perform the operation."
    return errors.unauthorized("vmsg.GuestPermissionDenied.summary", text)


def _require_path(guest: Guest, path: str, reason: str) -> None:
    if len(path) > _LONGEST_PATH[guest.posix]:
        reason = "PATH_TOO_LONG"
    elif posixpath.isabs(path) if guest.posix else ntpath.isabs(path):
        return
    raise errors.invalid_argument(
        "vmsg.InvalidFilePath.summary", "{0} is not a valid path", path, data=_data(reason, path)
    )


def _entry(guest: Guest, account: Account, path: str) -> _Entry | None:
    """What is at that path; UNAUTHORIZED where the account may not even look."""
    if not guest.posix:
        return _WINDOWS.get(ntpath.normcase(ntpath.normpath(path)))
    # /usr/bin is the same directory as /bin.
    path = re.sub(r"^/usr/(s?bin)(?=/|$)", r"/\1", posixpath.normpath(path))
    for parent, entry in _LINUX.items():
        if entry.kind == "directory" and entry.private and not account.administrator and path.startswith(f"{parent}/"):
            raise errors.unauthorized("vmsg.CannotAccessFile.summary", "Unable to access file {0}", path)
    return _LINUX.get(path)


def _data(reason: str, path: str) -> dict[str, str]:
    return {"reason": reason, "file_path": path}


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
    for part in re.split(r"(&&|\|\||;|&)", text):
        words = part.split()
        if part in {"&&", "||", ";", "&"}:
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
    **{path.rpartition("/")[2]: _exits(0) for path, entry in _LINUX.items() if entry.kind == "program"},
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
