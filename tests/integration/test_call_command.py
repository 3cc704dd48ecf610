"""The command `call` beyond one call: names, many requests, tasks, formats, contexts; processes of their own."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import shlex
import signal
import subprocess
import termios
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.cli.output import Exit
from gateway.simulator import Fault
from tests.integration.cases import ADMINISTRATOR
from tests.integration.guests import ROOT
from tests.integration.harness import PASSWORD, START, START_ID, System, eventually, running_system
from tests.integration.processes import COMMAND, Ended, Screen, run, running
from tests.integration.service_account import TOKEN, guarded, service_settings
from tests.integration.test_watch_tasks import pass_time

CLONE = "vcenter.v1.VmService/CloneVmTask"
GET_ID, GET_POWER_ID = "com.vmware.vcenter.VM.get", "com.vmware.vcenter.vm.power.get"
IDENTITY = ("--user", ADMINISTRATOR)
ENVIRONMENT = {"VCENTER_PASSWORD": PASSWORD}


@pytest.fixture
async def system() -> AsyncIterator[System]:
    """A gateway in front of a simulator whose clock stands still."""
    async with running_system() as found:
        yield found


def called(system: System, *arguments: str) -> tuple[str, ...]:
    """The command line that calls a gateway."""
    return ("call", "--target", system.address, *IDENTITY, *arguments)


async def call(system: System, *arguments: str, stdin: str = "", variables: Mapping[str, str] | None = None) -> Ended:
    return await run(*called(system, *arguments), stdin=stdin, password=PASSWORD, variables=variables)


def lines_of(ended: Ended) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ended.stdout.splitlines()]


async def test_names(system: System) -> None:
    """A name does where an identifier is expected, and an identifier does too."""
    for text in ("web-0001", "vm-1001"):
        ended = await call(system, "GetVm", "--vm", text, "-o", "yaml")
        assert (ended.code, ended.stderr) == (Exit.OK, "")
        assert yaml.safe_load(ended.stdout)["vm"]["name"] == "web-0001"
    ended = await call(system, "ListVms", "--host", "esx-10.vsphere.local", "-o", "name")
    listed = await call(system, "ListVms", '{"hosts": ["host-10"]}', "-o", "name")
    assert ended.stdout == listed.stdout
    assert ended.stdout.startswith("vm-")


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [
        pytest.param(
            ("GetVm", "--vm", "web-001"),
            ("no VirtualMachine", "did you mean", "vm-1001 (web-0001"),
            id="unknown",
        ),
        pytest.param(
            ("ListVms", "--folder", "vm"),
            ("of several: ", "group-v4 (vm, VIRTUAL_MACHINE)", "group-v22 ("),
            id="several",
        ),
        pytest.param(("ListVms", "--datastore", "x"), ("No such option",), id="no-such-identifier"),
        pytest.param(("GetVm", "vm: vm-1001", "--vm", "vm-1002"), ("is in the request already",), id="twice"),
    ],
)
async def test_names_that_do_not_do(system: System, arguments: tuple[str, ...], texts: tuple[str, ...]) -> None:
    """A name that nothing has, or that several have, is refused with candidates; the rpc is not called."""
    ended = await call(system, *arguments)
    assert ended.code == Exit.USAGE
    assert [text for text in texts if text not in ended.words] == []


async def test_a_name_that_is_another_s_identifier(system: System) -> None:
    """Where one machine has the name and another one the identifier, nothing is guessed."""
    await system.client.call("vcenter.gateway.v1.VmSettingsService/RenameVm", {"vm": "vm-1002", "name": "vm-1001"})
    ended = await call(system, "GetVm", "--vm", "vm-1001")
    assert (ended.code, "the name of several" in ended.words) == (Exit.USAGE, True)


async def test_names_without_the_right_to_list(tmp_path: Path) -> None:
    """A caller who may not list machines can name one by its identifier, and is told why by name not."""
    policy = tmp_path / "policy.yaml"
    policy.write_text('rules: [{identities: [ci], rpcs: ["*/GetPower"]}]')
    token = tmp_path / "token"
    token.write_text(TOKEN)
    async with guarded(service_settings(tmp_path, policy_file=str(policy))) as system:
        ended = await run("call", "--target", system.address, "--token-file", str(token), "GetPower", "--vm", "vm-1001")
    assert (ended.code, "names cannot be looked up (PERMISSION_DENIED)" in ended.stderr) == (Exit.OK, True)
    assert json.loads(ended.stdout)["power"]


async def test_names_of_a_caller_with_few_machines(tmp_path: Path) -> None:
    """Where the policy limits the machines, one of them can be named by its identifier without a word about it."""
    policy = tmp_path / "policy.yaml"
    policy.write_text('rules: [{identities: [ci], rpcs: ["*"], machines: [vm-1001]}]')
    token = tmp_path / "token"
    token.write_text(TOKEN)
    async with guarded(service_settings(tmp_path, policy_file=str(policy))) as system:
        ended = await run("call", "--target", system.address, "--token-file", str(token), "GetPower", "--vm", "vm-1001")
    assert (ended.code, ended.stderr) == (Exit.OK, "")


async def test_names_in_other_commands(system: System) -> None:
    """`watch` and `exec` take names as well."""
    watched = run("watch", "events", "--vm", "web-001", "--target", system.address, *IDENTITY, password=PASSWORD)
    arguments = ("exec", "web-001", "--guest-user", "root", "--target", system.address, *IDENTITY, "--", "true")
    executed = run(*arguments, password=PASSWORD, variables={"VCENTER_GUEST_PASSWORD": "x"})
    for ended in await asyncio.gather(watched, executed):
        assert (ended.code, "did you mean" in ended.words) == (Exit.USAGE, True)


async def test_what_to_do_about_errors(system: System) -> None:
    """What goes wrong in the first minutes comes with what to do about it: no credentials, the address of something
    else than a gateway, a deadline that is too short."""
    place = system.simulator.url.removeprefix("http://")
    missing, other, late, late_change = await asyncio.gather(
        run("call", "--target", system.address, "ListVms"),
        run("call", "--target", place, "ListVms"),
        call(system, "ListVms", "--deadline", "0.000001"),
        call(system, START, "vm: vm-1002", "--deadline", "0.000001"),
    )
    assert (missing.code, "hint: give --user NAME or --token-file FILE" in missing.words) == (Exit.IDENTITY, True)
    assert (other.code, f"{place} speaks HTTP but not gRPC" in other.words) == (Exit.UNREACHABLE, True)
    assert (late.code, late.words.partition("hint: ")[2]) == (Exit.TIMEOUT, "--deadline SECONDS allows more time")
    assert (late_change.code, "may have been executed" in late_change.words) == (Exit.TIMEOUT, True)


async def test_many_requests(system: System) -> None:
    """Each line is a call over one connection; answers come in order, also of those that fail."""
    requests = '{"vm": "vm-1001"}\n{"vm": "vm-1"}\n\n{"vm": 1}\n{"vm": "vm-1002"}\n'
    ended = await call(system, "GetPower", "--lines", stdin=requests)
    answers = lines_of(ended)
    assert ended.code == Exit.SOME_FAILED
    assert [next(iter(answer)) for answer in answers] == ["power", "error", "error", "power"]
    assert [(answer["line"], answer["error"]["code"]) for answer in answers[1:3]] == [
        (2, "NOT_FOUND"),
        (4, "INVALID_ARGUMENT"),
    ]
    assert ended.stderr.splitlines()[-1] == "2 of 4 requests failed"
    peers = {call.call.caller.peer for call in system.calls if call.call is not None}
    assert len(peers) == 1


async def test_many_requests_of_a_file(system: System, tmp_path: Path) -> None:
    """A file of lines is known by its name, and flags for identifiers go into each request."""
    path = tmp_path / "requests.jsonl"
    path.write_text('{"cdrom": "16000"}\n{"cdrom": "3000"}\n')
    ended = await call(system, "GetCdrom", str(path), "--vm", "web-0001", "-o", "table")
    assert (ended.code, ended.stderr) == (Exit.OK, "")
    assert ended.stdout.count("label") == 2


async def test_many_requests_that_all_fail_the_same_way(tmp_path: Path) -> None:
    """Where every request would fail for the same reason, the first one is the last."""
    path = tmp_path / "requests.jsonl"
    path.write_text('{"vm": "vm-1001"}\n' * 3)
    ended = await run("call", "--target", "127.0.0.1:1", "GetPower", str(path))
    assert (ended.code, len(lines_of(ended))) == (Exit.UNREACHABLE, 1)
    assert "stopped at line 1; 0 requests were answered" in ended.stderr


async def test_ctrl_c_of_many_requests(system: System, tmp_path: Path) -> None:
    """Ctrl-C says how many requests were answered, and which one may have been executed."""
    path = tmp_path / "requests.jsonl"
    path.write_text('{"vm": "vm-1001"}\n{"vm": "vm-1002"}\n')
    system.simulator.faults.add(Fault("hang"), operation=START_ID)
    async with running(tmp_path, *called(system, START, str(path)), variables=ENVIRONMENT) as process:
        await eventually(lambda: system.simulator.record.of(START_ID), "the first request", 30)
        assert await process.end(signal.SIGINT) == Exit.INTERRUPTED
        assert "\n0 requests were answered, 0 failed\nline 1 may have been executed\n" in process.stderr


@pytest.mark.parametrize(
    ("rpc", "arguments", "at_a_time"),
    [
        pytest.param("GetPower", (), 8, id="reads"),
        pytest.param("GetPower", ("-P", "3"), 3, id="fewer reads"),
        pytest.param(START, ("--parallel", "5"), 5, id="changes"),
    ],
)
async def test_calls_at_a_time(
    system: System, tmp_path: Path, rpc: str, arguments: tuple[str, ...], at_a_time: int
) -> None:
    """After the first one, so many calls are made at a time. Ctrl-C ends them, and names the changes that may have been
    executed."""
    path = tmp_path / "requests.jsonl"
    path.write_text('{"vm": "vm-1002"}\n' * 40)
    operation = START_ID if rpc == START else GET_POWER_ID
    system.simulator.faults.add(Fault.error("NOT_FOUND"), operation=operation)
    system.simulator.faults.add(Fault("hang"), operation=operation, times=None)
    calls = lambda: system.simulator.record.of(operation)  # noqa: E731
    async with running(tmp_path, *called(system, rpc, str(path), *arguments), variables=ENVIRONMENT) as process:
        await eventually(lambda: len(calls()) == 1 + at_a_time, "the calls", 30)
        assert await process.end(signal.SIGINT) == Exit.INTERRUPTED
        assert json.loads(process.stdout)["line"] == 1
        *_, counts = [line for line in process.stderr.splitlines() if "were answered" in line]
        assert counts == "0 requests were answered, 1 failed"
        lost = [line for line in process.stderr.splitlines() if line.endswith("may have been executed")]
        assert lost == [f"line {2 + number} may have been executed" for number in range(at_a_time) if rpc == START]
    assert len(calls()) == 1 + at_a_time


async def test_order_of_answers(system: System, tmp_path: Path) -> None:
    """Answers have the order of the requests, whichever comes first, with what the gateway says beside each."""
    vms = [f"vm-{number}" for number in range(1001, 1020)]
    path = tmp_path / "requests.jsonl"
    path.write_text("".join(f'{{"vm": "{vm}"}}\n' for vm in vms))
    for seconds in (0.4, 0.1, 0.3, 0.2):
        system.simulator.faults.add(Fault.latency(seconds), operation=GET_ID, times=1)
    ended = await call(system, "GetVm", str(path), "-v", "--parallel", "19")
    assert ended.code == Exit.OK, ended.stderr
    listed = {vm["vm"]: vm["name"] for vm in json.loads((await call(system, "ListVms")).stdout)["vms"]}
    assert [answer["vm"]["name"] for answer in lines_of(ended)] == [listed[vm] for vm in vms]
    assert ended.stderr.count("x-request-id: ") == len(vms)


async def test_tasks_of_many_requests(system: System, tmp_path: Path) -> None:
    """With --wait, several tasks run at a time. Ctrl-C names those that still run, by the lines that started them."""
    path = tmp_path / "clones.jsonl"
    path.write_text("".join(f'{{"spec": {{"name": "copy-{number}"}}}}\n' for number in range(4)))
    arguments = called(system, CLONE, str(path), "--source", "web-0001", "--wait", "-P", "2")
    async with running(tmp_path, *arguments, variables=ENVIRONMENT) as process:
        await eventually(lambda: len(system.gateway.streams) == 1, "the first task", 30)
        pass_time(system, 3600)
        await eventually(lambda: process.stdout and len(system.gateway.streams) == 2, "two further tasks", 30)
        assert await process.end(signal.SIGINT) == Exit.INTERRUPTED
        assert json.loads(process.stdout)["status"] == "TASK_STATUS_SUCCEEDED"
        assert re.findall(r"^line (\d): the task \S+ still runs$", process.stderr, re.MULTILINE) == ["2", "3"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        pytest.param(("GetVm", "vm: vm-1001", "-P", "2"), "--parallel is for many requests: give --lines", id="one"),
        pytest.param(("WatchGateway", "--lines", "-P", "2"), "streams, so its calls are made one after", id="stream"),
        pytest.param(("GetVm", "--lines", "-P", "0"), "0 is not in the range 1<=x<=64", id="below"),
        pytest.param(("GetVm", "--lines", "-P", "65"), "65 is not in the range 1<=x<=64", id="above"),
    ],
)
async def test_wrong_use_of_parallel(arguments: tuple[str, ...], text: str) -> None:
    """What cannot be done in parallel is refused before anything is called."""
    ended = await run("call", *arguments)
    assert (ended.code, text in ended.words) == (Exit.USAGE, True), ended.words


@pytest.mark.parametrize("most", ["1", "64"])
async def test_parallel_calls_of_a_vcenter(system: System, tmp_path: Path, most: str) -> None:
    """Without a gateway, the calls share one session."""
    path = tmp_path / "requests.jsonl"
    path.write_text('{"vm": "vm-1001"}\n' * 100)
    arguments = ("--vcenter", system.simulator.url, *IDENTITY, "-P", most, "-o", "name")
    ended = await run("call", "GetPower", str(path), *arguments, password=PASSWORD)
    assert (ended.code, ended.stderr) == (Exit.OK, "")
    logins = [call for call in system.simulator.record if (call.method, call.target) == ("POST", "/api/session")]
    assert len(logins) == 1
    assert len(system.simulator.record.of(GET_POWER_ID)) == 100


async def test_requests_of_a_pipe_that_is_silent(system: System) -> None:
    """Each request is answered when it comes, though the pipe stays open."""
    process = await asyncio.create_subprocess_exec(
        *COMMAND,
        *called(system, "GetPower", "--lines"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **ENVIRONMENT},
    )
    assert process.stdin
    assert process.stdout
    for vm in ("vm-1001", "vm-1002"):
        process.stdin.write(f'{{"vm": "{vm}"}}\n'.encode())
        async with asyncio.timeout(30):
            assert "power" in json.loads(await process.stdout.readline())
    process.stdin.close()
    assert await process.wait() == Exit.OK


async def test_a_hopeless_request_of_a_pipe_that_is_silent() -> None:
    """Where every request would fail, the command ends without waiting for another one."""
    process = await asyncio.create_subprocess_exec(
        *(*COMMAND, "call", "--target", "127.0.0.1:1", "GetPower", "--lines"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin
    assert process.stderr
    process.stdin.write(b'{"vm": "vm-1001"}\n')
    async with asyncio.timeout(30):
        text = await process.stderr.read()
        assert await process.wait() == Exit.UNREACHABLE
    assert text.decode().splitlines()[-1] == "stopped at line 1; 0 requests were answered"


async def test_requests_that_stream(system: System) -> None:
    """The lines are the requests of one call where the rpc streams its requests."""
    start = {"vm": "vm-1001", "credentials": ROOT, "shell_command": "cat"}
    requests = json.dumps({"start": start}) + '\n{"input": "aGVsbG8="}\n'
    process = asyncio.create_task(call(system, "RunProgram", "--lines", "-", stdin=requests))
    while not process.done():
        pass_time(system, 1)
        await asyncio.sleep(0.05)
    ended = await process
    assert ended.code == Exit.OK, ended.stderr
    assert any(line.get("output") == "aGVsbG8=" for line in lines_of(ended))
    wrong = await call(system, "RunProgram", "--lines", "-", stdin='{"start": 1}\n')
    assert (wrong.code, "start must be an object" in wrong.words) == (Exit.USAGE, True)


async def test_a_task_to_its_end(system: System, tmp_path: Path) -> None:
    """--wait tells how far the task is, and prints its final state."""
    arguments = called(system, CLONE, '{"spec": {"name": "copy"}}', "--source", "web-0001", "--wait")
    async with running(tmp_path, *arguments, variables=ENVIRONMENT) as process:
        await process.wait_for(r"task \S+: running")
        pass_time(system, 3600)
        assert await process.end() == Exit.OK
        assert json.loads(process.stdout)["status"] == "TASK_STATUS_SUCCEEDED"
        assert process.stderr.splitlines()[-1].endswith("succeeded 100%")


async def test_a_task_that_fails(system: System, tmp_path: Path) -> None:
    """A task that fails ends the command with the task's own error."""
    await system.client.call(CLONE, {"spec": {"name": "copy", "source": "vm-1001"}})
    arguments = called(system, CLONE, '{"spec": {"name": "copy"}}', "--source", "web-0001", "--wait", "--json")
    async with running(tmp_path, *arguments, variables=ENVIRONMENT) as process:
        await process.wait_for(r"task \S+: ")
        pass_time(system, 3600)
        assert await process.end() == Exit.FAILED
        assert json.loads(process.stdout)["error"]["code"] == "ALREADY_EXISTS"


async def test_ctrl_c_while_a_task_runs(system: System, tmp_path: Path) -> None:
    """Ctrl-C leaves the task running, and says which one it is and how to go on: with the same gateway and caller."""
    arguments = called(system, CLONE, '{"spec": {"name": "copy"}}', "--source", "web-0001", "--wait")
    async with running(tmp_path, *arguments, variables=ENVIRONMENT) as process:
        task = (await process.wait_for(r"task (\S+): running"))[1]
        assert await process.end(signal.SIGINT) == Exit.INTERRUPTED
        assert f"the task {task} still runs" in process.stderr
        way = f"--target {system.address} {shlex.join(IDENTITY)}"
        assert f"  follow it: vcenter-gateway watch task {task} {way}\n" in process.stderr
        assert f"--task {task} {way}\n" in process.stderr
    state = await system.client.call("cis.v1.TaskService/GetTask", {"task": task})
    assert state["task"]["status"].endswith("RUNNING")


async def test_wait_without_a_task(system: System) -> None:
    """Waiting is refused where there is nothing to wait for, before the call is made."""
    ended = await call(system, "CloneVm", '{"spec": {"name": "copy", "source": "vm-1001"}}', "--wait")
    assert (ended.code, "CloneVmTask starts it as a task" in ended.words) == (Exit.USAGE, True)
    assert system.calls == []


async def test_progress_on_a_terminal(system: System) -> None:
    """On a terminal a task has a bar, which is gone when the task has ended."""
    reader, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (12, 100))
    arguments = called(system, CLONE, '{"spec": {"name": "copy"}}', "--source", "web-0001", "--wait", "-o", "name")
    environment = {"PATH": os.environ["PATH"], "TERM": "xterm", "XDG_CONFIG_HOME": "/nonexistent", **ENVIRONMENT}
    process = subprocess.Popen(  # noqa: ASYNC220 - it returns when the process has begun
        [*COMMAND, *arguments],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
        start_new_session=True,
    )
    os.close(terminal)
    shown = Screen(reader)
    try:
        await shown.has(r"\[\.+\] +0% running 0:0\d task ")
        pass_time(system, 3600)
        assert await asyncio.to_thread(process.wait, 30) == Exit.OK
        await shown.has(r"\r\x1b\[K[0-9a-f-]+:com\.vmware")
    finally:
        process.kill()
        process.wait()
        os.close(reader)


async def test_contexts(system: System, tmp_path: Path) -> None:
    """A context stands for server and caller in each command; another server gets nothing of it."""
    variables = {"XDG_CONFIG_HOME": str(tmp_path), "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    arguments = ("context", "add", "lab", "--target", system.address, *IDENTITY)
    added = await run(*arguments, stdin=f"{PASSWORD}\n", variables=variables)
    assert (added.code, PASSWORD in added.stdout + added.stderr) == (Exit.OK, False)
    ended, checked, other = await asyncio.gather(
        run("call", "GetPower", "--vm", "web-0001", variables=variables),
        run("check", variables=variables),
        run(
            "call",
            "--target",
            system.address.replace("127.0.0.1", "localhost"),
            "GetPower",
            "vm: vm-1001",
            variables=variables,
        ),
    )
    assert (ended.code, ended.stderr) == (Exit.OK, "")
    assert (checked.code, "The gateway can be used." in checked.stdout) == (Exit.OK, True)
    assert (other.code, "CREDENTIALS_MISSING" in other.words) == (Exit.IDENTITY, True)
    await run("context", "add", "bad", "--target", system.address, *IDENTITY, stdin="wrong\n", variables=variables)
    refused = await run("check", "--context", "bad", variables=variables)
    assert (refused.code, "gateway failed." in refused.stdout) == (Exit.IDENTITY, True), refused.stdout
    assert "wrong" not in refused.words.replace("wrong password", "")


async def test_a_context_of_a_vcenter(system: System, tmp_path: Path) -> None:
    """A context may be a vCenter, which `call` and `check` reach without a gateway."""
    variables = {"XDG_CONFIG_HOME": str(tmp_path), "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring"}
    arguments = ("context", "add", "vc", "--vcenter", system.simulator.url, *IDENTITY)
    await run(*arguments, stdin=f"{PASSWORD}\n", variables=variables)
    ended, checked = await asyncio.gather(
        run("call", "GetVm", "--vm", "web-0001", "-o", "table", variables=variables), run("check", variables=variables)
    )
    assert (ended.code, "web-0001" in ended.stdout) == (Exit.OK, True)
    assert (checked.code, "logged in" in checked.stdout) == (Exit.OK, True)
    assert system.calls == []


@pytest.mark.parametrize(
    ("target", "code", "texts"),
    [
        pytest.param("gateway.invalid:1", Exit.UNREACHABLE, ("FAILED DNS", "spelling of --target"), id="name"),
        pytest.param("127.0.0.1:1", Exit.UNREACHABLE, ("FAILED TCP", "Check that the gateway runs"), id="port"),
        pytest.param("vcenter", Exit.FAILED, ("FAILED gateway",), id="no-gateway"),
        pytest.param("gw", Exit.USAGE, ("--target takes HOST:PORT",), id="address"),
    ],
)
async def test_check_of_a_gateway(system: System, target: str, code: Exit, texts: tuple[str, ...]) -> None:
    """`check --target` says what is wrong with the way to a gateway, and what to do."""
    port = system.simulator.url.rpartition(":")[2]
    ended = await run("check", "--target", f"127.0.0.1:{port}" if target == "vcenter" else target, "--plaintext")
    assert ended.code in (code, Exit.UNREACHABLE if target == "vcenter" else code)
    assert [text for text in texts if text not in ended.words] == []


async def test_a_stream_in_other_formats(system: System, tmp_path: Path) -> None:
    """Messages of a stream are printed as they come, in YAML one document each."""
    arguments = called(system, "WatchGateway", "-o", "yaml")
    async with running(tmp_path, *arguments, variables=ENVIRONMENT) as process:
        await process.wait_for("---\nstate:\n")
        assert await process.end(signal.SIGINT) == Exit.INTERRUPTED
