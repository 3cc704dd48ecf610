"""What commands load: a gateway when it starts, and the small commands, which have to start fast."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

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

CALLS = {"grpc", "google.rpc", "requests", "pydantic", "aiohttp", "cryptography", "uvloop", "keyring", "structlog"}
"""What only calls and servers need."""
CONTRACT = {"google.protobuf", "gateway.contract"}
SETTINGS = {"pydantic"}


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """The modules of a new process."""
    return set(subprocess.run([sys.executable, "-c", LOAD], capture_output=True, check=True, text=True).stdout.split())


@pytest.mark.parametrize("module", ["aiohttp", "cryptography", "gateway.simulator", "jwt", "opentelemetry", "requests"])
def test_not_loaded(loaded: set[str], module: str) -> None:
    """A worker holds nothing that takes megabytes and that it does not use."""
    assert "gateway.server.gateway" in loaded
    assert module not in loaded


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        pytest.param("--help", CALLS | CONTRACT, id="overview"),
        pytest.param("--version", CALLS | CONTRACT, id="version-option"),
        pytest.param("context list", CALLS | CONTRACT, id="context-list"),
        pytest.param("context add lab --target gw:443", CALLS | CONTRACT, id="context-add"),
        pytest.param("token new ci", CALLS | CONTRACT, id="token"),
        pytest.param("completion bash", CALLS | CONTRACT, id="completion"),
        pytest.param("completion zsh", CALLS | CONTRACT, id="completion-zsh"),
        pytest.param("version", CALLS, id="version"),
        pytest.param("routes", CALLS, id="routes"),
        pytest.param("describe CloneVm", CALLS, id="describe"),
        pytest.param("descriptors -o /dev/null", CALLS, id="descriptors"),
        pytest.param("call --help", CALLS, id="call-help"),
        pytest.param("call GetVm --help", CALLS, id="call-rpc-help"),
        pytest.param("call --template --full CloneVm", CALLS, id="template"),
        pytest.param("watch vms --help", CALLS | CONTRACT, id="watch-help"),
        pytest.param("exec --help", CALLS, id="exec-help"),
        pytest.param("cp --help", CALLS, id="cp-help"),
        pytest.param("policy test --help", CALLS, id="policy-help"),
        pytest.param("serve --help", CALLS - SETTINGS, id="serve-help"),
        pytest.param("check --help", CALLS - SETTINGS, id="check-help"),
    ],
)
def test_small_commands(tmp_path: Path, arguments: str, heavy: set[str]) -> None:
    """What makes no call loads nothing that only calls need, and where it can, not the contract either."""
    _assert_light(tmp_path, heavy, {}, *arguments.split())


@pytest.mark.parametrize(
    ("line", "heavy"),
    [
        pytest.param("vcenter-gateway ca", CALLS | CONTRACT, id="command"),
        pytest.param("vcenter-gateway call Li", CALLS, id="rpc"),
        pytest.param("vcenter-gateway call ListVms --ou", CALLS, id="option"),
        pytest.param("vcenter-gateway watch vms --context l", CALLS | CONTRACT, id="context"),
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
