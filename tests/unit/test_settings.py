"""Settings: their names, which source wins, and what is said about mistakes."""

from __future__ import annotations

import ast
import inspect
import os
import textwrap
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pytest
from pydantic import ValidationError

from gateway.address import is_loopback, join_address, reachable, split_address
from gateway.configuration import SettingsError, load_settings
from gateway.live import HubLimits
from gateway.server import ServerOptions
from gateway.server.streams import StreamLimits
from gateway.serving import _server_options
from gateway.settings import (
    ServerSettings,
    Settings,
    SimulatorSettings,
    VCenterSettings,
    all_settings,
    reference_table,
)
from gateway.settings.live import LiveSettings
from gateway.settings.section import Section
from gateway.settings.vcenter import RetrySettings
from gateway.simulator import SimulatorOptions
from gateway.vcenter import VCenterOptions
from gateway.vcenter.retry import RetryPolicy

VCENTER = {"GATEWAY_VCENTER": "https://vc.example.com"}
DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "configuration.md"


def problems(flags: dict[str, object], environ: dict[str, str]) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_settings(flags, environ)
    return caught.value.problems


@pytest.fixture
def config(tmp_path: Path):
    def write(text: str) -> str:
        path = tmp_path / "gateway.yaml"
        path.write_text(text)
        return str(path)

    return write


def test_defaults_serve_loopback_only() -> None:
    """Without further settings the gateway listens on the loopback address, alone, with reflection."""
    settings = load_settings({}, VCENTER)
    assert settings.server == ServerSettings()
    assert settings.server.listen == "127.0.0.1:50051"
    assert settings.server.workers == 1
    assert settings.server.reflection
    assert settings.vcenter.verify


@pytest.mark.parametrize(
    ("options", "settings"),
    [
        pytest.param(VCenterOptions, VCenterSettings, id="vcenter"),
        pytest.param(ServerOptions, ServerSettings, id="server"),
        pytest.param(StreamLimits, ServerSettings, id="streams"),
        pytest.param(SimulatorOptions, SimulatorSettings, id="simulator"),
        pytest.param(HubLimits, LiveSettings, id="live"),
    ],
)
def test_each_default_is_stated_once(options: type, settings: type[Section]) -> None:
    """What can be configured has its default in the settings; the options of the parts take it from there."""
    [definition] = ast.parse(textwrap.dedent(inspect.getsource(options))).body
    assert isinstance(definition, ast.ClassDef)
    stated = {
        item.target.id
        for item in definition.body
        if isinstance(item, ast.AnnAssign)
        and isinstance(item.target, ast.Name)
        and isinstance(item.value, ast.Constant)
    }
    configured = {name.removesuffix("_seconds") for name in settings.model_fields} | set(settings.model_fields)
    assert stated & configured == set()


def test_options_have_every_setting() -> None:
    """Each setting of the way to vCenter reaches the client, under the same name or without its unit."""
    given = {"url": "https://vc", "thumbprint": "ab" * 32, "verify": False, "max_waiting_calls": 0}
    given |= {"connect_timeout_seconds": 1, "read_timeout_seconds": 2, "change_timeout_seconds": 3}
    given |= {"max_timeout_seconds": 4, "max_concurrent_calls": 5, "max_response_bytes": 2048}
    given |= {"max_concurrent_logins": 6, "max_waiting_logins": 7, "proxy": "proxy:3128"}
    settings = VCenterSettings.model_validate(given)
    options = {name.removesuffix("_seconds"): value for name, value in settings.model_dump(exclude={"retries"}).items()}
    assert asdict(VCenterOptions.of(settings)) == options
    assert VCenterOptions.of(VCenterSettings(), "https://vc.example.com") == VCenterOptions("https://vc.example.com")


def test_server_options_have_every_setting() -> None:
    """Each setting of the gRPC side reaches the server, or the limits of its streams."""
    switches = {"reflection": False, "health": False}
    sizes = {name: 2**20 + index for index, name in enumerate(n for n in ServerSettings.model_fields if "bytes" in n)}
    counts = {"max_streams": 7, "max_streams_per_caller": 3, "max_concurrent_streams": 5, "max_connections": 9}
    times = {"keepalive_seconds": 11, "max_connection_age_seconds": 12, "settle_seconds": 13, "grace_seconds": 14}
    settings = ServerSettings.model_validate({"listen": "[::1]:1", **switches, **sizes, **counts, **times})
    assert settings.model_fields_set == set(ServerSettings.model_fields) - {"workers", "worker_timeout_seconds"}
    options = _server_options(settings, reuse_port=True)
    assert options.reuse_port
    assert options.streams == StreamLimits(7, 3)
    for name in settings.model_fields_set - {"max_streams", "max_streams_per_caller"}:
        assert getattr(options, name) == getattr(settings, name)


@pytest.mark.parametrize("key", ["max_streams", "max_streams_per_caller"])
@pytest.mark.parametrize(("value", "allowed"), [(0, False), (1, True), (100_000, True), (100_001, False)])
def test_limits_of_streams(key: str, value: int, allowed: bool) -> None:
    """A gateway may have from one to 100,000 streams open."""
    if allowed:
        assert getattr(ServerSettings.model_validate({key: value}), key) == value
        return
    with pytest.raises(ValueError, match=key):
        ServerSettings.model_validate({key: value})


@pytest.mark.parametrize(
    ("flags", "environ", "expected"),
    [
        pytest.param({}, {}, 2, id="file"),
        pytest.param({}, {"GATEWAY_WORKERS": "3"}, 3, id="environment-beats-file"),
        pytest.param({"workers": "4"}, {"GATEWAY_WORKERS": "3"}, 4, id="flag-beats-both"),
        pytest.param({}, {"GATEWAY_WORKERS": ""}, 2, id="empty-variable-is-unset"),
        pytest.param({"workers": None}, {}, 2, id="flag-that-was-not-given"),
    ],
)
def test_precedence(config, flags: dict[str, object], environ: dict[str, str], expected: int) -> None:
    """A flag beats the environment, which beats the file."""
    path = config("server: {workers: 2}\nsimulator: {enabled: true}")
    assert load_settings({"config": path, **flags}, environ).server.workers == expected


def test_sources_are_merged_by_key(config) -> None:
    """A source that sets one key of a section leaves the section's other keys to the sources below."""
    path = config("vcenter: {url: https://file.example.com, max_concurrent_calls: 7}\nserver:\n")
    settings = load_settings({"config": path, "vcenter-verify": False}, VCENTER)
    assert (settings.vcenter.url, settings.vcenter.max_concurrent_calls) == ("https://vc.example.com", 7)
    assert not settings.vcenter.verify


def test_config_file_from_environment(config) -> None:
    """GATEWAY_CONFIG names the file as --config does."""
    path = config("simulator: {enabled: yes, vms: 3}")
    assert load_settings({}, {"GATEWAY_CONFIG": path}).simulator == SimulatorSettings(enabled=True, vms=3)


@pytest.mark.parametrize(
    ("variable", "value", "key", "expected"),
    [
        ("GATEWAY_MAX_REQUEST_BYTES", "2MiB", "max_request_bytes", 2 * 1024**2),
        ("GATEWAY_MAX_REQUEST_BYTES", "65536", "max_request_bytes", 65536),
        ("GATEWAY_REFLECTION", "no", "reflection", False),
        ("GATEWAY_GRACE_SECONDS", "0.5", "grace_seconds", 0.5),
        ("GATEWAY_LISTEN", "[::1]:0", "listen", "[::1]:0"),
    ],
)
def test_values_from_text(variable: str, value: str, key: str, expected: object) -> None:
    """Values of the environment are text and are read as what the setting takes."""
    assert getattr(load_settings({}, {**VCENTER, variable: value}).server, key) == expected


@pytest.mark.parametrize(
    ("flags", "environ", "line"),
    [
        pytest.param(
            {"workers": "many"},
            VCENTER,
            "--workers (flag): 'many' is not valid; expected a whole number from 1 to 64",
            id="flag",
        ),
        pytest.param(
            {},
            {**VCENTER, "GATEWAY_LISTEN": "50051"},
            "GATEWAY_LISTEN (environment variable): '50051' is not valid (not of the form HOST:PORT); expected "
            "HOST:PORT, for example 127.0.0.1:50051, 0.0.0.0:50051 or [::1]:50051",
            id="environment",
        ),
        pytest.param(
            {},
            {**VCENTER, "GATEWAY_LISTN": "127.0.0.1:1"},
            "GATEWAY_LISTN (environment variable): there is no such setting; did you mean GATEWAY_LISTEN?",
            id="unknown-variable",
        ),
        pytest.param(
            {"config": "/nonexistent.yaml"},
            VCENTER,
            "--config (flag): '/nonexistent.yaml' cannot be read (No such file or directory); expected a YAML file",
            id="file-missing",
        ),
        pytest.param(
            {},
            {},
            "there is no vCenter to serve: give --vcenter URL, or --simulator for the embedded simulator",
            id="no-vcenter",
        ),
        pytest.param(
            {"simulator": True},
            VCENTER,
            "--vcenter and --simulator exclude each other: keep one of them; set by GATEWAY_VCENTER "
            "(environment variable) and --simulator (flag)",
            id="both",
        ),
        pytest.param(
            {"vcenter-ca-file": "/nonexistent.pem"},
            VCENTER,
            "--vcenter-ca-file (flag): '/nonexistent.pem' is not valid (cannot be read: No such file or directory); "
            "expected a file with certificates in PEM format",
            id="ca-file-missing",
        ),
        pytest.param(
            {"vcenter-thumbprint": "ab:cd"},
            VCENTER,
            "--vcenter-thumbprint (flag): 'ab:cd' is not valid (it must be a SHA-256 thumbprint: 64 hexadecimal "
            "digits, with or without colons); expected a SHA-256 thumbprint: 64 hexadecimal digits, with or without "
            "colons",
            id="thumbprint",
        ),
    ],
)
def test_mistakes(flags: dict[str, object], environ: dict[str, str], line: str) -> None:
    """A mistake gives one line with the option, where it was set, the value and what it takes."""
    assert problems(flags, environ) == [line]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        pytest.param(
            "server: {worker: 2}",
            "{}:server.worker (file): there is no such setting; did you mean workers?",
            id="unknown-key",
        ),
        pytest.param(
            "sever: {workers: 2}", "{}:sever (file): there is no such section; did you mean server?", id="section"
        ),
        pytest.param(
            "server: {workers: 0}",
            "{}:server.workers (file): 0 is not valid; expected a whole number from 1 to 64",
            id="value",
        ),
        pytest.param(
            "auth: {certificates: [1]}",
            "{}:auth.certificates (file): [1] is not valid; expected comma-separated names",
            id="value-in-a-list",
        ),
        pytest.param("log: debug", "{}:log (file): expected keys below it: level, format", id="section-is-text"),
        pytest.param("- a", "{}: expected sections such as `server:` with keys below them", id="list"),
        pytest.param("server: {workers: 2", "{}:1:20: it is not valid YAML: ", id="syntax"),
        pytest.param(
            "log: {level: info}\nlog: {format: json}", "{}:2:1: it is not valid YAML: 'log' occurs twice", id="twice"
        ),
        pytest.param("? [a]\n: 1", "{}:1:3: it is not valid YAML: found unhashable key", id="odd-key"),
        pytest.param("log:\n  level: 2001-99-99", "{}:2:10: it is not valid YAML: not a valid number", id="date"),
        pytest.param("log: {level: !!timestamp x}", "{}:1:14: it is not valid YAML: not a valid number", id="tag"),
        pytest.param("log: \x01", "{}: it is not valid YAML", id="control-character"),
        pytest.param("log: " + "[" * 2000, "{}: it is not valid YAML", id="deep"),
        pytest.param("a: &a [*a]", "{}:1:4: it is not valid YAML: it has more than 100000 values", id="alias"),
    ],
)
def test_mistakes_in_the_file(config, text: str, line: str) -> None:
    """A mistake in the file names the file and the key, or the line where it is not YAML."""
    path = config(text)
    [problem] = problems({"config": path}, VCENTER)
    assert problem.startswith(line.format(path))


@pytest.mark.parametrize(
    ("path", "why"),
    [
        pytest.param("/dev/zero", "it is not a regular file", id="device"),
        pytest.param("/", "it is a directory, not a file", id="directory"),
        pytest.param("large", "it is larger than 1048576 bytes", id="large"),
    ],
)
def test_a_file_that_is_no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, why: str) -> None:
    """What is not a file of reasonable size is refused with a sentence, and not read to its end."""
    monkeypatch.chdir(tmp_path)
    Path("large").write_bytes(bytes(1024**2 + 1))
    expected = f"--config (flag): {path!r} cannot be read ({why}); expected a YAML file"
    assert problems({"config": path}, VCENTER) == [expected]


@pytest.mark.parametrize("name", [setting.name for setting in all_settings() if setting.takes.endswith("file")])
def test_files_that_are_none(tmp_path: Path, name: str) -> None:
    """A setting that names a file to read refuses a device or a pipe at once, where it would wait or read for ever."""
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", str(tmp_path / "pipe")):
        found = "\n".join(problems({name: path}, VCENTER))
        assert f"--{name} (flag): {path!r} is not valid (it is not a regular file)" in found


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """A file in another encoding is named, with the flag that named it."""
    path = tmp_path / "gateway.yaml"
    path.write_bytes("log: {level: größer}".encode("latin-1"))
    assert problems({"config": str(path)}, VCENTER) == [
        f"--config (flag): {str(path)!r} is not UTF-8 text; expected a YAML file"
    ]


def test_every_mistake_is_reported_at_once(config) -> None:
    """Mistakes of all sources are reported together."""
    path = config("server: {workers: none, colour: red}")
    assert len(problems({"config": path, "log-level": "loud"}, {**VCENTER, "GATEWAY_COLOUR": "red"})) == 4


@pytest.mark.parametrize(
    "text",
    ["vcenter: {url: [}", "vcentre: {url: https://vc}", "vcenter: {ulr: https://vc}"],
    ids=["yaml", "section", "key"],
)
def test_what_could_not_be_read_is_not_called_missing(config, text: str) -> None:
    """A vCenter in a file with a mistake is not reported as missing beside the mistake."""
    assert len(problems({"config": config(text)}, {})) == 1


@pytest.mark.parametrize("url", ["https://root:hunter2@vc", "https://root:hun/ter2@vc", "root:hunter2@vc", "hunter2@"])
def test_passwords_in_a_url_are_not_shown(url: str) -> None:
    """A password that somebody put into the vCenter URL is refused and not repeated."""
    [problem] = problems({"vcenter": url}, {})
    assert "ter2" not in problem
    assert problem.startswith("--vcenter (flag): ***@")


@pytest.mark.parametrize(("length", "cut"), [(197, False), (198, False), (199, True)], ids=["below", "at", "above"])
def test_long_values_are_cut(length: int, cut: bool) -> None:
    """Of a value no more than 200 characters are shown, its quotes included."""
    [problem] = problems({"log-level": "x" * length}, VCENTER)
    assert ("x" * min(length, 199) in problem, "x" * 200 in problem) == (True, False)
    assert ("... (cut) is not valid" in problem) is cut


def test_values_of_unknown_keys_are_not_shown(config) -> None:
    """The value of a key that does not exist may be a secret and is not repeated."""
    path = config("vcenter: {url: https://vc, password: hunter2}")
    assert problems({"config": path}, {"GATEWAY_PASSPHRASE": "hunter2"}) == [
        f"{path}:vcenter.password (file): there is no such setting",
        "GATEWAY_PASSPHRASE (environment variable): there is no such setting",
    ]


def test_variables_of_the_clients() -> None:
    """The variables that the examples of the clients take are not the gateway's business."""
    clients = {"GATEWAY_TARGET": "x", "GATEWAY_USER": "x", "GATEWAY_PASSWORD": "hunter2"}
    assert load_settings({"simulator": True}, clients) == load_settings({"simulator": True}, {})


@pytest.mark.parametrize(
    ("listen", "simulator", "allowed"),
    [
        ("127.0.0.1:1", True, True),
        ("localhost:1", True, True),
        ("[::1]:1", True, True),
        ("127.8.0.1:1", True, True),
        ("0.0.0.0:1", True, False),
        ("[::]:1", True, False),
        ("10.0.0.1:1", True, False),
        ("gateway.example.com:1", True, False),
        ("127.0.0.1:1", False, False),
    ],
)
def test_anonymous_callers(listen: str, simulator: bool, allowed: bool) -> None:
    """Callers without identity are let in only with the simulator and only on a loopback address."""
    flags = {"simulator": True} if simulator else {"vcenter": "https://vc"}
    assert load_settings({"listen": listen, **flags}, {}).anonymous_allowed is allowed


@pytest.mark.parametrize(
    "text", ["", "host", ":1", "host:", "host:65536", "::1:5", "[::1]", "[x]:1", "a b:1", "h:1/x", "h:١"]
)
def test_addresses_that_are_none(text: str) -> None:
    """What is not HOST:PORT is refused."""
    with pytest.raises(ValueError, match="HOST:PORT"):
        split_address(text)


def test_addresses() -> None:
    """An IPv6 host stands in brackets, and a host name is not mistaken for the loopback address."""
    assert split_address("[fe80::1]:80") == ("fe80::1", 80)
    assert split_address("[fe80::1%br-lan]:80") == ("fe80::1%br-lan", 80)
    assert split_address("vc.example.com:443") == ("vc.example.com", 443)
    assert not is_loopback("localhost.example.com")


@pytest.mark.parametrize(
    ("host", "port", "text"),
    [
        ("127.0.0.1", 80, "127.0.0.1:80"),
        ("vc.example.com", None, "vc.example.com"),
        ("::1", 80, "[::1]:80"),
        ("fe80::1%br-lan", None, "[fe80::1%br-lan]"),
    ],
)
def test_joined_addresses(host: str, port: int | None, text: str) -> None:
    """Joined, an IPv6 host gets its brackets, and can be split again."""
    assert join_address(host, port) == text
    if port is not None:
        assert split_address(text) == (host, port)


@pytest.mark.parametrize(
    ("listen", "expected"), [("[::]:1", "::1"), ("0.0.0.0:1", "127.0.0.1"), ("192.0.2.1:1", "192.0.2.1")]
)
def test_reachable(listen: str, expected: str) -> None:
    """What listens on all addresses is called on a loopback one."""
    assert reachable(split_address(listen)[0]) == expected


def test_settings_are_immutable() -> None:
    """Settings cannot be changed once they are checked."""
    settings = Settings(simulator=SimulatorSettings(enabled=True))
    with pytest.raises(ValidationError, match="frozen"):
        settings.server.workers = 2  # type: ignore[misc]


def test_settings_survive_the_way_to_a_worker() -> None:
    """A worker process that gets the settings as JSON has the same ones."""
    settings = load_settings({"max-request-bytes": "1MiB"}, VCENTER)
    assert Settings.model_validate_json(settings.model_dump_json()) == settings


def test_names_are_distinct_and_described() -> None:
    """No two settings share a flag or a variable, and each says what it means and takes."""
    settings = all_settings()
    assert Counter(setting.variable for setting in settings).most_common(1)[0][1] == 1
    assert all(setting.description.endswith(".") and setting.takes for setting in settings)


def test_document_has_every_setting() -> None:
    """docs/reference/configuration.md holds the table of all settings as the model has it."""
    assert reference_table() in DOCUMENT.read_text()


def test_retries_have_every_setting(tmp_path: Path) -> None:
    """Each setting of retries reaches the policy, whichever way it was given."""
    path = tmp_path / "gateway.yaml"
    path.write_text("vcenter:\n  url: https://vc\n  retries:\n    tries: 5\n    backoff_seconds: 0.5\n")
    environ = {"GATEWAY_VCENTER_RETRIES_MAX_BACKOFF_SECONDS": "7", "GATEWAY_VCENTER_RETRIES_BUDGET_RATIO": "0.5"}
    flags = {"config": str(path), "vcenter-retries-login-backoff-seconds": "2", "vcenter-retries-tries": "4"}
    flags["vcenter-retries-max-login-backoff-seconds"] = "9"
    policy = RetryPolicy.of(load_settings(flags, environ).vcenter.retries)
    assert policy == RetryPolicy(4, 0.5, 7.0, 0.5, 2.0, 9.0)
    assert RetryPolicy.of(RetrySettings()) == RetryPolicy()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("vcenter: {retries: {trys: 3}}", "vcenter.retries.trys (file): there is no such setting; did you mean tries?"),
        ("vcenter: {retries: 3}", "vcenter.retries (file): expected keys below it: tries, backoff_seconds"),
        ("vcenter: {retries: {tries: 0}}", "vcenter.retries.tries (file): 0 is not valid"),
        ("vcenter: {retries: {tries: 11}}", "vcenter.retries.tries (file): 11 is not valid"),
    ],
)
def test_wrong_settings_of_a_section_in_a_section(tmp_path: Path, content: str, problem: str) -> None:
    """Mistakes below `vcenter.retries` are told with their whole path."""
    path = tmp_path / "gateway.yaml"
    path.write_text(content)
    with pytest.raises(SettingsError) as caught:
        load_settings({"config": str(path), "vcenter": "https://vc"}, {})
    assert any(problem in found for found in caught.value.problems), caught.value.problems
