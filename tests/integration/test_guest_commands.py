"""The commands `exec` and `cp` as scripts use them: processes of their own, against a gateway with a simulator."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.cli.output import Exit
from gateway.simulator.guest import PASSWORD
from tests.integration.processes import Ended, run, running

LINUX, WINDOWS = "vm-1001", "vm-1017"
UNKNOWN = 125


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Where a gateway with a simulator in it listens."""
    folder = tmp_path_factory.mktemp("serve")
    async with running(folder, "serve", "--simulator", "--listen", "127.0.0.1:0") as process:
        printed = await process.wait_for(r"vcenter-gateway (call .*) vcenter\.v1\.VmService/ListVms '{}'")
        options = shlex.split(printed[1])
        yield options[options.index("--target") + 1] if "--target" in options else "127.0.0.1:50051"


async def command(
    target: str, name: str, *arguments: str, user: str = "root", password: str = PASSWORD, stdin: str = "", **more: str
) -> Ended:
    """Runs a command with the account of a guest; `more` are further environment variables."""
    variables = {"VCENTER_GUEST_PASSWORD": password, **more}
    return await run(name, "--target", target, "--guest-user", user, *arguments, stdin=stdin, variables=variables)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


async def execute(target: str, *arguments: str, vm: str = LINUX, **more: str) -> Ended:
    return await command(target, "exec", vm, *arguments, **more)


async def test_a_program_as_if_it_ran_here(target: str) -> None:
    """Output, error output and exit code are the program's."""
    told = await execute(target, "--", "uname", "-a")
    assert (told.code, told.stdout.startswith("Linux web-0001"), told.stderr) == (0, True, "")
    failed = await execute(target, "--shell", "--", "echo out; cat /none; exit 7")
    assert (failed.code, failed.stdout, failed.stderr) == (7, "out\n", "cat: File /none was not found\n")


async def test_input_directory_and_variables(target: str) -> None:
    """Standard input goes to the program, which runs where and with what it is told."""
    told = await execute(
        target,
        "-i",
        "-w",
        "/var/log",
        "-e",
        "A=1",
        "-e",
        "B",
        "--shell",
        "--",
        "pwd; echo $A$B; cat",
        stdin="in",
        B="2",
    )
    assert (told.code, told.stdout) == (0, "/var/log\n12\nin")


async def test_windows(target: str) -> None:
    """The same works with Windows."""
    told = await execute(target, "--shell", "--", "hostname & exit 3", vm=WINDOWS, user="Administrator")
    assert told.code == 3
    assert told.stdout


@pytest.mark.parametrize(
    ("told", "code"), [(0, 0), (1, 1), (255, 255), (256, 255), (3221225477, 255)], ids=lambda number: str(number)
)
async def test_exit_codes(target: str, told: int, code: int) -> None:
    """The exit code is the program's. One that the system does not have, as on Windows, does not look like success."""
    ended = await execute(target, "--shell", "--", f"exit {told}", vm=WINDOWS, user="Administrator")
    assert ended.code == code


@pytest.mark.parametrize("surplus", [-1, 0, 1])
async def test_the_limit_of_input(target: str, surplus: int) -> None:
    """Standard input has at most 1 MiB; more is refused before anything runs, with what to do instead."""
    size = 1024**2 + surplus
    told = await execute(target, "-i", "--", "wc", "-c", stdin="x" * size)
    if surplus <= 0:
        assert (told.code, told.stdout) == (0, f"{size}\n")
    else:
        assert (told.code, "vcenter-gateway cp" in told.stderr) == (Exit.USAGE, True)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        pytest.param(("-e", "NONE_SUCH", "--", "true"), Exit.USAGE, "no such variable", id="no-variable"),
        pytest.param(("--timeout", "0.5", "--", "true"), Exit.USAGE, "timeout", id="timeout"),
        pytest.param(("-w", "/none", "--", "true"), UNKNOWN, "/none", id="no-directory"),
    ],
)
async def test_what_is_no_program(target: str, arguments: tuple[str, ...], code: int, text: str) -> None:
    """What keeps a program from running has an exit code that programs do not have."""
    told = await execute(target, *arguments)
    assert (told.code, told.stdout) == (code, "")
    assert text in told.stderr


async def test_a_wrong_password(target: str) -> None:
    """The guest's refusal is told without the password."""
    told = await execute(target, "--", "true", password="wr0ng")
    assert told.code == UNKNOWN
    assert "UNAUTHENTICATED" in told.stderr
    assert "wr0ng" not in told.stderr


async def test_no_gateway() -> None:
    """A gateway that is not there is said, as by the other commands."""
    told = await execute("127.0.0.1:1", "--", "true")
    assert told.code == UNKNOWN
    assert "nothing listens" in told.stderr


async def test_ctrl_c_of_a_program_that_keeps_running(target: str, tmp_path: Path) -> None:
    """An interrupted command says which program it leaves behind."""
    arguments = ("exec", "--target", target, "--guest-user", "root", "--keep-running", "web-0001", "--shell", "--")
    command = (*arguments, "echo begun; sleep 300")
    async with running(tmp_path, *command, variables={"VCENTER_GUEST_PASSWORD": PASSWORD}) as process:
        await process.wait_for("begun")
        assert await process.end(signal.SIGINT) == Exit.INTERRUPTED
        assert re.search(r"the program still runs on vm-1001, as process \d+\n", process.stderr)


async def test_ctrl_c_stops_the_program(target: str, tmp_path: Path) -> None:
    """An interrupted command has the program stopped, and its files removed."""
    arguments = ("exec", "--target", target, "--guest-user", "root", LINUX, "--shell", "--", "echo begun; sleep 300")
    async with running(tmp_path, *arguments, variables={"VCENTER_GUEST_PASSWORD": PASSWORD}) as process:
        await process.wait_for("begun")
        assert await process.end(signal.SIGINT) == Exit.INTERRUPTED
    # The program that looks has a directory of its own.
    for _ in range(100):
        if (await execute(target, "--shell", "--", "ls /tmp")).stdout.count("vcenter-gateway") == 1:
            return
        await asyncio.sleep(0.1)
    pytest.fail("files of the interrupted program are left")


async def test_a_file_there_and_back(target: str, tmp_path: Path) -> None:
    """A file is copied to a guest and from it, unchanged; directories take it under its own name."""
    file, back = tmp_path / "file", tmp_path / "back"
    file.write_bytes(bytes(range(256)) * 20_000)
    back.mkdir()
    up = await command(target, "cp", str(file), f"{LINUX}:/root/", "--mode", "0600")
    assert (up.code, up.stderr) == (0, "")
    down = await command(target, "cp", f"{LINUX}:/root/file", str(back))
    assert (down.code, down.stderr) == (0, "")
    assert (back / "file").read_bytes() == file.read_bytes()
    assert names_in(back) == ["file"]


async def test_files_that_are_there(target: str, tmp_path: Path) -> None:
    """A file is replaced in either direction only where that is said."""
    file = tmp_path / "file"
    file.write_bytes(b"one")
    place = f"{LINUX}:/root/there"
    assert (await command(target, "cp", str(file), place)).code == Exit.OK
    again = await command(target, "cp", str(file), place)
    assert (again.code, "ALREADY_EXISTS" in again.stderr) == (Exit.FAILED, True)
    assert (await command(target, "cp", "--force", str(file), place)).code == Exit.OK
    refused = await command(target, "cp", place, str(file))
    assert (refused.code, "--force" in refused.stderr) == (Exit.USAGE, True)
    assert (await command(target, "cp", "--force", place, str(file))).code == Exit.OK


@pytest.mark.parametrize(
    "arguments",
    [
        ("a", "b"),
        (f"{LINUX}:/a", f"{LINUX}:/b"),
        (f"{LINUX}:/a", "b", "--mode", "0600"),
        ("a", f"{LINUX}:/b", "--mode", "9"),
        ("-", f"{LINUX}:/b"),
        (f"{LINUX}:/etc/hosts", "-"),
        (f"{LINUX}:/etc/hosts", "/no/such/folder/file"),
    ],
    ids=["both-here", "both-there", "mode-of-a-download", "mode", "standard-input", "standard-output", "no-folder"],
)
async def test_wrong_copies(target: str, arguments: tuple[str, ...]) -> None:
    """What cannot be copied is said before anything is called."""
    told = await command(target, "cp", *arguments)
    assert told.code == Exit.USAGE


@pytest.mark.parametrize(
    "arguments", [("PIPE", f"{LINUX}:/root/x"), (f"{LINUX}:/etc/hosts", "PIPE")], ids=["up", "down"]
)
async def test_what_is_not_a_file(target: str, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """A pipe or a device is neither read to its end nor replaced, even with --force."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    told = await command(target, "cp", "--force", *(str(pipe) if text == "PIPE" else text for text in arguments))
    assert (told.code, f"{pipe} is not a regular file" in told.words) == (Exit.USAGE, True)
    assert pipe.is_fifo()


async def test_a_file_that_is_not_there(target: str, tmp_path: Path) -> None:
    """Nothing is left of a copy that does not succeed."""
    told = await command(target, "cp", f"{LINUX}:/none", str(tmp_path))
    assert (told.code, names_in(tmp_path)) == (Exit.FAILED, [])
    told = await command(target, "cp", str(tmp_path / "none"), f"{LINUX}:/root/x")
    assert (told.code, "No such file" in told.stderr) == (Exit.FAILED, True)
