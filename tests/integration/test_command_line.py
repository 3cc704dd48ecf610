"""The commands `call` and `check` as scripts use them: processes of their own, with their outputs and exit codes."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import termios
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import requests

from gateway.cli.output import Exit
from gateway.printable import escaped
from tests.integration.cases import ADMINISTRATOR
from tests.integration.certificates import Authority
from tests.integration.harness import PASSWORD, READ, READ_ID, eventually
from tests.integration.processes import COMMAND, Running, run, running

CONNECT = "vcenter.vm.hardware.v1.CdromService/ConnectCdrom"
CDROM = '{"vm": "vm-1001", "cdrom": "16000"}'
VM = '{"vm": "vm-1001"}'
WATCH = "vcenter.gateway.v1.GatewayService/WatchGateway"


@dataclass(frozen=True, slots=True)
class Served:
    """A gateway with a simulator in it."""

    process: Running
    command: tuple[str, ...]
    """What it says should be typed to call it, from `call` to the last option."""
    simulator: str
    """Where its simulator listens."""

    def ended(self, rpc: str) -> list[dict[str, Any]]:
        """What the log says of the rpc's calls."""
        lines = [line for line in self.process.stderr.splitlines(keepends=True) if line.endswith("\n")]
        return [entry for line in lines if (entry := json.loads(line)).get("rpc") == rpc]

    async def fault(self, **fault: object) -> None:
        """Switches a fault of the simulator on."""
        answer = await asyncio.to_thread(requests.post, f"{self.simulator}/simulator/faults", json=fault, timeout=10)
        answer.raise_for_status()

    def has_got(self, request_id: str) -> bool:
        """Whether a call with this request id has come to the simulator."""
        calls = requests.get(f"{self.simulator}/simulator/calls", timeout=10).json()
        return any(call["request_id"] == request_id for call in calls)


@dataclass(frozen=True, slots=True)
class Simulated:
    """A simulated vCenter with TLS."""

    url: str
    certificate: str


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    folder = tmp_path_factory.mktemp("serve")
    async with running(folder, "serve", "--simulator", "--listen", "127.0.0.1:0") as process:
        printed = await process.wait_for(r"vcenter-gateway (call .*) vcenter\.v1\.VmService/ListVms '{}'")
        simulator = await process.wait_for(r"serving (http://127\.0\.0\.1:\d+) on port")
        yield Served(process, tuple(shlex.split(printed[1])), simulator[1])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def simulated(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Simulated]:
    folder = tmp_path_factory.mktemp("simulate")
    certificate = str(folder / "ca.pem")
    options = ("--tls", "--certificate", certificate, "--listen", "127.0.0.1:0")
    async with running(folder, "simulate", *options) as process:
        printed = await process.wait_for(r"on (https://127\.0\.0\.1:\d+): user (\S+), password (\S+)\n")
        assert (printed[2], printed[3]) == (ADMINISTRATOR, PASSWORD)
        yield Simulated(printed[1], certificate)


async def test_the_printed_command(served: Served) -> None:
    """What serve says should be typed prints the virtual machines of its simulator as JSON."""
    result = await run(*served.command, "vcenter.v1.VmService/ListVms", "{}")
    assert (result.code, result.stderr) == (Exit.OK, "")
    vms = json.loads(result.stdout)["vms"]
    assert len(vms) == 20
    assert vms[0]["vm"] == "vm-1001"
    assert vms[0]["power_state"] == "POWER_STATE_POWERED_ON"


async def test_both_spellings(served: Served) -> None:
    """A filter takes a value as answers show it, and as vCenter has it."""
    shown, spelt, other = await asyncio.gather(
        *(
            run(*served.command, "ListVms", json.dumps({"power_states": [state]}))
            for state in ("POWER_STATE_POWERED_ON", "POWERED_ON", "POWER_STATE_NONE")
        )
    )
    assert shown.code == spelt.code == Exit.OK
    assert {vm["power_state"] for vm in json.loads(shown.stdout)["vms"]} == {"POWER_STATE_POWERED_ON"}
    assert json.loads(shown.stdout) == json.loads(spelt.stdout)
    assert (other.code, other.stderr.splitlines()[0]) == (Exit.FAILED, "INVALID_ARGUMENT")


async def test_an_error_in_words(served: Served) -> None:
    """The second of two equal calls fails with all that vCenter says about it, on standard error."""
    first = await run(*served.command, CONNECT, CDROM)
    assert (first.code, json.loads(first.stdout), first.stderr) == (Exit.OK, {}, "")
    second, third = await asyncio.gather(
        run(*served.command, CONNECT, CDROM), run(*served.command, "--json", CONNECT, CDROM)
    )
    assert (second.code, second.stdout) == (Exit.FAILED, "")
    lines = second.stderr.splitlines()
    assert lines[0] == "FAILED_PRECONDITION ALREADY_IN_DESIRED_STATE"
    assert "com.vmware.api.vcenter.vm.device.already_connected" in second.stderr
    assert "POST /api/vcenter/vm/{vm}/hardware/cdrom/{cdrom}?action=connect (HTTP 400)" in second.stderr
    assert "may have been executed" not in second.stderr

    assert (third.code, third.stderr) == (Exit.FAILED, "")
    error = json.loads(third.stdout)["error"]
    assert (error["code"], error["reason"]) == ("FAILED_PRECONDITION", "ALREADY_IN_DESIRED_STATE")
    assert error["request_id"]
    vapi = next(detail for detail in error["details"] if detail["@type"] == "vapi.std.errors.v1.Error")
    assert vapi["messages"][0]["id"] == "com.vmware.api.vcenter.vm.device.already_connected"


async def test_where_a_request_comes_from(served: Served, tmp_path: Path) -> None:
    """A request may also come from standard input or from a file."""
    path = tmp_path / "request.json"
    path.write_text(VM, encoding="utf-8")
    results = await asyncio.gather(
        run(*served.command, READ, "-", stdin=VM),
        run(*served.command, READ, f"@{path}"),
        run(*served.command, READ, str(path)),
    )
    for result in results:
        assert (result.code, json.loads(result.stdout)) == (Exit.OK, {"power": {"state": "POWER_STATE_POWERED_ON"}})


async def test_exit_codes(served: Served) -> None:
    """Scripts can tell a wrong request, a gateway that is not there, a refused login and a timeout apart."""
    await served.fault(kind="hang", operation=READ_ID)
    wrong, incomplete, refused, late = await asyncio.gather(
        run(*served.command, READ, '{"vm": 1}'),
        run(*served.command, READ, "{}"),
        run(*served.command, "--user", ADMINISTRATOR, CONNECT, CDROM, password="wrong"),
        run(*served.command, "--deadline", "1", READ, VM),
    )
    assert (wrong.code, "vm must be a string" in wrong.words) == (Exit.USAGE, True)
    assert (incomplete.code, "REQUEST_INVALID vm is required" in incomplete.words) == (Exit.USAGE, True)
    assert (refused.code, "CREDENTIALS_REJECTED" in refused.words) == (Exit.IDENTITY, True)
    assert (late.code, "VCENTER_TIMEOUT" in late.words) == (Exit.TIMEOUT, True)
    assert "wrong" not in refused.words.replace("wrong password", "")


async def test_metadata(served: Served) -> None:
    """-H sends metadata, and -v shows the answer's: here those of a shared read, beside the answer."""
    options = ("-v", "-H", "Cache-Control: max-age=60", "-H", "x-request-id:by-hand")
    first = await run(*served.command, *options, READ, VM)
    second = await run(*served.command, *options, READ, VM)
    assert (first.code, first.stderr.splitlines()) == (Exit.OK, ["age: 0", "x-request-id: by-hand"])
    age = second.stderr.splitlines()[0]
    assert (second.code, json.loads(second.stdout)) == (Exit.OK, {"power": {"state": "POWER_STATE_POWERED_ON"}})
    assert 1 <= int(age.removeprefix("age: ")) <= 60


@pytest.mark.parametrize(
    ("rpc", "operation", "output"),
    [
        pytest.param(READ, READ_ID, "\ninterrupted\n", id="read"),
        pytest.param(
            "vcenter.vm.v1.PowerService/StartVm",
            "com.vmware.vcenter.vm.power.start",
            "\nthe call may have been executed: look at the state before you repeat it\n\ninterrupted\n",
            id="change",
        ),
    ],
)
async def test_ctrl_c(served: Served, tmp_path: Path, rpc: str, operation: str, output: str) -> None:
    """Ctrl-C ends a call with the exit code that shells give it, and says what is unsure."""
    await served.fault(kind="hang", operation=operation)
    async with running(tmp_path, *served.command, "-H", f"x-request-id: {operation}", rpc, VM) as call:
        await eventually(lambda: served.has_got(operation), "the call", 30)
        assert await call.end(signal.SIGINT) == Exit.INTERRUPTED
        assert (call.stdout, call.stderr) == ("", output)


async def test_a_stream(served: Served, tmp_path: Path) -> None:
    """Each message is a line of JSON when it arrives, however long the stream lasts; Ctrl-C ends it without a word, and
    at the gateway too."""
    request = '{"heartbeat_interval": "1s"}'
    ended_before = served.ended(WATCH)
    async with running(tmp_path, *served.command, "-v", WATCH, request) as call:
        await eventually(lambda: call.stdout.count("\n") >= 3, "three messages", 30)
        assert await call.end(signal.SIGINT) == Exit.INTERRUPTED
        first, *further = map(json.loads, call.stdout.splitlines())
        assert first["state"]["circuit"] == "CIRCUIT_STATE_CLOSED"
        assert all("sent_at" in message["heartbeat"] for message in further)
        assert call.stderr == ""
    await eventually(lambda: len(served.ended(WATCH)) > len(ended_before), "the end at the gateway")
    assert served.ended(WATCH)[-1]["code"] == "CANCELLED"


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        pytest.param(("--session-id", "unknown"), Exit.IDENTITY, "UNAUTHENTICATED", id="refused"),
        pytest.param(("--deadline", "1"), Exit.TIMEOUT, "DEADLINE_EXCEEDED", id="deadline"),
    ],
)
async def test_a_stream_that_fails(served: Served, options: tuple[str, ...], code: Exit, text: str) -> None:
    """A stream ends in an error like any other call, before its first message or after."""
    ended = await run(*served.command, *options, WATCH)
    assert ended.code == code
    assert ended.stderr.startswith(text)
    assert bool(ended.stdout) is (code is Exit.TIMEOUT)


@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("command", ["routes", "descriptors"])
def test_a_full_disk(command: str, unbuffered: str) -> None:
    """An output that cannot be written ends a command with a sentence."""
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(
            [*COMMAND, command], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, env=environment
        )
        assert (ended.returncode, ended.stderr) == (Exit.FAILED, "error: No space left on device\n")


@pytest.mark.parametrize(("closed", "code"), [(">&-", Exit.OK), ("2>&-", Exit.USAGE)], ids=["output", "errors"])
def test_a_closed_stream(closed: str, code: Exit) -> None:
    """A command whose output or errors are not wanted works like any other."""
    words = ["routes", "cdrom"] if code is Exit.OK else ["routse"]
    script = f"exec {shlex.join([*COMMAND, *words])} {closed}"
    ended = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, timeout=60)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "", "")


async def test_an_argument_that_is_not_text() -> None:
    """Bytes that are not UTF-8 are a mistake of the command line, wherever they are."""
    for arguments in (("ListVms", "--user", "\udcff"), ("GetVm", "--vm", "\udcff"), ("StartVm", '{"vm": "\udcff"}')):
        ended = await run("call", "--target", "127.0.0.1:1", *arguments, password=PASSWORD)
        assert (ended.code, "Traceback" in ended.stderr) == (Exit.USAGE, False), ended.stderr


async def test_contexts_that_are_added_at_the_same_time(tmp_path: Path) -> None:
    """No process loses the context that another one adds."""
    names = [f"context-{number}" for number in range(6)]
    variables = {"XDG_CONFIG_HOME": str(tmp_path)}
    added = (run("context", "add", name, "--target", "a:1", variables=variables) for name in names)
    assert {ended.code for ended in await asyncio.gather(*added)} == {Exit.OK}
    listed = await run("context", "list", "-o", "name", variables=variables)
    assert listed.stdout.split() == names


@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_terminal(no_color: str, coloured: bool) -> None:
    """On a terminal texts fit its width, and have colours unless NO_COLOR is set."""
    reader, terminal = pty.openpty()
    try:
        termios.tcsetwinsize(terminal, (24, 60))
        arguments = [*COMMAND, "check", "--vcenter", "https://vcenter.invalid"]
        environment = {"PATH": os.environ["PATH"], "NO_COLOR": no_color}
        ended = subprocess.run(arguments, stdout=terminal, env=environment, timeout=60)
        output = os.read(reader, 65536).decode()
    finally:
        os.close(reader)
        os.close(terminal)
    assert ended.returncode == Exit.UNREACHABLE
    assert ("\x1b[31mFAILED" in output, "\x1b[" in output) == (coloured, coloured)
    lines = re.sub(r"\x1b\[\d*m", "", output).splitlines()
    assert 50 < max(map(len, lines)) <= 60


@pytest.mark.parametrize("shell", ["bash", "zsh"])
@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        pytest.param("call Get", "call Get", id="many"),
        pytest.param("call ConnectCd", "call ConnectCdrom", id="one"),
        pytest.param("call vcenter.v1.VmService/L", "call vcenter.v1.VmService/ListVms", id="full-name"),
        pytest.param("call noSuchRpc", "call noSuchRpc", id="none"),
        pytest.param("comp", "completion", id="command"),
    ],
)
def test_completion_in_a_shell(tmp_path: Path, shell: str, typed: str, completed: str) -> None:
    """The Tab key adds to what was typed, and never takes any of it away."""
    executable = shutil.which(shell)
    if executable is None:
        pytest.skip(f"there is no {shell}")
    command = tmp_path / "vcenter-gateway"
    command.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} "$@"\n')
    command.chmod(0o755)
    lines = {
        "bash": (
            # What is in the line, at Control-X: what was typed is all that readline has.
            """bind -x '"\\C-x": printf "[%s]\\n" "$READLINE_LINE"'""",
            "bind 'set enable-bracketed-paste off'",
        ),
        "zsh": (
            "autoload -Uz compinit; compinit -u -D",
            "show() { print; print -r -- \"[$BUFFER]\" }; zle -N show; bindkey '^X' show",
            "unsetopt zle_bracketed_paste auto_menu beep",
        ),
    }
    options = {"bash": ("--norc", "--noprofile", "-i"), "zsh": ("-f", "-i")}
    setup = [*lines[shell], f'eval "$(vcenter-gateway completion {shell})"', "echo rea''dy"]
    reader, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 200))
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "TERM": "dumb", "HOME": str(tmp_path), "PS1": "$ "}
    process = subprocess.Popen(
        [executable, *options[shell]],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env=environment,
        cwd=tmp_path,
        start_new_session=True,
    )
    os.close(terminal)
    try:
        os.write(reader, "".join(f"{line}\r" for line in setup).encode())
        shown = _read_until(reader, r"\bready\b")
        os.write(reader, f"vcenter-gateway {typed}\t\x18".encode())
        shown = _read_until(reader, r"\[vcenter-gateway ([^\]]*)\]")
    finally:
        process.kill()
        process.wait()
        os.close(reader)
    assert re.findall(r"\[vcenter-gateway ([^\]]*)\]", shown)[0].rstrip() == completed


def _read_until(descriptor: int, pattern: str) -> str:
    """What a terminal shows until the pattern is there; the test's own limit of time is that of this one."""
    shown = ""
    while not re.search(pattern, shown):
        shown += os.read(descriptor, 65536).decode(errors="replace")
    return shown


async def test_straight_at_a_vcenter(simulated: Simulated) -> None:
    """call needs no gateway: the same translation, output and exit codes straight at a vCenter."""
    way = ("call", "--vcenter", simulated.url, "--user", ADMINISTRATOR, "--vcenter-ca-file", simulated.certificate)
    good, failed, refused = await asyncio.gather(
        run(*way, READ, VM, password=PASSWORD),
        run(*way, READ, '{"vm": "vm-0"}', password=PASSWORD),
        run(*way, READ, VM, password="hunter2"),
    )
    assert (good.code, json.loads(good.stdout)) == (Exit.OK, {"power": {"state": "POWER_STATE_POWERED_ON"}})
    assert (failed.code, failed.stderr.splitlines()[0]) == (Exit.FAILED, "NOT_FOUND")
    assert (refused.code, "CREDENTIALS_REJECTED" in refused.words) == (Exit.IDENTITY, True)
    assert "hunter2" not in refused.words


async def test_check(simulated: Simulated) -> None:
    """check goes all the way to a list of virtual machines, and says what is wrong with a password."""
    way = ("check", "--vcenter", simulated.url, "--user", ADMINISTRATOR, "--vcenter-ca-file", simulated.certificate)
    good, refused = await asyncio.gather(run(*way, password=PASSWORD), run(*way, password="hunter2"))
    assert good.code == Exit.OK
    assert "20 virtual machines are visible" in good.words
    assert "The gateway can work with this vCenter." in good.words
    assert refused.code == Exit.IDENTITY
    assert f"vCenter rejected the user name {ADMINISTRATOR} or the password" in refused.words
    assert "-> User names have their domain" in refused.words
    assert "hunter2" not in refused.words


async def test_an_older_vcenter(tmp_path: Path) -> None:
    """simulate and serve are the release that they are told to be, and know no other than those that they list."""
    versions, listen = "/sdk/vimServiceVersions.xml", ("--listen", "127.0.0.1:0")
    for release, options in (
        ("7.0.3.0", ("simulate", "--release", "7.0.3")),
        ("8.0.2.0", ("serve", "--simulator", "--simulator-release", "8.0.2")),
    ):
        async with running(tmp_path, *options, *listen) as process:
            [url] = (await process.wait_for(r"(http://127\.0\.0\.1:\d+)[: ]")).groups()
            answer = await asyncio.to_thread(requests.get, f"{url}{versions}", timeout=10)
            assert f"<name>urn:vim25</name><version>{release}</version>" in answer.text
    refused = await run("simulate", "--release", "6.7")
    assert (refused.code, "'7.0.3', '8.0.2', '9.1'" in refused.words) == (Exit.USAGE, True)


async def test_check_of_a_service_account(simulated: Simulated, tmp_path: Path) -> None:
    """check logs in with the service account of the configuration, unless it is given a user."""
    password, path = tmp_path / "password", tmp_path / "gateway.yaml"
    path.write_text(
        f"vcenter: {{url: '{simulated.url}', ca_file: '{simulated.certificate}'}}\n"
        f"auth: {{mode: service-account, user: {ADMINISTRATOR}, password_file: '{password}'}}\n"
    )
    password.write_text(f"{PASSWORD}\n")
    good = await run("check", "--config", str(path))
    assert (good.code, f"{ADMINISTRATOR} logged in" in good.words) == (Exit.OK, True)
    other = await run("check", "--config", str(path), "--user", "readonly@vsphere.local", password=PASSWORD)
    assert (other.code, "readonly@vsphere.local logged in" in other.words) == (Exit.OK, True)
    password.write_text("hunter2")
    refused = await run("check", "--config", str(path))
    assert (refused.code, f"vCenter rejected the user name {ADMINISTRATOR}" in refused.words) == (Exit.IDENTITY, True)
    password.write_bytes(b"\xff")
    unreadable = await run("check", "--config", str(path))
    assert (unreadable.code, "password cannot be used: " in unreadable.words) == (Exit.USAGE, True)
    assert "hunter2" not in refused.words + unreadable.words


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("--ca", "CERTIFICATE"), id="ca"),
        pytest.param(("--no-verify",), id="no-verify"),
        pytest.param(("--no-vcenter-verify",), id="no-vcenter-verify"),
    ],
)
async def test_names_of_options(simulated: Simulated, options: tuple[str, ...]) -> None:
    """What call's options for a vCenter were called before still works."""
    options = tuple(simulated.certificate if option == "CERTIFICATE" else option for option in options)
    way = ("call", "--vcenter", simulated.url, "--user", ADMINISTRATOR, *options)
    assert (await run(*way, READ, VM, password=PASSWORD)).code == Exit.OK


async def test_the_other_protocol(simulated: Simulated, served: Served) -> None:
    """http to a port with TLS, and https to one without, are told as what they are, and not as vCenter's fault."""
    plain = simulated.url.replace("https:", "http:")
    secure = served.simulator.replace("http:", "https:")
    to_tls, to_plain, called, called_plain = await asyncio.gather(
        run("check", "--vcenter", plain),
        run("check", "--vcenter", secure),
        run("call", "--vcenter", plain, "--session-id", "x", READ, VM),
        run("call", "--vcenter", secure, "--session-id", "x", READ, VM),
    )
    usable = await run("check", "--vcenter", served.simulator)
    assert "not used: the URL is http (" in usable.words, "a vCenter without TLS that the URL says so of"
    assert to_tls.code == to_plain.code == Exit.UNREACHABLE
    assert "uses TLS, but the URL says http (" in to_tls.words
    assert f"-> Use {simulated.url}." in to_tls.words
    assert "uses plain HTTP, but the URL says https (" in to_plain.words
    assert f"hint: `vcenter-gateway check --vcenter {plain}` tells what is wrong" in called.words
    assert f"hint: `vcenter-gateway check --vcenter {secure}` tells what is wrong" in called_plain.words


async def test_client_certificates(tmp_path: Path) -> None:
    """Without the client certificate that a gateway asks for, or with one that it does not accept, the call says so."""
    authority, stranger = Authority(), Authority("Another CA")
    pairs = {
        "gateway": authority.issue("gateway", names=["127.0.0.1"]),
        "known": authority.issue("ci", names=["ci"]),
        "stranger": stranger.issue("ci", names=["ci"]),
    }
    (tmp_path / "ca.pem").write_bytes(authority.certificate)
    for name, pair in pairs.items():
        (tmp_path / f"{name}.pem").write_bytes(pair.certificate)
        (tmp_path / f"{name}.key").write_bytes(pair.key)
    serve = ("serve", "--simulator", "--listen", "127.0.0.1:0", "--auth-mode", "service-account")
    tls = ("--tls-cert-file", "gateway.pem", "--tls-key-file", "gateway.key", "--tls-client-ca-file", "ca.pem")
    async with running(tmp_path, *serve, *tls, "--auth-certificates", "ci") as gateway:
        target = (await gateway.wait_for(r"serves .* on (127\.0\.0\.1:\d+)\."))[1]
        way = ("call", "--target", target, "--ca", str(tmp_path / "ca.pem"))
        shown = {
            name: ("--cert", str(tmp_path / f"{name}.pem"), "--key", str(tmp_path / f"{name}.key"))
            for name in ("known", "stranger")
        }
        none, known, refused = await asyncio.gather(
            run(*way, READ, VM), run(*way, *shown["known"], READ, VM), run(*way, *shown["stranger"], READ, VM)
        )
    assert known.code == Exit.OK
    assert none.code == refused.code == Exit.UNREACHABLE
    assert "it may ask for a client certificate: give --cert and --key" in none.words
    assert f"it may not accept the certificate in {tmp_path / 'stranger.pem'}" in refused.words


async def test_what_others_wrote(served: Served) -> None:
    """What vCenter says cannot command a terminal, wherever the output goes; JSON keeps its exact content."""
    evil = "\x1b]52;c;aGk=\x07\x9b2J\u202e"
    request = json.dumps({"vm": f"vm-{evil}"})
    failed, as_json = await asyncio.gather(
        run(*served.command, READ, request), run(*served.command, "--json", READ, request)
    )
    assert "vm-\\x1b]52;c;aGk=\\x07\\x9b2J\\u202e" in failed.stderr
    assert evil in json.loads(as_json.stdout)["error"]["message"]
    assert as_json.stdout.isascii()
    assert escaped(as_json.stdout) == as_json.stdout


async def test_advice_about_certificates(simulated: Simulated) -> None:
    """A certificate that is not trusted stops check before the password is sent; what it advises works."""
    way = ("--vcenter", simulated.url, "--user", ADMINISTRATOR)
    untrusted = await run("check", *way, password=PASSWORD)
    assert untrusted.code == Exit.UNREACHABLE
    assert "the certificate is not trusted: self-signed certificate" in untrusted.words
    assert "--vcenter-ca-file FILE" in untrusted.words
    assert untrusted.words.count("SKIPPED") == 3
    words = untrusted.words.split()
    thumbprint = words[words.index("--vcenter-thumbprint") + 1].rstrip(".")

    checked, called, refused = await asyncio.gather(
        run("check", *way, "--vcenter-thumbprint", thumbprint, "--json", password=PASSWORD),
        run("call", *way, "--vcenter-thumbprint", thumbprint, READ, VM, password=PASSWORD),
        run("call", *way, READ, VM, password=PASSWORD),
    )
    assert checked.code == Exit.OK
    states = {step["step"]: step["state"] for step in json.loads(checked.stdout)["steps"]}
    assert states.keys() == {"config", "DNS", "TCP", "TLS", "API", "login", "list"}
    assert states["login"] == states["list"] == "OK"
    assert called.code == Exit.OK
    assert (refused.code, "self-signed certificate" in refused.words) == (Exit.UNREACHABLE, True)


async def test_bearer_token(tmp_path: Path) -> None:
    """With --token-file a call reaches a gateway that has a service account; with a wrong token it is refused."""
    for name, token in (("right", "a" * 64), ("wrong", "b" * 64)):
        (tmp_path / name).write_text(f"{token}\n")
    hashes = tmp_path / "tokens.yaml"
    hashes.write_text(f"tokens: [{{identity: ci, sha256: '{hashlib.sha256(b'a' * 64).hexdigest()}'}}]")
    serve = ("serve", "--simulator", "--listen", "127.0.0.1:0", "--auth-mode", "service-account")
    async with running(tmp_path, *serve, "--auth-tokens-file", str(hashes)) as gateway:
        target = (await gateway.wait_for(r"serves .* on (127\.0\.0\.1:\d+)\."))[1]
        results = [
            await run("call", "--target", target, *token, READ, VM)
            for token in ((), ("--token-file", str(tmp_path / "right")), ("--token-file", str(tmp_path / "wrong")))
        ]
    assert [result.code for result in results] == [Exit.IDENTITY, Exit.OK, Exit.IDENTITY]
    assert "CALLER_REJECTED" in results[2].stderr
    assert "bbbb" not in results[2].stderr
