"""A rolling restart under the load of each packaged client that watches health, using only its own `connect`.

The calls are made by the runners of the conformance cases, which `make test-clients` builds.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from gateway.simulator import RecordedCall, Simulator, SimulatorOptions
from tests.faults.fleet import session
from tests.faults.names import names
from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import PASSWORD, eventually
from tests.integration.processes import Running, running

BUILT = Path(__file__).parents[2] / "build/clients"
ADDRESSES = ("127.0.0.1", "127.0.0.2")
READ = "vcenter.vm.hardware.v1.BootService/GetBoot"
WRITE = "vcenter.vm.hardware.v1.BootService/UpdateBoot"
WRITE_ID = "com.vmware.vcenter.vm.hardware.boot.update"
CALLERS = ("vm-1001", "vm-1002")
"""Processes with their own connection and machine, each of which sends a call when the previous one has been
answered."""
LATENCY = 0.01
SETTLE = 1.0
LEFT = 0.1
"""A client that watches health must have left at least this many seconds before the listener closes."""
RECENT = 10
"""The number of last changes that show which replicas currently serve: each of two serves half of them."""


class Load:
    """What the clients sent, and their results."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.writes: dict[str, list[float]] = {machine: [] for machine in CALLERS}
        """When each was sent, by machine."""
        self.ended = False

    async def call_on(self, runner: Path, variables: Mapping[str, str], machine: str) -> None:
        """Twice as many writes as reads, so that both reach each of two replicas in turn, until the end."""
        process = await asyncio.create_subprocess_exec(
            runner, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env={**os.environ, **variables}
        )
        assert process.stdin is not None
        assert process.stdout is not None
        for rpc in itertools.cycle([READ, WRITE, WRITE]):
            if self.ended:
                break
            if rpc == WRITE:
                self.writes[machine].append(time.monotonic())
            request = {"vm": machine, **({"spec": {"delay": "1"}} if rpc == WRITE else {})}
            process.stdin.write(json.dumps({"rpc": rpc, "request": request}).encode() + b"\n")
            line = await process.stdout.readline()
            assert line, "the runner ended"
            error = json.loads(line).get("error")
            self.answers[f"{error['code']} {error['message']}" if error else "OK"] += 1
        process.stdin.close()
        assert await process.wait() == 0


@asynccontextmanager
async def load(runner: Path, variables: Mapping[str, str]) -> AsyncIterator[Load]:
    """A steady load during the block; all of its calls have ended afterwards."""
    made = Load()
    async with asyncio.TaskGroup() as callers:
        for machine in CALLERS:
            callers.create_task(made.call_on(runner, variables, machine))
        try:
            yield made
        finally:
            made.ended = True


def found_by(language: str, folder: Path, name: str, port: int) -> dict[str, str]:
    """What lets a client find both addresses: a name of our name server, or a file of names if gRPC's name server
    cannot be configured."""
    if language == "java":
        hosts = folder / "hosts"
        hosts.write_text("".join(f"{address} gateway.test\n" for address in ADDRESSES))
        return {"GATEWAY_TARGET": f"gateway.test:{port}", "JAVA_TOOL_OPTIONS": f"-Djdk.net.hosts.file={hosts}"}
    return {"GATEWAY_TARGET": name}


@pytest.mark.parametrize("language", ["python", "go", "java", "cpp"])
async def test_a_rolling_restart(tmp_path: Path, language: str) -> None:
    """Two replicas behind one name are restarted one after the other: clients leave each replica before it closes, none
    of their calls fails, and each change is executed exactly once."""
    runner = BUILT / language / "conformance"
    if not runner.is_file():
        assert not os.environ.get("CI"), f"there is no such client: run `make test-client-{language}`"
        pytest.skip(f"make test-client-{language} builds what this takes")
    numbers = itertools.count()
    async with Simulator(SimulatorOptions(latency=LATENCY)) as vcenter, names() as server, AsyncExitStack() as stack:

        async def start(address: str, port: int) -> tuple[Running, int]:
            folder = tmp_path / str(next(numbers))
            folder.mkdir()
            listen = ("--listen", f"{address}:{port}", "--vcenter", vcenter.url)
            replica = await stack.enter_async_context(
                running(folder, "serve", *listen, "--settle-seconds", f"{SETTLE:g}")
            )
            serving = await replica.wait_for(rf"serves .* on {re.escape(address)}:(\d+)\.")
            return replica, int(serving[1])

        def changes(machine: str) -> list[RecordedCall]:
            return [call for call in vcenter.record.of(WRITE_ID) if machine in call.target]

        async def is_spread() -> None:
            def spread() -> bool:
                recent = (set(map(session, changes(machine)[-RECENT:])) for machine in CALLERS)
                return all(len(sessions) == len(ADDRESSES) for sessions in recent)

            await eventually(spread, "calls at both replicas", 60)

        first, port = await start(ADDRESSES[0], 0)
        replicas = {ADDRESSES[0]: first}
        for address in ADDRESSES[1:]:
            replicas[address], _ = await start(address, port)
        server.show(ADDRESSES)
        variables = {
            **found_by(language, tmp_path, server.target(port), port),
            "GATEWAY_USER": ADMINISTRATOR,
            "GATEWAY_PASSWORD": PASSWORD,
        }
        signalled = []
        async with load(runner, variables) as made:
            for address in ADDRESSES:
                await is_spread()
                signalled.append(time.monotonic())
                assert await replicas[address].end(signal.SIGTERM) == 0
                replicas[address], _ = await start(address, port)
            await is_spread()
        assert set(made.answers) == {"OK"}
        last_sent: dict[str, float] = {}  # By its vCenter session, of which each replica has its own.
        for machine, sent in made.writes.items():
            assert [call.executed for call in changes(machine)] == [True] * len(sent)
            for call, when in zip(changes(machine), sent, strict=True):
                last_sent[session(call)] = max(when, last_sent.get(session(call), 0.0))
        stopped = sorted(last_sent.values())[: len(ADDRESSES)]
        assert [until - since < SETTLE - LEFT for until, since in zip(stopped, signalled, strict=True)] == [True, True]
