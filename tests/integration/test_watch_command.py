"""The command `watch` as people and scripts use it: a process of its own, on a terminal and elsewhere."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import termios
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.cli.output import Exit
from tests.integration.harness import PASSWORD, System, running_system
from tests.integration.processes import COMMAND, Running, Screen, run, running
from tests.integration.test_watch_tasks import pass_time, started
from tests.integration.watching import annotate

VM = "vm-1001"
IDENTITY = ("--user", "administrator@vsphere.local")
ENVIRONMENT = {"VCENTER_PASSWORD": PASSWORD}


@pytest.fixture
async def system() -> AsyncIterator[System]:
    """A gateway in front of a simulator whose clock stands still."""
    async with running_system() as found:
        yield found


def watching(system: System, *arguments: str) -> tuple[str, ...]:
    """The command line that watches something at a gateway."""
    return ("watch", *arguments, "--target", system.address, *IDENTITY)


def told(process: Running) -> list[dict[str, object]]:
    """The messages that have been printed."""
    return [json.loads(line) for line in process.stdout.splitlines()]


async def test_machines_as_json(system: System, tmp_path: Path) -> None:
    """Elsewhere than on a terminal each message is a line of JSON; Ctrl-C ends it."""
    async with running(
        tmp_path, *watching(system, "vms", "--vm", VM, "--fields", "name,annotation"), variables=ENVIRONMENT
    ) as process:
        await process.wait_for('"synced"')
        annotate(system.simulator, VM, "seen")
        await process.wait_for('"annotation": "seen"')
        kinds = [next(iter(message)) for message in told(process)]
        assert kinds == ["started", "added", "synced", "changed"]
        assert await process.end(signal.SIGINT) == Exit.INTERRUPTED


async def test_a_stream_that_is_lost(system: System, tmp_path: Path) -> None:
    """A stream that the gateway ends is opened again, from where it was."""
    async with running(
        tmp_path, *watching(system, "vms", "--vm", VM, "--fields", "annotation"), variables=ENVIRONMENT
    ) as process:
        await process.wait_for('"synced"')
        streams = system.gateway.streams
        streams.end_all()
        streams._is_stopping = False
        annotate(system.simulator, VM, "seen after")
        await process.wait_for('"annotation": "seen after"')
        starts = [message["started"] for message in told(process) if "started" in message]
        assert [bool(start.get("reset")) for start in starts] == [True, False]  # type: ignore[attr-defined]
        await process.end(signal.SIGINT)


async def test_a_task(system: System, tmp_path: Path) -> None:
    """The command ends with the task, and its exit code tells how."""
    good, bad = started(system, seconds=1), started(system, seconds=1, fails=True)
    pass_time(system, 2)
    ended = await run(*watching(system, "task", good.task), password=PASSWORD)
    assert ended.code == Exit.OK
    assert json.loads(ended.stdout.splitlines()[-1])["task"]["result"] == "vm-1022"
    ended = await run(*watching(system, "task", bad.task), password=PASSWORD)
    assert ended.code == Exit.FAILED
    ended = await run(*watching(system, "task", "task-9999"), password=PASSWORD)
    assert (ended.code, "there is no task" in ended.words) == (Exit.FAILED, True)


async def test_events(system: System, tmp_path: Path) -> None:
    """Events are printed as they happen."""
    async with running(tmp_path, *watching(system, "events", "--vm", "vm-1002"), variables=ENVIRONMENT) as process:
        await process.wait_for('"heartbeat"')
        await system.client.call("vcenter.vm.v1.PowerService/StartVm", {"vm": "vm-1002"})
        await process.wait_for('"VmPoweredOnEvent"')
        await process.end(signal.SIGINT)


async def test_nothing_listens() -> None:
    """Without a gateway the command ends, and says what to do."""
    ended = await run("watch", "vms", "--target", "127.0.0.1:1", *IDENTITY, password=PASSWORD)
    assert (ended.code, "start a gateway" in ended.words) == (Exit.UNREACHABLE, True)


async def test_a_terminal(system: System) -> None:
    """On a terminal machines are a table that fits it, and that changes with them."""
    reader, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (12, 70))
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm", **ENVIRONMENT}
    process = subprocess.Popen(  # noqa: ASYNC220 - it returns when the process has begun
        [*COMMAND, *watching(system, "vms")], stdin=terminal, stdout=terminal, env=environment, start_new_session=True
    )
    os.close(terminal)
    shown = Screen(reader)
    try:
        await shown.has("20 machines, 11 of them not shown")
        await system.client.call("vcenter.vm.v1.PowerService/StopVm", {"vm": "vm-1003"})
        await shown.has(r"vm-1003 +app-0003 +POWERED_OFF")
    finally:
        process.terminate()
        process.wait()
        os.close(reader)
    lines = re.sub(r"\x1b\[\d*;?\d*[A-Za-z]", "\n", shown.text).replace("\r", "").splitlines()
    assert max(map(len, lines)) <= 70
