"""Programs in guests: what comes back of them, what ends them, and that nothing stays behind."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.access import Admission, AuditLog, parse_policy, passthrough
from gateway.server import ServerOptions
from gateway.server.streams import StreamLimits
from gateway.simulator import Fault
from tests.integration.guests import (
    LINUX,
    ROOT,
    RUN,
    WINDOWS,
    credentials,
    guest_of,
    ran,
    run,
    temporary,
    write_file,
)
from tests.integration.harness import Failure, System, eventually, running_system

PROCESSES = "com.vmware.vcenter.vm.guest.processes"
FILES = "com.vmware.vcenter.vm.guest.filesystem"


@pytest.fixture
async def system() -> AsyncIterator[System]:
    """A gateway in front of a simulated vCenter, in whose guests nothing of the gateway's is left at the end."""
    async with running_system() as running:
        yield running
        await eventually(lambda: not running.gateway.machines.endings, "all is put in order")
        assert temporary(running) == temporary(running, WINDOWS) == []


def removed(system: System) -> None:
    """Removes what the gateway has left."""
    guest = guest_of(system)
    for name in temporary(system):
        guest.files.remove(guest.accounts["root"], f"/tmp/{name}")  # noqa: S108


async def failed(stream: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        await stream.all()
    return caught.value


@pytest.mark.parametrize(
    ("command", "output", "error_output", "exit_code"),
    [
        pytest.param("hostname; whoami", b"web-0001\nroot\n", b"", 0, id="output"),
        pytest.param("cat /none; exit 3", b"", b"cat: File /none was not found\n", 3, id="error-output"),
        pytest.param("nonsense", b"", b"sh: nonsense: not found\n", 127, id="unknown-command"),
        pytest.param("echo 'a  b' \"it's\" > /tmp/x; cat /tmp/x; rm /tmp/x", b"a  b it's\n", b"", 0, id="quotes"),
        pytest.param("echo one\necho two", b"one\ntwo\n", b"", 0, id="lines"),
        pytest.param("true", b"", b"", 0, id="nothing"),
        pytest.param("df -h | head -1", b"Filesystem Size Used Available Mounted on\n", b"", 0, id="file-systems"),
        pytest.param("tail -1 /etc/hosts; tail -n1", b"127.0.1.1 web-0001\n", b"", 0, id="last-lines"),
    ],
)
async def test_a_command_line(system: System, command: str, output: bytes, error_output: bytes, exit_code: int) -> None:
    """The guest's shell carries a command line out; output, errors and exit code come back."""
    result = await ran(system, command)
    assert (result.output, result.error_output, result.exit_code) == (output, error_output, exit_code)
    assert int(result.started["pid"]) > 0
    assert result.exited["ended"] >= result.started["started"]
    assert "left_over" not in result.exited


async def test_a_program_with_arguments(system: System) -> None:
    """A program gets each argument as it is given, whatever it means to a shell."""
    arguments = ["a b", "$HOME", "it's", '"q"', ";", "&&", "*", ""]
    result = await ran(system, path="/bin/echo", arguments=arguments)
    assert result.output == b'a b $HOME it\'s "q" ; && * \n'


async def test_environment_directory_and_input(system: System) -> None:
    """A program has the variables beside those of the account, runs where it is to, and reads its input."""
    result = await ran(
        system,
        "pwd; env; cat",
        working_directory="/var/log",
        environment={"TOKEN": "a 'quoted' $value"},
        content=[b"first ", b"second"],
    )
    lines = result.output.split(b"\n")
    assert lines[0] == b"/var/log"
    assert b"TOKEN=a 'quoted' $value" in lines
    assert b"SHELL=/bin/sh" in lines
    assert lines[-1] == b"first second"


async def test_windows(system: System) -> None:
    """The shell of Windows does the same: a command line, variables, input, and the exit code."""
    result = await ran(
        system,
        'echo "a & b" & echo %TOKEN% & type & exit 5',
        vm=WINDOWS,
        environment={"TOKEN": "100%"},
        content=[b"in"],
    )
    assert result.output.split() == [b'"a', b"&", b'b"', b"100%", b"in"]
    assert result.exit_code == 5


async def test_a_program_of_windows(system: System) -> None:
    """A program of Windows gets its arguments, quotes and signs of the shell included."""
    write_file(system, "C:\\Windows\\System32\\echo.exe", b"MZ", WINDOWS)
    result = await ran(
        system, vm=WINDOWS, path="C:\\Windows\\System32\\echo.exe", arguments=["a b", "100%PATH%", "x&y", "^"]
    )
    assert result.output == b'"a b" 100%PATH% x&y ^\n'


async def test_output_comes_while_the_program_runs(system: System) -> None:
    """What a program writes is sent before it ends, and only once."""
    stream = run(system, "echo first; sleep 60; echo second >&2; sleep 60; exit 4")
    pid = (await stream.next())["started"]["pid"]
    assert base64.b64decode((await stream.next())["output"]) == b"first\n"
    assert guest_of(system).processes[int(pid)].finished is None
    system.clock.advance(60)
    assert base64.b64decode((await stream.next())["error_output"]) == b"second\n"
    system.clock.advance(60)
    [last] = await stream.all()
    assert last["exited"]["exit_code"] == "4"


async def test_large_output(system: System) -> None:
    """Output of any size comes whole, in pieces that a message can hold."""
    content = bytes(range(256)) * 8192
    write_file(system, "/root/large", content)
    messages = await run(system, "cat /root/large").all()
    pieces = [base64.b64decode(message["output"]) for message in messages if "output" in message]
    assert b"".join(pieces) == content
    assert max(map(len, pieces)) <= 1024 * 1024


async def test_secrets_are_not_on_the_command_line(system: System) -> None:
    """Neither the command nor variables can be read from the guest's list of processes."""
    stream = run(system, "echo s3cret-1; sleep 60", environment={"TOKEN": "s3cret-2"})
    await stream.next()
    assert not [process.command for process in guest_of(system).processes.values() if "s3cret" in process.command]
    system.clock.advance(60)
    await stream.all()


async def test_heartbeats(system: System) -> None:
    """A program that writes nothing has a stream that is alive."""
    stream = run(system, "sleep 600", heartbeat_interval="1s")
    await stream.until(lambda message: "heartbeat" in message)
    system.clock.advance(600)
    await stream.until(lambda message: "exited" in message)


# Limits


@pytest.mark.parametrize("limit", [5, 6], ids=["below", "at"])
async def test_the_limit_of_output(system: System, limit: int) -> None:
    """A program that writes more than allowed is stopped, and what was allowed has come."""
    stream = run(system, "echo 12345; sleep 600", max_output_bytes=str(limit))
    pid = int((await stream.next())["started"]["pid"])
    assert base64.b64decode((await stream.next())["output"]) == b"12345\n"[:limit]
    if limit == 6:
        system.clock.advance(600)
        await stream.all()
        return
    failure = await failed(stream)
    assert (failure.code, failure.reason) == ("RESOURCE_EXHAUSTED", "PROGRAM_OUTPUT_TOO_LARGE")
    assert failure.metadata["pid"] == str(pid)
    assert guest_of(system).processes[pid].exit_code == 143


@pytest.mark.parametrize("how", ["timeout", "deadline"])
async def test_the_limit_of_time(system: System, how: str) -> None:
    """A program that runs longer than allowed, or than its caller waits, is stopped."""
    if how == "timeout":
        stream = run(system, "sleep 600", timeout="1s")
    else:
        start = {"vm": LINUX, "credentials": ROOT, "shell_command": "sleep 600"}
        stream = system.client.talk(RUN, [{"start": start}], timeout=3.0)
    pid = int((await stream.next())["started"]["pid"])
    failure = await failed(stream)
    assert failure.code == "DEADLINE_EXCEEDED"
    if how == "timeout":
        assert failure.reason == "PROGRAM_TIMEOUT"
    await eventually(lambda: guest_of(system).processes[pid].exit_code == 143, "the program is stopped")
    await eventually(lambda: temporary(system) == [], "its files are removed")


@pytest.mark.parametrize(
    ("start", "field"),
    [
        pytest.param({}, "start.path", id="nothing-to-run"),
        pytest.param({"shell_command": "x", "arguments": ["y"]}, "start.arguments", id="arguments-of-a-command-line"),
        pytest.param({"shell_command": "x", "timeout": "0.5s"}, "start.timeout", id="short"),
        pytest.param({"shell_command": "x", "timeout": "86401s"}, "start.timeout", id="long"),
        pytest.param({"shell_command": "x", "max_output_bytes": "0"}, "start.max_output_bytes", id="no-output"),
        pytest.param(
            {"shell_command": "x", "max_output_bytes": str(1024**3 + 1)}, "start.max_output_bytes", id="large-output"
        ),
        pytest.param({"shell_command": "x", "heartbeat_interval": "0s"}, "heartbeat_interval", id="heartbeat"),
        pytest.param({"shell_command": "x", "environment": {"a-b": "1"}}, "start.environment", id="variable"),
        pytest.param({"path": "/bin/echo", "arguments": ["a\0b"]}, "start.arguments", id="argument"),
        pytest.param({"shell_command": "x", "vm": ""}, "start.vm", id="no-machine"),
        pytest.param({"shell_command": "x", "credentials": None}, "start.credentials", id="no-credentials"),
    ],
)
async def test_mistakes(system: System, start: dict[str, Any], field: str) -> None:
    """What is wrong in a request is said of the field."""
    given = {"vm": LINUX, "credentials": ROOT, **start}
    given = {name: value for name, value in given.items() if value is not None}
    failure = await failed(system.client.talk(RUN, [{"start": given}]))
    assert (failure.code, failure.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")
    assert [item["field"] for item in failure.details["google.rpc.BadRequest"]["field_violations"]] == [field]


START = {"start": {"vm": LINUX, "credentials": ROOT, "shell_command": "true"}}
MIB = base64.b64encode(bytes(1024 * 1024)).decode()


@pytest.mark.parametrize(
    ("requests", "field"),
    [
        pytest.param([{"input": "eA=="}], "start", id="input-first"),
        pytest.param([{}], "start", id="nothing-first"),
        pytest.param([START, START], "start", id="start-twice"),
        pytest.param([START, {"input": MIB}, {"input": "eA=="}], "input", id="too-much-input"),
    ],
)
async def test_requests_out_of_order(system: System, requests: Any, field: str) -> None:
    """The first message starts, and only the first; the rest is input, which has its limit."""
    failure = await failed(system.client.talk(RUN, requests))
    assert (failure.code, failure.reason) == ("INVALID_ARGUMENT", "REQUEST_INVALID")
    assert [item["field"] for item in failure.details["google.rpc.BadRequest"]["field_violations"]] == [field]


async def test_the_most_input(system: System) -> None:
    """Input of 1 MiB arrives."""
    result = await ran(system, "wc -c", content=[bytes(1024 * 512)] * 2)
    assert result.output == b"1048576\n"


# What vCenter and the guest refuse


async def test_the_guest_refuses_the_account(system: System) -> None:
    """The guest's refusal is the call's, and nothing of the password is told."""
    failure = await failed(run(system, "true", credentials=credentials("root", "wr0ng")))
    assert failure.code == "UNAUTHENTICATED"
    assert failure.message_ids == ("vmsg.InvalidGuestLogin.summary",)
    assert "wr0ng" not in repr(failure)


async def test_tools_that_do_not_run(system: System) -> None:
    """Without VMware Tools there are no operations in the guest."""
    guest_of(system).tools_installed = False
    failure = await failed(run(system, "true"))
    assert (failure.code, failure.reason) == ("UNAVAILABLE", "SERVICE_UNAVAILABLE")


async def test_a_machine_that_is_off(system: System) -> None:
    """A guest has to run."""
    failure = await failed(run(system, "true", vm="vm-1002", credentials=ROOT))
    assert (failure.code, failure.reason) == ("FAILED_PRECONDITION", "NOT_ALLOWED_IN_CURRENT_STATE")


async def test_no_such_directory(system: System) -> None:
    """vCenter's error about the working directory is the call's, with its details."""
    failure = await failed(run(system, "true", working_directory="/none"))
    assert failure.code == "INVALID_ARGUMENT"
    assert failure.details["vcenter.vm.guest.filesystem.v1.FileErrorDetails"]["file_path"] == "/none"


# Callers who leave


@pytest.mark.parametrize("stops", [False, True], ids=["goes-on", "stops"])
@pytest.mark.parametrize(
    ("vm", "command", "code"), [(LINUX, "sleep 600", 143), (WINDOWS, "ping -t localhost", 1)], ids=["linux", "windows"]
)
async def test_a_caller_who_leaves(system: System, vm: str, command: str, code: int, stops: bool) -> None:
    """The program goes on unless the caller wanted it stopped, with all that it started; its files are removed either
    way."""
    stream = run(system, command, vm=vm, stop_on_disconnect=stops)
    pid = int((await stream.next())["started"]["pid"])
    stream.cancel()
    await eventually(lambda: not system.gateway.machines.endings and not temporary(system, vm), "all is put in order")
    process = guest_of(system, vm).processes[pid]
    assert (process.finished is not None, process.exit_code) == (stops, code if stops else 0)
    # The guest's own programs end all processes: vCenter would end one.
    assert not system.simulator.record.of(f"{PROCESSES}.delete")


async def test_a_guest_that_cannot_stop_a_tree(system: System, log: io.StringIO) -> None:
    """The program alone is stopped where the guest starts no other one, and the log says what may go on."""
    stream = run(system, "sleep 600", stop_on_disconnect=True)
    pid = int((await stream.next())["started"]["pid"])
    guest_of(system).process_limit = 0
    stream.cancel()
    await eventually(lambda: guest_of(system).processes[pid].exit_code == 143, "the program is stopped")
    await eventually(lambda: not system.gateway.machines.endings, "all is put in order")
    assert "processes that a program in a guest has started may still run" in log.getvalue()


@pytest.mark.parametrize(("works", "ending"), [(True, "was stopped"), (False, "could not be stopped")])
async def test_a_limit_says_whether_the_program_was_stopped(system: System, works: bool, ending: str) -> None:
    """The error of a program that exceeds a limit says whether it still runs."""
    stream = run(system, "sleep 600", timeout="1s")
    pid = int((await stream.next())["started"]["pid"])
    if not works:
        for name in ("create", "delete"):
            system.simulator.faults.add(Fault.error("RESOURCE_BUSY"), operation=f"{PROCESSES}.{name}", times=None)
    failure = await failed(stream)
    assert (failure.reason, ending in failure.message) == ("PROGRAM_TIMEOUT", True)
    assert (guest_of(system).processes[pid].finished is not None) is works


async def test_a_program_that_does_not_stop(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    """vCenter ends the program where the guest's own way does not end it in time."""
    monkeypatch.setattr("gateway.live.guest_stops._SECONDS", 0.2)
    guest = guest_of(system)
    stream = run(system, "sleep 600", stop_on_disconnect=True)
    pid = int((await stream.next())["started"]["pid"])
    directory = temporary(system)[0]
    guest.files.remove(guest.accounts["root"], f"/tmp/{directory}/group")  # noqa: S108
    stream.cancel()
    await eventually(lambda: system.simulator.record.of(f"{PROCESSES}.delete"), "vCenter is asked")
    await eventually(lambda: guest_of(system).processes[pid].exit_code == 143, "the program is stopped")
    system.clock.advance(1)


@pytest.mark.parametrize(
    "operation",
    [
        f"{FILES}.directories.create_temporary",
        f"{FILES}.transfers.create",
        f"{PROCESSES}.create",
        f"{PROCESSES}.get",
        f"{FILES}.files.list",
    ],
)
async def test_a_caller_who_leaves_at_any_step(system: System, operation: str) -> None:
    """Whatever vCenter was about to do: no file stays behind, and no program that was to be stopped."""
    system.simulator.faults.add(Fault.latency(0.2), operation=operation)
    stream = run(system, "sleep 600", stop_on_disconnect=True)
    reading = asyncio.ensure_future(stream.all())
    await eventually(lambda: system.simulator.record.of(operation), "the step begins")
    stream.cancel()
    await asyncio.wait([reading])
    await eventually(lambda: not system.gateway.streams and not temporary(system), "all is put in order")
    await eventually(lambda: not system.gateway.machines.endings, "all is put in order")
    assert [process for process in guest_of(system).running() if process.managed] == []


# Trouble on the way


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        (f"{PROCESSES}.get", Fault.unavailable()),
        (f"{FILES}.files.list", Fault("reset_before")),
        (f"{FILES}.files.list", Fault("reset_after")),
        (f"{FILES}.directories.delete", Fault.unavailable()),
    ],
)
async def test_short_trouble(system: System, operation: str, fault: Fault) -> None:
    """A read that fails once is repeated, and so is the removal of files."""
    system.simulator.faults.add(fault, operation=operation)
    result = await ran(system, "echo well")
    assert (result.output, "left_over" in result.exited) == (b"well\n", False)


async def test_output_that_breaks(system: System) -> None:
    """Output whose connection breaks in the middle is read on from there: none is lost, and none comes twice."""
    content = bytes(range(256)) * 2000
    write_file(system, "/root/large", content)
    transfers = f"{FILES}.transfers.create"
    stream = run(system, "sleep 60; cat /root/large")
    await stream.next()
    before = len(system.simulator.record.of(transfers))
    system.simulator.faults.add(Fault.latency(0.2), operation=transfers)
    system.clock.advance(60)
    reading = asyncio.ensure_future(stream.all())
    await eventually(lambda: len(system.simulator.record.of(transfers)) > before, "the output is asked for")
    system.simulator.faults.add(Fault("cut_body"))
    messages = await reading
    assert b"".join(base64.b64decode(item["output"]) for item in messages if "output" in item) == content


async def test_a_start_whose_answer_is_lost(system: System) -> None:
    """Whether the program runs is not known, and said; the one that runs is stopped where that was asked for."""
    system.simulator.faults.add(Fault("reset_after"), operation=f"{PROCESSES}.create")
    failure = await failed(run(system, "sleep 600", stop_on_disconnect=True))
    assert (failure.code, failure.may_have_executed) == ("UNAVAILABLE", True)
    assert [process for process in guest_of(system).running() if process.managed] == []


async def test_files_that_cannot_be_removed(system: System, log: io.StringIO) -> None:
    """What stays in the guest is said at the end of the call, and in the log."""
    system.simulator.faults.add(Fault.unavailable(), operation=f"{FILES}.directories.delete", times=None)
    result = await ran(system, "echo well")
    [path] = result.exited["left_over"]
    assert [path.rpartition("/")[2]] == temporary(system)
    assert path in log.getvalue()
    removed(system)


async def test_tools_that_go_away(system: System) -> None:
    """Tools that stop while the program runs end the call, which says what it has left in the guest."""
    stream = run(system, "sleep 600")
    await stream.next()
    guest_of(system).tools_installed = False
    failure = await failed(stream)
    assert (failure.code, failure.reason) == ("UNAVAILABLE", "SERVICE_UNAVAILABLE")
    assert [failure.metadata["left_over"].rpartition("/")[2]] == temporary(system)
    removed(system)


async def test_a_lost_temporary_directory(system: System) -> None:
    """A directory whose name did not come is found by the begin of its name, and removed; no program has run."""
    system.simulator.faults.add(Fault("reset_after"), operation=f"{FILES}.directories.create_temporary")
    failure = await failed(run(system, "true"))
    assert (failure.code, failure.may_have_executed, "left_over" in failure.metadata) == ("UNAVAILABLE", False, False)
    assert temporary(system) == []


async def test_a_lost_temporary_directory_that_is_not_found(system: System, log: io.StringIO) -> None:
    """Where it cannot be found, the begin of its name is told."""
    system.simulator.faults.add(Fault("reset_after"), operation=f"{FILES}.directories.create_temporary", times=None)
    failure = await failed(run(system, "true"))
    begin = failure.metadata["left_over"].rstrip("*")
    assert begin in log.getvalue()
    assert len([name for name in temporary(system) if name.startswith(begin)]) == 2
    removed(system)


@pytest.mark.parametrize(
    ("operation", "has_run"),
    [
        (f"{FILES}.transfers.create", False),
        (f"{PROCESSES}.create", True),
        (f"{PROCESSES}.get", True),
        (f"{FILES}.files.list", True),
    ],
)
async def test_whether_a_program_has_run(system: System, operation: str, has_run: bool) -> None:
    """A failure says whether the program may have run, and as which process."""
    kind = "reset_before" if operation.endswith("create") else "error"
    arguments = {} if kind == "reset_before" else {"error_type": "INTERNAL_SERVER_ERROR"}
    system.simulator.faults.add(Fault.of(kind, arguments), operation=operation)
    failure = await failed(run(system, "true"))
    assert (failure.may_have_executed, "pid" in failure.metadata) == (has_run, kind == "error")


async def test_the_gateway_stops() -> None:
    """A stop ends the stream while other replicas serve, and removes the files before vCenter is left."""
    async with running_system() as system:
        stream = run(system, "sleep 600", stop_on_disconnect=True)
        pid = int((await stream.next())["started"]["pid"])
        stopping = asyncio.ensure_future(system.gateway.stop())
        failure = await failed(stream)
        await stopping
        assert (failure.code, failure.reason) == ("UNAVAILABLE", "GATEWAY_STOPPING")
        assert temporary(system) == []
        assert guest_of(system).processes[pid].exit_code == 143


# Who may, and what is told


async def test_policy_and_audit() -> None:
    """A policy decides by the machine of the first message; the audit log tells it, and nothing secret."""
    records: list[Any] = []
    policy = parse_policy(
        b'rules: [{identities: ["*"], rpcs: ["vcenter.gateway.v1.GuestService/*"], machines: ["vm-1001"]}]'
    )
    admission = Admission(passthrough(), lambda: policy)
    async with running_system(admission=admission, audit=AuditLog(records.append)) as system:
        await ran(system, "echo s3cret")
        failure = await failed(run(system, "true", vm=WINDOWS))
        nothing = await failed(system.client.talk(RUN, [{"input": "eA=="}]))
    assert (failure.reason, nothing.reason) == ("POLICY_DENIED", "POLICY_DENIED")
    told = [(record["event"], record["target"], record.get("code")) for record in records]
    assert told == [
        ("change_started", {"vm": LINUX}, None),
        ("change_ended", {"vm": LINUX}, "OK"),
        ("change_refused", {"vm": WINDOWS}, "PERMISSION_DENIED"),
        ("change_refused", {}, "PERMISSION_DENIED"),
    ]
    assert "s3cret" not in repr(records)


async def test_a_policy_that_changes() -> None:
    """A stream ends soon after its caller may no longer have it, and the program with it."""
    policies = [parse_policy(b'rules: [{identities: ["*"], rpcs: ["*"]}]')]
    admission = Admission(passthrough(), lambda: policies[-1])
    server = ServerOptions("127.0.0.1:0", streams=StreamLimits(check_seconds=0.05))
    async with running_system(admission=admission, server=server) as system:
        stream = run(system, "sleep 600", stop_on_disconnect=True)
        pid = int((await stream.next())["started"]["pid"])
        policies.append(parse_policy(b"rules: []"))
        failure = await failed(stream)
        assert failure.reason == "POLICY_DENIED"
        await eventually(lambda: guest_of(system).processes[pid].exit_code == 143, "the program is stopped")
        await eventually(lambda: temporary(system) == [], "its files are removed")


async def test_nothing_secret_is_logged(system: System, log: io.StringIO) -> None:
    """Commands, variables, input and passwords are in no line of the log."""
    await ran(system, "cat; exit 1", environment={"A": "s3cret-a"}, content=[b"s3cret-b"])
    assert "s3cret" not in log.getvalue()
    assert ROOT["password"] not in log.getvalue()


async def test_a_caller_who_sends_slowly(system: System) -> None:
    """A program starts when its input has come."""
    going_on = asyncio.Event()

    async def requests() -> AsyncIterator[Any]:
        yield {"start": {"vm": LINUX, "credentials": ROOT, "shell_command": "cat"}}
        yield {"input": base64.b64encode(b"one ").decode()}
        await going_on.wait()
        yield {"input": base64.b64encode(b"two").decode()}

    stream = system.client.talk(RUN, requests())
    reading = asyncio.ensure_future(stream.all())
    await eventually(lambda: len(system.gateway.streams) == 1, "the stream is open")
    assert temporary(system) == []
    going_on.set()
    messages = await reading
    assert b"".join(base64.b64decode(item["output"]) for item in messages if "output" in item) == b"one two"
