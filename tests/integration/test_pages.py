"""Pages of docs/ whose commands need nothing but the gateway: their blocks are run word for word, in their order."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.simulator.guest import PASSWORD
from tests.integration.example_programs import python_program

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
_PORT = re.compile(r"(?<=[:])(500\d\d|8989|9090)\b")
_SERVES = re.compile(r"vcenter-gateway (?:serve|simulate) (?:.*\\\n)*.*--listen (?:127\.0\.0\.1|localhost):(\d+)")
_FAILED = re.compile(r"^(?:Usage: |error: |Traceback)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Page:
    """What of a page is run, and what its reader sees."""

    name: str
    first_heading: str
    needs: str = ""
    """A gateway that the page has its reader start in another way."""
    without: tuple[str, ...] = ()
    """Words of blocks that end only by Ctrl-C."""
    fails: dict[str, int] = field(default_factory=dict)
    """Exit codes of blocks with these words, where they are not 0."""
    shows: tuple[str, ...] = ()


PAGES = (
    Page(
        "start/simulator.md",
        "## Make calls",
        needs="vcenter-gateway serve --simulator --listen 127.0.0.1:50051\n",
        without=("watch vms",),
        fails={'StartVm \'{"vm": "vm-1001"}\'': 1},
        shows=('"count": "4"', "Virtual machine is already powered on.", "Linux web-0001", "hello"),
    ),
    Page(
        "guides/testing.md",
        "## Make vCenter fail",
        fails={"/simulator/faults": 1, "ListDataSets": 1},
        shows=("VCENTER_CONNECTION_LOST", "may have been executed: yes", "ListDataSets needs vCenter 8.0.0.0 or later"),
    ),
    Page(
        "guides/guest.md",
        "# Guests",
        needs=(
            f"export VCENTER_GUEST_PASSWORD={PASSWORD}\necho x >report.txt\n"
            "vcenter-gateway serve --simulator --listen 127.0.0.1:50051\n"
        ),
        shows=("Linux web-0001", "Mounted on", '"name": "before the update"', '"metric": "mem.usage.average"'),
    ),
    Page("operate/certificates.md", "## The gateway's certificate", shows=("gateway.pem: OK", '"vm": "vm-1001"')),
)


def blocks(page: Page) -> list[str]:
    """The commands of a page."""
    text = (ROOT / "docs" / page.name).read_text(encoding="utf-8")
    found = re.findall(r"^```sh\n(.*?)^```$", text[text.index(page.first_heading) :], re.DOTALL | re.MULTILINE)
    return [block for block in (page.needs, *found) if block and not any(word in block for word in page.without)]


def script_of(page: Page) -> str:
    """A script that tells the exit code of each block, and waits for what a block starts in the background."""
    ports: dict[str, str] = {}

    def free(port: re.Match[str]) -> str:
        if port[0] not in ports:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                ports[port[0]] = str(probe.getsockname()[1])
        return ports[port[0]]

    parts = ["trap 'kill $(jobs -p)' EXIT\n"]
    for block in blocks(page):
        commands = _PORT.sub(free, block).replace(".venv/bin/vcenter-gateway", "vcenter-gateway").rstrip()
        listening = _SERVES.findall(commands)
        if listening and not commands.endswith("&"):
            commands += " &"
        parts.append(f'{commands}\necho "exit code $?"\n')
        parts += [f"until (exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null; do sleep 0.1; done\n" for port in listening]
    return "".join(parts)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands(page: Page, tmp_path: Path) -> None:
    """Each block ends as the page says, and shows what it says."""
    script = script_of(page)
    target = re.search(r"--listen (127\.0\.0\.1:\d+)", script)
    assert target
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "VCENTER_GATEWAY": target[1]}
    result = subprocess.run(
        [shutil.which("bash") or "bash", "-c", script],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=100,
    )
    told = result.stdout + result.stderr
    expected = [next((code for words, code in page.fails.items() if words in block), 0) for block in blocks(page)]
    assert [int(code) for code in re.findall(r"^exit code (\d+)$", result.stdout, re.MULTILINE)] == expected, told
    assert not _FAILED.search(told), told
    for words in page.shows:
        assert words in told


def test_the_example_of_a_test(tmp_path: Path) -> None:
    """The test that guides/testing.md shows passes with pytest, as a user would run it."""
    example = ROOT / "examples" / "testing" / "test_power.py"
    program = python_program(example, tmp_path)
    arguments = ("-m", "pytest", "-c", os.devnull, "--rootdir", str(tmp_path), "-p", "no:cacheprovider", "-q")
    command = (sys.executable, *arguments, str(example))
    environment = {**os.environ, **program.environment, "PATH": f"{BIN}:{os.environ['PATH']}"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, cwd=tmp_path)
    assert "2 passed" in result.stdout, result.stdout + result.stderr
