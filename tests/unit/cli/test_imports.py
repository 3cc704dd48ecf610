"""What commands load: a gateway when it starts, and the small commands, which have to start fast."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from gateway.cli import cli

LOAD = "import sys, gateway.cli.serve, gateway.admin; print(*sys.modules)"
"""What a worker loads: whoever serves the admin port, a simulator or TLS loads the rest when it does."""

RUN = """
import sys
from gateway.cli import main
try:
    main()
except SystemExit as ended:
    print("ended", ended.code, file=sys.stderr)
finally:
    print("modules", *sys.modules, file=sys.stderr)
"""

HEAVY = {
    *(
        "grpc",
        "google.rpc",
        "requests",
        "pydantic",
        "aiohttp",
        "cryptography",
        "uvloop",
        "keyring",
        "structlog",
        "yaml",
    ),
    *("asyncio", "jwt", "opentelemetry", "gateway.simulator", "gateway.settings", "gateway.server"),
}
"""What only calls and servers need."""
UNUSED = [
    *("aiohttp", "cryptography", "gateway.simulator", "jwt", "keyring", "opentelemetry", "requests"),
    "yaml",
]
"""What a gateway without further settings does not need."""
CONTRACT = {"google.protobuf", "gateway.contract"}


def commands() -> Iterator[str]:
    """Every command, with the groups that hold it."""

    def below(group: click.Group, words: tuple[str, ...]) -> Iterator[str]:
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            yield " ".join((*words, name))
            if isinstance(command, click.Group):
                yield from below(command, (*words, name))

    return below(cli, ())


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The modules of a new process."""
    return set(subprocess.run([sys.executable, "-c", LOAD], capture_output=True, check=True, text=True).stdout.split())


@pytest.mark.parametrize("module", UNUSED)
def test_not_loaded(loaded: set[str], module: str) -> None:
    """A worker holds nothing that takes megabytes and that it does not use."""
    assert "gateway.server.gateway" in loaded
    assert module not in loaded


@pytest.mark.parametrize("command", [*commands()])
def test_help(tmp_path: Path, command: str) -> None:
    """The help of no command loads what only calls and servers need, nor the contract unless it looks things up."""
    looks_up = command in ("describe", "routes", "descriptors")
    _assert_light(tmp_path, HEAVY if looks_up else HEAVY | CONTRACT, {}, *command.split(), "--help")


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        pytest.param("--help", HEAVY | CONTRACT, id="overview"),
        pytest.param("--version", HEAVY | CONTRACT, id="version-option"),
        pytest.param("version", HEAVY | CONTRACT, id="version"),
        pytest.param("context list", HEAVY | CONTRACT, id="context-list"),
        pytest.param("context add lab --target gw:443", (HEAVY | CONTRACT) - {"yaml"}, id="context-add"),
        pytest.param("token new ci", HEAVY | CONTRACT, id="token"),
        pytest.param("completion bash", HEAVY | CONTRACT, id="completion"),
        pytest.param("completion zsh", HEAVY | CONTRACT, id="completion-zsh"),
        pytest.param("routes", HEAVY, id="routes"),
        pytest.param("describe CloneVm", HEAVY, id="describe"),
        pytest.param("descriptors -o /dev/null", HEAVY, id="descriptors"),
        pytest.param("call GetVm --help", HEAVY, id="call-rpc-help"),
        pytest.param("call --template --full CloneVm", HEAVY, id="template"),
    ],
)
def test_small_commands(tmp_path: Path, arguments: str, heavy: set[str]) -> None:
    """What makes no call loads nothing that only calls need, and where it can, not the contract either."""
    _assert_light(tmp_path, heavy, {}, *arguments.split())


@pytest.mark.parametrize(
    ("line", "heavy"),
    [
        pytest.param("vcenter-gateway ca", HEAVY | CONTRACT, id="command"),
        pytest.param("vcenter-gateway call Li", HEAVY, id="rpc"),
        pytest.param("vcenter-gateway call ListVms --ou", HEAVY, id="option"),
        pytest.param("vcenter-gateway watch vms --context l", HEAVY | CONTRACT, id="context"),
        pytest.param("vcenter-gateway serve --log-level w", HEAVY | CONTRACT, id="setting"),
    ],
)
def test_completion_is_small(tmp_path: Path, line: str, heavy: set[str]) -> None:
    """The same of what a shell waits for after each press of the tabulator."""
    variables = {"_VCENTER_GATEWAY_COMPLETE": "bash_complete", "COMP_LINE": line, "COMP_POINT": str(len(line))}
    _assert_light(tmp_path, heavy, variables)


def _assert_light(folder: Path, heavy: set[str], variables: dict[str, str], *arguments: str) -> None:
    environment = {**os.environ, **variables, "XDG_CONFIG_HOME": str(folder)}
    ended = subprocess.run(
        [sys.executable, "-c", RUN, *arguments], capture_output=True, check=True, text=True, env=environment
    )
    told, _, modules = ended.stderr.rpartition("modules ")
    assert "ended" not in told or "ended 0" in told, ended.stderr[:2000]
    assert heavy & set(modules.split()) == set()
