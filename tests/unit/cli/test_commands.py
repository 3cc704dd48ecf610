"""The commands as a person types them, as far as they need no server."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import click
import grpc
import pytest
import yaml
from cryptography import x509
from google.protobuf import descriptor_pb2

from gateway import __version__
from gateway.calls.credential import SESSION_HEADER
from gateway.cli import cli
from gateway.cli.output import Exit
from gateway.cli.setting_flags import setting_flags
from gateway.cli.simulate import simulate
from gateway.contract import load_contract
from gateway.settings import all_settings
from gateway.simulator import RELEASES, SimulatorOptions
from gateway.vcenter.certificate import ends_soon
from tests.integration.certificates import Authority
from tests.unit.cli.conftest import Invoke

COMMANDS = [
    "serve",
    "simulate",
    "call",
    "watch",
    "exec",
    "cp",
    "check",
    "routes",
    "describe",
    "descriptors",
    "version",
    "context",
    "completion",
    "token",
    "policy",
]
CONNECT = "vcenter.vm.hardware.v1.CdromService/ConnectCdrom"
ENDS = [name.split("/")[1] for name in load_contract().methods]


@pytest.fixture
def closed_port() -> int:
    """A port of the loopback address on which nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_overview(invoke: Invoke) -> None:
    """The help lists every command with a line about it, and not the one that is for workers."""
    output = invoke("--help").output
    for command in COMMANDS:
        assert f"\n  {command} " in output
    assert "worker" not in output


def test_overview_on_a_narrow_terminal(invoke: Invoke) -> None:
    """What each command does is told in full also where there are 80 columns."""
    lines = (
        invoke("--help", COLUMNS="80").output.partition("Call a gateway:\n")[2].partition("Exit codes")[0].splitlines()
    )
    commands = [line for line in lines if line.startswith("  ") and line.strip()]
    assert sorted(line.split()[0] for line in commands) == sorted(COMMANDS)
    assert [line for line in commands if not line.endswith(".") or line.endswith("...")] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_overview_says_what_the_commands_say(invoke: Invoke, command: str) -> None:
    """The overview knows the commands without loading them, and says of each what its own help begins with."""
    said = next(
        line for line in invoke("--help", COLUMNS="120").output.splitlines() if line.startswith(f"  {command} ")
    )
    assert said.partition(command)[2].strip() in " ".join(invoke(command, "--help", COLUMNS="120").output.split())


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        pytest.param("chekc", "there is no command 'chekc'; did you mean check?", id="misspelt"),
        pytest.param("xyz", "there is no command 'xyz'\n", id="unlike-any"),
        pytest.param("context lst", "there is no command 'lst'; did you mean list?", id="misspelt-in-a-group"),
        pytest.param("context remove", "there is no command 'remove'; there are add, delete, list", id="in-a-group"),
        pytest.param("watch machines", "there is no command 'machines'; there are events, task, vms", id="watch"),
    ],
)
def test_a_command_that_does_not_exist(invoke: Invoke, typed: str, message: str) -> None:
    """A misspelt command is told with the one that was meant, or with those of its group."""
    result = invoke(*typed.split())
    assert result.exit_code == Exit.USAGE
    assert message in result.stderr


def test_help_fits_a_terminal(invoke: Invoke) -> None:
    """No line of a help text is wider than a terminal of 80 columns, where it would break in the middle of a word."""

    def wide(group: click.Group, *words: str) -> Iterator[str]:
        context = click.Context(group)
        for name in group.list_commands(context):
            lines = invoke(*words, name, "--help", COLUMNS="80").output.splitlines()
            yield from (line for line in lines if len(line) > 80)
            if isinstance(command := group.get_command(context, name), click.Group):
                yield from wide(command, *words, name)

    assert [line for line in invoke("--help", COLUMNS="80").output.splitlines() if len(line) > 80] == []
    assert list(wide(cli)) == []


@pytest.mark.parametrize("command", COMMANDS)
def test_help(invoke: Invoke, command: str) -> None:
    """Every command explains itself; those with arguments give examples."""
    result = invoke(command, "--help")
    assert result.exit_code == Exit.OK
    assert command == "version" or "Examples:" in result.output or "Look around:" in result.output


def test_serve_help_has_every_setting(invoke: Invoke) -> None:
    """Each setting is a flag of serve, and nothing of the worker's plumbing is."""
    output = invoke("serve", "--help").output
    assert [setting.name for setting in all_settings() if f"--{setting.name}" not in output] == []


def test_serve_reports_all_mistakes(invoke: Invoke) -> None:
    """Wrong settings end serve with one line each, whatever their source."""
    result = invoke("serve", "--workers", "many", GATEWAY_LISTEN="x", GATEWAY_VCENTER="https://vc")
    assert result.exit_code == Exit.USAGE
    assert [line.split(": ")[1] for line in result.stderr.splitlines()] == [
        "GATEWAY_LISTEN (environment variable)",
        "--workers (flag)",
    ]


def test_serve_on_a_used_port(invoke: Invoke) -> None:
    """A port that somebody uses ends serve with a sentence that names the address."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        address = f"127.0.0.1:{other.getsockname()[1]}"
        result = invoke("serve", "--vcenter", "https://vcenter.invalid", "--listen", address)
    assert result.exit_code == Exit.FAILED
    assert f"error: cannot listen on {address}" in result.stderr


def test_routes(invoke: Invoke) -> None:
    """routes prints one row for each rpc, with verb and URL."""
    lines = invoke("routes").output.splitlines()
    assert len(lines) == 1 + len(load_contract().methods)
    row = next(line for line in lines if line.startswith(CONNECT))
    assert row.split() == [CONNECT, "-", "POST", "/api/vcenter/vm/{vm}/hardware/cdrom/{cdrom}?action=connect"]


def test_routes_as_data(invoke: Invoke) -> None:
    """JSON and YAML have what the table has, and what the rpc takes, gives and raises; `name` has the names alone."""
    listed = json.loads(invoke("routes", "-o", "json").output)
    assert json.loads(invoke("routes", "--json").output) == listed
    assert yaml.safe_load(invoke("routes", "-o", "yaml").output) == listed
    assert invoke("routes", "-o", "name").output.splitlines() == [route["rpc"] for route in listed]
    routes = {route["rpc"]: route for route in listed}
    assert set(routes) == set(load_contract().methods)
    route = routes[CONNECT]
    assert (route["verb"], route["body"], route["idempotency"]) == ("POST", None, "UNKNOWN")
    assert "ALREADY_IN_DESIRED_STATE" in route["errors"]


def test_routes_can_be_narrowed(invoke: Invoke) -> None:
    """Words narrow the table; when nothing is left, that is said."""
    assert invoke("routes", "cdrom", "post").output.count("POST") == 3
    result = invoke("routes", "quantum")
    assert (result.exit_code, "no rpc has quantum" in result.stderr) == (Exit.FAILED, True)


def test_descriptors(invoke: Invoke, tmp_path: Path) -> None:
    """descriptors writes the complete set, to a file as to the standard output."""
    path = tmp_path / "set.binpb"
    assert invoke("descriptors", "-o", str(path)).exit_code == Exit.OK
    assert path.read_bytes() == invoke("descriptors").stdout_bytes
    files = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()).file
    names = {file.name for file in files}
    assert names >= {"google/api/http.proto", "google/rpc/status.proto", "google/rpc/error_details.proto"}
    assert {name for file in files for name in file.dependency} <= names
    assert any(location.leading_comments for file in files for location in file.source_code_info.location)


def test_descriptors_to_nowhere(invoke: Invoke) -> None:
    """A file that cannot be written is a mistake of the command line."""
    result = invoke("descriptors", "-o", "/nonexistent/set.binpb")
    assert result.exit_code == Exit.USAGE
    assert "cannot be written: No such file or directory" in result.stderr


def test_version(invoke: Invoke) -> None:
    """version names the gateway's own and what it runs on."""
    first, second = invoke("version").output.splitlines()
    assert first == f"vcenter-gateway {__version__}"
    assert "Python 3." in second
    assert f"grpcio {grpc.__version__}" in second
    assert invoke("--version").output == f"vcenter-gateway {__version__}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_script(invoke: Invoke, shell: str) -> None:
    """completion prints a script for the shell, which the shell accepts where it is installed."""
    script = invoke("completion", shell).output
    assert "vcenter-gateway" in script
    if executable := shutil.which(shell):
        subprocess.run([executable, "-n"], input=script, text=True, check=True)


@pytest.mark.parametrize(
    ("typed", "candidates"),
    [
        pytest.param("vcenter.vm.hardware.v1.CdromService/Co", {CONNECT}, id="full-name"),
        pytest.param("cdromservice/c", {"cdromservice/createCdrom", "cdromservice/connectCdrom"}, id="other-case"),
        pytest.param("ConnectCd", {"ConnectCdrom"}, id="rpc"),
        pytest.param("Get", {end for end in ENDS if end.startswith("Get") and ENDS.count(end) == 1}, id="many"),
        pytest.param(next(end for end in ENDS if ENDS.count(end) > 1), set(), id="ambiguous"),
        pytest.param("xyz", set(), id="none"),
        pytest.param("", set(load_contract().methods), id="nothing"),
    ],
)
def test_completion_of_rpcs(invoke: Invoke, typed: str, candidates: set[str]) -> None:
    """An rpc is completed from the beginning of its name, or of what may stand for it; each candidate keeps what was
    typed, since a shell puts what all have in common in its place."""
    line = f"vcenter-gateway call {typed}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("_VCENTER_GATEWAY_COMPLETE", "bash_complete")
        patch.setenv("COMP_LINE", f"{line} and what follows the cursor")
        patch.setenv("COMP_POINT", str(len(line)))
        found = [line.removeprefix("plain,") for line in invoke().output.splitlines() if line]
    assert [candidate for candidate in found if not candidate.startswith(typed)] == []
    assert {candidate.lower() for candidate in found} == {candidate.lower() for candidate in candidates}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["ListVm"], "there is no rpc 'ListVm'; did you mean vcenter.v1.VmService/ListVms?", id="rpc"),
        pytest.param(["xyz"], "there is no rpc 'xyz'; see `vcenter-gateway routes`", id="rpc-unlike-any"),
        pytest.param(["CdromService"], "see `vcenter-gateway routes CdromService`", id="service"),
        pytest.param([CONNECT, "{"], "not valid JSON", id="json"),
        pytest.param([CONNECT, '{"cdrm": ""}'], "did you mean 'cdrom'?", id="field"),
        pytest.param([CONNECT, "vm=vm-1"], "the request is neither JSON nor YAML nor a file that exists", id="no-json"),
        pytest.param([CONNECT, "x" * 5000], "the request is neither JSON nor YAML nor a file", id="no-name-of-a-file"),
        pytest.param([CONNECT, "null"], 'must be a JSON object, such as {"vm": "...", "cdrom": "..."}', id="no-object"),
        pytest.param([CONNECT, "@/nonexistent"], "/nonexistent cannot be read: No such file or directory", id="file"),
        pytest.param([CONNECT, "@/dev/zero"], "/dev/zero holds more than", id="endless-file"),
        pytest.param([CONNECT, "[" * 100_000], "the request is nested too deeply", id="deep-list"),
        pytest.param([CONNECT, '{"vm":' * 100_000], "the request is nested too deeply", id="deep-object"),
        pytest.param([CONNECT, "--target", "gw"], "--target takes HOST:PORT", id="target"),
        pytest.param([CONNECT, "--vcenter", "https://vc"], "give --user NAME", id="no-identity"),
        pytest.param([CONNECT, "--vcenter", "https://a:hunter2@vc", "--session-id", "x"], "with --user", id="url-user"),
        pytest.param([CONNECT, "--vcenter", "vc", "--session-id", "x"], "must look like https://", id="url"),
        pytest.param([CONNECT, "--user", "root"], "set VCENTER_PASSWORD or give --password-file", id="no-password"),
        pytest.param(
            [CONNECT, "--user", "root", "--password-file", "/dev/null"], "does not hold a password", id="empty-password"
        ),
        pytest.param(
            ["GetGateway", "--vcenter", "https://vc"], "is answered by the gateway itself", id="own-rpc-to-vcenter"
        ),
        pytest.param(["WatchGateway", "--vcenter", "https://vc"], "by the gateway itself", id="stream-of-vcenter"),
        pytest.param([CONNECT, "--user", "root:hunter2"], "must not have a colon", id="password-in-user"),
        pytest.param([CONNECT, "--plaintext", "--ca", __file__], "leave out --plaintext", id="plaintext-with-ca"),
        pytest.param([CONNECT, "--cert", __file__], "--cert and --key belong together", id="cert-without-key"),
        pytest.param([CONNECT, "--ca", __file__], "test_commands.py holds no certificate in PEM form", id="ca"),
        pytest.param(
            [CONNECT, "--vcenter", "https://vc", "--ca", __file__],
            "holds no certificate in PEM form",
            id="ca-as-before",
        ),
        pytest.param(
            [CONNECT, "--vcenter", "https://vc", "--vcenter-ca-file", __file__],
            "no certificate in PEM",
            id="vcenter-ca",
        ),
        pytest.param([CONNECT, "--cert", __file__, "--key", __file__], "are no certificate with its key", id="cert"),
        pytest.param([CONNECT, "--session-id", "hunter2\n"], "a session id is printable ASCII", id="session-id"),
        pytest.param([CONNECT, "-H", "hunter2"], "--metadata takes NAME: VALUE", id="metadata"),
        pytest.param([CONNECT, "-H", "x y: hunter2"], "--metadata takes NAME: VALUE", id="metadata-name"),
        pytest.param([CONNECT, "-H", "grpc-timeout: 1S"], "(grpc-...)", id="metadata-of-grpc"),
        pytest.param([CONNECT, "-H", "x-bin: hunter2"], "(...-bin)", id="binary-metadata"),
        pytest.param([CONNECT, "-H", "x: hunter2\xe9"], "the value of x in --metadata must be", id="metadata-value"),
        pytest.param([CONNECT, "-H", "Authorization: hunter2"], "give it by --user or --token-file", id="secret"),
        pytest.param([CONNECT, "-H", f"{SESSION_HEADER}: hunter2"], "variable VCENTER_SESSION_ID", id="session"),
        pytest.param(
            [CONNECT, "--vcenter", "https://vc", "-H", "a: b"], "leave out --vcenter", id="metadata-to-vcenter"
        ),
        pytest.param([CONNECT, "--no-vcenter-verify"], "give --vcenter URL too", id="no-verify"),
        pytest.param([CONNECT, "--no-verify"], "give --vcenter URL too", id="no-verify-as-before"),
        pytest.param([CONNECT, "--vcenter-ca-file", __file__], "give --vcenter URL too", id="vcenter-ca-alone"),
        pytest.param([CONNECT, "--vcenter-thumbprint", "ab"], "give --vcenter URL too", id="vcenter-thumbprint-alone"),
        pytest.param(
            [CONNECT, "--vcenter", "https://vc", "--vcenter-thumbprint", "ab", "--session-id", "x"],
            "it must be a SHA-256 thumbprint",
            id="vcenter-thumbprint",
        ),
        pytest.param(
            [CONNECT, "--vcenter", "https://vc", "--vcenter-ca-file", "/nonexistent"],
            "/nonexistent cannot be read: No such file or directory",
            id="vcenter-ca-missing",
        ),
        pytest.param([CONNECT, "--token-file", "/dev/null"], "/dev/null does not hold a token", id="no-token"),
        pytest.param([CONNECT, "--token-file", __file__, "--session-id", "x"], "exclude each other", id="two-proofs"),
        pytest.param([CONNECT, "--vcenter", "https://vc", "--tls", "--session-id", "x"], "leave out", id="tls"),
        pytest.param([CONNECT, "--deadline", "0"], "--deadline", id="deadline"),
        pytest.param([CONNECT, "--deadline", "nan"], "'nan' is not a valid number of seconds", id="deadline-nan"),
        pytest.param([CONNECT, "--deadline", "inf"], "inf is not in the range", id="deadline-inf"),
        pytest.param([CONNECT, "--deadline", "soon"], "'soon' is not a valid number of seconds", id="deadline-text"),
    ],
)
def test_call_mistakes(invoke: Invoke, arguments: list[str], message: str) -> None:
    """A mistake of the command line is told before anything is called, and repeats no password."""
    result = invoke("call", *arguments)
    assert result.exit_code == Exit.USAGE
    assert message in " ".join(result.stderr.split())
    assert "hunter2" not in result.output


def test_call_of_an_ambiguous_rpc(invoke: Invoke) -> None:
    """The end of a name that several rpcs share is not enough, and the rpcs are listed."""
    shared = next(end for end in ENDS if ENDS.count(end) > 1)
    result = invoke("call", shared)
    assert result.exit_code == Exit.USAGE
    assert f"{shared!r} is the end of several rpcs" in " ".join(result.stderr.split())


def test_call_without_a_gateway(invoke: Invoke, closed_port: int) -> None:
    """When nothing listens, the call says so and how to start a gateway, with an exit code of its own."""
    result = invoke("call", "--target", f"127.0.0.1:{closed_port}", "ListVms")
    assert result.exit_code == Exit.UNREACHABLE
    assert result.stdout == ""
    assert "hint: nothing listens on" in result.stderr
    assert "serve --simulator" in " ".join(result.stderr.split())


def test_call_without_a_vcenter(invoke: Invoke, closed_port: int) -> None:
    """Straight at a vCenter that is not there, the call ends with the same exit code and JSON on request."""
    url = f"http://127.0.0.1:{closed_port}"
    result = invoke("call", "--vcenter", url, "--user", "u", "--json", "ListVms", VCENTER_PASSWORD="hunter2")
    assert result.exit_code == Exit.UNREACHABLE
    assert json.loads(result.stdout)["error"]["reason"] == "VCENTER_UNREACHABLE"
    assert "hunter2" not in result.output


def test_simulate_without_a_place_for_the_certificate(invoke: Invoke) -> None:
    """A certificate that cannot be written ends the simulator with a sentence."""
    result = invoke("simulate", "--listen", "127.0.0.1:0", "--tls", "--certificate", "/nonexistent/ca.pem")
    assert result.exit_code == Exit.USAGE
    assert "/nonexistent/ca.pem cannot be written: No such file or directory" in result.stderr


def test_check_without_a_name(invoke: Invoke) -> None:
    """A host name that does not exist fails the first step, with advice, and nothing else is tried."""
    result = invoke("check", "--vcenter", "https://vcenter.invalid")
    assert result.exit_code == Exit.UNREACHABLE
    assert "FAILED   DNS      the name vcenter.invalid is not known" in result.output
    assert "-> Check the spelling" in result.output
    assert result.output.count("SKIPPED") == 5
    assert "OK       config" in result.output


def test_check_of_a_closed_port(invoke: Invoke, closed_port: int) -> None:
    """A port on which nobody listens is told apart from a machine that is not there."""
    result = invoke("check", "--vcenter", f"https://127.0.0.1:{closed_port}", "--json")
    steps = {step["step"]: step for step in json.loads(result.output)["steps"]}
    assert result.exit_code == Exit.UNREACHABLE
    assert steps["DNS"]["state"] == "OK"
    assert steps["TCP"]["state"] == "FAILED"
    assert "refused" in steps["TCP"]["text"]


def test_check_of_a_port_without_tls(invoke: Invoke) -> None:
    """A server that does not speak TLS fails the TLS step."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)

        def answer() -> None:
            for _ in range(2):
                connection, _address = server.accept()
                with connection:
                    connection.settimeout(10)
                    if connection.recv(16):
                        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        result = invoke("check", "--vcenter", f"https://127.0.0.1:{server.getsockname()[1]}")
        thread.join()
    assert result.exit_code == Exit.UNREACHABLE
    assert "does not use TLS as expected" in result.output


@pytest.mark.parametrize(
    ("days", "warned"), [(31, ""), (30, ""), (29, "ends in 29 days"), (1, "ends in 1 days"), (-1, "has ended")]
)
def test_certificates_that_end(days: int, warned: str) -> None:
    """A certificate with less than 30 days left is to be renewed."""
    certificate = x509.load_pem_x509_certificate(Authority().certificate)
    now = certificate.not_valid_after_utc - timedelta(days=days)
    assert ends_soon(certificate, now) == warned


POLICY = """
rules:
  - {identities: [ci], rpcs: ["vcenter.v1.VmService/*", "vcenter.v1.VmServce/*"]}
  - {identities: [ci], rpcs: ["*"]}
  - {identities: [ci], rpcs: ["vcenter.v1.VmService"]}
"""


@pytest.mark.parametrize(
    ("section", "text", "code"),
    [
        pytest.param(
            {"tls": {"cert_file": "pair.pem", "key_file": "other.pem"}},
            "the key other.pem does not match the certificate pair.pem",
            Exit.USAGE,
            id="wrong-key",
        ),
        pytest.param(
            {"tls": {"cert_file": "tokens.yaml", "key_file": "pair.pem"}},
            "tokens.yaml cannot be used: it contains no certificate in PEM format",
            Exit.USAGE,
            id="no-certificate",
        ),
        pytest.param({"auth": {"policy_file": "pair.pem"}}, "pair.pem cannot be used", Exit.USAGE, id="broken-policy"),
        pytest.param({"auth": {"tokens_file": "pair.pem"}}, "pair.pem cannot be used", Exit.USAGE, id="broken-tokens"),
        pytest.param(
            {"auth": {"jwks_file": "tokens.yaml", "jwt_issuer": "a", "jwt_audience": "b"}},
            "tokens.yaml cannot be used: expected a JWKS",
            Exit.USAGE,
            id="broken-jwks",
        ),
        pytest.param(
            {"auth": {"password_file": "/dev/null"}}, "is not a regular file", Exit.USAGE, id="password-device"
        ),
        pytest.param(
            {"log": {"audit_file": "nowhere/audit.log"}},
            "nowhere/audit.log cannot be written: nowhere is not a folder",
            Exit.USAGE,
            id="audit",
        ),
        pytest.param(
            {"log": {"audit_file": "audit.log"}}, "`serve` can load everything", Exit.UNREACHABLE, id="audit-to-come"
        ),
        pytest.param(
            {"auth": {"policy_file": "policy.yaml"}},
            "rule 1 of the policy: no rpc fits 'vcenter.v1.VmServce/*'; "
            "rule 3 of the policy: no rpc fits 'vcenter.v1.VmService' (",
            Exit.UNREACHABLE,
            id="idle-patterns",
        ),
        pytest.param(
            {"tls": {"cert_file": "pair.pem", "key_file": "pair.pem"}, "vcenter": {"ca_file": "ca.pem"}},
            "pair.pem: the certificate for gateway, by CN=Test CA, valid until ",
            Exit.UNREACHABLE,
            id="ends-soon",
        ),
    ],
)
def test_check_loads_what_serve_loads(
    invoke: Invoke,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    closed_port: int,
    section: dict[str, dict[str, str]],
    text: str,
    code: Exit,
) -> None:
    """What serve would refuse fails the first step, and ends check like serve with wrong settings; what is only odd is
    a warning. No audit log is made."""
    monkeypatch.chdir(tmp_path)
    authority = Authority()
    pair, other = authority.issue("gateway", names=["gateway"]), authority.issue("gateway")
    Path("ca.pem").write_bytes(authority.certificate)
    Path("pair.pem").write_bytes(pair.certificate + pair.key)
    Path("other.pem").write_bytes(other.key)
    Path("tokens.yaml").write_text(f"tokens: [{{identity: ci, sha256: '{'ab' * 32}'}}]")
    Path("policy.yaml").write_text(POLICY)
    Path("password").write_text("hunter2")
    settings: dict[str, dict[str, str]] = {
        "vcenter": {"url": f"https://127.0.0.1:{closed_port}"},
        "auth": {"mode": "service-account", "user": "gateway", "password_file": "password"},
    }
    for name, values in section.items():
        settings[name] = {**settings.get(name, {}), **values}
    Path("gateway.yaml").write_text(json.dumps(settings))
    result = invoke("check", "--config", "gateway.yaml")
    words = " ".join(result.output.split())
    assert (result.exit_code, text in words) == (code, True), words
    refused = invoke("serve", "--config", "gateway.yaml", "--listen", "127.0.0.1:1") if code is Exit.USAGE else None
    assert refused is None or refused.exit_code == Exit.USAGE
    assert not Path("audit.log").exists()
    assert "hunter2" not in result.output
    assert ("FAILED   config" in result.output) == (code is Exit.USAGE and "/dev/null" not in words)
    if text.startswith("pair.pem: the certificate"):
        assert "ca.pem: the certificate for CN=Test CA, self-signed" in words


def test_check_of_the_simulator(invoke: Invoke, tmp_path: Path) -> None:
    """A configuration that serves the simulator has no vCenter to test."""
    path = tmp_path / "gateway.yaml"
    path.write_text("simulator: {enabled: true}")
    result = invoke("check", "--config", str(path))
    assert (result.exit_code, "no vCenter to test" in result.stderr) == (Exit.USAGE, True)


def test_group_is_complete() -> None:
    """Every listed command can be loaded under its name."""
    context = cli.make_context("vcenter-gateway", ["version"])
    for name in cli.list_commands(context):
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name


def test_settings_have_flags() -> None:
    """The table from which flags of settings are made is what `make generate` makes of the settings."""
    flags, settings = setting_flags().values(), all_settings()
    assert [(flag.name, flag.description, flag.default) for flag in flags] == [
        (setting.name, setting.description, setting.default) for setting in settings
    ]


def test_defaults_of_simulate() -> None:
    """The simulator of `simulate` is one with default options: the command does not load it, to start fast."""
    default = SimulatorOptions()
    given = {option.name: option.default for option in simulate.params}
    assert (given["vms"], given["release"]) == (default.vms, default.release)
    assert (given["latency"], given["transition"]) == (default.latency, default.transition)
    assert (given["session_idle"], given["session_age"]) == (default.limits.idle, default.limits.absolute)
    choices = {option.name: option.type for option in simulate.params}["release"]
    assert isinstance(choices, click.Choice)
    assert tuple(choices.choices) == tuple(RELEASES)
