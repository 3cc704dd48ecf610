"""`serve` as a service manager sees it: signals, workers that come and go, and a log that holds no secret."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import re
import resource
import signal
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import requests

from gateway.calls import Basic
from gateway.configuration import load_settings
from gateway.contract import load_contract
from gateway.simulator import Simulator
from gateway.supervisor import WorkerTask
from gateway.transcoding import compile_bindings
from tests.integration.cases import ADMINISTRATOR
from tests.integration.certificates import Authority
from tests.integration.harness import PASSWORD, READ, READ_ID, START, eventually
from tests.integration.processes import Running, alive, run, running

BINDINGS = compile_bindings(load_contract())
SERVE = ("serve", "--listen", "127.0.0.1:0")
LIST_PROCESSES = "vcenter.vm.guest.v1.ProcessesService/ListProcesses"
READY = r"serves .* on (127\.0\.0\.1:\d+)\."


async def call(channel: grpc.aio.Channel, rpc: str, request: Any, *metadata: tuple[str, str]) -> Any:
    """Makes one call and returns the response, or the code that it ends in."""
    binding = BINDINGS[rpc]
    stub: Any = channel.unary_unary(
        f"/{rpc}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=binding.response_class.FromString,
    )
    try:
        return await stub(binding.request_class(**request), metadata=metadata, timeout=20)
    except grpc.aio.AioRpcError as error:
        return error.code().name


@contextlib.asynccontextmanager
async def channel_to(process: Running) -> AsyncIterator[grpc.aio.Channel]:
    """A connection of its own to what a process serves."""
    address = (await process.wait_for(READY))[1]
    async with grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield channel


async def slow_call(process: Running, channel: grpc.aio.Channel, **fault: Any) -> asyncio.Task[Any]:
    """A call that has reached the process's simulator, where a fault delays it."""
    simulator = (await process.wait_for(r"serving (http://127\.0\.0\.1:\d+) on port"))[1]
    fault["operation"] = READ_ID
    await asyncio.to_thread(requests.post, f"{simulator}/simulator/faults", json=fault, timeout=10)
    task = asyncio.create_task(call(channel, READ, {"vm": "vm-1001"}))
    arrived: list[Any] = []
    while not arrived:
        answer = await asyncio.to_thread(requests.get, f"{simulator}/simulator/calls?operation={READ_ID}", timeout=10)
        arrived = answer.json()
    return task


def scheduling_policies(pid: int) -> list[int]:
    """Of each thread of a process."""
    policies = []
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):  # It has ended since.
            policies.append(os.sched_getscheduler(int(thread.name)))
    return policies


async def test_threads_do_not_interrupt_each_other(tmp_path: Path) -> None:
    """All threads of a serving process are scheduled in batches, those of gRPC and the event loop above all."""
    async with running(tmp_path, *SERVE, "--simulator") as process, channel_to(process) as channel:
        await call(channel, READ, {"vm": "vm-1001"})
        policies = scheduling_policies(process.process.pid)
        assert len(policies) > 2
        assert set(policies) == {os.SCHED_BATCH}


@pytest.mark.parametrize("count", ["1", "2"])
async def test_many_connections(tmp_path: Path, count: str) -> None:
    """A serving process opens as many connections as the system lets it, not only the few that are customary."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(200, allowed), most))
    try:
        async with running(tmp_path, *SERVE, "--simulator", "--workers", count) as process:
            await is_served(process)
            for pid in workers(process) or [process.process.pid]:
                assert resource.prlimit(pid, resource.RLIMIT_NOFILE) == (most, most)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, most))


@pytest.mark.parametrize("count", ["1", "2"])
async def test_a_host_that_is_not_known(count: str) -> None:
    """An address whose host nobody knows stops the start with a sentence that names it."""
    guard = ("--auth-mode", "service-account", "--auth-allow-anyone")
    ended = await run("serve", "--simulator", "--listen", "nobody.invalid:0", *guard, "--workers", count)
    assert ended.code == 1
    assert "error: cannot listen on nobody.invalid:0: " in ended.words


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_signals(tmp_path: Path, number: int) -> None:
    """Either signal ends serve in an orderly way: a call under way is answered, and the exit code is 0."""
    async with running(tmp_path, *SERVE, "--simulator") as process, channel_to(process) as channel:
        under_way = await slow_call(process, channel, kind="latency", seconds=1)
        assert await process.end(number) == 0
        assert "POWERED_ON" in str(await under_way)
        assert process.logs()[-1]["event"] == "stopped"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_a_second_signal(tmp_path: Path, number: int) -> None:
    """Who cannot wait sends the signal again: the process ends at once, whatever is under way."""
    async with running(tmp_path, *SERVE, "--simulator") as process, channel_to(process) as channel:
        under_way = await slow_call(process, channel, kind="hang")
        process.process.send_signal(number)
        await process.wait_for("stopping: calls in flight")
        assert await process.end(number) == -number
        assert await under_way == "UNAVAILABLE"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
async def test_a_second_signal_with_workers(tmp_path: Path, number: int) -> None:
    """Likewise with several workers, of which none is left behind, nor what they shared."""
    arguments = ("--simulator", "--workers", "2", "--admin-listen", "127.0.0.1:0")
    variables = {"TMPDIR": str(tmp_path)}
    async with (
        running(tmp_path, *SERVE, *arguments, variables=variables) as process,
        channel_to(process) as channel,
    ):
        under_way = await slow_call(process, channel, kind="hang")
        started = workers(process)
        process.process.send_signal(number)
        await process.wait_for("stopping: calls in flight")
        assert await process.end(number) == 1
        assert await under_way == "UNAVAILABLE"
        assert "a second signal arrived" in process.stderr
        assert not any(map(alive, started))
        assert left_in(tmp_path) == {"stdout", "stderr"}


def left_in(folder: Path) -> set[str]:
    """The names of what is there."""
    return {path.name for path in folder.iterdir()}


def workers(process: Running) -> list[int]:
    """The process ids of all workers that were started so far, in their order."""
    found = (re.match(r"worker \d+ started with process id (\d+)", line["event"]) for line in process.logs())
    return [int(match[1]) for match in found if match]


def more_serve(process: Running, than: int) -> bool:
    """Whether workers have come up since so many had."""
    return process.stderr.count("serving http") > than


async def is_served(process: Running) -> None:
    """Asserts that calls over a new connection are answered."""
    async with channel_to(process) as channel:
        assert "POWERED_ON" in str(await call(channel, READ, {"vm": "vm-1001"}))


async def test_workers(tmp_path: Path) -> None:
    """Several workers serve one port: when one is killed, the other serves alone until a new one is there; and all of
    them end together."""
    async with running(tmp_path, *SERVE, "--simulator", "--workers", "2") as process:
        await is_served(process)
        for place in (0, 1):
            serving = process.stderr.count("serving http")
            victim = workers(process)[place]
            os.kill(victim, signal.SIGKILL)
            await process.wait_for(rf"worker {place + 1} died \(ended by SIGKILL\)")
            await is_served(process)
            more = functools.partial(more_serve, process, serving)
            await eventually(more, "a new worker", 30)
        assert len(workers(process)) == 4
        await is_served(process)
        assert await process.end(signal.SIGTERM) == 0
        assert not any(map(alive, workers(process)))


async def test_a_signal_to_all_processes(tmp_path: Path) -> None:
    """A service manager may tell the supervisor and its workers at the same time: a call under way is answered."""
    async with running(tmp_path, *SERVE, "--simulator", "--workers", "2") as process, channel_to(process) as channel:
        under_way = await slow_call(process, channel, kind="latency", seconds=2)
        for worker in workers(process):
            os.kill(worker, signal.SIGTERM)
        assert await process.end(signal.SIGTERM) == 0
        assert "POWERED_ON" in str(await under_way)


async def test_workers_without_their_supervisor(tmp_path: Path) -> None:
    """When the supervisor is killed, no worker is left behind."""
    async with running(tmp_path, *SERVE, "--simulator", "--workers", "2") as process:
        await process.wait_for(READY)
        started = workers(process)
        assert len(started) == 2
        assert all(map(alive, started))
        assert await process.end(signal.SIGKILL) == -signal.SIGKILL
        await eventually(lambda: not any(map(alive, started)), "the end of the workers", 20)


async def test_the_log(tmp_path: Path) -> None:
    """Each line is JSON, each call has one with what people look for, and none has a secret, even at its most verbose:
    no password of vCenter's or of a guest's, in no form, and no session id."""
    guest = {"type": 1, "interactive_session": False, "user_name": "root", "password": "hunter2-guest"}
    good, wrong = Basic(ADMINISTRATOR, PASSWORD), Basic(ADMINISTRATOR, "hunter2-vcenter")
    async with Simulator() as simulator:
        own = simulator.sessions.login(ADMINISTRATOR, PASSWORD).identifier
        async with (
            running(tmp_path, *SERVE, "--vcenter", simulator.url, "--log-level", "debug") as process,
            channel_to(process) as channel,
        ):
            for rpc, request, *metadata in (
                (READ, {"vm": "vm-1001"}, ("authorization", good.header), ("x-request-id", "call-1")),
                (START, {"vm": "vm-1001"}, ("authorization", good.header)),
                (LIST_PROCESSES, {"vm": "vm-1001", "credentials": guest}, ("authorization", good.header)),
                (READ, {"vm": "vm-1001"}, ("authorization", wrong.header)),
                (READ, {"vm": "vm-1001"}, ("vmware-api-session-id", own)),
                (READ, {"vm": "vm-1001"}, ("vmware-api-session-id", f"{own}x")),
                (READ, {"vm": "vm-1001"}),
            ):
                await call(channel, rpc, request, *metadata)
            assert await process.end(signal.SIGTERM) == 0
        sessions = {call.headers.get("vmware-api-session-id", "") for call in simulator.record} - {""}
        assert simulator.sessions.counts()["open"] == 1
    lines = [line for line in process.logs() if line["event"] == "call"]
    assert [(line["rpc"], line["code"], line.get("reason")) for line in lines] == [
        (READ, "OK", None),
        (START, "FAILED_PRECONDITION", "ALREADY_IN_DESIRED_STATE"),
        (LIST_PROCESSES, "UNAUTHENTICATED", "UNAUTHENTICATED"),
        (READ, "UNAUTHENTICATED", "CREDENTIALS_REJECTED"),
        (READ, "OK", None),
        (READ, "UNAUTHENTICATED", "UNAUTHENTICATED"),
        (READ, "UNAUTHENTICATED", "CREDENTIALS_MISSING"),
    ]
    assert all(line["duration_ms"] > 0 and line["request_id"] and line["time"] for line in lines)
    assert lines[0]["request_id"] == "call-1"
    assert len(sessions) == 3, "the caller's own, its wrong one, and the gateway's"
    assert all(len(session) >= 32 for session in sessions)
    words = (PASSWORD, "hunter2", "hunter2-guest", "hunter2-vcenter")
    secrets = {*words, *sessions, *(b64encode(word.encode()).decode().rstrip("=") for word in words)}
    secrets |= {identity.header.removeprefix("Basic ") for identity in (good, wrong)}
    output = process.stdout + process.stderr
    assert [secret for secret in secrets if secret in output] == []


async def test_authorities_that_can_be_read_once() -> None:
    """A pipe, which cannot be read again when it is needed, is refused with a sentence that names it."""
    pem = Authority().certificate.decode()
    way = ("--vcenter", "https://127.0.0.1:9", "--vcenter-ca-file", "/dev/stdin")
    ended = await run(*SERVE, *way, stdin=pem)
    assert (ended.code, ended.stdout) == (2, "")
    assert "--vcenter-ca-file (flag): '/dev/stdin' is not valid (it is not a regular file)" in ended.stderr


async def test_authorities_that_break_before_a_worker_starts(tmp_path: Path) -> None:
    """A worker that takes the place of another one says in a sentence what is wrong with the file by now."""
    path = tmp_path / "authorities.pem"
    path.write_bytes(Authority().certificate)
    settings = load_settings({"vcenter": "https://127.0.0.1:9", "vcenter-ca-file": str(path)}, {})
    path.write_text("nothing")
    ended = await run("worker", stdin=WorkerTask(settings, None).to_json() + "\n")
    assert (ended.code, ended.stdout) == (1, "")
    assert re.fullmatch(
        r"error: the settings .*vcenter\.ca_file: .*contains no certificate in PEM format\n", ended.stderr
    )
