"""The script that runs a program in a guest, so that its output can be read while it runs.

vCenter starts programs without pipes. Therefore, the gateway writes a script into a temporary directory in the guest,
and lets vCenter start the guest's shell with it: the script redirects the program's output to files in that directory.
A command line for the shell and variables are only in the script, never on the command line that every user of the
guest can list.

VMware Tools report the exit code 0 for a process that a signal has ended, and terminate one process only. Therefore, on
Linux, a shell that is not the program waits for it, and the program leads a session of its own, whose processes
`stopping` can end together.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.live.required import refuse

__all__ = ["ERROR", "INPUT", "OUTPUT", "Command", "Launch", "launch", "stopping"]

INPUT, OUTPUT, ERROR = "in", "out", "err"
"""Names of the files for standard input, output and error."""
_GROUP = "group"
"""Name of the file with the identifier of the program's process group."""
_POSIX_SHELL = "/bin/sh"
_START = 'command -v setsid >/dev/null || exec /bin/sh "$0"; setsid /bin/sh "$0"; exit $?'
"""A child is never the leader of a group, so that `setsid` does not fork. Where it is missing, the program replaces the
shell: then stopping reaches the program at least."""
_STOP = (
    'exec 2>/dev/null; read -r group <"$0" || sleep 1; read -r group <"$0" || exit; '
    'kill -TERM "-$group" || kill -TERM "$group"; '
    'kill -0 "-$group" && sleep 1; kill -0 "-$group" && sleep 2; kill -KILL "-$group"'
)
"""Waits for a program that is just starting, and for one that cleans up at SIGTERM."""
_WINDOWS_SHELL = "C:\\Windows\\System32\\cmd.exe"
_TASKKILL = "C:\\Windows\\System32\\taskkill.exe"
_MAX_WINDOWS_LINE = 8191
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WINDOWS_VARIABLE = re.compile(r"[^=%!\"^&|<>\r\n\0]+")
_SPECIAL = re.compile(r"[()!^\"<>&|]")


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: a line for the guest's shell, or a program with its arguments."""

    shell_command: str = field(default="", repr=False)
    path: str = ""
    arguments: Sequence[str] = field(default=(), repr=False)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Launch:
    """How to start it."""

    name: str
    """Name of the script within the directory."""
    script: bytes = field(repr=False)
    program: str
    """The program that vCenter must start, and its arguments."""
    arguments: str


def launch(command: Command, directory: str, *, has_input: bool) -> Launch:
    """How to start a command whose files are in `directory`, whose form shows whether the guest runs Windows. Raises
    GatewayError (INVALID_ARGUMENT) for text that cannot be passed to the guest's shell.
    """
    return (_posix if directory.startswith("/") else _windows)(command, directory, has_input)


def stopping(directory: str, pid: int) -> tuple[str, str]:
    """The program that vCenter must start to end a command with all processes that it has started, and its arguments.
    `pid` is the process that vCenter reported for the command."""
    if directory.startswith("/"):
        return _POSIX_SHELL, shlex.join(["-c", _STOP, f"{directory}/{_GROUP}"])
    return _TASKKILL, f"/T /F /PID {pid}"


def _posix(command: Command, directory: str, has_input: bool) -> Launch:
    for name, value in command.environment.items():
        if not _VARIABLE.fullmatch(name):
            raise refuse("start.environment", "has a name that is not valid for a variable")
        _refuse_signs(value, "\0", "start.environment")
    for text, where in ((command.shell_command, "shell_command"), (command.path, "path")):
        _refuse_signs(text, "\0", f"start.{where}")
    for argument in command.arguments:
        _refuse_signs(argument, "\0", "start.arguments")
    files = {name: shlex.quote(f"{directory}/{name}") for name in (INPUT, OUTPUT, ERROR)}
    lines = [f"export {name}={shlex.quote(value)}" for name, value in command.environment.items()]
    lines.append(f"exec <{files[INPUT] if has_input else '/dev/null'} >{files[OUTPUT]} 2>{files[ERROR]}")
    lines.append(f"echo $$ >{shlex.quote(f'{directory}/{_GROUP}')}")
    lines.append(command.shell_command or f"exec {shlex.join([command.path, *command.arguments])}")
    script = "\n".join(lines) + "\n"
    return Launch("run", script.encode(), _POSIX_SHELL, shlex.join(["-c", _START, f"{directory}/run"]))


def _windows(command: Command, directory: str, has_input: bool) -> Launch:
    for name, value in command.environment.items():
        if not _WINDOWS_VARIABLE.fullmatch(name):
            raise refuse("start.environment", "has a name that is not valid for a variable")
        _refuse_signs(value, '\0\r\n"', "start.environment")
    _refuse_signs(command.shell_command, "\0\r\n", "start.shell_command")
    _refuse_signs(command.path, '\0\r\n"', "start.path")
    for argument in command.arguments:
        _refuse_signs(argument, "\0\r\n", "start.arguments")
    lines = ["@echo off", "chcp 65001 >nul"]
    lines += [f'set "{name}={_percent(value)}"' for name, value in command.environment.items()]
    files = {name: f'"{_percent(directory)}\\{name}"' for name in (INPUT, OUTPUT, ERROR)}
    if command.shell_command:
        # Escaped for the shell that runs the script, so that the target shell interprets it.
        quoted = f'"{command.shell_command}"'
        run = f"{_WINDOWS_SHELL} /d /s /c {_escaped(quoted)}"
    else:
        run = " ".join([f'"{_percent(command.path)}"', _escaped(subprocess.list2cmdline(command.arguments))])
    lines.append(f"{run.rstrip()} <{files[INPUT] if has_input else 'nul'} >{files[OUTPUT]} 2>{files[ERROR]}")
    if max(map(len, lines)) > _MAX_WINDOWS_LINE:
        raise refuse("start", f"makes a line of more than {_MAX_WINDOWS_LINE} characters for the shell of Windows")
    lines.append("exit /b %errorlevel%")
    script = "\r\n".join(lines) + "\r\n"
    # With /s, the shell removes the outer quotes and no other ones, whatever is in the path, such as an ampersand.
    return Launch("run.cmd", script.encode(), _WINDOWS_SHELL, f'/d /s /c ""{directory}\\run.cmd""')


def _escaped(text: str) -> str:
    """Escapes text for a line of a batch file. The caret before each quote keeps the shell from pairing quotes, because
    its rules differ from those of the program that gets the text."""
    return _SPECIAL.sub(r"^\g<0>", _percent(text))


def _percent(text: str) -> str:
    return text.replace("%", "%%")


def _refuse_signs(text: str, signs: str, where: str) -> None:
    if set(signs) & set(text):
        raise refuse(where, "has a character that cannot be passed to the guest's shell")
