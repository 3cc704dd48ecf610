"""`token new` and `policy test`: what a gateway's files need, and what they allow."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gateway.access.tokens import StaticTokens
from gateway.cli.output import Exit
from tests.unit.cli.conftest import Invoke


def test_a_token(invoke: Invoke) -> None:
    """The token goes to standard output alone, and the entry with its hash to the error output."""
    told = invoke("token", "new", "ci")
    assert told.exit_code == Exit.OK
    token = told.stdout.strip()
    assert len(token) == 64
    assert token not in told.stderr
    assert told.stderr.count("sha256") == 1
    assert invoke("token", "new", "ci").stdout.strip() != token


def test_a_file_of_tokens(invoke: Invoke, tmp_path: Path) -> None:
    """Entries are added to a file, which keeps its comments and permissions, and a gateway knows the tokens."""
    path = tmp_path / "tokens.yaml"
    path.write_text("# ours\ntokens: []\n")
    path.chmod(0o644)
    first = invoke("token", "new", 'odd: "name" #1', "--tokens-file", str(path))
    assert first.exit_code == Exit.OK, first.output
    path.write_text(f"# ours\n{path.read_text()}")
    second = invoke("token", "new", "ci", "--tokens-file", str(path))
    tokens = StaticTokens(str(path))
    assert tokens.identity(first.stdout.strip()) == 'odd: "name" #1'
    assert tokens.identity(second.stdout.strip()) == "ci"
    assert path.read_text().startswith("# ours\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert first.stdout.strip() not in path.read_text()


def test_a_new_file(invoke: Invoke, tmp_path: Path) -> None:
    """A file that is not there is made, for its owner alone."""
    path = tmp_path / "tokens.yaml"
    token = invoke("token", "new", "ci", "--tokens-file", str(path)).stdout.strip()
    assert StaticTokens(str(path)).identity(token) == "ci"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param("no: tokens", "cannot be used", id="other-file"),
        pytest.param(f"tokens: [{{identity: a, sha256: '{'ab' * 32}'}}]", "add this yourself", id="flow-style"),
        pytest.param(f"tokens:\n- identity: a\n  sha256: '{'ab' * 32}'\n", "add this yourself", id="other-indent"),
    ],
)
def test_files_that_cannot_be_added_to(invoke: Invoke, tmp_path: Path, content: str, text: str) -> None:
    """A file in another style is left as it is, and the entry is shown."""
    path = tmp_path / "tokens.yaml"
    path.write_text(content)
    told = invoke("token", "new", "ci", "--tokens-file", str(path))
    assert (told.exit_code, text in told.stderr, told.stdout) == (Exit.USAGE, True, "")
    assert path.read_text() == content


POLICY = """
rules:
  - {identities: [ci], rpcs: ["*/Get*"]}
  - {identities: ["token:ci"], rpcs: ["*PowerService/*"], machines: ["vm-10*"]}
  - {identities: ["planner"], rpcs: ["vcenter.v1.VmService/ListVms"], resources: {Folder: ["group-v3"]}}
  - {identities: ["token:ci"], rpcs: ["*/WatchVms"], machines: ["vm-10*"]}
"""


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        pytest.param(["token:ci", "GetPower"], Exit.OK, "allowed: by rule 1", id="any-machine"),
        pytest.param(["jwt:ci", "GetPower", "vm-2"], Exit.OK, "by rule 1", id="other-kind"),
        pytest.param(["token:ci", "StartVm", "vm-1001"], Exit.OK, "by rule 2", id="machine"),
        pytest.param(["token:ci", "StartVm", "vm-1"], Exit.FAILED, "on VirtualMachine vm-1", id="other-machine"),
        pytest.param(["token:ci", "StartVm"], Exit.FAILED, "without naming a VirtualMachine", id="no-machine"),
        pytest.param(["jwt:ci", "StartVm", "vm-1001"], Exit.FAILED, "denied", id="other-identity"),
        pytest.param(["jwt:planner", "ListVms", "Folder:group-v3"], Exit.OK, "by rule 3", id="folder"),
        pytest.param(["jwt:planner", "ListVms", "Folder:group-v4"], Exit.FAILED, "on Folder group-v4", id="no-folder"),
        pytest.param(["token:ci", "WatchVms"], Exit.OK, "by rule 4", id="filtered"),
        pytest.param(["jwt:ci", "WatchVms"], Exit.FAILED, "denied", id="filtered-denied"),
        pytest.param(["ci", "GetPower"], Exit.USAGE, "a kind and a name", id="no-kind"),
        pytest.param(["token:ci", "GetPowr"], Exit.USAGE, "did you mean", id="no-rpc"),
        pytest.param(["token:ci", "GetPower", "Folders:x"], Exit.USAGE, "no resource type 'Folders'", id="no-type"),
    ],
)
def test_policy(invoke: Invoke, tmp_path: Path, arguments: list[str], code: Exit, text: str) -> None:
    """The command decides as the gateway does, and names the rule, or what is not allowed."""
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY)
    told = invoke("policy", "test", "--policy-file", str(path), *arguments)
    assert (told.exit_code, text in told.output) == (code, True), told.output


def test_broken_policy(invoke: Invoke, tmp_path: Path) -> None:
    """A policy that a gateway refuses is refused here too."""
    path = tmp_path / "policy.yaml"
    path.write_text("rules: [{identities: [ci]}]")
    told = invoke("policy", "test", "--policy-file", str(path), "token:ci", "GetPower")
    assert (told.exit_code, "cannot be used" in told.stderr) == (Exit.USAGE, True)
