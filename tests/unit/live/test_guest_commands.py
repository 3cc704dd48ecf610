"""The scripts in which programs run in guests: those of Linux are run by a real shell."""

from __future__ import annotations

import os
import select
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import GatewayError
from gateway.live.guest_commands import ERROR, INPUT, OUTPUT, Command, launch, stopping

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
    done = subprocess.run(["/bin/sh", "-c", line], stdin=subprocess.DEVNULL, capture_output=True, check=False)
    assert done.stdout == b""
    return (folder / OUTPUT).read_bytes(), (folder / ERROR).read_bytes(), done.returncode


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


def started(folder: Path, command: Command, shell: str = "bash", **more: Any) -> subprocess.Popen[bytes]:
    """A command as VMware Tools start it: by bash, or by sh where there is no bash. `pids` waits for its output."""
    os.mkfifo(folder / OUTPUT)
    start = launch(command, str(folder), has_input=False)
    (folder / start.name).write_bytes(start.script)
    line = f"{start.program} {start.arguments}"
    return subprocess.Popen([shell, "-c", line], stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **more)


def stop(folder: Path, pid: int) -> None:
    """Does what ends a command."""
    program, arguments = stopping(str(folder), pid)
    subprocess.run(["/bin/bash", "-c", f"{program} {arguments}"], check=False)


def pids(folder: Path, number: int) -> list[int]:
    """The processes that a command writes down, once there are so many of them."""
    found: list[int] = []
    with (folder / OUTPUT).open() as output:
        while len(found) < number:
            line = output.readline()
            assert line, "the command has ended"
            found += map(int, line.split())
    return found


def ended(pid: int) -> bool:
    """Whether a process ends soon."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], 10)[0])
    finally:
        os.close(process)


TREE = "sleep 600 & echo $!; sh -c 'echo $$; sleep 600; :' & echo $$; wait"


@pytest.mark.parametrize(
    ("command", "shell"),
    [
        pytest.param(Command(TREE), "bash", id="line"),
        pytest.param(Command(path="sh", arguments=("-c", TREE)), "sh", id="program"),
    ],
)
def test_stopping(folder: Path, command: Command, shell: str) -> None:
    """A command ends with everything that it has started, by SIGTERM; the test, which started it, does not."""
    with started(folder, command, shell) as process:
        tree = pids(folder, 3)
        stop(folder, process.pid)
        assert process.wait(10) == 143
        assert [pid for pid in tree if not ended(pid)] == []


def test_stopping_what_ignores_signals(folder: Path) -> None:
    """A command that ignores SIGTERM, as its children then do, is killed."""
    with started(folder, Command("trap '' TERM; sleep 600 & echo $! $$; wait")) as process:
        tree = pids(folder, 2)
        stop(folder, process.pid)
        assert process.wait(10) == 137
        assert [pid for pid in tree if not ended(pid)] == []


def test_stopping_a_command_that_cleans_up(folder: Path) -> None:
    """A command has time to clean up."""
    with started(
        folder, Command("trap 'sleep 0.3; echo cleaned >&2; exit 5' TERM; echo $$; sleep 600 & wait")
    ) as process:
        pids(folder, 1)
        stop(folder, process.pid)
        assert process.wait(10) == 5
    assert (folder / ERROR).read_bytes() == b"cleaned\n"


def test_stopping_what_has_ended(folder: Path) -> None:
    """Nothing happens to anything else where a command has ended, or has not begun."""
    stop(folder, 0)
    assert ran(folder, Command("true"))[2] == 0
    stop(folder, 0)


def test_a_guest_without_setsid(folder: Path) -> None:
    """The program then is the process that vCenter knows, and stopping ends it alone."""
    tools = folder / "bin"
    tools.mkdir()
    for name in ("sh", "sleep"):
        (tools / name).symlink_to(f"/bin/{name}")
    command = Command(path="sh", arguments=("-c", "echo $$; exec sleep 600"))
    with started(folder, command, env={"PATH": str(tools)}, executable="/bin/bash") as process:
        assert pids(folder, 1) == [process.pid]
        stop(folder, process.pid)
        assert process.wait(10) == -15


@pytest.mark.parametrize("signal", [9, 11, 15])
@pytest.mark.parametrize(
    "command",
    [
        lambda text: Command(path="/bin/sh", arguments=("-c", text)),
        lambda text: Command(text),
        lambda text: Command(f"exec sh -c '{text}'"),
    ],
    ids=["program", "line", "replaced"],
)
def test_a_signal(folder: Path, signal: int, command: Callable[[str], Command]) -> None:
    """A program that a signal has ended has an exit code: VMware Tools would report 0 for a process without one."""
    assert ran(folder, command(f"kill -{signal} $$"))[2] == 128 + signal


@pytest.mark.parametrize("code", [0, 1, 127, 255])
def test_exit_codes(folder: Path, code: int) -> None:
    """Every exit code arrives."""
    assert ran(folder, Command(f"exit {code}"))[2] == code
    assert ran(folder, Command(path="/bin/sh", arguments=("-c", f"exit {code}")))[2] == code


def test_windows_command_line() -> None:
    """A command line of Windows reaches the inner shell unchanged: every sign that the outer one knows is escaped."""
    start = launch(Command('echo "a & b" | find "%PATH%"', environment={"A": "100%"}), WINDOWS, has_input=True)
    assert (start.name, start.program) == ("run.cmd", "C:\\Windows\\System32\\cmd.exe")
    assert start.arguments == f'/d /s /c ""{WINDOWS}\\run.cmd""'
    lines = start.script.decode().split("\r\n")
    assert lines[:3] == ["@echo off", "chcp 65001 >nul", 'set "A=100%%"']
    assert lines[3] == (
        'C:\\Windows\\System32\\cmd.exe /d /s /c ^"echo ^"a ^& b^" ^| find ^"%%PATH%%^"^"'
        f' <"{WINDOWS}\\in" >"{WINDOWS}\\out" 2>"{WINDOWS}\\err"'
    )
    assert lines[4:] == ["exit /b %errorlevel%", ""]


def test_stopping_windows() -> None:
    """On Windows, the tree of processes ends."""
    assert stopping(WINDOWS, 4711) == ("C:\\Windows\\System32\\taskkill.exe", "/T /F /PID 4711")


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


@pytest.mark.parametrize("surplus", [-1, 0, 1])
def test_the_longest_line_of_windows(surplus: int) -> None:
    """The shell of Windows has a limit for lines, which is checked before anything runs."""
    short = launch(Command("a"), WINDOWS, has_input=False).script.split(b"\r\n")[2]
    command = Command("a" * (8191 - len(short) + 1 + surplus))
    if surplus <= 0:
        assert len(launch(command, WINDOWS, has_input=False).script.split(b"\r\n")[2]) == 8191 + surplus
        return
    with pytest.raises(GatewayError, match="more than 8191 characters"):
        launch(command, WINDOWS, has_input=False)


def test_nothing_is_shown() -> None:
    """Commands, arguments, variables and scripts are in no representation."""
    command = Command("s3cret", arguments=("s3cret",), environment={"A": "s3cret"})
    assert "s3cret" not in repr(command) + repr(launch(command, LINUX, has_input=False))
