"""Completion in the shells themselves: what stands on the command line after the tabulator was pressed."""

from __future__ import annotations

import asyncio
import os
import pty
import re
import shutil
import subprocess
import sys
import termios
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.integration.processes import Screen, run, running

CASES = [
    pytest.param("vcenter-gateway comple", "completion", id="command"),
    pytest.param("vcenter-gateway context sh", "show", id="subcommand"),
    pytest.param("vcenter-gateway call ConnectCd", "ConnectCdrom", id="rpc"),
    pytest.param("vcenter-gateway call vcenter.v1.VmService/ListV", "vcenter.v1.VmService/ListVms", id="full-rpc"),
    pytest.param("vcenter-gateway describe vcenter.vm.v1.PowerSt", "vcenter.vm.v1.PowerState", id="enum"),
    pytest.param("vcenter-gateway call ListVms -o ya", "yaml", id="value"),
    pytest.param("vcenter-gateway serve --log-format js", "json", id="value-of-a-setting"),
    pytest.param("vcenter-gateway serve --config requ", "request.json", id="file-of-a-setting"),
    pytest.param("vcenter-gateway call ListVms requ", "request.json", id="file"),
    pytest.param("vcenter-gateway call ListVms --password-file requ", "request.json", id="file-of-an-option"),
    pytest.param("vcenter-gateway call ListVms --context my-", "my-lab", id="context"),
    pytest.param("vcenter-gateway context use my-", "my-lab", id="context-argument"),
    pytest.param("vcenter-gateway call GetCdrom --cdr", "--cdrom", id="flag-of-the-rpc"),
    pytest.param("vcenter-gateway call --target {target} GetVm --vm web-001", "web-0015", id="machine"),
    pytest.param("vcenter-gateway exec --target {target} web-001", "web-0015", id="machine-of-exec"),
    pytest.param("vcenter-gateway watch vms --target {target} --folder Prod", "Production", id="folder-of-watch"),
    pytest.param("vcenter-gateway cp requ", "request.json", id="file-of-cp"),
    pytest.param("vcenter-gateway call GetVm --context my-lab --vm web-001", "web-0015", id="machine-by-context"),
]


def shell(name: str) -> str:
    """The path of a shell. The continuous integration has all of them."""
    found = shutil.which(name)
    if found is None:
        assert not os.environ.get("CI"), f"{name} is not installed"
        pytest.skip(f"{name} is not installed")
    return found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def target(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """Where a gateway listens that needs no credentials."""
    folder = tmp_path_factory.mktemp("serve")
    async with running(folder, "serve", "--simulator", "--listen", "127.0.0.1:0") as process:
        yield (await process.wait_for(r" on (127\.0\.0\.1:\d+)\. From another shell"))[1]


@pytest.fixture
async def folder(tmp_path: Path, target: str) -> Path:
    """A folder with the command, a context and a file."""
    command = tmp_path / "bin" / "vcenter-gateway"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m gateway "$@"\n')
    command.chmod(0o755)
    (tmp_path / "request.json").write_text("{}")
    variables = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    added = await run("context", "add", "my-lab", "--target", target, variables=variables)
    assert added.code == 0, added.stderr
    return tmp_path


def environment(folder: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PYTHONPATH", "VIRTUAL_ENV") if name in os.environ}
    return {
        **kept,
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "XDG_CONFIG_HOME": str(folder / "config"),
        "HOME": str(folder),
        "TERM": "dumb",
        "LC_ALL": "C.UTF-8",
        "PS1": "> ",
        "HISTFILE": "",
    }


class Terminal:
    """An interactive shell on a terminal."""

    def __init__(self, arguments: list[str], folder: Path) -> None:
        reader, terminal = pty.openpty()
        termios.tcsetwinsize(terminal, (40, 200))
        self._descriptor = reader
        self._process = subprocess.Popen(
            arguments,
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            cwd=folder,
            env=environment(folder),
            start_new_session=True,
        )
        os.close(terminal)
        self._screen = Screen(reader)

    async def has(self, pattern: str) -> None:
        await self._screen.has(pattern)

    def type(self, text: str) -> None:
        self._screen.text = ""
        os.write(self._descriptor, text.encode())

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._descriptor)


@pytest.fixture
def opened(folder: Path) -> Iterator[list[Terminal]]:
    terminals: list[Terminal] = []
    yield terminals
    for terminal in terminals:
        terminal.close()


@pytest.mark.parametrize(("typed", "completed"), CASES)
async def test_bash(opened: list[Terminal], folder: Path, target: str, typed: str, completed: str) -> None:
    """Bash completes what was typed, although it takes words apart at colons."""
    opened.append(terminal := Terminal([shell("bash"), "--norc", "--noprofile", "-i"], folder))
    terminal.type("bind 'set bell-style none'; eval \"$(vcenter-gateway completion bash)\"; echo rea''dy\n")
    await terminal.has("ready")
    terminal.type(typed.format(target=target) + "\t")
    await terminal.has(re.escape(completed) + " ")


@pytest.mark.parametrize(("typed", "completed"), CASES)
async def test_zsh(opened: list[Terminal], folder: Path, target: str, typed: str, completed: str) -> None:
    """Zsh completes what was typed."""
    opened.append(terminal := Terminal([shell("zsh"), "-f", "-i"], folder))
    setup = 'unsetopt beep; autoload -Uz compinit; compinit -u -D; eval "$(vcenter-gateway completion zsh)"'
    terminal.type(f"{setup}; echo rea''dy\n")
    await terminal.has("ready")
    terminal.type(typed.format(target=target) + "\t")
    # What follows is typed by the test: Zsh adds the blank only when something is typed after it.
    await terminal.has(re.escape(completed))


@pytest.mark.parametrize(("typed", "completed"), CASES)
async def test_fish(folder: Path, target: str, typed: str, completed: str) -> None:
    """Fish has what was typed among its candidates, with nothing that does not fit."""
    line = typed.format(target=target)
    script = f"vcenter-gateway completion fish | source; complete -C '{line}'"
    told = await asyncio.to_thread(
        subprocess.run,
        [shell("fish"), "--no-config", "-c", script],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    found = [candidate.partition("\t")[0] for candidate in told.stdout.splitlines()]
    assert found == [completed]


async def test_without_a_gateway(folder: Path) -> None:
    """Where no gateway answers, nothing is completed, and nothing is said in the middle of the line."""
    line = "vcenter-gateway call --target 127.0.0.1:1 GetVm --vm w"
    variables = {"_VCENTER_GATEWAY_COMPLETE": "bash_complete", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    ended = await run(variables=variables)
    assert (ended.code, ended.stdout.strip(), ended.stderr) == (0, "", "")
