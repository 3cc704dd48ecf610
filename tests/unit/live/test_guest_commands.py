"""The scripts in which programs run in guests: those of Linux are run by a real shell."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import pytest

from gateway.errors import GatewayError
from gateway.live.guest_commands import ERROR, INPUT, OUTPUT, Command, launch

LINUX = "/root/vcenter-gateway-1"
WINDOWS = "C:\\Users\\a b\\AppData\\Local\\Temp\\vcenter-gateway-1"
NASTY = ["a b", "$HOME", "it's", '"q"', ";", "&&", "*", "", "-n", "\\", "line\nbreak", "ü", "`id`", "%PATH%", "!x"]


def ran(folder: Path, command: Command, content: bytes = b"") -> tuple[bytes, bytes, int]:
    """What the guest's shell does with it: output, error output and exit code."""
    start = launch(command, str(folder), has_input=bool(content))
    (folder / start.name).write_bytes(start.script)
    if content:
        (folder / INPUT).write_bytes(content)
    # As vCenter's tools do it: the program and its arguments are a command line for a shell.
    line = f"{start.program} {start.arguments}"
    ended = subprocess.run(["/bin/sh", "-c", line], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert (ended.stdout, ended.stderr) == (b"", b"")
    return (folder / OUTPUT).read_bytes(), (folder / ERROR).read_bytes(), ended.returncode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with a name that a shell would take apart."""
    found = tmp_path / "it's a $dir"
    found.mkdir()
    return found


def test_a_command_line(folder: Path) -> None:
    """A command line is the shell's, with its output, its errors and its exit code."""
    command = Command('for i in 1 2; do echo "$i"; done | cat; echo no >&2; exit 7')
    assert ran(folder, command) == (b"1\n2\n", b"no\n", 7)


def test_arguments(folder: Path) -> None:
    """Every argument arrives as it is, whatever a shell would make of it."""
    printed, _, code = ran(folder, Command(path="/usr/bin/printf", arguments=("%s\\0", *NASTY)))
    assert (printed.decode().split("\0")[:-1], code) == (NASTY, 0)


def test_a_program_is_found(folder: Path) -> None:
    """A program without a path is found as the shell finds it; one that is not there ends with 127."""
    assert ran(folder, Command(path="echo", arguments=("x",)))[0] == b"x\n"
    assert ran(folder, Command(path="no-such-program"))[2] == 127


def test_variables_and_input(folder: Path) -> None:
    """Variables are added to those that there are; input is read to its end."""
    command = Command('printf %s "$A|"; test -n "$PATH" && cat', environment={"A": "it's $B\n`id`"})
    assert ran(folder, command, b"in\0put") == (b"it's $B\n`id`|in\0put", b"", 0)


def test_no_input(folder: Path) -> None:
    """A program that reads without any input finds its end."""
    assert ran(folder, Command("cat; echo done")) == (b"done\n", b"", 0)


def test_a_signal(folder: Path) -> None:
    """The program takes the place of the shell, so that stopping the process stops the program."""
    start = launch(Command(path="/bin/sleep", arguments=("600",)), str(folder), has_input=False)
    (folder / start.name).write_bytes(start.script)
    arguments = [start.program, *shlex.split(start.arguments)]
    with subprocess.Popen(arguments, stdin=subprocess.DEVNULL) as process:
        while not os.path.exists(folder / OUTPUT):  # noqa: PTH110
            assert process.poll() is None
        process.terminate()
        assert process.wait(10) == -15


def test_windows_command_line() -> None:
    """A command line of Windows reaches the inner shell unchanged: every sign that the outer one knows is escaped."""
    start = launch(Command('echo "a & b" | find "%PATH%"', environment={"A": "100%"}), WINDOWS, has_input=True)
    assert (start.name, start.program) == ("run.cmd", "C:\\Windows\\System32\\cmd.exe")
    assert start.arguments == f'/d /c "{WINDOWS}\\run.cmd"'
    lines = start.script.decode().split("\r\n")
    assert lines[:3] == ["@echo off", "chcp 65001 >nul", 'set "A=100%%"']
    assert lines[3] == (
        'C:\\Windows\\System32\\cmd.exe /d /s /c ^"echo ^"a ^& b^" ^| find ^"%%PATH%%^"^"'
        f' <"{WINDOWS}\\in" >"{WINDOWS}\\out" 2>"{WINDOWS}\\err"'
    )
    assert lines[4:] == ["exit /b %errorlevel%", ""]


def test_windows_arguments() -> None:
    """Arguments of Windows are quoted as its programs take them apart, and escaped for the shell."""
    start = launch(Command(path="C:\\a b\\c.exe", arguments=("d e", 'f"g', "h&i")), WINDOWS, has_input=False)
    line = start.script.decode().split("\r\n")[2]
    assert line.startswith('"C:\\a b\\c.exe" ^"d e^" f\\^"g h^&i <nul >')


@pytest.mark.parametrize(
    ("command", "directory", "field"),
    [
        pytest.param(Command("a\0b"), LINUX, "start.shell_command", id="zero"),
        pytest.param(Command(path="a", arguments=("b\0",)), LINUX, "start.arguments", id="zero-argument"),
        pytest.param(Command("a", environment={"1x": ""}), LINUX, "start.environment", id="digit"),
        pytest.param(Command("a", environment={"a b": ""}), LINUX, "start.environment", id="blank"),
        pytest.param(Command("a", environment={"": ""}), LINUX, "start.environment", id="no-name"),
        pytest.param(Command("a", environment={"x=$(id)": ""}), LINUX, "start.environment", id="command"),
        pytest.param(Command("a\nb"), WINDOWS, "start.shell_command", id="windows-line"),
        pytest.param(Command(path='a"b'), WINDOWS, "start.path", id="windows-quote"),
        pytest.param(Command("a", environment={"x": 'a"b'}), WINDOWS, "start.environment", id="windows-value"),
        pytest.param(Command("a", environment={"x&y": ""}), WINDOWS, "start.environment", id="windows-name"),
        pytest.param(Command(path="a", arguments=("b\r",)), WINDOWS, "start.arguments", id="windows-argument"),
    ],
)
def test_what_cannot_be_told(command: Command, directory: str, field: str) -> None:
    """What a shell cannot be told is refused, and not changed."""
    with pytest.raises(GatewayError) as caught:
        launch(command, directory, has_input=False)
    [violation] = caught.value.failure.details[0].field_violations  # type: ignore[attr-defined]
    assert violation.field == field


def test_nothing_is_shown() -> None:
    """Commands, arguments, variables and scripts are in no representation."""
    command = Command("s3cret", arguments=("s3cret",), environment={"A": "s3cret"})
    assert "s3cret" not in repr(command) + repr(launch(command, LINUX, has_input=False))
