"""What happens to the gateway's processes: they reload, get stuck, lose their terminal, their disk, and whoever reads
their log."""

from __future__ import annotations

import asyncio
import fcntl
import functools
import hashlib
import json
import os
import pty
import re
import secrets
import signal
from pathlib import Path

import aiohttp
import grpc
import grpc.aio
import pytest
import requests
from grpc_health.v1 import health_pb2, health_pb2_grpc

from gateway.calls import Basic
from gateway.simulator import Fault, Simulator
from tests.integration.cases import ADMINISTRATOR
from tests.integration.harness import PASSWORD, READ, READ_ID, START, START_ID, eventually
from tests.integration.processes import COMMAND, alive, running
from tests.integration.test_serving import READY, SERVE, call, channel_to, is_served, more_serve, workers


@pytest.mark.parametrize("count", [1, 2])
async def test_sighup(tmp_path: Path, count: int) -> None:
    """SIGHUP ends nothing: every process reads its files again, a call under way is answered, and the session with
    vCenter is closed in the end as always."""
    tokens = tmp_path / "tokens.yaml"
    tokens.write_text(f'tokens: [{{identity: one, sha256: "{"0" * 64}"}}]')
    password = tmp_path / "password"
    password.write_text(PASSWORD)
    async with Simulator() as simulator:
        account = ("--auth-mode", "service-account", "--auth-user", ADMINISTRATOR, "--auth-password-file", password)
        arguments = ("--vcenter", simulator.url, *account, "--auth-tokens-file", tokens, "--workers", count)
        async with running(tmp_path, *SERVE, *map(str, arguments)) as process, channel_to(process) as channel:
            token = secrets.token_urlsafe(32)
            digest = hashlib.sha256(token.encode()).hexdigest()
            tokens.write_text(f'tokens: [{{identity: two, sha256: "{digest}"}}]')
            process.process.send_signal(signal.SIGHUP)
            await eventually(
                lambda: process.stderr.count(f"{tokens} changed and is in use now") >= count, "a reload", 20
            )
            await eventually(lambda: process.stderr.count("SIGHUP: reloading files") == count, "the lines", 20)
            simulator.faults.add(Fault.latency(1), operation=READ_ID)
            authorization = ("authorization", f"Bearer {token}")
            under_way = asyncio.create_task(call(channel, READ, {"vm": "vm-1001"}, authorization))
            await eventually(lambda: simulator.record.of(READ_ID), "the call")
            process.process.send_signal(signal.SIGHUP)
            assert "POWERED_ON" in str(await under_way)
            assert await process.end(signal.SIGTERM) == 0
        assert simulator.sessions.counts()["open"] == 0
        assert not any("died" in line["event"] for line in process.logs())


async def test_sighup_of_a_worker(tmp_path: Path) -> None:
    """A service manager may send the signal to all processes: it ends no worker."""
    async with running(tmp_path, *SERVE, "--simulator", "--workers", "2") as process:
        await process.wait_for(READY)
        for pid in [*workers(process), process.process.pid]:
            os.kill(pid, signal.SIGHUP)
        await eventually(lambda: process.stderr.count("SIGHUP: reloading files") >= 4, "the lines", 20)
        assert await process.end(signal.SIGTERM) == 0
        assert len(workers(process)) == 2


@pytest.mark.parametrize("count", ["1", "2"])
async def test_a_terminal_that_is_closed(tmp_path: Path, count: str) -> None:
    """Who closes the window in which the gateway runs stops it, in order."""
    mine, its = pty.openpty()
    # `setsid --ctty` takes its standard input for the terminal of the new session.
    log = tmp_path / "stderr"
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            *("setsid", "--ctty", "--wait", *COMMAND, *SERVE, "--simulator", "--workers", count),
            stdin=its,
            stdout=its,
            stderr=stderr,
        )
    os.close(its)
    try:
        await eventually(lambda: log.read_text().count("serving http") > int(count) - 1, "the start", 30)
        os.close(mine)
        async with asyncio.timeout(30):
            await process.wait()
        await eventually(lambda: log.read_text().count('"stopped"') == int(count), "an orderly end", 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_stuck_worker(tmp_path: Path) -> None:
    """A worker that does not go on makes the gateway unready, is killed and replaced; then all is well again. The
    admin port answers meanwhile."""
    admin = ("--admin-listen", "127.0.0.1:0")
    timeout = ("--worker-timeout-seconds", "6")
    async with (
        running(tmp_path, *SERVE, "--simulator", "--workers", "2", *admin, *timeout) as process,
        aiohttp.ClientSession() as http,
    ):
        await process.wait_for(READY)
        address = (await process.wait_for(r"admin port http://(127\.0\.0\.1:\d+)"))[1]

        async def ready(status: int) -> str:
            while True:
                async with http.get(f"http://{address}/readyz") as response:
                    if response.status == status:
                        return await response.text()
                await asyncio.sleep(0.05)

        victim = workers(process)[0]
        os.kill(victim, signal.SIGSTOP)
        async with asyncio.timeout(60):
            assert await ready(503) == "not ready: worker 1 of 2\n"
            assert alive(victim), "it is not ready before the worker is replaced"
            async with http.get(f"http://{address}/metrics") as response:
                assert response.status == 200
            await process.wait_for(r"worker 1 has not answered for \d+ s and is killed")
            await process.wait_for(r"worker 1 died \(ended by SIGKILL\)")
            assert await ready(200) == "ok\n"
        assert not alive(victim)
        await is_served(process)
        assert await process.end(signal.SIGTERM) == 0


async def test_a_stuck_worker_without_an_admin_port(tmp_path: Path) -> None:
    """It is replaced as well."""
    timeout = ("--worker-timeout-seconds", "6")
    async with running(tmp_path, *SERVE, "--simulator", "--workers", "2", *timeout) as process:
        await process.wait_for(READY)
        os.kill(workers(process)[1], signal.SIGSTOP)
        await eventually(lambda: len(workers(process)) == 3, "a new worker", 60)
        await eventually(functools.partial(more_serve, process, 2), "its start", 60)
        assert await process.end(signal.SIGTERM) == 0


async def test_a_stop_with_a_stuck_worker(tmp_path: Path) -> None:
    """A worker that does not go on does not hold up the stop for longer than it may be silent."""
    arguments = ("--workers", "2", "--worker-timeout-seconds", "6", "--grace-seconds", "600")
    async with running(tmp_path, *SERVE, "--simulator", *arguments) as process:
        await process.wait_for(READY)
        os.kill(workers(process)[0], signal.SIGSTOP)
        assert await process.end(signal.SIGTERM) == 0
        assert "worker 1 has not answered" in process.stderr


async def test_a_worker_that_is_killed_during_a_change(tmp_path: Path) -> None:
    """The audit log has the change that was under way, who made it and on what, and no end of it."""
    audit = tmp_path / "audit.log"
    async with Simulator() as simulator:
        simulator.faults.add(Fault.latency(60), operation=START_ID)
        arguments = ("--vcenter", simulator.url, "--workers", "2", "--log-audit-file", str(audit))
        async with running(tmp_path, *SERVE, *arguments) as process, channel_to(process) as channel:
            credentials = ("authorization", Basic(ADMINISTRATOR, PASSWORD).header)
            change = asyncio.ensure_future(call(channel, START, {"vm": "vm-1002"}, credentials))
            await eventually(lambda: simulator.record.of(START_ID), "the change")
            for pid in workers(process):
                os.kill(pid, signal.SIGKILL)
            assert await change == "UNAVAILABLE"
            [record] = [json.loads(line) for line in audit.read_text().splitlines()]
            assert record["event"] == "change_started"
            assert (record["rpc"], record["target"]) == (START, {"vm": "vm-1002"})
            assert record["identity"] == f"vcenter:{ADMINISTRATOR}"
            await eventually(functools.partial(more_serve, process, 2), "new workers", 60)


async def test_a_full_disk(tmp_path: Path) -> None:
    """What workers count takes no disk: with one that is full, every call is answered and counted."""
    if os.geteuid() != 0:
        pytest.skip("a file system of its own takes root")
    full = tmp_path / "full"
    full.mkdir()
    script = f'mount -t tmpfs -o size=64k tmpfs {full} && head -c 1M /dev/zero >{full}/file 2>/dev/null; exec "$@"'
    prefix = ("unshare", "--mount", "sh", "-c", script, "sh")
    arguments = ("--simulator", "--workers", "2", "--admin-listen", "127.0.0.1:0")
    variables = {"TMPDIR": str(full)}
    async with running(tmp_path, *SERVE, *arguments, prefix=prefix, variables=variables) as process:
        address = (await process.wait_for(r"admin port http://(127\.0\.0\.1:\d+)"))[1]
        await process.wait_for(READY)
        mounted = f"/proc/{process.process.pid}/root{full}/file"
        assert os.path.getsize(mounted) <= 64 * 1024, "the disk is full"  # noqa: PTH202, ASYNC240 - at once
        for _ in range(20):
            await is_served(process)
        metrics = await asyncio.to_thread(requests.get, f"http://{address}/metrics", timeout=20)
        assert 'grpc_code="OK",grpc_method="GetPower",grpc_service="vcenter.vm.v1.PowerService"} 20.0' in metrics.text
        assert len(workers(process)) == 2
        assert await process.end(signal.SIGTERM) == 0


@pytest.mark.parametrize("count", ["1", "2"])
async def test_nobody_reads_the_log(tmp_path: Path, count: str) -> None:
    """Where standard error is a pipe that nobody reads, calls and health go on, and the stop ends as well. Who reads at
    last finds out how many lines are missing."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, *SERVE, "--simulator", "--workers", count),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=writer,
    )
    os.close(writer)
    assert process.stdout is not None
    try:
        head = (await process.stdout.readline()).decode()
        found = re.search(READY, head)
        assert found, head
        async with grpc.aio.insecure_channel(found[1]) as channel:
            for _ in range(400):  # Many times what the pipe holds.
                assert "POWERED_ON" in str(await call(channel, READ, {"vm": "vm-1001"}))
            health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20)
            assert health.status == health_pb2.HealthCheckResponse.SERVING
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        os.close(reader)
